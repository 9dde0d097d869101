"""Generated videos beside their references, frame by frame: which frames, and whose box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from w2l.audio.waveform import load_audio
from w2l.components import FaceDetector, ImageMetric, SetMetric
from w2l.errors import UserError
from w2l.faces.search import all_faces, detect_video
from w2l.faces.track import link, select
from w2l.scoring.image_metrics import FramePair
from w2l.video import VideoReader
from w2l.windows import FPS

CUT = (
    "25 fps; the largest face of the reference, its box from the detector in every frame, no pads; "
    "the same box is cut from both videos, frame by frame, up to the shorter one's end. "
)


class Frames(Protocol):
    """Images (H, W, 3) uint8 BGR that can be gone through more than once."""

    def __iter__(self) -> Iterator[np.ndarray]:
        """From the first one on."""
        ...


class NoFaceError(Exception):
    """The reference shows no face in any frame."""


@dataclass
class ImageScorer:
    """Scores pairs of videos.

    Attributes:
        detector: of faces.
        metrics: by name.
        audio: what all videos say, for metrics that listen; None: each one's own sound.
    """

    detector: FaceDetector
    metrics: Mapping[str, ImageMetric]
    audio: Path | None = None

    @property
    def protocol(self) -> str:
        """How all is measured."""
        return CUT + " ".join(f"{name}: {each.protocol}." for name, each in self.metrics.items())

    @property
    def of_a_clip(self) -> list[str]:
        """The metrics that have a number for each pair."""
        return [name for name, each in self.metrics.items() if not isinstance(each, SetMetric)]

    def score(self, generated: Path, reference: Path) -> dict[str, float | int]:
        """The metrics of one pair; NaN where a number cannot be had of this clip.

        Raises:
            UserError: a file cannot be read, the sizes differ, or the reference shows no face.
                The pair then leaves nothing in a metric of the set, as with any other error.
        """
        readers = [VideoReader(path, fps=FPS) for path in (generated, reference)]
        if readers[0].size != readers[1].size:
            raise UserError(
                f"{generated} is {readers[0].size[0]}x{readers[0].size[1]} and its reference "
                f"{reference} {readers[1].size[0]}x{readers[1].size[1]}: they must be of one size."
            )
        sound = partial(self._sound, readers[0])
        try:
            return self.compare(readers[0], readers[1], readers[0].count(), sound)
        except NoFaceError as error:
            raise UserError(
                f"{reference} shows no face to compare: choose another detector or box=."
            ) from error

    def compare(
        self, generated: Frames, reference: Frames, count: int,
        sound: Callable[[], np.ndarray | None] = lambda: None,
    ) -> dict[str, float | int]:  # fmt: skip
        """As `score`, of images.

        Args:
            generated, reference: of one size, at 25 fps.
            count: frames of the generated one.
            sound: gives what is heard.

        Raises:
            NoFaceError: the reference shows none.
        """
        faces = all_faces(detect_video(reference, self.detector, 1))
        width = next(iter(reference)).shape[1]
        boxes = select(link(faces), "largest", len(faces), width)
        if not np.isfinite(boxes).any():
            raise NoFaceError
        count, n = min(count, len(boxes)), 0
        metrics = self.metrics.values()
        with ExitStack() as held:
            for metric in metrics:
                metric.reset()
                held.enter_context(getattr(metric, "all_or_nothing", nullcontext)())
            for mine, theirs, box in zip(generated, reference, boxes, strict=False):
                pair = FramePair(mine, theirs, box, n, count, self.detector, sound)
                for metric in metrics:
                    metric.update(pair)
                n += 1
            found = {name: metric.compute() for name, metric in self.metrics.items()}
        return {"n_frames": n, **{name: found[name] for name in self.of_a_clip}}

    def _sound(self, generated: VideoReader) -> np.ndarray | None:
        """The sound by which silence is told; None: the video has none."""
        if self.audio is not None:
            return load_audio(self.audio)
        info = generated.info
        return load_audio(info.path, origin="video") if info.has_audio else None
