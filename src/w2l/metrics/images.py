"""How images differ from others, and how they move: plain functions on arrays.

Shapes: F frames, H, W pixels. Images are uint8 BGR; sound is float32 mono at 16 kHz.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.floating]

SAMPLES_PER_FRAME = 640
VOICE_DB = 35.0  # a frame with a voice is at most this far under the clip's loud ones,
FLOOR_DB = -60.0  # and over this level of full scale
LOUD = 95  # percentile of the frames' levels that counts as loud
MOUTH = slice(48, 68)  # of 68 landmarks
EYES = (36, 45)  # their outer corners


def psnr(generated: np.ndarray, target: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two images (H, W, 3), in dB.

    Over all three channels, peak 255. Equal images count as if one value were off by one level,
    the least that 8 bits can differ: infinite, a single one would take a clip out of every mean.
    """
    error = np.mean((generated.astype(np.float64) - target) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1 / generated.size)))


def ssim(generated: np.ndarray, target: np.ndarray) -> float:
    """Structural similarity of two images (H, W, 3), 1 where they are equal.

    Gaussian window of σ 1.5 over 11 px, where it lies wholly within the image; the mean over
    pixels and channels (Z Wang et al., 2004).

    Raises:
        ValueError: a side is under 11 px.
    """
    if min(generated.shape[:2]) < 11:
        raise ValueError(f"SSIM needs 11 px a side, got {generated.shape[:2]}")
    # Here, for the sake of commands that need none: it takes seconds to import.
    from torchmetrics.functional.image import structural_similarity_index_measure

    first, second = (_planes(frame) for frame in (generated, target))
    _, similarity = structural_similarity_index_measure(
        first, second, data_range=255.0, return_full_image=True
    )
    return float(similarity[..., 5:-5, 5:-5].mean())


def _planes(frame: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].double()


def flicker(before: np.ndarray, now: np.ndarray, after: np.ndarray) -> float:
    """Mean |before − 2·now + after| of three images in a row, in 8-bit levels.

    What stays, or changes at a steady rate, gives 0; what jumps to and fro counts.
    """
    return float(np.abs(before.astype(np.int16) - 2 * now.astype(np.int16) + after).mean())


def motion(before: np.ndarray, now: np.ndarray) -> float:
    """Mean absolute difference of two images, in 8-bit levels."""
    return float(np.abs(before.astype(np.int16) - now).mean())


def voiced(waveform: np.ndarray, n_frames: int) -> NDArray[np.bool_]:
    """Which frames (n_frames,) at 25 fps have a voice, by their level alone.

    A frame's level is the RMS of its 40 ms. It has a voice where that is over −60 dB of full scale
    and at most 35 dB under the 95th percentile of the clip. Frames after the sound have none.
    """
    whole = np.pad(waveform, (0, max(0, n_frames * SAMPLES_PER_FRAME - len(waveform))))
    blocks = whole[: n_frames * SAMPLES_PER_FRAME].reshape(n_frames, SAMPLES_PER_FRAME)
    level = 10 * np.log10(np.mean(blocks.astype(np.float64) ** 2, axis=1) + 1e-12)
    return (level > FLOOR_DB) & (level >= np.percentile(level, LOUD) - VOICE_DB)


def motion_in_silence(motions: Floats, voice: NDArray[np.bool_]) -> float:
    """How much the mouth moves where nobody speaks, as a part of how much it moves where one does.

    Args:
        motions: (F − 1,) `motion` of the mouth from each frame to the next; NaN where unknown.
        voice: (F,) from `voiced`. A step counts as silent, or as spoken, where both its frames are.

    Returns:
        Mean motion over silent steps over that of spoken ones; NaN where either has none.
    """
    known = ~np.isnan(motions)
    silent = motions[known & ~voice[1:] & ~voice[:-1]]
    spoken = motions[known & voice[1:] & voice[:-1]]
    if not len(silent) or not len(spoken) or spoken.mean() == 0:
        return float("nan")
    return float(silent.mean() / spoken.mean())


def mouth_corner_distance(generated: Floats, target: Floats) -> float:
    """How far the mouth's corners are from where they should be, in distances of the eyes.

    Args:
        generated, target: (5, 2) eyes, nose, left and right corner of the mouth, in pixels of the
            same frame.
    """
    eyes = np.linalg.norm(target[1] - target[0])
    return float(np.linalg.norm(generated[3:] - target[3:], axis=1).mean() / eyes)


def mouth_distance(generated: Floats, target: Floats) -> float:
    """How far 20 points of the mouth are from where they should be, in distances of the eyes.

    Args:
        generated, target: (68, 2) landmarks in pixels of the same frame, in the order of 300-W. The
            distance of the eyes is that of their outer corners in the target.
    """
    eyes = np.linalg.norm(target[EYES[1]] - target[EYES[0]])
    return float(np.linalg.norm(generated[MOUTH] - target[MOUTH], axis=1).mean() / eyes)


def face_distance(generated: Floats, target: Floats) -> float:
    """As `mouth_distance`, over all 68 points: F-LMD beside M-LMD."""
    eyes = np.linalg.norm(target[EYES[1]] - target[EYES[0]])
    return float(np.linalg.norm(generated - target, axis=1).mean() / eyes)
