"""Restorers from ONNX graphs: what they are shown, and what becomes of their answer."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.unit.restoration import graphs
from w2l.errors import UserError
from w2l.restoration import network_restorer


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (3, 512, 512, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch", ["n", 1, 2])
def test_identity_gives_every_pixel_back_for_any_batch(batch, faces, tmp_path):
    restorer = network_restorer(graphs.identity(tmp_path / "g.onnx", batch=batch))
    assert (restorer.size, restorer.aligned, restorer.generates) == (512, True, True)
    np.testing.assert_array_equal(restorer(faces), faces)


def test_the_network_sees_rgb_in_its_range(faces, tmp_path):
    """The graph keeps channel 0, which is red: the last of BGR; the others become black."""
    restored = network_restorer(graphs.only_first_channel(tmp_path / "g.onnx"))(faces)
    np.testing.assert_array_equal(restored[..., 2], faces[..., 2])
    assert not restored[..., :2].any()


@pytest.mark.parametrize(("kind", "level"), [("gfpgan", 128), ("restoreformer", 128),
                                             ("codeformer", 128), ("esrgan", 0)])  # fmt: skip
def test_the_kind_decides_what_zero_means(kind, level, faces, tmp_path):
    restorer = network_restorer(graphs.constant(tmp_path / "g.onnx", 0.0), kind)
    assert set(np.unique(restorer(faces[:1]))) == {level}
    assert restorer.aligned == (kind != "esrgan")


def test_a_number_beside_the_image_is_codeformers_fidelity(faces, tmp_path):
    path = graphs.fidelity(tmp_path / "codeformer.onnx")
    restorer = network_restorer(path, fidelity=0.7)
    assert restorer.label == "CodeFormer (codeformer.onnx)"
    assert (restorer(faces[:1]) == round((0.7 + 1) * 127.5)).all()


def test_an_upscaler_is_told_by_its_output(tmp_path):
    restorer = network_restorer(graphs.twice(tmp_path / "x2.onnx"))
    assert restorer.label.startswith("ESRGAN")
    assert (restorer.size, restorer.aligned) == (128, False)
    face = np.random.default_rng(1).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    np.testing.assert_array_equal(restorer(face), face.repeat(2, axis=1).repeat(2, axis=2))


def test_a_graph_of_unknown_kind_asks_for_it(tmp_path):
    path = graphs.identity(tmp_path / "small.onnx", side=64, out=(3, 64))
    with pytest.raises(UserError, match=r"small\.onnx.*restorer.kind=gfpgan"):
        network_restorer(path)
    assert network_restorer(path, "gfpgan").size == 64


def test_files_that_are_no_graphs_are_one_sentence(tmp_path):
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(UserError, match=r"text\.onnx cannot be read as an ONNX graph"):
        network_restorer(tmp_path / "text.onnx")
    with pytest.raises(UserError, match=r"neither an ONNX graph \(\.onnx\) nor a checkpoint"):
        network_restorer(tmp_path / "face.bin")
    with pytest.raises(UserError, match="choose gfpgan, codeformer"):
        network_restorer(tmp_path / "text.onnx", "gfpgann")


def test_a_parser_is_no_restorer(faces, tmp_path):
    restorer = network_restorer(graphs.parser(tmp_path / "p.onnx"), "gfpgan")
    with pytest.raises(UserError, match=r"p\.onnx is no restorer: it gives \(19, 512, 512\)"):
        restorer(faces[:1])


def test_without_onnxruntime_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    path = graphs.identity(tmp_path / "g.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r'needs onnxruntime: .*pip install "w2l\[onnx\]"'):
        network_restorer(path)
