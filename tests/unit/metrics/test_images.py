"""Images' metrics against scikit-image, and on cases done by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
from skimage import metrics as peers

from w2l.metrics import images


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    image = np.ascontiguousarray(skimage.data.astronaut()[:96, 200:280, ::-1])
    return cv2.GaussianBlur(image, (0, 0), 1.5), image


def test_psnr_equals_scikit_image(pair):
    want = peers.peak_signal_noise_ratio(pair[1], pair[0], data_range=255)
    assert images.psnr(*pair) == pytest.approx(want)
    off_by_one = pair[0].copy()
    off_by_one[0, 0, 0] ^= 1
    least = images.psnr(pair[0], off_by_one)
    assert images.psnr(pair[0], pair[0]) == least < np.inf


def test_ssim_equals_scikit_image(pair):
    want = peers.structural_similarity(
        *pair, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        data_range=255,
    )  # fmt: skip
    assert images.ssim(*pair) == pytest.approx(want, abs=1e-6)
    assert images.ssim(pair[0], pair[0]) == pytest.approx(1)
    with pytest.raises(ValueError, match="11 px"):
        images.ssim(pair[0][:10], pair[1][:10])


def test_flicker_is_blind_to_what_changes_steadily():
    grey = [np.full((4, 4, 3), value, np.uint8) for value in (10, 20, 30, 10)]
    assert images.flicker(*grey[:3]) == 0
    assert images.flicker(*grey[1:]) == 30  # 20 - 60 + 10
    assert images.motion(*grey[2:]) == 20


def test_voice_by_level():
    level = np.array([0.5] * 10 + [0.5 * 10 ** (-34 / 20)] * 3 + [0.5 * 10 ** (-36 / 20)] * 3)
    sound = np.repeat(level, 640) * np.resize([1.0, -1.0], len(level) * 640)
    got = images.voiced(sound.astype(np.float32), 18)
    assert got.tolist() == [True] * 13 + [False] * 5  # two frames after the end among them
    assert not images.voiced(np.full(6400, 5e-4, np.float32), 10).any()  # -66 dB throughout


def test_motion_in_silence():
    voice = np.array([True, True, True, False, False, False])
    motions = np.array([4.0, 6.0, 99.0, 1.0, np.nan])  # the step into silence counts for neither
    assert images.motion_in_silence(motions, voice) == pytest.approx(1 / 5)
    assert np.isnan(images.motion_in_silence(motions, np.ones(6, bool)))


def test_mouth_corners():
    target = np.array([[10, 10], [30, 10], [20, 20], [15, 30], [25, 30.0]])
    moved = target.copy()
    moved[3:] += (0, 5)
    moved[2] += 50  # the nose does not count
    assert images.mouth_corner_distance(moved, target) == pytest.approx(5 / 20)
