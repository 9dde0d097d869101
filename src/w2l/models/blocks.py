"""The three building blocks of the published networks.

Attribute names (`conv_block.0`, `conv_block.1`) are part of the checkpoint format.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

Size = int | tuple[int, int]


class ConvBlock(nn.Module):
    """Convolution, batch norm, the input added where `residual`, then ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Size,
        stride: Size,
        padding: Size,
        *,
        residual: bool = False,
        activation: bool = True,
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding),
            nn.BatchNorm2d(out_channels),
        )
        self.residual = residual
        self.activation = nn.ReLU() if activation else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv_block(x)
        return self.activation(out + x if self.residual else out)


class PlainBlock(nn.Module):
    """Convolution and LeakyReLU 0.01, no norm: the discriminator's block."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Size, stride: Size, padding: Size
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding)
        )
        self.activation = nn.LeakyReLU(0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.conv_block(x))


class TransposedBlock(nn.Module):
    """Transposed convolution, batch norm, ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Size,
        stride: Size,
        padding: Size,
        output_padding: Size = 0,
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ConvTranspose2d(in_channels, out_channels, kernel, stride, padding, output_padding),
            nn.BatchNorm2d(out_channels),
        )
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.conv_block(x))


def residual_blocks(channels: int, count: int) -> list[nn.Module]:
    """`count` residual 3×3 blocks that keep shape and channels."""
    return [ConvBlock(channels, channels, 3, 1, 1, residual=True) for _ in range(count)]


def scaled(width: float, *channels: int) -> list[int]:
    """Channel counts of the published network times `width`, at least 4."""
    return [max(4, round(c * width)) for c in channels]


def audio_encoder(width: float, residuals_at_256: int, *, last_relu: bool = True) -> nn.Sequential:
    """Mel window (B, 1, 80, 16) → (B, 512·width, 1, 1), shared by generator and expert."""
    c32, c64, c128, c256, c512 = scaled(width, 32, 64, 128, 256, 512)
    return nn.Sequential(
        ConvBlock(1, c32, 3, 1, 1),
        *residual_blocks(c32, 2),
        ConvBlock(c32, c64, 3, (3, 1), 1),
        *residual_blocks(c64, 2),
        ConvBlock(c64, c128, 3, 3, 1),
        *residual_blocks(c128, 2),
        ConvBlock(c128, c256, 3, (3, 2), 1),
        *residual_blocks(c256, residuals_at_256),
        ConvBlock(c256, c512, 3, 1, 0),
        ConvBlock(c512, c512, 1, 1, 0, activation=last_relu),
    )


def fold_time(x: Tensor) -> Tensor:
    """(B, C, T, H, W) → (T·B, C, H, W), time-major: every clip's frame 0, then every frame 1."""
    return x.permute(2, 0, 1, 3, 4).flatten(0, 1)


def unfold_time(x: Tensor, batch: int) -> Tensor:
    """(T·B, C, H, W) in the order of `fold_time` → (B, C, T, H, W)."""
    return x.unflatten(0, (-1, batch)).permute(1, 2, 0, 3, 4)


def in_own_colours(face: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A generator's input with skin and light taken out, and what gives them back.

    Each colour is counted from its mean over the lower half of the reference, in 6 of its
    deviations there, from ½ on.

    Args:
        face: BGR in [0, 1], target without its lower half, then reference, (B, 6, S, S).

    Returns:
        The same so, what is hidden still 0; the means, and 6 deviations, each (B, 3, 1, 1).
    """
    half = face.shape[2] // 2
    skin = face[:, 3:, half:]
    mean = skin.mean(dim=(2, 3), keepdim=True)
    spread = 6 * ((skin - mean).square().mean(dim=(2, 3), keepdim=True) + 1e-4).sqrt()
    x = (face - mean.repeat(1, 2, 1, 1)) / spread.repeat(1, 2, 1, 1) + 0.5
    hidden = torch.cat([x[:, :3, :half], torch.zeros_like(x[:, :3, half:])], dim=2)
    return torch.cat([hidden, x[:, 3:]], dim=1), mean, spread


def with_reference(made: Tensor, face: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """What the decoder makes, in the reference's colours, and what it lets through of that.

    Args:
        made: (B, 4, H, W) in [0, 1]: BGR as of `in_own_colours`, and the reference's share.
        face: the generator's input, (B or 1, 6, S, S), of which the last H rows belong to `made`.
        mean, spread: of `in_own_colours`.
    """
    made = made.to(mean.dtype)  # autocast's is coarser
    reference = face[:, 3:, face.shape[2] - made.shape[2] :]
    coloured = ((made[:, :3] - 0.5) * spread + mean).clamp(0, 1)
    return torch.lerp(coloured, reference.expand_as(coloured), made[:, 3:])


def map_sizes(image_size: int) -> list[int]:
    """Sizes of the face encoder's feature maps, e.g. 96 → [96, 48, 24, 12, 6, 3, 1].

    Halved while even (divided by 3 where odd) until 3 or 4 is left, which one valid
    convolution reduces to 1.

    Raises:
        ValueError: the size cannot be divided down so.
    """
    sizes = [image_size]
    while sizes[-1] not in {3, 4}:
        size = sizes[-1]
        factor = 2 if size % 2 == 0 else 3
        if size < 6 or size % factor:
            raise ValueError(
                f"image_size {image_size} does not divide down to 3 or 4: "
                "take one of 96, 128, 192, 256, 288, 384"
            )
        sizes.append(size // factor)
    return [*sizes, 1]
