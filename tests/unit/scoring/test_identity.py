"""Whose face it is: a stand-in network whose embedding is part of the aligned image itself."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.transform import SimilarityTransform, estimate_transform

from tests.unit.restoration import graphs
from w2l.errors import UserError
from w2l.scoring.identity import ARCFACE, FaceIdentity, align

helper, TensorProto = graphs.helper, graphs.TensorProto
RNG = np.random.default_rng(0)
# A face that is turned by 20 degrees, twice as large and elsewhere.
TURN = SimilarityTransform(scale=2.1, rotation=0.35, translation=(60, 20))
POINTS = TURN(ARCFACE).astype(np.float32) + RNG.normal(0, 1.5, (5, 2)).astype(np.float32)


def network(path, *, side=112, channels_last=False, batch="n", rows=7):
    """Image to `rows` sums of it, weighted at random."""
    shape = [batch, side, side, 3] if channels_last else [batch, 3, side, side]
    size = 3 * (112 if side == "s" else side) ** 2
    weight = np.random.default_rng(1).normal(size=(size, rows)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["face"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, rows])],
        [graphs.numpy_helper.from_array(weight, "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    graphs.onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path, weight


@pytest.fixture
def frames():
    """Two images (H, W, 3) of smooth noise, the second one a little other."""
    noise = np.random.default_rng(2).uniform(0, 255, (2, 30, 40, 3)).astype(np.float32)
    noise[1] = 0.5 * noise[0] + 0.5 * noise[1]
    return [cv2.resize(each, (400, 300)).astype(np.uint8) for each in noise]


def by_skimage(frame, points):
    """The image (112, 112, 3) RGB in [-1, 1] that the network is to see."""
    matrix = estimate_transform("similarity", points, ARCFACE).params[:2]
    return (cv2.warpAffine(frame, matrix, (112, 112))[..., ::-1] - 127.5) / 127.5


def test_faces_are_laid_onto_the_template(frames):
    got = (align(frames[0], POINTS)[..., ::-1] - 127.5) / 127.5
    want = by_skimage(frames[0], POINTS)
    assert np.abs(got - want).max() <= 1 / 127.5 + 1e-6  # one level, by rounding


@pytest.mark.parametrize("form", [{}, {"channels_last": True}, {"batch": 1}, {"side": "s"}])
def test_the_cosine_is_that_of_the_embeddings(form, frames, tmp_path):
    path, weight = network(tmp_path / "face.onnx", **form)
    points = [POINTS, POINTS + 1]
    rows = []
    for frame, each in zip(frames, points, strict=True):
        image = by_skimage(frame, each)
        image = image if form.get("channels_last") else image.transpose(2, 0, 1)
        rows.append(image.reshape(-1) @ weight)
    want = rows[0] @ rows[1] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1])
    identity = FaceIdentity(path)
    assert identity.cosine(frames, points) == pytest.approx(want, abs=5e-3)
    assert 0.05 < want < 0.995
    assert identity.cosine([frames[0]] * 2, [POINTS] * 2) == pytest.approx(1)


def test_a_wrong_model_is_one_sentence(tmp_path):
    maps = graphs.identity(tmp_path / "maps.onnx", side=112, out=(3, 112))
    with pytest.raises(UserError, match=r"maps\.onnx .*gives no row of \(batch, numbers\)\.$"):
        FaceIdentity(maps)
    with pytest.raises(UserError, match=r"identity=.*takes images of 160x160: give an ArcFace"):
        FaceIdentity(network(tmp_path / "160.onnx", side=160)[0])
    with pytest.raises(UserError, match=r"gives one number for a face"):
        FaceIdentity(network(tmp_path / "one.onnx", rows=1)[0])
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(UserError, match=r"text\.onnx cannot be read as an ONNX graph"):
        FaceIdentity(tmp_path / "text.onnx")
