"""What the jobs of one run load, and what they share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.infer_job import narrow_generator, settings
from w2l.cli.infer_networks import Networks


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_a_generator_is_loaded_once_for_each_way_to_use_it(tmp_path, monkeypatch, runtime) -> None:
    if runtime == "onnx":
        pytest.importorskip("onnxruntime")
    monkeypatch.setenv("W2L_WEIGHTS_DIR", str(tmp_path))
    given = settings(checkpoint=narrow_generator(tmp_path / "g.ckpt"), runtime=runtime)
    networks = Networks()
    improved, identity = networks.generator(given)
    assert networks.generator(given) == (improved, identity)
    assert networks.generator(replace(given, quality="enhanced"))[0] is improved
    fast, _ = networks.generator(replace(given, quality="fast"))
    assert fast is not improved
    assert networks.generator(replace(given, quality="fast"))[0] is fast
