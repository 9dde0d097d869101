"""`source=demo`: the project's own set, rendered first."""

from __future__ import annotations

from pathlib import Path

from w2l.components import Announce, Clip, Listing, silent
from w2l.jobs.outcome import available_cores


class Demo:
    """The project's own set, of which the videos that are not there yet are rendered first.

    Args:
        out: the set; the videos lie in `videos` there.
        data_root: where they lie instead.
        workers: processes that render; None: one per core.
    """

    any_videos = False

    def __init__(
        self, out: Path, data_root: Path | None = None, workers: int | None = None
    ) -> None:
        self.videos, self.workers = data_root or out / "videos", workers

    def listing(self, announce: Announce = silent) -> Listing:
        """The videos with their splits.

        Raises:
            UserError: the folder cannot be written to.
        """
        videos, workers = self.videos, self.workers
        # Imported here: other sources need none of what rendering loads.
        from preprocess.demo import render_demo

        announce(f"rendering the demo videos into {videos}")
        rendered = render_demo(videos, workers=workers or available_cores())
        clips = [
            Clip(
                videos,
                clip.path.relative_to(videos).as_posix(),
                clip.speaker,
                clip.clip,
                clip.split,
            )
            for clip in rendered
        ]
        return Listing(clips)
