"""Which mel columns belong to which frame: the one place that knows.

Video runs at 25 frames a second, mel at 80 columns a second; a window is 5 frames or 16 columns,
0.2 s either way. Source: the Wav2Lip release (training data set and inference script).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

SAMPLE_RATE = 16_000  # Hz


FPS = 25
WINDOW_FRAMES = 5
MEL_FPS = 80
MEL_COLUMNS = 16


def mel_start(frame: int | Fraction, fps: float | Fraction = FPS) -> int:
    """First mel column of the window that starts with `frame`: int(80 · frame / fps)."""
    if fps == FPS and frame >= 0:  # exact too, and a hundredth of the time: samples need many
        return int(frame) * MEL_FPS // FPS
    return int(frame * MEL_FPS / Fraction(fps))


def fits(frame: int, n_columns: int) -> bool:
    """Whether the mel window that starts with `frame` lies inside a mel of `n_columns`."""
    return frame >= 0 and mel_start(frame) + MEL_COLUMNS <= n_columns


def last_fitting(n_columns: int) -> int:
    """The last frame that `fits` in a mel of `n_columns`; negative where none does."""
    # The last with 80 · frame / 25 < n_columns - 15, as the start is rounded down.
    return -((n_columns - MEL_COLUMNS + 1) * FPS // -MEL_FPS) - 1


def mel_window(mel: np.ndarray, frame: int) -> np.ndarray:
    """The window of the sync loss, shared by frames `frame` … `frame + 4`.

    Args:
        mel: log-mel (80, M).
        frame: start frame at 25 fps, with `fits(frame, M)`.

    Returns:
        A view (80, 16).

    Raises:
        ValueError: the window does not fit.
    """
    if not fits(frame, mel.shape[1]):
        raise ValueError(f"the mel window of frame {frame} does not fit in {mel.shape[1]} columns")
    start = mel_start(frame)
    return mel[:, start : start + MEL_COLUMNS]


def frame_mel_windows(mel: np.ndarray, frame: int, lead_frames: int = 1) -> np.ndarray:
    """One mel window per frame of a window of 5 ("indiv mels").

    Args:
        mel: log-mel (80, M).
        frame: start frame at 25 fps.
        lead_frames: by how many frames a frame's own window starts before it. The published
            training uses 1 (and so never frame 0), while published inference uses 0.

    Returns:
        (5, 80, 16).
    """
    first = frame - lead_frames
    return np.stack([mel_window(mel, i) for i in range(first, first + WINDOW_FRAMES)])


def start_frames(present: np.ndarray) -> np.ndarray:
    """Frames from which 5 consecutive ones are present.

    Args:
        present: sorted frame numbers (n,).

    Returns:
        Sorted start frames (m,), m < n.
    """
    if len(present) < WINDOW_FRAMES:
        return present[:0]
    last = len(present) - WINDOW_FRAMES + 1
    is_run = present[WINDOW_FRAMES - 1 :] - present[:last] == WINDOW_FRAMES - 1
    return present[:last][is_run]
