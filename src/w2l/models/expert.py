"""The lip-sync expert ("color SyncNet"): do these lips and this sound belong together?"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from w2l.models.blocks import ConvBlock, audio_encoder, residual_blocks, scaled


class Expert(nn.Module):
    """The expert; without arguments the published network (16.4 M parameters).

    Args:
        width: factor on every channel count; 1 is published.
        image_size: width of the face in pixels; the input is its lower half. 96 is published;
            larger sizes get more stages.
        last_relu: the published expert ends both branches in a ReLU, so its cosine similarity
            lies in [0, 1]. A contrastive expert learns better without: then in [-1, 1].
    """

    def __init__(self, width: float = 1.0, image_size: int = 96, last_relu: bool = True) -> None:
        super().__init__()
        self.config = {"width": width, "image_size": image_size, "last_relu": last_relu}
        c32, c64, c128, c256, c512 = scaled(width, 32, 64, 128, 256, 512)
        stages: list[nn.Module] = [
            ConvBlock(15, c32, 7, 1, 3),
            ConvBlock(c32, c64, 5, (1, 2), 1),
            *residual_blocks(c64, 2),
            ConvBlock(c64, c128, 3, 2, 1),
            *residual_blocks(c128, 3),
            ConvBlock(c128, c256, 3, 2, 1),
            *residual_blocks(c256, 2),
            ConvBlock(c256, c512, 3, 2, 1),
            *residual_blocks(c512, 2),
            ConvBlock(c512, c512, 3, 2, 1),
        ]
        size = image_size // 2 - 2  # after the 5×5 convolution with padding 1
        for _ in range(4):
            size = (size + 1) // 2
        while size > 4:
            stages.append(ConvBlock(c512, c512, 3, 2, 1))
            size = (size + 1) // 2
        stages += [
            ConvBlock(c512, c512, size, 1, 0),
            ConvBlock(c512, c512, 1, 1, 0, activation=last_relu),
        ]
        self.face_encoder = nn.Sequential(*stages)
        self.audio_encoder = audio_encoder(width, residuals_at_256=2, last_relu=last_relu)

    def forward(self, audio: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        """Embed windows of 0.2 s.

        Args:
            audio: log-mel in [-4, 4], (B, 1, 80, 16).
            face: the lower halves of 5 frames stacked on channels frame by frame, BGR in [0, 1],
                (B, 15, S/2, S).

        Returns:
            Audio and face embeddings of length 1, each (B, D).
        """
        return self.embed_audio(audio), self.embed_face(face)

    def embed_audio(self, audio: Tensor) -> Tensor:
        """The sound's half of `forward`."""
        return F.normalize(self.audio_encoder(audio).flatten(1), dim=1)

    def embed_face(self, face: Tensor) -> Tensor:
        """The face's half of `forward`."""
        return F.normalize(self.face_encoder(face).flatten(1), dim=1)
