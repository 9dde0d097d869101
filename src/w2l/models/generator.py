"""The Wav2Lip generator: a face with its lower half hidden, a reference and speech → lips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from w2l.models.blocks import (
    ConvBlock,
    TransposedBlock,
    audio_encoder,
    fold_time,
    in_own_colours,
    map_sizes,
    residual_blocks,
    scaled,
    unfold_time,
    with_reference,
)
from w2l.models.folded import FoldedGenerator


def _down(in_channels: int, out_channels: int, factor: int) -> ConvBlock:
    return ConvBlock(in_channels, out_channels, 3, factor, 1 if factor == 2 else 0)


def _up(in_channels: int, out_channels: int, factor: int) -> TransposedBlock:
    if factor == 2:
        return TransposedBlock(in_channels, out_channels, 3, 2, 1, 1)
    return TransposedBlock(in_channels, out_channels, factor, factor, 0)


def masked_and_reference(face: Tensor) -> Tensor:
    """The generator's input at inference: a face without its lower half, then the whole.

    Args:
        face: uint8 (B, S, S, 3) BGR.

    Returns:
        float32 (B, 6, S, S) in [0, 1], channels last in memory.
    """
    reference = face.permute(0, 3, 1, 2).float() / 255
    masked = reference.clone()
    masked[:, :, face.shape[1] // 2 :] = 0
    both = torch.cat([masked, reference], dim=1)
    return both.contiguous(memory_format=torch.channels_last)


class Generator(nn.Module):
    """Wav2Lip's generator; without arguments the published network (36.3 M parameters).

    Args:
        width: factor on every channel count; 1 is published.
        image_size: side of the square face in pixels; 96 is published. Larger sizes get more
            encoder and decoder stages.
        lead_frames: by how many frames (of 1/25 s) the sound of a frame starts before it, where
            the network was trained so; the forward pass knows nothing of it. The released
            networks were trained with 1 and are used with 0.
        skip: it works in the reference's own colours, and a fourth output says how much of each
            pixel of the reference shows through, so that skin, beard and light stay those of the
            face, whoever it is. Not published.
        third_stage_blocks: residual blocks of the decoder's third stage; 1 in `wav2lip256.pth`,
            which many use.

    Source: K R Prajwal et al., A Lip Sync Expert Is All You Need, ACM MM 2020, and its release.
    """

    def __init__(
        self,
        width: float = 1.0,
        image_size: int = 96,
        lead_frames: int = 0,
        skip: bool = False,
        third_stage_blocks: int = 2,
    ) -> None:
        super().__init__()
        self.config = {"width": width, "image_size": image_size, "lead_frames": lead_frames}
        self.skip = skip
        if skip:
            self.config["skip"] = skip
        if third_stage_blocks != 2:
            self.config["third_stage_blocks"] = third_stage_blocks
        sizes = map_sizes(image_size)
        extra = len(sizes) - 7  # stages beyond the published ones: more of the deepest kind
        encoder = scaled(width, 16, 32, 64, 128, 256, 512, *[512] * extra, 512)
        encoder = encoder[: len(sizes)]
        residuals = [0, 2, 3, 2, 2, *[1] * (len(sizes) - 6)]
        stages = [nn.Sequential(ConvBlock(6, encoder[0], 7, 1, 3))]
        for i in range(1, len(sizes) - 1):
            stages.append(
                nn.Sequential(
                    _down(encoder[i - 1], encoder[i], sizes[i - 1] // sizes[i]),
                    *residual_blocks(encoder[i], residuals[i]),
                )
            )
        stages.append(
            nn.Sequential(
                ConvBlock(encoder[-2], encoder[-1], sizes[-2], 1, 0),
                ConvBlock(encoder[-1], encoder[-1], 1, 1, 0),
            )
        )
        self.face_encoder_blocks = nn.ModuleList(stages)
        self.audio_encoder = audio_encoder(width, residuals_at_256=1)

        decoder = scaled(width, *[512] * (3 + extra), 384, 256, 128, 64)
        first = ConvBlock(scaled(width, 512)[0], decoder[0], 1, 1, 0)
        stages = [nn.Sequential(first)]
        for i in range(1, len(sizes)):
            in_channels = decoder[i - 1] + encoder[-i]
            size, previous = sizes[-1 - i], sizes[-i]
            up: nn.Module = (
                TransposedBlock(in_channels, decoder[i], size, 1, 0)
                if previous == 1
                else _up(in_channels, decoder[i], size // previous)
            )
            counts = {1: 1, 2: third_stage_blocks}
            blocks = residual_blocks(decoder[i], counts.get(i, 2))
            stages.append(nn.Sequential(up, *blocks))
        self.face_decoder_blocks = nn.ModuleList(stages)
        last = scaled(width, 32)[0]
        self.output_block = nn.Sequential(
            ConvBlock(decoder[-1] + encoder[0], last, 3, 1, 1),
            nn.Conv2d(last, 4 if skip else 3, 1),
            nn.Sigmoid(),
        )

    def forward(self, audio: Tensor, face: Tensor) -> Tensor:
        """Generate faces that say `audio`.

        Args:
            audio: log-mel windows in [-4, 4], (B, 1, 80, 16), or (B, T, 1, 80, 16).
            face: BGR in [0, 1]: target with its lower half zeroed, then a reference of the same
                person, (B, 6, S, S), or (B, 6, T, S, S).

        Returns:
            BGR in [0, 1], (B, 3, S, S) or (B, 3, T, S, S).
        """
        batch = face.shape[0]
        has_time = face.dim() == 5
        if has_time:
            audio = audio.transpose(0, 1).flatten(0, 1)
            face = fold_time(face)
        maps = []
        x = face
        if self.skip:
            x, mean, spread = in_own_colours(face)
        for stage in self.face_encoder_blocks:
            x = stage(x)
            maps.append(x)
        x = self.audio_encoder(audio)
        for stage in self.face_decoder_blocks:
            x = torch.cat([stage(x), maps.pop()], dim=1)
        x = self.output_block(x)
        if self.skip:
            x = with_reference(x, face, mean, spread)
        return unfold_time(x, batch) if has_time else x

    def folded(self) -> FoldedGenerator:
        """The same function in fewer steps, for inference."""
        return FoldedGenerator(self)
