"""What is written of a synced image: its size, what stands beside it, what is drawn over it."""

from __future__ import annotations

import numpy as np
import pytest

from w2l.errors import UserError
from w2l.inference.blending import blend, coverage, paste
from w2l.inference.layout import BOX_COLOUR, Layout, OutputOptions, scaled
from w2l.inference.source import SourceFrame

SIZE = (160, 120)  # width, height
BOX = np.array([30, 11, 101, 90])  # left, top, right, bottom


@pytest.fixture
def image() -> SourceFrame:
    rng = np.random.default_rng(0)
    frame, given = rng.integers(0, 256, (2, 120, 160, 3), dtype=np.uint8)
    return SourceFrame(0, frame, given)


def layout(**options) -> Layout:
    return Layout(SIZE, OutputOptions(**options))


def test_the_result_is_left_as_it_is(image: SourceFrame) -> None:
    shown = layout()
    assert shown.size == SIZE
    np.testing.assert_array_equal(shown(image), image.frame)


def test_the_source_stands_left_of_the_result(image: SourceFrame) -> None:
    shown = layout(view="side_by_side")
    assert shown.size == (320, 120)
    written = shown(image)
    np.testing.assert_array_equal(written[:, :160], image.given)
    np.testing.assert_array_equal(written[:, 160:], image.frame)


@pytest.mark.parametrize("quality", ["improved", "fast"])
def test_the_mask_is_drawn_where_pixels_are_generated_and_nowhere_else(quality) -> None:
    grey = np.full((120, 160, 3), 128, np.uint8)
    face = np.random.default_rng(1).integers(0, 100, (96, 96, 3), dtype=np.uint8)
    put_back = paste if quality == "fast" else blend
    generated = (put_back(grey.copy(), BOX, face) != grey).any(axis=2)
    left, top, right, bottom = BOX
    mark = (np.array(BOX), coverage(bottom - top, right - left, quality))
    drawn = layout(view="mask")(SourceFrame(0, grey.copy(), marks=(mark,)))
    changed = (drawn != grey).any(axis=2)
    edge = np.zeros_like(changed)
    edge[top:bottom, left:right] = True
    edge[top + 1 : bottom - 1, left + 1 : right - 1] = False
    assert (drawn[edge] == BOX_COLOUR).all()
    # Some generated pixels happen to have the colour that was there.
    assert (changed & ~edge & ~generated).sum() < 0.02 * generated.sum()
    assert (generated & ~edge & ~changed).sum() < 0.02 * generated.sum()


def test_an_untouched_frame_has_no_mask(image: SourceFrame) -> None:
    before = image.frame.copy()
    np.testing.assert_array_equal(layout(view="mask")(image), before)


@pytest.mark.parametrize("height", [1, 2, 60, 61])
def test_coverage_says_what_the_blend_does(height: int) -> None:
    black = np.zeros((70, 40, 3), np.uint8)
    box = np.array([2, 3, 38, 3 + height])
    out = blend(black.copy(), box, np.full((96, 96, 3), 250, np.uint8))
    alpha = coverage(height, 36, "improved")[..., 0]
    assert alpha.shape == (height, 36)
    inside = out[3 : 3 + height, 2:38].max(axis=2) > 0
    assert not (inside & (alpha == 0)).any()


@pytest.mark.parametrize(
    ("size", "height", "codec", "expected"),
    [
        ((1920, 1080), 720, "h264", (1280, 720)),
        ((1080, 1920), 640, "hevc", (360, 640)),
        ((854, 480), 240, "vp9", (428, 240)),  # 427 is odd
        ((854, 480), 240, "ffv1", (427, 240)),
        ((360, 288), 101, "png", (126, 101)),
        ((53, 35), None, "h264", (53, 35)),
    ],
)
def test_sizes(size, height, codec, expected) -> None:
    assert scaled(size, OutputOptions(codec=codec, height=height)) == expected


def test_images_are_scaled_beside_each_other(image: SourceFrame) -> None:
    shown = layout(view="side_by_side", height=60)
    image.frame[:], image.given[:] = 200, 50
    written = shown(image)
    assert written.shape == (60, 160, 3)
    assert shown.size == (160, 60)
    assert (written[:, :80] == 50).all()
    assert (written[:, 80:] == 200).all()


@pytest.mark.parametrize("height", [30, 240])
def test_scaling_moves_nothing(height: int) -> None:
    frame = np.zeros((120, 160, 3), np.uint8)
    frame[:60, 80:] = 240
    written = layout(height=height)(SourceFrame(0, frame))
    assert written.shape == (height, height * 4 // 3, 3)
    wanted = np.zeros_like(written)
    wanted[: height // 2, written.shape[1] // 2 :] = 240
    assert np.abs(written.astype(int) - wanted).mean() < 3


def test_the_label_is_on_the_result_only_and_in_its_corner(image: SourceFrame) -> None:
    before = image.frame.copy()
    written = layout(view="side_by_side", label="AI")(image)
    np.testing.assert_array_equal(written[:, :160], image.given)
    changed = (written[:, 160:] != before).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows[0] == columns[0] == 0
    assert 8 <= rows[-1] < 30
    assert 8 <= columns[-1] < 80
    assert (written[: rows[-1], 160 : 160 + columns[-1]] == 255).all(axis=2).any()  # letters


@pytest.mark.parametrize("height", [0, -4, 8, 20_000])
def test_absurd_heights_are_refused(height: int) -> None:
    with pytest.raises(UserError, match="16 to 16384"):
        OutputOptions(height=height)


def test_odd_heights_are_refused_where_they_cannot_be() -> None:
    with pytest.raises(UserError, match=r"H\.264 takes even ones only: use 360 or 362"):
        OutputOptions(height=361)
    assert OutputOptions(codec="ffv1", height=361).height == 361


def test_a_width_that_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="40000 pixels wide"):
        Layout((4000, 100), OutputOptions(height=1000))
