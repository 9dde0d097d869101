"""The lip-sync expert ("color SyncNet"): do these lips and this sound belong together?"""

from __future__ import annotations

import torch
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
        normalised: each window of lips is brought to mean 0, for each colour, and deviation 1
            first, so that light and skin count less. Not published; from few speakers it learns
            much more.
        motion: the network sees grey lips, normalised, what each differs from their mean and from
            the next, in place of colours. Not published; it learns sooner still.
    """

    def __init__(
        self,
        width: float = 1.0,
        image_size: int = 96,
        last_relu: bool = True,
        normalised: bool = False,
        motion: bool = False,
    ) -> None:
        super().__init__()
        self.config = {"width": width, "image_size": image_size, "last_relu": last_relu}
        self.normalised, self.motion = normalised, motion
        for name in ("normalised", "motion"):
            if getattr(self, name):  # the published network's description stays what it is
                self.config[name] = True
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
        if self.motion:
            face = motion(face)
        elif self.normalised:
            face = normalise(face)
        return F.normalize(self.face_encoder(face).flatten(1), dim=1)


def normalise(face: Tensor) -> Tensor:
    """Bring each window of lips (B, 15, H, W), BGR, to mean 0 for each colour and deviation 1."""
    frames = face.unflatten(1, (5, 3))
    frames = frames - frames.mean(dim=(1, 3, 4), keepdim=True)
    deviation = frames.square().mean(dim=(1, 2, 3, 4), keepdim=True).sqrt()
    return (frames / (deviation + 1e-3)).flatten(1, 2)


def motion(face: Tensor) -> Tensor:
    """Lips (B, 15, H, W), BGR → for each frame grey, its difference from their mean, and 3 times
    the next one's from it (0 for the last), (B, 15, H, W); grey of mean 0 and deviation 1.
    """
    grey = face.unflatten(1, (5, 3)).mean(dim=2, keepdim=True)
    grey = grey - grey.mean(dim=(1, 3, 4), keepdim=True)
    grey = grey / (grey.square().mean(dim=(1, 3, 4), keepdim=True).sqrt() + 1e-3)
    moved = F.pad(3 * grey.diff(dim=1), (0, 0, 0, 0, 0, 0, 0, 1))
    return torch.cat([grey, grey - grey.mean(dim=1, keepdim=True), moved], dim=2).flatten(1, 2)
