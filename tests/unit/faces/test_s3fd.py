"""S3FD through face-alignment, with random weights: the published ones cannot be shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from w2l.errors import UserError
from w2l.faces.face_alignment import package
from w2l.faces.s3fd import S3FD


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    s3fd = package("detection.sfd.net_s3fd").s3fd
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("s3fd") / "s3fd.pth"
    torch.save(s3fd().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [(32, 64, 3), (32, 32, 3), (32, 64, 3)]
    return [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


def test_faces_are_finite_and_in_order(weights: Path, frames: list[np.ndarray]) -> None:
    detector = S3FD(weights)
    together = detector.detect(frames)
    assert detector.detect([]) == []
    for frame, faces in zip(frames, together, strict=True):
        (alone,) = detector.detect([frame])
        assert faces.boxes.shape == (len(faces.scores), 4)
        assert faces.boxes.dtype == faces.scores.dtype == np.float32
        assert len(faces.scores) > 0
        assert np.isfinite(faces.boxes).all()
        assert (faces.boxes >= 0).all()
        assert (faces.scores > 0.5).all()
        assert (np.diff(faces.scores) <= 0).all(), "the first face is the best one"
        assert faces.landmarks is None
        np.testing.assert_allclose(faces.boxes[0], alone.boxes[0], atol=0.01)


def test_the_network_sees_bgr_and_in_published_form_rgb(
    weights: Path, frames: list[np.ndarray]
) -> None:
    seen = {}
    for published in (False, True):
        detector = S3FD(weights, published=published)
        net = detector._detector.face_detector
        net.register_forward_pre_hook(
            lambda _, args, key=published: seen.__setitem__(key, args[0].clone())
        )
        detector.detect(frames[:1])
    bgr = torch.from_numpy(frames[0]).permute(2, 0, 1)[None].float()
    mean = torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(seen[False], bgr - mean)
    torch.testing.assert_close(seen[True], bgr.flip(1) - mean)


def test_threshold_and_scale(weights: Path, frames: list[np.ndarray]) -> None:
    (all_of_them,) = S3FD(weights).detect(frames[:1])
    bar = float(np.median(all_of_them.scores))
    (some,) = S3FD(weights, threshold=bar).detect(frames[:1])
    np.testing.assert_array_equal(some.scores, all_of_them.scores[all_of_them.scores > bar])
    # Boxes found in the small image are those of the frame.
    large = frames[0].repeat(4, axis=0).repeat(4, axis=1)
    (found,) = S3FD(weights, scale=0.25).detect([large])
    np.testing.assert_allclose(found.boxes, 4 * all_of_them.boxes, atol=0.1)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    with pytest.raises(UserError, match=r"no S3FD weights file .*other\.pth"):
        S3FD(path)
    for content in (b"", b"<html>not found</html>", b"PK\x03\x04 cut off"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"other\.pth does not hold S3FD's weights"):
            S3FD(path)
    for thing in ({"conv1_1.weight": torch.zeros(3)}, [1, 2]):
        torch.save(thing, path)
        with pytest.raises(UserError, match=r"other\.pth does not hold S3FD's weights"):
            S3FD(path)
