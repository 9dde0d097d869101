"""Faces and sounds as other programs have them: files, or arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np

from w2l.errors import UserError
from w2l.files import own_folder
from w2l.inference.geometry import Geometry
from w2l.inference.options import SyncOptions
from w2l.inference.source import (
    NOT_IMAGES,
    ArraySource,
    Source,
    StillSource,
    VideoSource,
    is_frame,
    open_source,
)
from w2l.inference.voice import Origin, Voice, load_voice, origin_of
from w2l.video import VideoWriter

MOST_CHANNELS = 64  # more are samples, and the array lies the other way round

Face = str | Path | np.ndarray | Iterable[np.ndarray] | Source
Audio = str | Path | np.ndarray | Voice


@contextmanager
def opened(
    face: Face, audio: Audio, fps: Fraction, sample_rate: int | None, options: SyncOptions
) -> Iterator[tuple[Source, Voice]]:
    """What `LipSync` is given, as what `sync_video` takes.

    Sound from memory, and frames that can be read only once, lie in a temporary folder as long as
    the context lasts, without loss. Of `options` it counts what happens in silence, for which
    speech is looked for, and whether a video's own sound stays beside its images.

    Raises:
        UserError: neither a file nor such an array, or nothing in it.
    """
    with ExitStack() as stack:

        def folder() -> Path:
            return stack.enter_context(own_folder("inputs"))

        source, speech = _source(face, fps, folder), options.silence != "sync"
        if isinstance(audio, Voice):
            yield source, audio
        elif isinstance(audio, np.ndarray):
            yield source, load_voice(_array_file(audio, sample_rate, folder()), speech=speech)
        else:
            origin = "audio" if options.published else _origin(audio, face)
            yield source, load_voice(audio, origin=origin, speech=speech)


@contextmanager
def opened_face(face: Face, fps: Fraction) -> Iterator[Source]:
    """The face alone, as `opened` takes it.

    Raises:
        UserError: neither a file nor such an array, or nothing in it.
    """
    with ExitStack() as stack:
        yield _source(face, fps, lambda: stack.enter_context(own_folder("inputs")))


def _source(face: Face, fps: Fraction, folder: Callable[[], Path]) -> Source:
    if isinstance(face, Source):
        return face
    if isinstance(face, str | Path):
        return open_source(face, Geometry(), still_fps=fps)
    if isinstance(face, np.ndarray):
        return _photo(face, fps) if face.ndim == 3 else ArraySource(face, fps)
    if isinstance(face, Sequence):
        return ArraySource(cast(Sequence[np.ndarray], face), fps)
    return _spooled(face, fps, folder())


def _origin(audio: str | Path, face: Face) -> Origin:
    if isinstance(face, VideoSource | StillSource):
        face = face.path
    return origin_of(Path(audio), Path(face)) if isinstance(face, str | Path) else "audio"


def _photo(image: np.ndarray, fps: Fraction) -> StillSource:
    if not is_frame(image):
        raise UserError(f"face={NOT_IMAGES}, not {image.shape} of {image.dtype}.")
    return StillSource(image, Geometry(), fps, Path("photo"))


def _spooled(frames: Iterable[np.ndarray], fps: Fraction, folder: Path) -> VideoSource:
    """Frames that come once, in a file without loss, since they are read twice."""
    rest = iter(frames)
    first = next(rest, None)
    if first is None or not is_frame(first):
        found = "none" if first is None else f"{first.shape} of {first.dtype}"
        raise UserError(f"face={NOT_IMAGES}, not {found}.")
    path, size = folder / "frames.mkv", (first.shape[1], first.shape[0])
    with VideoWriter(path, fps, size, codec="ffv1") as writer:
        for i, frame in enumerate(chain([first], rest)):
            if not is_frame(frame) or frame.shape != first.shape:
                raise UserError(
                    f"face={NOT_IMAGES}, and number {i} is {frame.shape} of {frame.dtype}."
                )
            writer.write(frame)
    return VideoSource(path, Geometry(), fps=fps)


def _array_file(samples: np.ndarray, sample_rate: int | None, folder: Path) -> Path:
    if sample_rate is None or sample_rate <= 0:
        raise UserError("audio= is an array: sample_rate= must say how many samples a second has.")
    is_sound = samples.dtype in (np.float32, np.int16) and samples.ndim in (1, 2)
    if not is_sound or samples.size == 0 or samples[:1].size > MOST_CHANNELS:
        raise UserError(
            "audio=… takes samples (n,) or (n, channels) of float32 in [-1, 1] or int16, not "
            f"{samples.shape} of {samples.dtype}."
        )
    from scipy.io import wavfile  # 0.1 s, which those who give files need not pay

    path = folder / "audio.wav"
    wavfile.write(path, sample_rate, samples)
    return path
