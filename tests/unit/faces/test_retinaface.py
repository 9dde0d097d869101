"""RetinaFace with the networks of two makes, and YuNet, by their files."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from w2l import boxes as box_ops
from w2l.building import Component, named_group
from w2l.components import Faces
from w2l.errors import UserError
from w2l.faces import CenterFace, RetinaFace, YuNet
from w2l.faces.retinaface import MAKES, RetinaNet
from w2l.video import VideoReader


@pytest.fixture(scope="module")
def mobile(shared_media: Path) -> Path:
    path = shared_media.parent / "reference/weights/retinaface_mobilenet0.25_Final.pth"
    if not path.is_file():
        pytest.skip("RetinaFace's weights are not part of the project")
    return path


def test_real_faces_are_where_centerface_finds_them(mobile: Path, shared_media: Path) -> None:
    """Boxes overlap by 0.75 and more, points lie within a fifteenth of the box."""
    retina = Component.of(named_group("detector", "retinaface")).with_arguments(
        weights=str(mobile)
    ).build(device="cpu")  # fmt: skip
    for name in ("grid_bbaf2n_en_25fps.mpg", "grid_lrwp9a_en_25fps.mpg"):
        frames = list(islice(VideoReader(shared_media / "talking" / name), 0, 21, 20))
        large = cv2.resize(frames[0], None, fx=3, fy=3)
        for ours, theirs in zip(
            retina.detect([*frames, large]), CenterFace().detect([*frames, large]), strict=True
        ):
            assert len(ours.boxes) == len(theirs.boxes) == 1
            assert ours.scores[0] > 0.95
            assert box_ops.iou(ours.boxes, theirs.boxes)[0, 0] > 0.75
            height = theirs.boxes[0, 3] - theirs.boxes[0, 1]
            assert np.abs(ours.landmarks[0] - theirs.landmarks[0]).max() < height / 15
    assert retina.detect([np.zeros((90, 50, 3), np.uint8)])[0].boxes.shape == (0, 4)
    assert retina.detect([]) == []


def test_a_network_has_the_published_entries(tmp_path: Path) -> None:
    with torch.device("meta"):
        state = RetinaNet(False, *MAKES["pytorch_retinaface"]).state_dict()
    count = sum(value.numel() for name, value in state.items() if "num_" not in name)
    assert count == 27_351_584  # of 4 bytes: the published file has 109.5 MB
    for name, shape in {
        "body.layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "body.layer4.2.conv3.weight": (2048, 512, 1, 1),
        "fpn.output3.0.weight": (256, 2048, 1, 1),
        "ssh1.conv7x7_3.1.running_var": (64,),
        "LandmarkHead.2.conv1x1.bias": (20,),
    }.items():
        assert tuple(state[name].shape) == shape, name
    net = RetinaNet(True, *MAKES["face_detector_1mb"])
    file = tmp_path / "m.pth"
    torch.save({f"module.{k}": v for k, v in net.state_dict().items()}, file)
    detector = RetinaFace(file, make="face_detector_1mb", threshold=0.0, size=64)
    (faces,) = detector.detect([np.full((48, 64, 3), 90, np.uint8)])
    assert isinstance(faces, Faces)
    assert faces.landmarks is not None
    assert np.isfinite(faces.boxes).all()


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "eyes.onnx"
    with pytest.raises(UserError, match=r"no RetinaFace weights file .*eyes"):
        RetinaFace(file)
    with pytest.raises(UserError, match=r"no YuNet file .*eyes"):
        YuNet(file)
    file.write_bytes(b"no network")
    with pytest.raises(UserError, match=r"does not hold RetinaFace's weights"):
        RetinaFace(file)
    with pytest.raises(UserError, match="is no YuNet"):
        YuNet(file)
    with pytest.raises(UserError, match="make=1mb is not known"):
        RetinaFace(file, make="1mb")


def test_yunet_rows_become_faces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OpenCV gives x, y, width, height, five points and a score; frames are scaled before."""
    seen = []

    class Net:
        def setInputSize(self, size: tuple[int, int]) -> None:  # noqa: N802, OpenCV's name
            seen.append(tuple(size))

        def detect(self, image: np.ndarray) -> tuple[int, np.ndarray | None]:
            if not image.any():
                return 0, None
            rows = np.zeros((2, 15), np.float32)
            rows[:, :4], rows[:, 4:14], rows[:, 14] = (10, 20, 30, 40), np.arange(10), (0.6, 0.9)
            return 1, rows

    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *_, **__: Net())
    file = tmp_path / "yunet.onnx"
    file.touch()
    frames = [np.zeros((60, 80, 3), np.uint8), np.ones((120, 160, 3), np.uint8)]
    none, two = YuNet(file, size=80).detect(frames)
    assert seen == [(80, 60), (80, 60)]
    assert len(none.boxes) == 0
    assert two.boxes.tolist() == [[20, 40, 80, 120]] * 2
    np.testing.assert_allclose(two.scores, [0.9, 0.6])
    assert two.landmarks is not None
    assert two.landmarks[0].tolist() == [[0, 2], [4, 6], [8, 10], [12, 14], [16, 18]]
