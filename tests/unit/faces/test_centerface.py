"""The embedded detector: equal to the published ONNX file, and of use on frames of any size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from w2l import boxes as box_ops
from w2l.faces.centerface import WEIGHTS, CenterFace, FaceMaps, _decode

NAMES = ("heat", "size", "offset", "landmarks")


@pytest.fixture(scope="module")
def detector() -> CenterFace:
    return CenterFace()


@pytest.fixture(scope="module")
def onnx(golden: Path) -> dict[str, np.ndarray]:
    """The image (2, 3, 160, 192) RGB and what onnxruntime made of it."""
    with np.load(golden / "centerface.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def frame(onnx: dict[str, np.ndarray]) -> np.ndarray:
    """A face, (160, 192, 3) BGR."""
    return np.ascontiguousarray(onnx["picture"][0, ::-1].transpose(1, 2, 0))


def decode_slowly(maps: dict[str, np.ndarray], image: int, threshold: float) -> list[np.ndarray]:
    """Rows of score, box, landmarks by the published rule, cell by cell, best first."""
    found = []
    heat, size, offset, points = (maps[name][image] for name in NAMES)
    for row in range(heat.shape[1]):
        for column in range(heat.shape[2]):
            if heat[0, row, column] > threshold:
                h, w = 4 * np.exp(size[:, row, column])
                dy, dx = offset[:, row, column]
                left, top = 4 * (column + dx + 0.5) - w / 2, 4 * (row + dy + 0.5) - h / 2
                face = [heat[0, row, column], left, top, left + w, top + h]
                for k in range(5):
                    face += [
                        left + w * points[2 * k + 1, row, column],
                        top + h * points[2 * k, row, column],
                    ]
                found.append(np.array(face))
    return sorted(found, key=lambda face: -face[0])


def test_network_equals_the_onnx_file(detector: CenterFace, onnx: dict[str, np.ndarray]) -> None:
    with torch.inference_mode():
        maps = detector.net(torch.from_numpy(onnx["picture"]).float())
    assert onnx["heat"].max() > 0.9, "the image shows a face"
    for name, ours in zip(NAMES, maps, strict=True):
        np.testing.assert_allclose(ours.numpy(), onnx[name], rtol=0, atol=2e-5, err_msg=name)


def test_decoding_equals_the_published_loop(onnx: dict[str, np.ndarray]) -> None:
    maps = FaceMaps(*(torch.from_numpy(onnx[name]) for name in NAMES))
    for i, (boxes, scores, landmarks) in enumerate(_decode(maps, 0.3)):
        expected = np.array(decode_slowly(onnx, i, 0.3))
        assert len(expected) > 3
        order = np.argsort(-scores)
        np.testing.assert_allclose(scores[order], expected[:, 0], rtol=1e-6)
        np.testing.assert_allclose(boxes[order], expected[:, 1:5], rtol=0, atol=1e-3)
        np.testing.assert_allclose(
            landmarks[order].reshape(-1, 10), expected[:, 5:], rtol=0, atol=1e-3
        )


def test_detect_equals_the_published_pipeline(
    detector: CenterFace, onnx: dict[str, np.ndarray], frame: np.ndarray
) -> None:
    """From the BGR frame to one box: channel order, decoding, suppression."""
    (faces,) = detector.detect([frame])
    best = decode_slowly(onnx, 0, 0.5)[0]
    assert faces.boxes.shape == (1, 4)
    assert faces.landmarks is not None
    assert faces.boxes.dtype == faces.scores.dtype == faces.landmarks.dtype == np.float32
    np.testing.assert_allclose(faces.scores[0], best[0], atol=1e-4)
    np.testing.assert_allclose(faces.boxes[0], np.clip(best[1:5], 0, [192, 160] * 2), atol=0.01)
    np.testing.assert_allclose(faces.landmarks[0].ravel(), best[5:], atol=0.01)


def test_landmarks_lie_where_a_face_has_them(detector: CenterFace, frame: np.ndarray) -> None:
    (faces,) = detector.detect([frame])
    assert faces.landmarks is not None
    left, top, right, bottom = faces.boxes[0]
    points = (faces.landmarks[0] - [left, top]) / [right - left, bottom - top]
    assert (points > 0.1).all()
    assert (points < 0.95).all()
    left_eye, right_eye, nose, left_mouth, right_mouth = points
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0, 7.0])
def test_boxes_are_those_of_the_frame_whatever_its_size(
    detector: CenterFace, frame: np.ndarray, scale: float
) -> None:
    (reference,) = detector.detect([frame])
    height, width = frame.shape[:2]
    size = round(width * scale), round(height * scale)
    (faces,) = detector.detect([cv2.resize(frame, size, interpolation=cv2.INTER_AREA)])
    assert len(faces.boxes) == 1
    assert box_ops.iou(reference.boxes * scale, faces.boxes)[0, 0] > 0.8
    assert reference.landmarks is not None
    assert faces.landmarks is not None
    np.testing.assert_allclose(faces.landmarks, reference.landmarks * scale, atol=8 * scale)


def test_size_is_the_most_that_the_network_sees(frame: np.ndarray) -> None:
    shapes = []
    detector = CenterFace(size=100)
    detector.net.register_forward_pre_hook(lambda _, args: shapes.append(tuple(args[0].shape)))
    (faces,) = detector.detect([cv2.resize(frame, (768, 640))])
    detector.detect([frame[:70, :50]])
    assert shapes == [(1, 3, 96, 128), (1, 3, 96, 64)]  # scaled to 100x83, and not scaled up
    assert len(faces.boxes) == 1


def test_one_call_takes_frames_of_several_sizes(detector: CenterFace, frame: np.ndarray) -> None:
    frames = [
        frame,
        np.full((90, 70, 3), 127, dtype=np.uint8),
        np.concatenate([frame, frame[:, ::-1]], axis=1),
        frame[:, ::-1],
        frame,
    ]
    together = detector.detect(frames)
    assert [len(faces.boxes) for faces in together] == [1, 0, 2, 1, 1]
    for frame_, faces in zip(frames, together, strict=True):
        (alone,) = detector.detect([frame_])
        np.testing.assert_allclose(faces.boxes, alone.boxes, atol=0.01)
        assert (np.diff(faces.scores) <= 0).all()
    # The mirrored face has mirrored boxes.
    mirrored = 192 - together[3].boxes[:, [2, 0]]
    np.testing.assert_allclose(mirrored, together[0].boxes[:, [0, 2]], atol=5)


def test_boxes_stay_within_the_frame(detector: CenterFace, frame: np.ndarray) -> None:
    (faces,) = detector.detect([frame])
    left, top, right, bottom = faces.boxes[0].astype(int)
    tight = frame[top + 8 : bottom - 8, left + 6 : right - 6]
    (faces,) = detector.detect([tight])
    assert len(faces.boxes) == 1
    assert (faces.boxes[0] >= 0).all()
    assert (faces.boxes[0] <= [tight.shape[1], tight.shape[0]] * 2).all()


def test_no_frames_and_no_faces(detector: CenterFace) -> None:
    assert detector.detect([]) == []
    (faces,) = detector.detect([np.zeros((1, 1, 3), dtype=np.uint8)])
    assert faces.boxes.shape == (0, 4)
    with pytest.raises(ValueError, match="uint8"):
        detector.detect([np.zeros((32, 32, 3))])


def test_weights_are_small_and_have_their_licence() -> None:
    assert WEIGHTS.stat().st_size <= 7.5e6
    assert "MIT License" in WEIGHTS.with_name("CENTERFACE_LICENSE").read_text()


def test_real_clip_with_and_without_a_face(shared_media: Path) -> None:
    capture = cv2.VideoCapture(str(shared_media / "special" / "faceless_0_5_and_30_49_25fps.mp4"))
    frames = [capture.read()[1] for _ in range(75)]
    wanted = [0, 5, 6, 29, 30, 40, 49, 50, 74]
    counts = [len(f.boxes) for f in CenterFace().detect([frames[i] for i in wanted])]
    assert counts == [0, 0, 1, 1, 0, 0, 0, 1, 1]
