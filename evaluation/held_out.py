"""The held-out clips of a prepared set: their crops, their sound, and the videos they came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from w2l.audio.waveform import load_audio
from w2l.data.clips import list_clips
from w2l.errors import UserError


@dataclass(frozen=True)
class HeldOut:
    """One prepared clip.

    Attributes:
        name: `speaker/clip`.
        folder: its crops and sound.
        video: the video it was made from.
    """

    name: str
    folder: Path
    video: Path

    @property
    def waveform(self) -> np.ndarray:
        """(n,) float32, 16 kHz."""
        return load_audio(self.folder / "audio.wav")


def held_out(root: Path, split: str) -> Sequence[HeldOut]:
    """The clips of `<root>/<split>.txt`, in its order, of a set that `source=demo` made.

    Raises:
        UserError: there is no such list, or the videos are gone.
    """
    clips = []
    for clip in list_clips(root, split):
        record = json.loads((clip.folder / "clip.json").read_text())
        video = root / "videos" / record["source"]
        if not video.is_file():
            raise UserError(f"{video} is gone: make the set again with an empty {root}.")
        clips.append(HeldOut(f"{record['speaker']}/{record['clip']}", clip.folder, video))
    return clips
