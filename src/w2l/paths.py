"""Which path a user means by what was typed."""

from __future__ import annotations

import os
from pathlib import Path


def user_path(text: object, folder: Path = Path()) -> Path:
    """A path in `folder`, as it stands where that is there, else with `~` as the home folder.

    A file may be called `~talk.mp4`, which is nobody's home.
    """
    path = folder / str(text)
    return path if os.path.exists(path) else folder / os.path.expanduser(str(text))
