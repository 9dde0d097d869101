"""Every runtime makes the same faces."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tests.integration.command import environment
from tests.writing import save_network
from w2l.errors import UserError
from w2l.inference import build_generator
from w2l.inference.runtimes import ExportedGenerator, exported
from w2l.models import Expert, Generator

SIZE = 48
LEVELS = 1  # of 255


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    network = Generator(width=0.0625, image_size=SIZE, lead_frames=1)
    torch.nn.init.normal_(network.output_block[1].weight)
    path = tmp_path_factory.mktemp("generator") / "g.ckpt"
    return save_network(network, "generator", path)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache for all tests here: an export takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cached(cache, monkeypatch):
    monkeypatch.setenv("W2L_WEIGHTS_DIR", str(cache))
    return cache / "onnx"


def batch(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    faces = rng.integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8)
    return faces, rng.normal(size=(n, 80, 16)).astype(np.float32)


def assert_same(a: np.ndarray, b: np.ndarray) -> None:
    levels = np.abs(a.astype(int) - b)
    assert levels.max() <= LEVELS
    assert (levels > 0).mean() < 1e-2


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_same_faces(checkpoint, runtime, cached) -> None:
    torch_one = build_generator(checkpoint, device="cpu")
    other = build_generator(checkpoint, runtime=runtime, device="cpu")
    assert (other.image_size, other.lead_frames) == (SIZE, 1)
    for n in (1, 7):
        faces, mels = batch(n)
        expected = torch_one(faces, mels)
        assert expected.std() > 5
        assert_same(other(faces, mels), expected)
        lower = other.lower_half()(faces, mels)
        assert_same(lower[:, SIZE // 2 - 2 :], expected[:, SIZE // 2 - 2 :])
        np.testing.assert_array_equal(lower[:, : SIZE // 2 - 2], faces[:, : SIZE // 2 - 2])
    assert len(list(cached.iterdir())) == 2  # whole and lower half, for both runtimes


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_threads_share_a_generator(checkpoint, runtime) -> None:
    generator = build_generator(checkpoint, runtime=runtime, device="cpu")
    batches = [batch(n) for n in (1, 2, 3, 4, 5, 6)]
    serial = [generator(*each) for each in batches]
    fresh = build_generator(checkpoint, runtime=runtime, device="cpu")
    with ThreadPoolExecutor(4) as pool:
        for a, b in zip(serial, pool.map(lambda each: fresh(*each), batches), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("device", "providers", "sizes"),
    [
        ("auto", ["CUDAExecutionProvider", "CPUExecutionProvider"], [16]),
        ("cuda:1", ["CUDAExecutionProvider", "CPUExecutionProvider"], [16]),
        ("cpu", ["CUDAExecutionProvider", "CPUExecutionProvider"], [4] * 4),
        ("auto", ["CPUExecutionProvider"], [4] * 4),
    ],
)
def test_onnx_on_a_gpu_takes_the_whole_batch(
    checkpoint, monkeypatch, device, providers, sizes
) -> None:
    """On the CPU four at once (AT_ONCE_CPU): a GPU would be idle most of the time."""
    seen = []

    def forward(network, audio, face):
        seen.append(len(face))
        return torch.zeros(len(face), 3, SIZE, SIZE)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(ExportedGenerator, "__call__", forward)
    generator = build_generator(checkpoint, runtime="onnx", device=device)
    for each in (generator, generator.lower_half()):
        each(*batch(16))
        assert seen == sizes
        seen.clear()


def test_an_onnx_file_is_a_checkpoint(checkpoint, tmp_path, cached) -> None:
    shutil.copy(exported(checkpoint, lower_half=False), tmp_path / "mine.onnx")
    before = sorted(cached.iterdir())
    generator = build_generator(tmp_path / "mine.onnx", runtime="onnx", device="cpu")
    faces, mels = batch(2)
    assert_same(generator.lower_half()(faces, mels), build_generator(checkpoint)(faces, mels))
    assert sorted(cached.iterdir()) == before
    with pytest.raises(UserError, match=r"mine\.onnx is an ONNX file: take runtime=onnx"):
        build_generator(tmp_path / "mine.onnx", runtime="torch")
    assert build_generator(tmp_path / "mine.onnx").computed == ("float32", "onnx")


@pytest.mark.parametrize(
    ("runtime", "package", "extra"),
    [
        ("onnx", "onnx", "onnx"),
        ("onnx", "onnxruntime", "onnx"),
        ("openvino", "openvino", "openvino"),
    ],
)
def test_a_missing_extra_is_one_sentence(checkpoint, monkeypatch, runtime, package, extra) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"pip install 'w2l\[{extra}\]'"):
        build_generator(checkpoint, runtime=runtime, device="cpu")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"runtime": "tensorrt"}, "runtime=tensorrt is not available: choose auto, torch, onnx or"),
        ({"runtime": "onnx", "precision": "bfloat16"}, "precision=bfloat16"),
        ({"runtime": "onnx", "device": "cuda"}, "device=cuda needs the package onnxruntime-gpu"),
        ({"runtime": "openvino", "device": "cuda"}, "take device=cpu"),
    ],
)
def test_what_a_runtime_lacks_is_one_sentence(checkpoint, settings, words) -> None:
    with pytest.raises(UserError, match=words):
        build_generator(checkpoint, **settings)


def test_a_checkpoint_that_states_less_is_taken_as_by_torch(tmp_path) -> None:
    """One from before generators knew `lead_frames`."""
    network = Generator(width=0.0625, image_size=SIZE)
    del network.config["lead_frames"]
    path = save_network(network, "generator", tmp_path / "old.ckpt")
    assert build_generator(path, runtime="onnx").lead_frames == 0


def test_another_network_is_refused_at_once(tmp_path) -> None:
    path = save_network(Expert(width=0.0625), "expert", tmp_path / "e.ckpt")
    with pytest.raises(UserError, match=r"e\.ckpt is not the wanted generator"):
        build_generator(path, runtime="onnx")


SIGNALLED = """
import gc, os, signal, sys
import numpy as np
from w2l.inference import build_generator

def used():
    network = build_generator(sys.argv[1], runtime="openvino", device="cpu")
    network(np.zeros((1, 48, 48, 3), np.uint8), np.zeros((1, 80, 16), np.float32))
    return network

first, second = used(), used()
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print("heard"))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.long
def test_signals_are_heard_after_networks_have_gone(checkpoint, tmp_path) -> None:
    command = [sys.executable, "-X", "faulthandler", "-c", SIGNALLED, str(checkpoint)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


def test_a_generator_needs_its_file_no_more(checkpoint, tmp_path) -> None:
    """It is folded from the mapped file, which a training run may write anew meanwhile."""
    path = Path(shutil.copy(checkpoint, tmp_path / "g.ckpt"))
    face = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), np.uint8)
    mel = np.zeros((1, 80, 16), np.float32)
    generator, untouched = build_generator(path), build_generator(checkpoint)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    np.testing.assert_array_equal(generator(face, mel), untouched(face, mel))
