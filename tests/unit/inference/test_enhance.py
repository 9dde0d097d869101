"""Qualities from image to image: what they change, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.restoration import graphs
from w2l.errors import UserError
from w2l.inference import FaceRestoration, MaskOptions, SyncOptions
from w2l.inference.blending import coverage
from w2l.inference.enhance import Face
from w2l.inference.lips import Heard, put_lips
from w2l.inference.plan import FacePlan
from w2l.inference.source import SourceFrame
from w2l.restoration import Sharpen, build_parser, network_restorer

BOX = np.array([30, 20, 101, 109])  # left, top, right, bottom
BOXED = (slice(20, 109), slice(30, 101))
POINTS = np.array([(48, 55), (82, 55), (65, 70), (52, 90), (79, 90)], np.float32)
MEL = np.zeros((80, 16), np.float32)


class Lips:
    """In place of a generator: answers every face with the same noise."""

    image_size = 96

    def __call__(self, faces, mels):
        noise = np.random.default_rng(5).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        return np.stack([noise] * len(faces))


def images(n: int = 1) -> list[SourceFrame]:
    rng = np.random.default_rng(0)
    return [SourceFrame(i, rng.integers(0, 256, (120, 160, 3), np.uint8)) for i in range(n)]


def synced(shown: list[SourceFrame], plan: FacePlan | None = None, **options) -> list[SourceFrame]:
    plan = plan or FacePlan(np.stack([BOX] * len(shown)), {})
    options = SyncOptions(**options)
    copies = [image._replace(frame=image.frame.copy()) for image in shown]
    heard = [Heard(image, MEL, 1.0) for image in copies]
    return put_lips(heard, plan, Lips(), options, options.restoration)


@pytest.fixture
def inverse(tmp_path):
    return network_restorer(graphs.inverse(tmp_path / "inverse.onnx"))


@pytest.mark.parametrize("quality", ["fast", "improved", "enhanced"])
def test_outside_the_mask_every_pixel_is_the_sources(quality, inverse):
    """Also with each region: no pixel of mask 0 changes, most of mask 1 do."""
    for region in ("mouth", "face") if quality == "enhanced" else (None,):
        restoration = None if region is None else FaceRestoration(inverse, region=region)
        (given,) = images()
        (out,) = synced([given], quality=quality, restoration=restoration)
        changed = (out.frame != given.frame).any(axis=2)
        mask = np.zeros((120, 160), np.float32)
        mask[BOXED] = out.marks[0][1][..., 0]
        assert not changed[mask == 0].any()
        assert changed[mask > 0.9].mean() > 0.95
        assert (mask == 0)[:64].all() == (quality != "fast" and region != "face")


def test_the_restored_region_is_restored_exactly_where_the_mask_says(inverse):
    """Flat skin of 60 becomes 195 as far as the mask reaches."""
    frame = np.full((120, 160, 3), 60, np.uint8)
    mask = coverage(89, 71, "improved")
    restoration = FaceRestoration(inverse, strength=0.8)
    restoration([Face(frame, BOX, POINTS, mask)])
    expected = np.full((120, 160, 3), 60.0)
    expected[BOXED] += 0.8 * mask * (195 - 60)
    assert np.abs(frame - expected).max() <= 0.51


def test_strength_0_is_improved(inverse):
    shown = images(2)
    none = FaceRestoration(inverse, strength=0, smooth=0.5)
    enhanced = synced(shown, quality="enhanced", restoration=none)
    for one, other in zip(enhanced, synced(shown, quality="improved"), strict=True):
        np.testing.assert_array_equal(one.frame, other.frame)
        np.testing.assert_array_equal(one.marks[0][1], other.marks[0][1])


def test_an_aligned_restorer_changes_the_image_in_place(tmp_path):
    """What an identity changes is what two resamplings cost: little, and nothing moves."""
    y, x = np.mgrid[:120, :160]
    frame = (np.stack([x, y, x + y], axis=2) / 2 + 40).astype(np.uint8)
    before = frame.copy()
    restoration = FaceRestoration(
        network_restorer(graphs.identity(tmp_path / "g.onnx")), region="face"
    )
    restoration([Face(frame, BOX, POINTS, coverage(89, 71, "improved"))])
    assert np.abs(frame.astype(int) - before).max() <= 1


def test_sharpening_steepens_an_edge_and_says_that_it_is_none_but_that():
    frame = np.full((120, 160, 3), 80, np.uint8)
    frame[:, 65:] = 160
    FaceRestoration(Sharpen(), region="face")([Face(frame, BOX, None, coverage(89, 71, "fast"))])
    assert frame[60, 64, 0] < 70
    assert frame[60, 65, 0] > 170
    assert "no restoration network" in Sharpen().label
    assert not Sharpen().generates


class Flickering:
    """A restorer that makes faces brighter and darker in turn."""

    label, generates, size, aligned = "flickering", False, None, False

    def __init__(self):
        self._add = -20

    def __call__(self, faces):
        self._add = -self._add
        return np.clip(faces.astype(int) + self._add, 0, 255).astype(np.uint8)


def test_frames_without_a_face_stay_and_end_the_smoothing():
    """Frame 2 has no face; frame 3, brightened as frame 0 was, is as if it were the first."""
    shown = images(4)
    for image in shown:
        image.frame[:] = shown[0].frame
    plan = FacePlan(np.stack([BOX] * 4), {2: "no face found"})
    smooth = FaceRestoration(Flickering(), smooth=0.8)
    out = synced(shown, plan, quality="enhanced", restoration=smooth)
    np.testing.assert_array_equal(out[2].frame, shown[2].frame)
    assert out[2].marks == ()
    np.testing.assert_array_equal(out[3].frame, out[0].frame)


def test_a_parser_keeps_lips_off_what_is_no_face(tmp_path):
    """The image is red, which the graph calls skin, left of column 60, and blue right of it."""
    parser = build_parser(graphs.parser(tmp_path / "p.onnx"))
    frame = np.zeros((120, 160, 3), np.uint8)
    frame[:, :60, 2] = frame[:, 60:, 0] = 200
    (out,) = synced([SourceFrame(0, frame)], quality="improved", parser=parser)
    changed = (out.frame != frame).any(axis=2)
    assert not changed[:, 69:].any()
    assert changed[75:100, 40:55].mean() > 0.9


@pytest.mark.parametrize("region", ["face", "parsing"])
def test_the_parsed_face_is_what_is_restored(inverse, tmp_path, region):
    parser = build_parser(graphs.parser(tmp_path / "p.onnx"))
    frame = np.zeros((120, 160, 3), np.uint8)
    frame[:, :60, 2] = frame[:, 60:, 0] = 200
    before = frame.copy()
    restoration = FaceRestoration(inverse, region=region, parser=parser)
    parsed = parser(frame, BOX, None)
    restoration([Face(frame, BOX, None, coverage(89, 71, "improved"), parsed=parsed)])
    changed = (frame != before).any(axis=2)
    assert not changed[:, 69:].any()
    assert changed[30:100, 40:55].mean() > 0.9


def test_bad_numbers_and_a_missing_parser_are_refused(inverse):
    with pytest.raises(UserError, match=r"restore_strength=1\.5"):
        FaceRestoration(inverse, strength=1.5)
    with pytest.raises(UserError, match="restore_smooth=1"):
        FaceRestoration(inverse, smooth=1)
    with pytest.raises(UserError, match="needs a parser"):
        FaceRestoration(inverse, region="parsing")
    for name in ("size", "feather"):
        with pytest.raises(UserError, match=f"mask_{name}=1.2 must be"):
            MaskOptions(**{name: 1.2})
    with pytest.raises(ValueError, match=r"needs a restoration"):
        synced(images(), quality="enhanced")


def test_masks_shrink_and_fade_as_they_are_told():
    default = coverage(100, 80, "improved")
    assert (coverage(100, 80, "improved", MaskOptions(size=0.5)) > 0).mean() == pytest.approx(
        (default > 0).mean() / 4, rel=0.1
    )
    hard = coverage(100, 80, "improved", MaskOptions(feather=0.05))
    assert (hard == 1).mean() > 1.3 * (default == 1).mean()


@pytest.mark.parametrize(("x", "y"), [(0.5, 0.75), (0.35, 0.7), (0.6, 0.85)])
def test_a_tracking_mask_lies_around_the_mouth_within_the_lower_half(x, y):
    options = MaskOptions(size=0.6, tracking=True)
    mask = coverage(100, 80, "improved", options, (x, y, 0.377))[..., 0]
    assert not mask[:50].any()
    rows, columns = np.nonzero(mask > 0.5)
    assert columns.mean() / 80 == pytest.approx(x, abs=0.03)
    assert rows.mean() / 100 == pytest.approx(y, abs=0.03)
    half = coverage(100, 80, "improved", options, (x, y, 0.377 / 2))[..., 0]
    assert (half > 0.5).sum() < 0.4 * (mask > 0.5).sum()
    untracked = coverage(100, 80, "improved", MaskOptions(size=0.6), (x, y, 0.377))
    np.testing.assert_array_equal(untracked, coverage(100, 80, "improved", MaskOptions(size=0.6)))


def test_a_still_is_cut_out_and_masked_once_with_the_same_pixels() -> None:
    """But what somebody else's new lips have changed is looked at again."""
    asked: list[np.ndarray] = []

    def parser(frame, box, landmarks):
        asked.append(frame)
        return (frame[BOXED][..., :1] / 255).astype(np.float32)

    plan, options = FacePlan(BOX[None], {}), SyncOptions(parser=parser)
    (still,) = images()

    def heard(strength: float, **changed) -> Heard:
        return Heard(still._replace(frame=still.frame.copy(), **changed), MEL, strength)

    strengths = (1.0, 0.5, 0.0, 1.0)
    together = put_lips([heard(each) for each in strengths], plan, Lips(), options)
    assert len(asked) == 1
    for image, strength in zip(together, strengths, strict=True):
        (alone,) = put_lips([heard(strength)], plan, Lips(), options)
        np.testing.assert_array_equal(image.frame, alone.frame)
    asked.clear()
    mark = (BOX, np.ones((89, 71, 1), np.float32))
    put_lips([heard(1.0), heard(1.0, marks=(mark,)), heard(1.0)], plan, Lips(), options)
    assert len(asked) == 2
