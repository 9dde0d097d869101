"""What the generator is shown, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from w2l.errors import UserError
from w2l.inference import FaceGenerator
from w2l.models import Generator


@pytest.fixture(autouse=True)
def one_core(set_threads: Callable[[int], None]) -> None:
    """A batch stays whole; tests/unit/test_cores.py has more cores."""
    set_threads(1)


class Recorder(nn.Module):
    """Stands in for a generator: keeps its input and answers with a constant."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.config = {"image_size": 96, "lead_frames": 0}
        self.value = value

    def forward(self, audio: Tensor, face: Tensor) -> Tensor:
        self.audio, self.face = audio, face
        return torch.full((len(face), 3, 96, 96), self.value)


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)


def test_input_is_the_masked_face_then_the_face_in_bgr(faces):
    recorder = Recorder(0.5)
    mels = np.random.default_rng(1).normal(size=(3, 80, 16)).astype(np.float32)
    FaceGenerator(recorder, device="cpu")(faces, mels)
    reference = torch.from_numpy(faces.transpose(0, 3, 1, 2)).float() / 255
    assert torch.equal(recorder.face[:, 3:], reference)
    assert torch.equal(recorder.face[:, :3, :48], reference[:, :, :48])
    assert (recorder.face[:, :3, 48:] == 0).all()
    assert torch.equal(recorder.audio[:, 0], torch.from_numpy(mels))


def test_output_is_truncated_as_published(faces):
    out = FaceGenerator(Recorder(0.9999), device="cpu")(faces, np.zeros((3, 80, 16), np.float32))
    assert out.dtype == np.uint8
    assert (out == 254).all()


def test_batch_and_order_do_not_matter(faces):
    lipsync = FaceGenerator(Generator(width=0.125), device="cpu")
    mels = np.random.default_rng(1).normal(size=(3, 80, 16)).astype(np.float32)
    together = lipsync(faces, mels)
    for i in (2, 0, 1):
        alone = lipsync(faces[i : i + 1], mels[i : i + 1])[0]
        assert np.abs(alone.astype(int) - together[i]).max() <= 1


def test_larger_generators_say_their_size():
    lipsync = FaceGenerator(Generator(width=0.0625, image_size=192), device="cpu")
    assert lipsync.image_size == 192
    out = lipsync(np.zeros((1, 192, 192, 3), np.uint8), np.zeros((1, 80, 16), np.float32))
    assert out.shape == (1, 192, 192, 3)


def test_generator_is_used_in_evaluation_mode():
    assert not FaceGenerator(Generator(width=0.125).train(), device="cpu").generator.training


@pytest.mark.parametrize("device", ["cuda:77", "gpu", "xyz:0"])
def test_an_unknown_device_is_one_sentence(device):
    with pytest.raises(UserError, match=f"device={device}"):
        FaceGenerator(Recorder(0), device=device)


def test_somebodys_own_network_is_bfloat16_under_autocast(faces):
    class Multiplying(Recorder):
        def forward(self, audio, face):
            self.product = torch.ones(2, 2) @ torch.ones(2, 2)
            return super().forward(audio, face)

    for precision in ("float32", "bfloat16"):
        network = Multiplying(0.5)
        FaceGenerator(network, "cpu", precision)(faces, np.zeros((3, 80, 16), np.float32))
        assert network.product.dtype == getattr(torch, precision)


@pytest.mark.parametrize("skip", [False, True])
def test_a_still_is_encoded_once(faces, skip, monkeypatch):
    """In all of a job, and to the pixels that each face of its own would have."""
    mels = np.random.default_rng(1).normal(size=(3, 80, 16)).astype(np.float32)
    lipsync = FaceGenerator(Generator(width=0.0625, skip=skip), device="cpu").lower_half()
    expected = lipsync([faces[0], faces[0], faces[1]], [mels[0], mels[1], mels[0]])[:2]
    encoded, encode = [], lipsync.generator.encode
    monkeypatch.setattr(
        lipsync.generator, "encode", lambda face: encoded.append(len(face)) or encode(face)
    )
    still = faces[:1].repeat(2, axis=0)
    for _ in range(3):
        assert np.abs(lipsync(still, mels[:2]).astype(int) - expected).max() <= 1
    assert encoded == [1]
    lipsync(faces[1:2], mels[:1])
    lipsync(faces, mels)
    assert encoded == [1, 1, 3]


def test_batches_shrink_where_memory_is_short(faces, monkeypatch):
    """As on a small GPU: one face fits, which is remembered, and the result is the same."""
    mels = np.random.default_rng(1).normal(size=(3, 80, 16)).astype(np.float32)
    lipsync = FaceGenerator(Generator(width=0.125), device="cpu")
    expected, forward, sizes = lipsync(faces, mels), lipsync.generator.forward, []

    def small(audio, face, *encoded):
        sizes.append(len(audio))
        if len(audio) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(audio, face, *encoded)

    monkeypatch.setattr(lipsync.generator, "forward", small)
    assert np.abs(lipsync(faces, mels).astype(int) - expected).max() <= 1
    assert sizes == [3, 1, 1, 1]
    lipsync(faces[:2], mels[:2])
    assert sizes[4:] == [1, 1]
