"""What the page offers to try: a face, a voice, and an image of both. Knows no Gradio."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from w2l import examples
from w2l.errors import UserError
from w2l.filelists import find_videos
from w2l.paths import user_path
from w2l.video import VideoReader

SHIPPED = "grid"
CREDIT = (
    "The clips are of the GRID corpus (Cooke, Barker, Cunningham, Shao 2006; "
    "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)), re-encoded."
)
MOST = 3
SIDE = 300  # pixels of an image
CAPTION = 30  # of it, at the bottom, where the page lays the caption


@dataclass(frozen=True)
class Trial:
    """A pair to begin with.

    Attributes:
        face: video of the one who is to speak.
        audio: video of the one who is heard.
        caption: who says what.
    """

    face: Path
    audio: Path
    caption: str

    def draw(self, path: Path) -> Path:
        """Write an image: the face, and small in the corner the one who is heard."""
        image = np.full((SIDE, SIDE, 3), 255, np.uint8)
        face = middle_of(self.face, SIDE, SIDE * 4 // 5)
        left = (SIDE - face.shape[1]) // 2
        image[: face.shape[0], left : left + face.shape[1]] = face
        heard = middle_of(self.audio, SIDE // 3, SIDE // 3)
        top = SIDE - CAPTION - heard.shape[0]
        image[top : top + heard.shape[0], : heard.shape[1]] = heard
        path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
        return path


def find_trials(where: str | None) -> list[Trial]:
    """Each person with the next one's voice.

    Args:
        where: grid, for the clips that come with w2l; a folder of videos, one folder a speaker;
            None: nothing.

    Raises:
        UserError: there is no such folder, or no video in it.
    """
    if where is None:
        return []
    if where == SHIPPED:
        clips = [*examples.EXAMPLES, examples.EXAMPLES[0]]
        return [
            Trial(face.path, heard.path, f"Speaker {face.speaker}: “{heard.words}”")
            for face, heard in pairwise(clips)
        ]
    folder = user_path(where)
    if not folder.is_dir():
        raise UserError(f"examples={where} is no folder: give one, or {SHIPPED}, or null.")
    firsts: dict[Path, Path] = {}
    for video in find_videos(folder):
        firsts.setdefault(video.parent, video)
    return [
        Trial(face, heard, f"{name_of(face)} says what {name_of(heard)} says")
        for face, heard in pairwise(firsts.values())
    ][:MOST]


def name_of(clip: Path) -> str:
    """Its speaker and file."""
    return "/".join(clip.with_suffix("").parts[-2:])


def middle_of(video: Path, width: int, height: int) -> np.ndarray:
    """A frame from the midst of the first seconds, where people speak, no larger than told."""
    frames = [frame for frame, _ in zip(VideoReader(video), range(75), strict=False)]
    frame = frames[len(frames) // 2]
    scale = min(width / frame.shape[1], height / frame.shape[0])
    size = [max(1, round(scale * length)) for length in frame.shape[1::-1]]
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
