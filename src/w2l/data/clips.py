"""What a clip is to whoever draws samples, and clips in plain folders: the published layout.

`<root>/<speaker>/<clip>/<frame>.jpg` (0-based frame numbers at 25 fps, gaps where no face was
found), `audio.wav` (16 kHz mono), optionally `mel.npy` (80, M); `<root>/<split>.txt` lists
`speaker/clip` per line. See docs/data_format.md.
"""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, overload

import cv2
import numpy as np
import torch
from torch.utils.data import get_worker_info

from w2l.audio.mel import log_mel
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.filelists import split_entries
from w2l.paths import user_path
from w2l.windows import start_frames

MISSING = "missing clip"
TOO_SHORT = "too few frames"
NO_WINDOW = "no window with sound"
NO_SOUND = "no readable sound"
BAD_FRAME = "broken frame"
BAD_SHARD = "broken shard"
UNREACHABLE = "unreachable shard"
OTHER = "other"
REASONS = (MISSING, TOO_SHORT, NO_WINDOW, NO_SOUND, BAD_FRAME, BAD_SHARD, UNREACHABLE, OTHER)

MAX_WORKERS = 256  # of one loader; further ones share the last row, where a count may get lost
MIN_REJECTED = 100  # so many failures may come by chance before their share counts
WORST = 5  # clips named in the sentence that ends a run
PADS = (0, 0, 0, 0)  # pixels beyond a detected box, [top, bottom, left, right], in prepared faces
MAY_BE_MISSING = 0.1  # of a split's clips: in a published list some faces are not found


class BadClipError(Exception):
    """A clip that cannot give a sample.

    Args:
        reason: one of `REASONS`, to count by.
        detail: what exactly is wrong, for whoever looks at this clip.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)  # both, so that it can be pickled
        self.reason, self.detail = reason, detail


class Rejections:
    """Draws that failed, by reason, over all workers of a loader.

    A worker writes into a row of its own of a table in shared memory: no locks, nothing lost, and
    the main process reads it at any time.
    """

    def __init__(self) -> None:
        shape = (MAX_WORKERS + 1, 1 + len(REASONS))  # row 0: the main process; column 0: good draws
        self._shared = torch.zeros(shape, dtype=torch.int64).share_memory_()
        self._clips: Counter[tuple[str, str]] = Counter()  # this process's own
        self._details: dict[tuple[str, str], str] = {}  # the first of each

    @cached_property
    def _table(self) -> np.ndarray:
        return self._shared.numpy()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_table"}

    def count_good(self) -> None:
        """One more draw gave a sample."""
        self._table[_row(), 0] += 1

    def count(self, clip: str, error: BadClipError) -> None:
        """One more draw from `clip` gave none."""
        reason = error.reason if error.reason in REASONS else OTHER
        self._table[_row(), 1 + REASONS.index(reason)] += 1
        self._clips[clip, error.reason] += 1
        self._details.setdefault((clip, error.reason), error.detail)

    @property
    def good(self) -> int:
        """Draws that gave a sample."""
        return int(self._table[:, 0].sum())

    @property
    def by_reason(self) -> dict[str, int]:
        """Every reason with its count, zeros included."""
        return dict(zip(REASONS, self._table[:, 1:].sum(axis=0).tolist(), strict=True))

    @property
    def total(self) -> int:
        """Draws that gave no sample."""
        return int(self._table[:, 1:].sum())

    @property
    def too_many(self) -> bool:
        """More than half of all draws failed, and not just the first few."""
        return self.total > max(MIN_REJECTED, self.good)

    def sentence(self) -> str:
        """What ends a run: the counts, and this process's worst clips with their reasons."""
        counts = sorted(self.by_reason.items(), key=lambda item: -item[1])
        reasons = ", ".join(f"{reason}: {n}" for reason, n in counts if n)
        worst = ", ".join(
            f"{clip} ({n}×, {' '.join(self._details[clip, reason].split()) or reason})"
            for (clip, reason), n in self._clips.most_common(WORST)
        )
        return (
            f"Too many clips give no sample ({reasons}), worst of all {worst}: preprocess them "
            "again, or take them out of the split lists."
        )


def _row() -> int:
    worker = get_worker_info()
    return 0 if worker is None else min(worker.id + 1, MAX_WORKERS)


class AnyClip(ABC):
    """One preprocessed clip, wherever it is stored.

    Attributes:
        name: `speaker/clip`.
        where: where it is stored, for messages.
    """

    name: str
    where: str

    @property
    @abstractmethod
    def frames(self) -> np.ndarray:
        """Sorted numbers of the frames that show a face, (n,) int."""

    @property
    @abstractmethod
    def mel(self) -> np.ndarray:
        """Log-mel (80, M) float32, possibly a view of a mapped file: take windows, not all of it.

        Raises:
            BadClipError: there is no readable sound.
        """

    @abstractmethod
    def faces(self, numbers: np.ndarray, lower_half: bool = False) -> np.ndarray:
        """Faces of the given frames, uint8 BGR; a view where that needs no decoding.

        Args:
            numbers: n frames.
            lower_half: only the rows from S // 2 on, which is what an expert sees.

        Returns:
            (n, S, S, 3), or (n, S - S // 2, S, 3).

        Raises:
            BadClipError: an image is missing or broken.
        """

    @property
    @abstractmethod
    def waveform(self) -> np.ndarray | None:
        """The sound, float32 (n,) in [-1, 1] at 16 kHz; None where the set has only its mel.

        Raises:
            BadClipError: it is there and cannot be read.
        """

    @cached_property
    def starts(self) -> np.ndarray:
        """Frames from which 5 consecutive ones show a face, sorted, (m,) int."""
        return start_frames(self.frames)


def list_frames(folder: Path) -> np.ndarray:
    """Sorted numbers of the images in a clip's folder, (n,) int.

    Raises:
        BadClipError: it cannot be read.
    """
    try:
        stems = [os.path.splitext(entry.name) for entry in os.scandir(folder)]
    except OSError as error:
        raise BadClipError(MISSING, f"{folder}: {error.strerror}") from error
    return np.array(sorted(int(s) for s, ext in stems if ext == ".jpg" and s.isdigit()), int)


class Clip(AnyClip):
    """A clip in a folder of its own.

    Args:
        folder: where its frames and sound are, `<root>/<speaker>/<clip>`.
        image_size: side to which faces are resized, in pixels.
        keep: keep decoded faces and mel in memory (27 kB a frame at 96 px).
        listed: gives the frames of the folder, as `list_frames` does.
    """

    def __init__(
        self, folder: Path, image_size: int = 96, keep: bool = False,
        listed: Callable[[Path], np.ndarray] = list_frames,
    ) -> None:  # fmt: skip
        self.folder, self.image_size, self.keep, self._listed = folder, image_size, keep, listed
        self.name, self.where = f"{folder.parent.name}/{folder.name}", str(folder)
        self._kept: dict[int, np.ndarray] | None = {} if keep else None

    @cached_property
    def frames(self) -> np.ndarray:
        """See `AnyClip`."""
        return self._listed(self.folder)

    @property
    def mel(self) -> np.ndarray:
        """See `AnyClip`; computed from the sound once where no `mel.npy` is."""
        if (mel := self.__dict__.get("_mel")) is not None:
            return mel
        path = self.folder / "mel.npy"
        try:
            stored = path.exists()
            mel = np.load(path) if stored else log_mel(load_audio(self.folder / "audio.wav"))
        except (OSError, ValueError, EOFError, UserError) as error:
            raise BadClipError(NO_SOUND, f"{self.folder}: {error}") from error
        if self.keep or not stored:  # read again, an hour of it would fill 90 MB in every worker
            self._mel = mel
        return mel

    @property
    def waveform(self) -> np.ndarray | None:
        """See `AnyClip`."""
        path = self.folder / "audio.wav"
        try:
            return load_audio(path) if path.exists() else None
        except UserError as error:
            raise BadClipError(NO_SOUND, str(error)) from error

    def faces(self, numbers: np.ndarray, lower_half: bool = False) -> np.ndarray:
        """See `AnyClip`."""
        faces = decode(self.image, numbers.tolist(), self.image_size, self._kept)
        return lower(faces) if lower_half else faces

    def image(self, number: int) -> bytes:
        """The JPEG file of a frame.

        Raises:
            BadClipError: there is none.
        """
        try:
            return (self.folder / f"{number}.jpg").read_bytes()
        except OSError as error:
            raise BadClipError(BAD_FRAME, f"{self.folder}/{number}.jpg is missing") from error


def decode(
    file: Callable[[int], bytes | np.ndarray],
    keys: Sequence[int],
    size: int,
    kept: dict[int, np.ndarray] | None,
) -> np.ndarray:
    """Decode JPEG files and resize them, (n, size, size, 3) uint8 BGR.

    Args:
        file: gives the file of a key.
        keys: n of them.
        size: side of the result in pixels.
        kept: faces decoded before, which this call adds to; None: none are kept.

    Raises:
        BadClipError: a file is broken.
    """
    faces = np.empty((len(keys), size, size, 3), np.uint8)
    for face, key in zip(faces, keys, strict=True):
        if kept is not None and key in kept:
            face[:] = kept[key]
            continue
        content = file(key)
        content = np.frombuffer(content, np.uint8) if isinstance(content, bytes) else content
        image = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
        if image is None:
            raise BadClipError(BAD_FRAME, f"frame {key} cannot be decoded")
        cv2.resize(image, (size, size), dst=face)
        if kept is not None:
            kept[key] = face.copy()
    return faces


def lower(faces: np.ndarray) -> np.ndarray:
    """The lower halves (…, S - S // 2, S, 3) of faces (…, S, S, 3), a view."""
    return faces[..., faces.shape[-3] // 2 :, :, :]


def read_names(root: Path, split: str) -> list[str]:
    """The entries `speaker/clip` of `<root>/<split>.txt`.

    Raises:
        UserError: no such folder or list, or a line of another form.
    """
    listing = root / f"{split}.txt"
    if not root.is_dir():
        raise UserError(
            f"There is no data set at {root}: make it with "
            f"`python -m preprocess source=folder data_root=<videos> out={root}`."
        )
    if not listing.is_file():
        raise UserError(
            f"{listing} is missing: `python -m preprocess … out={root}` writes it, or list "
            "`speaker/clip` per line yourself (docs/filelists.md)."
        )
    return [entry.name for entry in split_entries(listing)]


class FolderClips(Sequence[Clip]):
    """Clips in folders, made when they are asked for.

    A set may have millions, and every loading process has its own: of a clip there are its name
    and, once it was opened, some 50 bytes that say which frames it has.

    Args:
        root: the set's folder.
        names: `speaker/clip` of each.
        image_size, keep: see `Clip`.
    """

    def __init__(
        self, root: Path, names: Sequence[str], image_size: int = 96, keep: bool = False
    ) -> None:
        self.root, self.image_size, self.keep = root, image_size, keep
        encoded = [name.encode("utf-8", "surrogateescape") for name in names]
        self._names = b"".join(encoded)
        self._ends = np.cumsum([0, *map(len, encoded)])
        self._stretches: list[bytes | None] = [None] * len(encoded)
        self._kept: dict[int, Clip] = {}

    def __len__(self) -> int:
        return len(self._stretches)

    @overload
    def __getitem__(self, number: int) -> Clip: ...
    @overload
    def __getitem__(self, number: slice) -> list[Clip]: ...
    def __getitem__(self, number: int | slice) -> Clip | list[Clip]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        if number in self._kept:
            return self._kept[number]
        name = self._names[self._ends[number] : self._ends[number + 1]]
        folder = self.root / name.decode("utf-8", "surrogateescape")
        clip = Clip(folder, self.image_size, self.keep, partial(self._frames, number))
        if self.keep:
            self._kept[number] = clip
        return clip

    def _frames(self, number: int, folder: Path) -> np.ndarray:
        """The frames of a clip, from its folder the first time."""
        known = self._stretches[number]
        if known is None:
            frames = list_frames(folder)
            parts = np.split(frames, np.flatnonzero(np.diff(frames) != 1) + 1)
            ends = [(part[0], part[-1] + 1) for part in parts if len(part)]
            self._stretches[number] = np.array(ends, np.int32).tobytes()
            return frames
        stretches = np.frombuffer(known, np.int32).reshape(-1, 2)
        return np.concatenate([np.arange(0), *(np.arange(a, b) for a, b in stretches.tolist())])


def list_clips(root: str | Path, split: str, *, image_size: int = 96, keep: bool = False
               ) -> FolderClips:  # fmt: skip
    """The clips in folders that `<root>/<split>.txt` names; a few that are not there are said.

    Raises:
        UserError: no such folder or list, or it is empty, or more than a tenth is not there.
    """
    root = user_path(root)
    listed = read_names(root, split)
    names = [name for name in listed if (root / name).is_dir()]
    if not names:
        raise UserError(
            f"{root / split}.txt names no clip that exists under {root}: run "
            f"`python -m preprocess … out={root}` again."
        )
    n_missing = len(listed) - len(names)
    found = f"{n_missing} of the {len(listed)} clips in {root / split}.txt are not under {root}"
    if n_missing > MAY_BE_MISSING * len(listed):
        remedy = f"prepare them (`python -m preprocess … out={root}`), or list only what is there"
        raise UserError(f"{found}: {remedy}.")
    if n_missing:
        warnings.warn(f"{found}; they are left out", stacklevel=2)
    return FolderClips(root, names, image_size, keep)
