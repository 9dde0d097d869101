"""`source=prepared`: a set that is there, to be packed."""

from __future__ import annotations

from pathlib import Path

from w2l.components import Announce, Listing, silent


class Prepared:
    """A set that is there as folders, of which only shards are to be made.

    Args:
        data_root: the set.
    """

    any_videos = False

    def __init__(self, data_root: Path) -> None:
        self.data_root = data_root

    def listing(self, announce: Announce = silent) -> Listing:
        """Nothing that is to be prepared."""
        return Listing([])
