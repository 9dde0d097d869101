"""A convolution over windows that slide by one frame, in fewer multiplications, for CPUs.

Winograd's minimal filtering F(m, r) computes m neighbouring results of a filter of r taps with
m + r - 1 products: sums of the input, each times a sum of the taps, are added up again. Where the
filter is along time and its input are images, the products are convolutions of images.

Sources: S. Winograd, Arithmetic complexity of computations, 1980; A. Lavin and S. Gray, Fast
algorithms for convolutional neural networks, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 5  # frames
WINDOWS = 8  # in a row, that are computed together; with more, float32 loses too many digits
POINTS = (0, 1, -1, 1 / 3, -1 / 3, 2 / 3, -2 / 3, 3 / 2, -3 / 2, 3, -3)  # most lose more digits
POOLED_ROWS = 3  # at once: what belongs to them stays in the cache


class SlidingConvolution(nn.Module):
    """The convolution, max pool and ReLU that SyncNet's lips begin with, of all windows of a clip.

    Window t is frames t … t + 4: along time the layer is a filter of five taps, F(8, 5) here. Eight
    windows cost twelve convolutions of one frame in place of forty. In float32 SyncNet's embeddings
    lie within 4e-5 of the largest value of float64's, and within 1e-5 with the plain layer.

    Args:
        conv: of five frames stacked on the channels, frame by frame; square, without padding.
        pool: square, without padding, its windows overlapping.
    """

    input_transform: Tensor
    output_transform: Tensor

    def __init__(self, conv: nn.Conv2d, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.kernel, self.stride = _side(conv.kernel_size), _side(conv.stride)
        self.pool, self.pool_stride = _side(pool.kernel_size), _side(pool.stride)
        output, kernels, given = minimal_filtering(WINDOWS, WINDOW, POINTS)
        weight = conv.weight.detach().double().unflatten(1, (WINDOW, -1))
        weight = torch.einsum("pt,otcyx->pyxco", kernels, weight).flatten(1, 3)
        self.weight = nn.Parameter(weight.float(), requires_grad=False)  # (12, kernel²·C, O)
        assert conv.bias is not None
        self.bias = nn.Parameter(conv.bias.detach().clone(), requires_grad=False)
        self.register_buffer("input_transform", given.float())
        self.register_buffer("output_transform", output.float())

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (T, H, W, C) → (T − 4, O, h, w), the channels last in memory."""
        n = len(frames) - WINDOW + 1
        height, width = (
            ((side - self.kernel) // self.stride + 1 - self.pool) // self.pool_stride + 1
            for side in frames.shape[1:3]
        )
        pooled = frames.new_empty(n, height, width, len(self.bias))
        at_once = len(self.input_transform)
        for start in range(0, n, WINDOWS):
            shown = frames[start : start + at_once]
            if len(shown) < at_once:
                shown = F.pad(shown, (0, 0, 0, 0, 0, 0, 0, at_once - len(shown)))
            sums = (self.input_transform @ shown.flatten(1)).view_as(shown)
            self._pool_rows(sums, pooled[start : start + WINDOWS])
        # Neither changes which is the largest of the pool's, and there are fewer after it.
        return pooled.add_(self.bias).relu_().permute(0, 3, 1, 2)

    def _pool_rows(self, sums: Tensor, pooled: Tensor) -> None:
        """Fill `pooled`, of at most eight windows, from the sums of their frames."""
        step, shared = self.pool_stride, self.pool - self.pool_stride
        width = (sums.shape[2] - self.kernel) // self.stride + 1
        rows = sums.new_empty(WINDOWS, POOLED_ROWS * step + shared, width, len(self.bias))
        self._convolve(sums, 0, rows[:, -shared:])
        for top in range(0, pooled.shape[1], POOLED_ROWS):
            n = min(POOLED_ROWS, pooled.shape[1] - top)
            rows[:, :shared] = rows[:, -shared:]
            seen = rows[:, : n * step + shared]
            self._convolve(sums, top * step + shared, seen[:, shared:])
            pool = F.max_pool2d(seen[: len(pooled)].permute(0, 3, 1, 2), self.pool, step)
            pooled[:, top : top + n] = pool.permute(0, 2, 3, 1)

    def _convolve(self, sums: Tensor, top: int, out: Tensor) -> None:
        """Fill `out`, rows of the convolution from the row `top` on, (8, rows, w, O)."""
        first, last = top * self.stride, (top + out.shape[1] - 1) * self.stride
        seen = sums[:, first : last + self.kernel]
        seen = seen.unfold(1, self.kernel, self.stride).unfold(2, self.kernel, self.stride)
        columns = seen.permute(0, 1, 2, 4, 5, 3).reshape(len(sums), -1, self.weight.shape[1])
        products = torch.bmm(columns, self.weight)
        torch.mm(self.output_transform, products.flatten(1), out=out.flatten(1))


def minimal_filtering(
    results: int, taps: int, points: Sequence[float]
) -> tuple[Tensor, Tensor, Tensor]:
    """F(results, taps): the matrices for results, taps and input.

    Args:
        results: m.
        taps: r.
        points: m + r - 2 different ones; infinity is one more.

    Returns:
        float64 A (m, m + r - 1), G (m + r - 1, r) and B (m + r - 1, m + r - 1): for a signal d of
        m + r - 1 and a filter g, A @ ((G @ g) * (B @ d)) is what it gives at the m places where
        it fits.
    """

    def values(n: int) -> np.ndarray:
        """Of polynomials of n coefficients at the points; at infinity that is the leading one."""
        return np.vstack([np.vander(points, n, increasing=True), np.eye(n)[-1]])

    # Toom's and Cook's product of polynomials, transposed.
    a, g, b = values(results).T, values(taps), np.linalg.inv(values(results + taps - 1)).T
    return torch.from_numpy(a.copy()), torch.from_numpy(g), torch.from_numpy(b.copy())


def _side(size: int | tuple[int, ...]) -> int:
    """Of a square."""
    return size if isinstance(size, int) else size[-1]
