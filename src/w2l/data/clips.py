"""Preprocessed clips on disk: the published layout, with or without our mel beside it.

`<root>/<speaker>/<clip>/<frame>.jpg` (0-based frame numbers at 25 fps, gaps where no face was
found), `audio.wav` (16 kHz mono), optionally `mel.npy` (80, M); `<root>/<split>.txt` lists
`speaker/clip` per line. See docs/data_format.md.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from w2l.audio.mel import log_mel
from w2l.audio.waveform import load_audio
from w2l.errors import UserError


class BadClipError(Exception):
    """A clip that cannot give a sample; the message is the reason, for counting."""


@dataclass
class Clip:
    """One preprocessed clip.

    Attributes:
        folder: where its frames and sound are.
        image_size: side to which faces are resized, in pixels.
        keep: keep decoded faces in memory (27 kB a frame at 96 px).
    """

    folder: Path
    image_size: int = 96
    keep: bool = False
    _kept: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    @cached_property
    def frames(self) -> np.ndarray:
        """Sorted numbers of the frames that show a face, (n,) int."""
        stems = (os.path.splitext(entry.name) for entry in os.scandir(self.folder))
        return np.array(sorted(int(s) for s, ext in stems if ext == ".jpg" and s.isdigit()), int)

    @cached_property
    def mel(self) -> np.ndarray:
        """Log-mel (80, M) float32; computed from the sound once where no `mel.npy` is.

        Raises:
            BadClipError: neither is readable.
        """
        try:
            if (self.folder / "mel.npy").exists():
                return np.load(self.folder / "mel.npy")
            return log_mel(load_audio(self.folder / "audio.wav"))
        except (OSError, ValueError, UserError) as error:
            raise BadClipError(f"no readable sound: {error}") from error

    def faces(self, numbers: np.ndarray) -> np.ndarray:
        """Faces of the given frames, (n, S, S, 3) uint8 BGR.

        Raises:
            BadClipError: a picture is missing or broken.
        """
        return np.stack([self._face(int(number)) for number in numbers])

    def _face(self, number: int) -> np.ndarray:
        if number in self._kept:
            return self._kept[number]
        picture = cv2.imread(str(self.folder / f"{number}.jpg"))
        if picture is None:
            raise BadClipError("a frame is missing or broken")
        face = cv2.resize(picture, (self.image_size, self.image_size))
        if self.keep:
            self._kept[number] = face
        return face


def list_clips(root: str | Path, split: str, *, image_size: int = 96, keep: bool = False
               ) -> list[Clip]:  # fmt: skip
    """The clips that `<root>/<split>.txt` names.

    Raises:
        UserError: no such folder or list, or it is empty, or none of its clips is there.
    """
    root = Path(root).expanduser()
    listing = root / f"{split}.txt"
    if not root.is_dir():
        raise UserError(
            f"There is no data set at {root}: make it with "
            f"`python -m preprocess source=folder data_root=<videos> out={root}`."
        )
    if not listing.is_file():
        raise UserError(
            f"{listing} is missing: `python -m preprocess … out={root}` writes it, or list "
            "`speaker/clip` per line yourself (filelists/README.md)."
        )
    # LRS2's lists carry a tag (NF, MV) behind some names.
    names = [line.split()[0] for line in listing.read_text().splitlines() if line.strip()]
    clips = [Clip(root / name, image_size, keep) for name in names if (root / name).is_dir()]
    if not clips:
        raise UserError(
            f"{listing} names no clip that exists under {root}: run `python -m preprocess … "
            f"out={root}` again."
        )
    return clips
