"""The visual quality discriminator: is this lower half a photograph or generated?"""

from __future__ import annotations

from torch import Tensor, nn

from w2l.models.blocks import PlainBlock, fold_time, scaled


class QualityDiscriminator(nn.Module):
    """Judges the lower half of a face; without arguments the published network.

    Args:
        width: factor on every channel count; 1 is published.
        image_size: side of the square face in pixels; 96 is published.
    """

    def __init__(self, width: float = 1.0, image_size: int = 96) -> None:
        super().__init__()
        self.config = {"width": width, "image_size": image_size}
        c32, c64, c128, c256, c512 = scaled(width, 32, 64, 128, 256, 512)
        stages = [
            [PlainBlock(3, c32, 7, 1, 3)],
            [PlainBlock(c32, c64, 5, (1, 2), 2), PlainBlock(c64, c64, 5, 1, 2)],
            [PlainBlock(c64, c128, 5, 2, 2), PlainBlock(c128, c128, 5, 1, 2)],
            [PlainBlock(c128, c256, 5, 2, 2), PlainBlock(c256, c256, 5, 1, 2)],
            [PlainBlock(c256, c512, 3, 2, 1), PlainBlock(c512, c512, 3, 1, 1)],
        ]
        size = -(-image_size // 16)
        while size > 4:
            stages.append([PlainBlock(c512, c512, 3, 2, 1), PlainBlock(c512, c512, 3, 1, 1)])
            size = (size + 1) // 2
        stages.append([PlainBlock(c512, c512, size, 1, 0), PlainBlock(c512, c512, 1, 1, 0)])
        self.face_encoder_blocks = nn.ModuleList(nn.Sequential(*blocks) for blocks in stages)
        self.binary_pred = nn.Sequential(nn.Conv2d(c512, 1, 1), nn.Sigmoid())

    def feature_maps(self, face: Tensor) -> list[Tensor]:
        """(B, 3, T, S, S) BGR in [0, 1] → each stage's map (T·B, C, h, w), time-major."""
        x = fold_time(face)
        x = x[:, :, x.shape[2] // 2 :]
        maps = []
        for stage in self.face_encoder_blocks:
            x = stage(x)
            maps.append(x)
        return maps

    def features(self, face: Tensor) -> Tensor:
        """(B, 3, T, S, S) BGR in [0, 1] → (T·B, D), frames in time-major order."""
        return self.feature_maps(face)[-1].flatten(1)

    def verdict(self, features: Tensor) -> Tensor:
        """Features (T·B, D) → logits (T·B, 1): what `forward` takes the sigmoid of."""
        return self.binary_pred[0](features[:, :, None, None]).flatten(1)

    def forward(self, face: Tensor) -> Tensor:
        """Probability that a frame is real.

        Args:
            face: BGR in [0, 1], (B, 3, T, S, S).

        Returns:
            Probabilities (T·B, 1), every clip's frame 0 first.
        """
        return self.binary_pred[1](self.verdict(self.features(face)))
