"""What the two blends change, and what they leave alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from w2l.inference.blending import blend, colour_shift, mouth_mask, paste


@pytest.fixture
def frame():
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


@pytest.fixture
def face():
    return np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)


BOX = np.array([30, 11, 101, 90])  # left, top, right, bottom: odd on purpose


def test_paste_is_the_published_hard_paste(frame, face):
    source = frame.copy()
    assert paste(frame, BOX, face) is frame
    np.testing.assert_array_equal(frame[11:90, 30:101], cv2.resize(face, (71, 79)))
    frame[11:90, 30:101] = source[11:90, 30:101]
    np.testing.assert_array_equal(frame, source)


def test_blend_changes_only_the_lower_half_of_the_box(frame, face):
    source = frame.copy()
    blend(frame, BOX, face)
    changed = (frame != source).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows[0] >= 51
    assert rows[-1] < 90
    assert columns[0] >= 30
    assert columns[-1] < 101
    assert changed[60:80, 45:86].all(axis=1).any()


def test_blend_keeps_a_face_that_was_generated_perfectly():
    """A generated face equal to the source, tinted, leaves nearly the source."""
    y, x = np.mgrid[:120, :160]
    smooth = np.stack([x + 40, y + 60, (x + y) // 2 + 30], axis=2).astype(np.uint8)
    crop = cv2.resize(smooth[11:90, 30:101], (96, 96))
    tinted = np.clip(crop.astype(int) + (9, -6, 4), 0, 255).astype(np.uint8)
    out = blend(smooth.copy(), BOX, tinted)
    assert np.abs(out.astype(int) - smooth).max() <= 2


def test_the_mask_has_no_edge():
    mask = mouth_mask(60, 90)[..., 0]
    assert mask.max() == 1
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert (rim == 0).all()
    assert np.abs(np.diff(mask, axis=0)).max() < 0.2
    assert np.abs(np.diff(mask, axis=1)).max() < 0.15
    assert (mask > 0.99).mean() > 0.25  # the mouth itself is all generated


@pytest.mark.parametrize("seed", range(4))
def test_the_colour_shift_is_the_median_in_the_rim(seed):
    rng = np.random.default_rng(seed)
    source, generated = rng.integers(0, 256, (2, 31, 44, 3), dtype=np.uint8)
    source[:, :, 2] = 0 if seed == 3 else source[:, :, 2]
    alpha = rng.random((31, 44, 1), dtype=np.float32) ** 3
    rim = (alpha[..., 0] > 0.05) & (alpha[..., 0] < 0.95)
    expected = np.median(source[rim].astype(int) - generated[rim], axis=0)
    assert colour_shift(source, generated, alpha) == tuple(expected)


def test_nothing_is_shifted_where_nothing_fades(frame):
    assert colour_shift(frame, frame[::-1], np.ones((120, 160, 1), np.float32)) == (0, 0, 0)


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (5, 5, 6, 9), (5, 5, 60, 6), (0, 0, 160, 120)])
def test_any_box_in_the_image_works(frame, face, box):
    for quality in (paste, blend):
        assert quality(frame.copy(), np.array(box), face).shape == frame.shape


@pytest.mark.parametrize("put_back", [paste, blend])
def test_strength_is_the_share_of_the_generated_face(put_back):
    rng = np.random.default_rng(3)
    source = rng.integers(0, 256, (90, 80, 3), dtype=np.uint8)
    face = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    box = np.array([10, 5, 71, 80])
    whole = put_back(source.copy(), box, face)
    np.testing.assert_array_equal(put_back(source.copy(), box, face, strength=1.0), whole)
    np.testing.assert_array_equal(put_back(source.copy(), box, face, strength=0.0), source)
    quarter = source + 0.25 * (whole.astype(float) - source)
    error = np.abs(put_back(source.copy(), box, face, strength=0.25) - quarter)
    assert error.max() <= 0.5
