"""First step: is this a video with sound at all?"""

from __future__ import annotations

from pathlib import Path

from preprocess.rejection import BROKEN, IMAGE, NO_SOUND, TOO_SHORT, RejectedError, rejecting
from w2l.video import VideoInfo, probe


def check(path: Path, start_s: float = 0.0) -> VideoInfo:
    """What the file says of itself.

    Args:
        path: the video.
        start_s: where the clip begins in it, in seconds.

    Raises:
        RejectedError: empty, not a video, an image, without sound, or over before the start.
    """
    if path.stat().st_size == 0:
        raise RejectedError("probe", BROKEN, f"{path} is empty.")
    with rejecting("probe", BROKEN):
        info = probe(path)
    if info.is_image:
        raise RejectedError("probe", IMAGE, f"{path} is an image, not a video.")
    if not info.has_audio:
        raise RejectedError("probe", NO_SOUND, f"{path} has no audio stream.")
    if 0 < info.duration_s <= start_s:  # 0: the container does not say
        raise RejectedError(
            "probe",
            TOO_SHORT,
            f"{path} lasts {info.duration_s:.2f} s and is over before start={start_s:g}.",
        )
    return info
