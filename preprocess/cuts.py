"""Before clips are prepared, long videos are cut into scenes: a file becomes several clips."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from preprocess.download import check_downloader, download
from preprocess.records import Record, origin, write_json
from preprocess.rejection import RejectedError
from preprocess.report import Report
from preprocess.settings import Cut, Job, Recipe
from w2l.components import Clip
from w2l.errors import UserError
from w2l.jobs import Stop
from w2l.windows import FPS

FOLDER = ".cuts"


@dataclass(frozen=True)
class Cutter:
    """Callable on a clip, in any process; what it finds lies below `<root>/.cuts`.

    Attributes:
        root: the set's folder.
        cut: where videos are to be cut.
    """

    root: Path
    cut: Cut

    def __call__(self, clip: Clip) -> list[tuple[float, float]] | Stop:
        """The parts of a clip in seconds after the file's first image; none: it stays whole."""
        try:
            parts = self._parts(clip)
            write_json(self._file(clip), self._origin(clip) | {"parts": parts})
        except UserError as error:  # of the output
            return Stop(str(error))
        return parts

    def _parts(self, clip: Clip) -> list[tuple[float, float]]:
        # Loaded where it runs: the parent need not wait for it.
        from preprocess.steps.probe import check
        from w2l.video.shots import shots_of

        try:
            if clip.url is not None:
                download(clip.url, clip.path)
            info = check(clip.path)
            scenes = [(a / FPS, b / FPS) for a, b in shots_of(clip.path, info.width)]
        except (RejectedError, UserError):
            return []  # what is wrong with it is found, and written down, when it is prepared
        begin, end = clip.start_s, clip.end_s if clip.end_s is not None else scenes[-1][1]
        inside = [(max(a, begin), min(b, end)) for a, b in scenes if a < end and b > begin]
        parts = divide(inside, self.cut.max_seconds)
        return parts if len(parts) > 1 else []

    def known(self, clip: Clip) -> list[Clip] | None:
        """The clips that a file becomes, by what was found earlier; None: not looked at yet."""
        try:
            record = json.loads(self._file(clip).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        expected = self._origin(clip)
        if any(record.get(key) != value for key, value in expected.items()):
            return None
        width = max(3, len(str(len(record["parts"]))))
        return [
            replace(clip, name=f"{clip.name}_{number:0{width}d}", start_s=start, end_s=end)
            for number, (start, end) in enumerate(record["parts"])
        ] or [clip]

    def _origin(self, clip: Clip) -> Record:
        found = origin(clip, Recipe())
        del found["recipe"]  # how clips are prepared changes nothing in where they are cut
        return found | {"max_seconds": self.cut.max_seconds}

    def _file(self, clip: Clip) -> Path:
        return self.root / FOLDER / clip.speaker / f"{clip.name}.json"


def divide(scenes: Iterable[tuple[float, float]], max_seconds: float) -> list[tuple[float, float]]:
    """Scenes longer than `max_seconds` in as few equal parts as are not, at whole frames."""
    parts = []
    for start, end in scenes:
        first, last = round(start * FPS), round(end * FPS)
        n = max(1, ceil((last - first) / (max_seconds * FPS)))
        edges = [first + (last - first) * i // n for i in range(n + 1)]
        parts += [(a / FPS, b / FPS) for a, b in itertools.pairwise(edges)]
    return parts


def cut_videos(clips: Sequence[Clip], cutter: Cutter, job: Job, report: Report) -> None:
    """Find the parts of those of `clips` that were not looked at yet, by the job's engine.

    Raises:
        UserError: the run cannot go on.
    """
    todo = [clip for clip in clips if cutter.known(clip) is None]
    check_downloader(todo)

    found = job.run(
        lambda _: cutter, todo, console=report.console, doing="cutting", what="videos", per_gpu=0
    )
    with closing(found) as outcomes:
        for outcome in outcomes:
            if outcome.error is not None:  # it took its worker down: whole, it is rejected for that
                write_json(cutter._file(outcome.item), cutter._origin(outcome.item) | {"parts": []})


def parts_of(clips: Sequence[Clip], cutter: Cutter) -> list[Clip]:
    """What the files become; one that was not looked at yet (another shard's) stands for itself."""
    return [part for clip in clips for part in cutter.known(clip) or [clip]]


def check_folders(clips: Iterable[Clip]) -> None:
    """Has each file folders of its own, whatever it is cut into?

    Raises:
        UserError: two would share one.
    """
    sources: dict[str, str] = {}
    for clip in clips:
        other = sources.setdefault(clip.key.casefold(), clip.source)
        if other != clip.source:
            raise UserError(
                f"{clip.source} and {other}, of which one is cut into parts, would share the "
                f"folder {clip.key}: rename one of them."
            )
