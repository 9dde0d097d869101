"""Stand-ins for the networks whose embeddings are their inputs, so that a test can read them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from w2l.models import Expert, SyncNetV2


class OpenSyncNet(SyncNetV2):
    """Embeds lips as the mean of each channel of each frame, sound as its MFCC window."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.device = nn.Parameter(torch.zeros(0))
        self.frames_per_call: list[int] = []

    def folded(self) -> OpenSyncNet:
        return self

    def embed_lips(self, frames: Tensor) -> Tensor:
        assert frames.shape[:2] == (1, 3)
        assert frames.shape[3:] == (224, 224)
        self.frames_per_call.append(frames.shape[2])
        windows = frames.mean(dim=(3, 4)).unfold(2, 5, 1)  # (1, 3, N, 5)
        return F.pad(windows.permute(0, 2, 3, 1).flatten(2), (0, 1024 - 15))

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        assert mfcc.shape[1:] == (1, 13, 20)
        return F.pad(mfcc.flatten(1), (0, 1024 - 260))


class LoudnessSyncNet(OpenSyncNet):
    """Embeds lips as the brightness of the 5 frames, sound as their log energy."""

    def embed_lips(self, frames: Tensor) -> Tensor:
        windows = frames.mean(dim=(1, 3, 4)).unfold(1, 5, 1)
        return F.pad(windows - 128, (0, 1024 - 5))

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        energy = mfcc[:, 0, 0].unflatten(1, (5, 4)).mean(2)
        return F.pad(brightness(energy) - 128, (0, 1024 - 5))


def brightness(log_energy: Tensor) -> Tensor:
    """The grey value that stands for a log energy of int16 samples."""
    return ((log_energy - 16) * 22 + 128).clamp(0, 255)


class OpenExpert(Expert):
    """Embeds faces as the mean of each stacked channel, sound as its mel window's rows' means."""

    def __init__(self, image_size: int = 96) -> None:
        nn.Module.__init__(self)
        self.device = nn.Parameter(torch.zeros(0))
        self.config = {"width": 1.0, "image_size": image_size, "last_relu": True}
        self.faces: list[Tensor] = []
        self.mels: list[Tensor] = []

    def embed_face(self, face: Tensor) -> Tensor:
        size = self.config["image_size"]
        assert face.shape[1:] == (15, size // 2, size)
        self.faces.append(face)
        return F.normalize(F.pad(face.mean(dim=(2, 3)) + 0.1, (0, 65)))

    def embed_audio(self, audio: Tensor) -> Tensor:
        assert audio.shape[1:] == (1, 80, 16)
        self.mels.append(audio)
        return F.normalize(audio.mean(dim=(1, 3)) + 5)  # (B, 80), positive
