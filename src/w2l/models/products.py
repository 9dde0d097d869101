"""Convolutions of maps of few pixels as products of matrices, for CPUs.

There a CPU reads more weights than it computes pixels, and torch lays them out anew at each call.
In the order in which a product reads them, they are read once.
"""

from __future__ import annotations

from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

# At 6×6 a 3×3 convolution took as long as its product, a transposed one (which makes 12×12) twice
# as long; at 9×12 and 12×12 the convolutions were quicker.
FEW = 36  # pixels


class Block(Protocol):
    """A convolution and what follows it, as `FoldedBlock`."""

    conv: nn.Conv2d | nn.ConvTranspose2d
    residual: bool
    relu: bool


def use_products(network: nn.Module, kind: type[nn.Module], *inputs: Tensor) -> None:
    """Put products in the place of the network's blocks that are quicker so.

    Args:
        network: is changed; goes on taking any batch, and only maps of these sizes.
        kind: class of its blocks, which are `Block`s.
        inputs: of the sizes that it will be given; on the meta device, nothing is computed.
    """
    pixels: dict[nn.Module, int] = {}

    def count(block: nn.Module, given: tuple[Tensor], out: Tensor) -> None:
        smaller = given[0] if isinstance(block.conv, nn.ConvTranspose2d) else out
        pixels[block] = smaller[0, 0].numel()

    blocks = [block for block in network.modules() if isinstance(block, kind)]
    hooks = [block.register_forward_hook(count) for block in blocks]
    weightless = {name: value.to("meta") for name, value in network.named_parameters()}
    functional_call(network, weightless, inputs)
    for hook in hooks:
        hook.remove()
    for module in list(network.modules()):
        for name, child in module.named_children():
            if pixels.get(child, FEW + 1) <= FEW:
                setattr(module, name, product(cast(Block, child)))


def product(block: Block) -> nn.Module:
    """The block as a product of matrices; its bias is shared."""
    if isinstance(block.conv, nn.ConvTranspose2d):
        return TransposedProduct(block.conv, relu=block.relu)
    return ConvolutionProduct(block.conv, residual=block.residual, relu=block.relu)


class ConvolutionProduct(nn.Module):
    """A row for each pixel of the result, of all that its kernel sees, times the weights."""

    def __init__(self, conv: nn.Conv2d, *, residual: bool, relu: bool) -> None:
        super().__init__()
        self.kernel, self.stride = conv.kernel_size, conv.stride
        self.padding = (int(conv.padding[0]), int(conv.padding[1]))
        self.residual, self.relu = residual, relu
        weight = conv.weight.detach().permute(2, 3, 1, 0).flatten(0, 2)  # (kh·kw·C, O)
        self.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
        assert conv.bias is not None
        self.bias = nn.Parameter(conv.bias.detach(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)
        rows, columns = self.padding
        if rows or columns:
            pixels = F.pad(pixels, (0, 0, columns, columns, rows, rows))
        seen = pixels.unfold(1, self.kernel[0], self.stride[0])
        seen = seen.unfold(2, self.kernel[1], self.stride[1])  # (B, h, w, C, kh, kw)
        batch, height, width = seen.shape[:3]
        seen = seen.permute(0, 1, 2, 4, 5, 3).reshape(batch * height * width, -1)
        out = torch.addmm(self.bias, seen, self.weight)
        out = out.view(batch, height, width, -1).permute(0, 3, 1, 2)
        if self.residual:
            out += x
        return out.relu_() if self.relu else out


class TransposedProduct(nn.Module):
    """The weights times a column for each pixel that is given, added to all that it reaches."""

    def __init__(self, conv: nn.ConvTranspose2d, *, relu: bool) -> None:
        super().__init__()
        self.kernel, self.stride = conv.kernel_size, conv.stride
        self.padding = (int(conv.padding[0]), int(conv.padding[1]))
        self.output_padding = conv.output_padding
        self.relu = relu
        weight = conv.weight.detach().flatten(1).t()  # (O·kh·kw, C), as `F.fold` takes what it adds
        self.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
        assert conv.bias is not None
        self.bias = nn.Parameter(conv.bias.detach()[:, None, None], requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.transpose(0, 1).flatten(1)
        added = (self.weight @ pixels).view(len(self.weight), len(x), -1).transpose(0, 1)
        size = self._side_after(x, 0), self._side_after(x, 1)
        out = F.fold(added, size, self.kernel, padding=self.padding, stride=self.stride)
        out += self.bias
        return out.relu_() if self.relu else out

    def _side_after(self, x: Tensor, i: int) -> int:
        least = (x.shape[2 + i] - 1) * self.stride[i] + self.kernel[i]
        return least - 2 * self.padding[i] + self.output_padding[i]
