"""The networks for other image sizes and widths."""

from __future__ import annotations

import pytest
import torch

from w2l.models import Expert, Generator, QualityDiscriminator
from w2l.models.blocks import map_sizes


@pytest.mark.parametrize("size", [96, 128, 192, 256, 288, 384])
@torch.no_grad()
def test_every_size_gives_faces_embeddings_and_verdicts(size: int) -> None:
    width = 1 / 32
    mel = torch.zeros(1, 1, 80, 16)
    face = Generator(width, size).eval()(mel, torch.rand(1, 6, size, size))
    assert face.shape == (1, 3, size, size)
    audio, lips = Expert(width, size).eval()(mel, torch.rand(1, 15, size // 2, size))
    assert audio.shape == lips.shape == (1, 16)
    torch.testing.assert_close(lips.norm(dim=1), torch.ones(1))
    verdict = QualityDiscriminator(width, size).eval()(torch.rand(2, 3, 5, size, size))
    assert verdict.shape == (10, 1)


def test_published_parameter_counts() -> None:
    def count(network: torch.nn.Module) -> float:
        return sum(p.numel() for p in network.parameters()) / 1e6

    assert count(Generator()) == pytest.approx(36.3, abs=0.05)
    assert count(Expert()) == pytest.approx(16.4, abs=0.05)


def test_a_size_that_cannot_be_halved_is_refused() -> None:
    assert map_sizes(96) == [96, 48, 24, 12, 6, 3, 1]
    with pytest.raises(ValueError, match="image_size 100"):
        Generator(image_size=100)


@torch.no_grad()
def test_without_the_last_relu_cosines_go_below_zero() -> None:
    torch.manual_seed(0)
    mel, face = torch.randn(8, 1, 80, 16), torch.rand(8, 15, 48, 96)
    with_relu = Expert(1 / 32)(mel, face)
    without = Expert(1 / 32, last_relu=False)(mel, face)
    assert min(float(e.min()) for e in with_relu) >= 0
    assert min(float(e.min()) for e in without) < 0
