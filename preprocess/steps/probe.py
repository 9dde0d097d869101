"""First step: is this a video with sound at all?"""

from __future__ import annotations

from pathlib import Path

from preprocess.rejection import BROKEN, NO_SOUND, PICTURE, RejectedError, rejecting
from w2l.video import VideoInfo, probe


def check(path: Path) -> VideoInfo:
    """What the file says of itself.

    Raises:
        RejectedError: empty, not a video, a picture, or without sound.
    """
    if path.stat().st_size == 0:
        raise RejectedError("probe", BROKEN, f"{path} is empty.")
    with rejecting("probe", BROKEN):
        info = probe(path)
    if info.is_image:
        raise RejectedError("probe", PICTURE, f"{path} is a picture, not a video.")
    if not info.has_audio:
        raise RejectedError("probe", NO_SOUND, f"{path} has no audio stream.")
    return info
