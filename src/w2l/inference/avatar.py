"""A face that is ready to speak: looked for, cut out and masked once, then used as often as needed.

The file of an avatar is a safetensors file: numbers and a few words, nothing that could run. Its
frames are read from the disk as they are shown, so that loading takes milliseconds.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from w2l.audio import SAMPLE_RATE
from w2l.audio.live import LiveResampler
from w2l.components import FaceDetector, Progress, no_progress
from w2l.errors import UserError
from w2l.files import atomic_path
from w2l.inference.finding import batch_of, plan_faces
from w2l.inference.layout import Layout
from w2l.inference.lips import ReadyFace, face_crop, find_face, only_face
from w2l.inference.lipsync import FaceGenerator
from w2l.inference.live import IDLE_DB, LiveFrames
from w2l.inference.options import SyncOptions
from w2l.inference.plan import FacePlan
from w2l.inference.player import LivePlayer
from w2l.inference.source import Source, SourceFrame

if TYPE_CHECKING:
    from w2l.inference.api import LipSync

VERSION = 1  # of the file: other numbers are not read
MARK = "w2l.avatar"  # key of the file's metadata
MOST_BYTES = 2 * 2**30  # of frames in memory while an avatar is made
# Faces that go through the generator at once: each waits for the last of them, 40 ms a frame.
LIVE_BATCH = 2


class Frames(Protocol):
    """Frames by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> np.ndarray:
        """Frame `number`, uint8 (H, W, 3) BGR; not to be changed."""
        ...


class Avatar:
    """A photo or a video of which all is known that does not depend on the speech.

    Made by `LipSync.avatar` or `Avatar.load`. Several streams may run at once, also in threads.

    Args:
        generator: makes the faces.
        frames: the photo (one frame) or the video, which goes on by `options.extend`.
        plan: where the face is in each.
        fps: frames a second.
        options: how; `batch_size` faces at most go through the generator at once.
        parsed: how much of each frame's box is face, where a parser was asked.

    Attributes:
        options: with the generator's pads, and the batch size that there is memory for.
        size: (width, height) of the frames that streams yield.

    Raises:
        UserError: an option that only a finished file can have.
    """

    def __init__(
        self,
        generator: FaceGenerator,
        frames: Frames,
        plan: FacePlan,
        fps: Fraction,
        options: SyncOptions,
        parsed: dict[int, np.ndarray] | None = None,
    ) -> None:
        check_live(options)
        height, width = frames[0].shape[:2]
        self.generator, self.frames, self.plan, self.fps = generator, frames, plan, fps
        # What `LipSync.frames` would take of it: with these options it gives the same frames.
        size = batch_of(height, width, options, generator)
        self.options = replace(options.with_pads(generator.pads), batch_size=size)
        self.layout = Layout((width, height), options.output)
        self.size = self.layout.size
        self._parsed = {} if parsed is None else parsed
        self._ready: dict[int, ReadyFace | None] = {}

    def __len__(self) -> int:
        """Frames of the photo (1) or video."""
        return len(self.frames)

    @classmethod
    def prepare(
        cls,
        source: Source,
        generator: FaceGenerator,
        detector: FaceDetector | None,
        options: SyncOptions,
        progress: Progress = no_progress,
    ) -> Avatar:
        """Find the face in all of a photo or video, cut it out and mask it.

        Raises:
            UserError: no face, or more frames than memory should hold.
        """
        check_live(options)
        options = options.with_pads(generator.pads)
        frames = _all_frames(source)
        plan = plan_faces(source, len(frames), detector, options, progress)
        avatar = cls(generator, frames, plan, source.fps, options)
        for number in range(len(frames)):
            avatar.ready(number)
        return avatar

    def ready(self, number: int) -> ReadyFace | None:
        """The face of frame `number`, made when it is first asked for; None: it is left alone."""
        if number not in self._ready:
            image = SourceFrame(number, self.frames[number])
            face = find_face(image, self.plan, replace(self.options, parser=None))
            if face is not None and self.options.parser is not None:
                if number not in self._parsed:
                    self._parsed[number] = self.options.parser(*face[:3])
                face = only_face(face, self._parsed[number])
            self._ready[number] = (
                None if face is None
                else ReadyFace(face, face_crop(face, self.generator.image_size))
            )  # fmt: skip
        return self._ready[number]

    def stream(
        self,
        chunks: Iterable[np.ndarray],
        *,
        sample_rate: int = SAMPLE_RATE,
        idle_db: float = IDLE_DB,
    ) -> Iterator[np.ndarray]:
        """Frames of the avatar saying what comes, each as soon as its speech is there.

        A frame needs 0.21 s of speech from its own time on (0.17 s, where the generator was
        trained with a lead), and waits for the rest of its batch. The frames of 16 kHz mono are
        those of `LipSync.frames` with `avatar.options`, to the byte; of other rates, but for the
        last bits of the resampler. No thread is started: chunks are taken in the thread that asks
        for frames, and no more of them than the next frame needs.

        Args:
            chunks: float32 in [-1, 1] or int16, (n,) or (n, channels); any n, also 0.
            sample_rate: of them, Hz.
            idle_db: with `options.silence` "close" or "pass": level in dB of full scale under
                which nobody speaks.

        Yields:
            uint8 (H, W, 3) BGR; as many as cover the speech.

        Raises:
            UserError: chunks that are no such arrays.
        """
        resampler = LiveResampler(sample_rate)
        frames = LiveFrames(self, idle_db)
        for chunk in chunks:
            yield from frames.push(resampler.push(chunk))
        yield from frames.push(resampler.finish())
        yield from frames.finish(resampler.seconds)

    def still(self) -> np.ndarray:
        """The first frame as it came: what is seen before anything is made."""
        frame = self.frames[0]
        return self.layout(SourceFrame(0, frame.copy(), given=frame.copy()))

    def player(self, **settings: Any) -> LivePlayer:
        """One that plays in real time; see `LivePlayer` for what it takes."""
        return LivePlayer(self, **settings)

    def save(self, path: str | Path) -> Path:
        """Write all that was prepared, for `load`; the file appears whole or not at all.

        Raises:
            UserError: it cannot be written.
        """
        path = Path(path)
        frames = np.stack([self.frames[i] for i in range(len(self))])
        plan = self.plan
        arrays: dict[str, np.ndarray] = {
            "boxes": np.ascontiguousarray(plan.boxes[: len(self)], np.int32),
            "frame_crcs": np.array([zlib.crc32(frame.tobytes()) for frame in frames], np.uint32),
        }
        if plan.strengths is not None:
            arrays["strengths"] = np.ascontiguousarray(plan.strengths)
        if plan.landmarks is not None:
            arrays["landmarks"] = np.ascontiguousarray(plan.landmarks)
        arrays |= {f"parsed.{i}": each for i, each in self._parsed.items()}
        facts = {
            "version": VERSION,
            "fps": str(self.fps),
            "pads": None if self.options.box is not None else list(self._pads()),
            "reasons": {str(number): reason for number, reason in plan.reasons.items()},
            "crc": _crc(arrays),
        }
        with atomic_path(path) as temporary:
            save_file({"frames": frames, **arrays}, temporary, {MARK: json.dumps(facts)})
        return path

    @classmethod
    def load(cls, path: str | Path, lipsync: LipSync, options: SyncOptions | None = None) -> Avatar:
        """What `save` wrote, in milliseconds: nothing is looked for.

        Args:
            path: the file.
            lipsync: whose generator speaks; one with the same pads as when it was made.
            options: how; where the face is, the file says.

        Raises:
            UserError: no such file, another kind of file, a damaged one, or one for a generator
                with other pads.
        """
        path = Path(path)
        options = live_options(options)
        generator = lipsync._generator(options)
        options = options.with_pads(generator.pads)
        if not path.is_file():
            raise UserError(f"{path} is not there: name a file that Avatar.save wrote.")
        try:
            file = safe_open(path, framework="numpy")
            names, facts = set(file.keys()), json.loads((file.metadata() or {})[MARK])
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise UserError(
                f"{path} is no avatar, or is damaged: name a file that Avatar.save wrote, or make "
                "it again with LipSync.avatar(face).save(…)."
            ) from error
        if facts.get("version") != VERSION:
            raise UserError(
                f"{path} was written by another version of w2l (its format is "
                f"{facts.get('version')}, this one reads {VERSION}): make it again with "
                "LipSync.avatar(face).save(…)."
            )
        try:
            arrays = {name: file.get_tensor(name) for name in sorted(names - {"frames"})}
            if _crc(arrays) != facts["crc"]:
                raise ValueError("the numbers are not those that were written")
            frames = FileFrames(path, file, arrays["frame_crcs"])
            plan = FacePlan(
                arrays["boxes"],
                {int(number): reason for number, reason in facts["reasons"].items()},
                strengths=arrays.get("strengths"),
                landmarks=arrays.get("landmarks"),
            )
            fps, pads = Fraction(facts["fps"]), facts["pads"]
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise UserError(
                f"{path} is damaged ({error}): make it again with LipSync.avatar(face).save(…)."
            ) from error
        own = options.faces.pads
        if pads is not None and own is not None and tuple(pads) != tuple(own):
            raise UserError(
                f"{path} has faces with pads={pads}, and this generator takes pads={list(own)}: "
                "make it again with this one."
            )
        prefix = "parsed."
        parsed = {int(k.removeprefix(prefix)): v for k, v in arrays.items() if k.startswith(prefix)}
        return cls(generator, frames, plan, fps, options, parsed if options.parser else None)

    def _pads(self) -> Sequence[int]:
        return self.options.with_pads(self.generator.pads).faces.pads or ()


class FileFrames:
    """The frames of an avatar's file, read as they are asked for, checked the first time.

    Args:
        path: for messages.
        file: open.
        crcs: of each frame, (N,).

    Raises:
        ValueError: it holds no frames.
    """

    def __init__(self, path: Path, file: Any, crcs: np.ndarray) -> None:
        self._path, self._crcs = path, crcs
        self._frames = file.get_slice("frames")
        shape = self._frames.get_shape()
        if len(shape) != 4 or shape[3] != 3 or not 0 < shape[0] == len(crcs):
            raise ValueError(f"its frames are {shape}")
        self._checked = np.zeros(len(crcs), bool)

    def __len__(self) -> int:
        return len(self._crcs)

    def __getitem__(self, number: int) -> np.ndarray:
        frame = np.asarray(self._frames[number : number + 1])[0]
        if not self._checked[number]:
            if zlib.crc32(frame.tobytes()) != self._crcs[number]:
                raise UserError(
                    f"{self._path} is damaged (frame {number}): make it again with "
                    "LipSync.avatar(face).save(…)."
                )
            self._checked[number] = True
        return frame


def is_avatar(path: str | Path) -> bool:
    """Whether a file is one that `Avatar.save` wrote."""
    try:
        with safe_open(path, framework="numpy") as file:
            return MARK in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def live_options(options: SyncOptions | None) -> SyncOptions:
    """The given options, or those for speech that comes live: the defaults in small batches."""
    return SyncOptions(batch_size=LIVE_BATCH) if options is None else options


def check_live(options: SyncOptions) -> None:
    """See that no option needs the end of the speech.

    Raises:
        UserError: one does.
    """
    if options.published:
        raise UserError("published=true takes its windows from the speech's end: not live.")
    if options.duration != "audio":
        raise UserError(
            f"duration={options.duration}: live frames last as long as the speech; take "
            "duration=audio."
        )


def _all_frames(source: Source) -> list[np.ndarray]:
    frames: list[np.ndarray] = []
    most = max(1, MOST_BYTES // (source.height * source.width * 3))
    for frame in source.read(0, sys.maxsize):
        if len(frames) == most:
            raise UserError(
                f"{source.path} has more than {most} frames of {source.width}×{source.height}, "
                "which is all that an avatar holds: take a shorter part, or make it smaller."
            )
        frames.append(frame)
    return frames


def _crc(arrays: dict[str, np.ndarray]) -> int:
    value = 0
    for name in sorted(arrays):
        value = zlib.crc32(arrays[name].tobytes(), zlib.crc32(name.encode(), value))
    return value
