"""The generator for inference equals the one that was trained."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.parity.published import GOLDEN, filled, uniform, unit
from w2l.models import FoldedGenerator, Generator
from w2l.models.products import ConvolutionProduct, TransposedProduct, product


def trained(image_size: int) -> Generator:
    """A narrow generator with statistics as after training."""
    torch.manual_seed(image_size)
    generator = Generator(width=0.0625, image_size=image_size).eval()
    for module in generator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.3, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.3)
    torch.nn.init.normal_(generator.output_block[1].weight)
    return generator


def inputs(batch: int, image_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(batch, 1, 80, 16), torch.rand(batch, 6, image_size, image_size)


@torch.inference_mode()
def test_published_frames_are_the_golden_ones() -> None:
    golden = np.load(GOLDEN / "generator_frames.npz")["out"]
    network = FoldedGenerator(filled(Generator(), "generator"))
    out = network(4 * uniform("mel", 2, 1, 80, 16), unit("face", 2, 6, 96, 96)).numpy()
    assert np.abs(out - golden).max() <= 1e-4
    levels = np.abs((out * 255).astype(int) - (golden * 255).astype(int))
    assert levels.max() <= 1
    assert (levels > 0).mean() < 1e-3


@pytest.mark.parametrize("size", [48, 64, 96, 192, 288])
@torch.inference_mode()
def test_any_size_equals_the_unfolded_one(size: int) -> None:
    generator = trained(size)
    audio, face = inputs(2, size)
    expected = generator(audio, face)
    assert expected.std() > 0.05
    torch.testing.assert_close(FoldedGenerator(generator)(audio, face), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [48, 64, 96, 192, 288])
@torch.inference_mode()
def test_rows_are_those_of_the_whole_image(size: int) -> None:
    folded = FoldedGenerator(trained(size))
    audio, face = inputs(2, size)
    whole = folded(audio, face)
    for network in (folded.lower_half(), folded.from_row(1), folded.from_row(size - 1)):
        rows = network(audio, face)
        assert rows.shape == (2, 3, size - network.first_row, size)
        torch.testing.assert_close(rows, whole[:, :, network.first_row :], rtol=0, atol=1e-6)
    assert folded.lower_half().first_row == size // 2 - 2


@torch.inference_mode()
def test_rows_that_are_left_out_are_not_computed() -> None:
    """By the size of what goes into the output block."""
    lower = FoldedGenerator(trained(96)).lower_half()
    seen = []
    lower.output_block.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[2]))
    lower(*inputs(1, 96))
    assert seen == [96 - 45]  # rows 46 … 95, and one above for the convolution

    assert lower.cuts == [0, 0, 0, 3, 9, 21, 45]


@torch.inference_mode()
def test_one_face_serves_every_window() -> None:
    folded = FoldedGenerator(trained(96))
    audio, face = inputs(3, 96)
    together = folded(audio, face[:1])
    each = folded(audio, face[:1].expand(3, -1, -1, -1))
    torch.testing.assert_close(together, each, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [48, 64, 96, 192, 288])
@torch.inference_mode()
def test_products_equal_the_convolutions(size: int) -> None:
    generator = trained(size)
    for batch in (1, 3):
        audio, face = inputs(batch, size)
        folded = FoldedGenerator(generator)
        expected, lower = folded(audio, face), folded.lower_half()(audio, face)
        quick = FoldedGenerator(generator).for_cpu()
        torch.testing.assert_close(quick(audio, face), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(quick.lower_half()(audio, face), lower, rtol=0, atol=1e-5)


def test_products_stand_where_maps_are_small() -> None:
    folded = FoldedGenerator(trained(96)).for_cpu()
    kinds = [type(module) for module in folded.modules()]
    # Encoder: 3 of 6×6, 2 of 3×3, 2 of 1×1. Sound: 2 of 3×3, 2 of 1×1. Decoder: 1, 1 of 3×3, 2 of
    # 6×6; transposed from 1×1, 3×3 and 6×6.
    assert kinds.count(ConvolutionProduct) == 15
    assert kinds.count(TransposedProduct) == 3
    weights = sum(value.numel() for value in folded.parameters())
    assert weights == sum(v.numel() for v in FoldedGenerator(trained(96)).parameters())


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(
    "conv",
    [
        torch.nn.Conv2d(8, 8, 3, 1, 1),
        torch.nn.Conv2d(8, 5, (3, 2), (2, 1), (0, 1)),
        torch.nn.Conv2d(8, 7, 1),
        torch.nn.ConvTranspose2d(8, 5, 3, 2, 1, 1),
        torch.nn.ConvTranspose2d(8, 5, (3, 4), 1),
        torch.nn.ConvTranspose2d(8, 5, 3, 3),
    ],
    ids=str,
)
@torch.inference_mode()
def test_a_product_is_its_convolution(conv: torch.nn.Conv2d, residual: bool) -> None:
    residual = residual and conv.padding == (1, 1) and conv.stride == (1, 1)
    x = torch.randn(3, 8, 4, 5)
    for layout in (torch.contiguous_format, torch.channels_last):
        given = x.contiguous(memory_format=layout)
        made = product(SimpleNamespace(conv=conv, residual=residual, relu=True))(given)
        expected = (conv(x) + x if residual else conv(x)).relu()
        torch.testing.assert_close(made, expected)
        assert torch.equal(given, x)


def test_the_generator_stays_as_it_was() -> None:
    generator = trained(96)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    FoldedGenerator(generator)
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())
