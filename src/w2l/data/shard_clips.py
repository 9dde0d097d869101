"""Clips of a shard: views of the mapped file, by how their faces lie in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from w2l.data.clips import BAD_FRAME, AnyClip, BadClipError, decode, lower

LEVEL = 9  # higher ones take longer to pack and gain 4 %
_CODEC = pa.Codec("zstd", LEVEL)


def encode_half(half: np.ndarray) -> bytes:
    """Pack half a face, (3, H, S) uint8 BGR."""
    colours = half.copy()
    colours[::2] -= half[1]
    rows = colours.copy()
    rows[:, 1:] -= colours[:, :-1]
    return _CODEC.compress(rows.tobytes(), asbytes=True)


def decode_halves(files: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """What n calls of `encode_half` packed, (n, 3, height, width) uint8 BGR.

    Raises:
        ValueError: one is damaged, or of another size.
    """
    halves = np.empty((len(files), 3, height, width), np.uint8)
    for half, file in zip(halves, files, strict=True):
        try:
            content = _CODEC.decompress(file, half.nbytes)
            half[:] = np.frombuffer(content, np.uint8).reshape(half.shape)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise ValueError(f"half a face is damaged: {error}") from error
    np.add.accumulate(halves, axis=2, out=halves)
    halves[:, ::2] += halves[:, 1:2]
    return halves


class BoundClip(AnyClip):
    """A clip of a shard: its frame numbers are in memory, sound and faces views of the file."""

    def __init__(
        self, name: str, where: str, frames: np.ndarray, mel: np.ndarray, sound: np.ndarray
    ) -> None:
        self.name, self.where = name, where
        self._frames, self._mel, self._sound = frames, mel, sound

    @property
    def frames(self) -> np.ndarray:
        return self._frames

    @property
    def mel(self) -> np.ndarray:
        return self._mel

    @property
    def waveform(self) -> np.ndarray | None:
        return self._sound.astype(np.float32) / 32768 if len(self._sound) else None

    def places(self, numbers: np.ndarray) -> slice | np.ndarray:
        """Where the frames lie in the row; a slice where they lie one after the other.

        Raises:
            BadClipError: a frame is missing.
        """
        n, frames = len(numbers), self._frames
        first = int(frames.searchsorted(numbers[0]))
        if first + n <= len(frames) and (frames[first : first + n] == numbers).all():
            return slice(first, first + n)
        places = np.minimum(frames.searchsorted(numbers), len(frames) - 1)
        if (frames[places] != numbers).any():
            raise BadClipError(BAD_FRAME, f"{self.where} lacks one of frames {numbers}")
        return places


class RawClip(BoundClip):
    """A clip whose faces lie in the file as pixels.

    Args:
        pixels: uint8 (n, 3, S, S), a view of the file.
    """

    def __init__(
        self, name: str, where: str, frames: np.ndarray, mel: np.ndarray, sound: np.ndarray,
        pixels: np.ndarray,
    ) -> None:  # fmt: skip
        super().__init__(name, where, frames, mel, sound)
        self.pixels = pixels

    def faces(self, numbers: np.ndarray, lower_half: bool = False) -> np.ndarray:
        """See `AnyClip`; a view of planar memory, which needs no copy to become channels first."""
        faces = self.pixels[self.places(numbers)].transpose(0, 2, 3, 1)
        return lower(faces) if lower_half else faces


class CompressedClip(BoundClip):
    """A clip whose faces lie in the file as packed halves.

    Args:
        files: as in `JpegClip`, upper and lower half of each face in turn.
        offsets: where each begins and the last one ends, (2n + 1,).
        image_size: side of the faces, in pixels.
    """

    def __init__(
        self, name: str, where: str, frames: np.ndarray, mel: np.ndarray, sound: np.ndarray, *,
        files: np.ndarray, offsets: np.ndarray, image_size: int,
    ) -> None:  # fmt: skip
        super().__init__(name, where, frames, mel, sound)
        self.files, self.offsets, self.image_size = files, offsets, image_size

    def faces(self, numbers: np.ndarray, lower_half: bool = False) -> np.ndarray:
        """See `AnyClip`; memory is planar."""
        places = np.arange(len(self.frames))[self.places(numbers)]
        size, upper = self.image_size, self.image_size // 2
        try:
            below = self._halves(2 * places + 1, size - upper)
            planar = below if lower_half else np.concatenate(
                [self._halves(2 * places, upper), below], axis=2
            )  # fmt: skip
        except ValueError as error:
            raise BadClipError(
                BAD_FRAME, f"{self.where}: one of frames {numbers}: {error}"
            ) from error
        return planar.transpose(0, 2, 3, 1)

    def _halves(self, places: np.ndarray, height: int) -> np.ndarray:
        begins, ends = self.offsets[places].tolist(), self.offsets[places + 1].tolist()
        files = [self.files[begin:end] for begin, end in zip(begins, ends, strict=True)]
        return decode_halves(files, height, self.image_size)


class JpegClip(BoundClip):
    """A clip whose faces lie in the file as JPEG files.

    Args:
        files: all of them, one after the other, (bytes,) uint8, a view of the file.
        offsets: where each begins and the last one ends, (n + 1,).
        image_size: side to which faces are resized, in pixels.
        keep: keep decoded faces in memory.
    """

    def __init__(
        self, name: str, where: str, frames: np.ndarray, mel: np.ndarray, sound: np.ndarray, *,
        files: np.ndarray, offsets: np.ndarray, image_size: int, keep: bool,
    ) -> None:  # fmt: skip
        super().__init__(name, where, frames, mel, sound)
        self.files, self.offsets, self.image_size = files, offsets, image_size
        self._kept: dict[int, np.ndarray] | None = {} if keep else None

    def faces(self, numbers: np.ndarray, lower_half: bool = False) -> np.ndarray:
        """See `AnyClip`."""
        places = np.arange(len(self.frames))[self.places(numbers)]
        faces = decode(self._file, places.tolist(), self.image_size, self._kept)
        return lower(faces) if lower_half else faces

    def _file(self, place: int) -> np.ndarray:
        return self.files[self.offsets[place] : self.offsets[place + 1]]
