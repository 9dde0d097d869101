"""`source=demo`: the project's own set, rendered first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from preprocess.sources.clip import Clip, Listing
from w2l.jobs.outcome import available_cores


def list_demo(videos: Path, announce: Callable[[str], None], *, workers: int | None) -> Listing:
    """Render the demo videos, those that are not there yet, and list them with their splits.

    Args:
        videos: where the videos lie, or are to lie.
        announce: shows the user a line.
        workers: processes that render; None: one per core.

    Raises:
        UserError: the folder cannot be written to.
    """
    # Imported here: other sources need none of what rendering loads.
    from preprocess.demo import render_demo

    announce(f"rendering the demo videos into {videos}")
    rendered = render_demo(videos, workers=workers or available_cores())
    clips = [
        Clip(videos, clip.path.relative_to(videos).as_posix(), clip.speaker, clip.clip, clip.split)
        for clip in rendered
    ]
    return Listing(clips)
