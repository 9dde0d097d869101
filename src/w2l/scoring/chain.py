"""The chain of codecs that published pipelines put between a video and SyncNet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

import numpy as np

from w2l.audio.passes import SoundPass
from w2l.building import Component
from w2l.errors import UserError, either
from w2l.video import VideoReader
from w2l.video.passes import FramePass
from w2l.video.rewritten import NumberedReader, Rewriting
from w2l.video.shots import shots_in, shots_of
from w2l.windows import FPS

SoundOf = Literal["placed", "given", "file"]
Shots = Callable[[], list[tuple[int, int]]]


@dataclass(frozen=True)
class Chain:
    """What images and sound go through before they are scored; by default nothing.

    Attributes:
        file: writes the file that is scored in the video's place.
        frames: codecs of the whole images, before faces are looked for.
        crops: codecs of what SyncNet sees.
        sound_of: "placed": the video's, where its timestamps say; "given": the video's, block after
            block; "file": that of `file`, likewise.
        sound: codecs of each track's sound.
    """

    file: Rewriting | None = None
    frames: Sequence[FramePass] = ()
    crops: Sequence[FramePass] = ()
    sound_of: SoundOf = "placed"
    sound: Sequence[SoundPass] = ()

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Chain:
        """From the keys of `chain=`.

        Raises:
            UserError: a step cannot be built, or takes its sound from a file that is not written.
        """
        check_chain(group)
        file = group["file"] and Component.of(group["file"]).build()
        steps = {
            name: tuple(step.build() for step in steps_of(group[name]))
            for name in ("frames", "crops", "sound")
        }
        return cls(file=file, sound_of=group["sound_of"], **steps)

    @property
    def is_empty(self) -> bool:
        """Whether everything is as it would be without it."""
        return self == Chain()

    @contextmanager
    def source(self, video: Path) -> Iterator[Source]:
        """What is scored of a video; a file that is written for it is gone at the end.

        Raises:
            UserError: the video cannot be read.
        """
        if self.is_empty:
            yield Source(reader := VideoReader(video, FPS), lambda: _by_time(reader))
            return
        sound = None if self.sound_of == "placed" else video
        if self.file is None:
            reader = NumberedReader(video, self.frames)
            yield Source(reader, lambda: _by_time(reader), sound)
            return
        with TemporaryDirectory(prefix="w2l-") as folder:
            written = Path(folder) / f"video{self.file.suffix}"
            self.file.write(video, written)
            numbered = NumberedReader(written, self.frames, filled=True)
            # OpenCV, which cuts are looked for with, does not see the gaps that FFmpeg fills.
            seen = VideoReader(written, deinterlace=False)
            sound = written if self.sound_of == "file" else sound
            yield Source(numbered, lambda: shots_in(seen), sound)

    def heard(self, waveform: np.ndarray) -> np.ndarray:
        """A track's sound after its codecs."""
        for step in self.sound:
            waveform = step(waveform)
        return waveform


@dataclass(frozen=True)
class Source:
    """A video as it is scored.

    Attributes:
        reader: its images at 25 frames/s.
        shots: looks for its cuts.
        sound: the file whose sound is heard, block after block; None: that of the video, placed.
    """

    reader: VideoReader
    shots: Shots
    sound: Path | None = None


def _by_time(reader: VideoReader) -> list[tuple[int, int]]:
    return shots_of(reader.info.path, reader.info.width)


def steps_of(group: Mapping[str, Any] | None) -> list[Component]:
    """The steps of one stage that are there, in their order."""
    return [Component.of(step) for step in (group or {}).values() if step is not None]


def check_chain(group: Mapping[str, Any]) -> None:
    """Refuse a chain that cannot be built, before anything is read.

    Raises:
        UserError: so.
    """
    choices = get_args(SoundOf)
    if group["sound_of"] not in choices:
        raise UserError(
            f"chain.sound_of={group['sound_of']} is not known: choose {either(choices)}."
        )
    if group["sound_of"] == "file" and group["file"] is None:
        raise UserError("chain.sound_of=file needs a chain.file: take chain.sound_of=given.")
    stages = [steps_of(group[name]) for name in ("frames", "crops", "sound")]
    files = [Component.of(group["file"])] if group["file"] is not None else []
    for step in [*files, *(step for stage in stages for step in stage)]:
        step.check()
