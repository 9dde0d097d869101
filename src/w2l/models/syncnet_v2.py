"""SyncNet v2, the network behind LSE-D and LSE-C."""

from __future__ import annotations

from torch import Tensor, nn

from w2l.models.syncnet_folded import FoldedSyncNet

Triple = tuple[int, int, int]  # time, height, width


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))


def _conv2d(
    in_channels: int,
    out_channels: int,
    kernel: int | tuple[int, int] = 3,
    padding: int = 1,
) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, kernel, 1, padding),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    ]


def _conv3d(
    in_channels: int,
    out_channels: int,
    kernel: Triple,
    stride: Triple = (1, 1, 1),
    padding: Triple = (0, 1, 1),
) -> list[nn.Module]:
    return [
        nn.Conv3d(in_channels, out_channels, kernel, stride, padding),
        nn.BatchNorm3d(out_channels),
        nn.ReLU(),
    ]


class SyncNetV2(nn.Module):
    """The published SyncNet v2 (1024-d embeddings, not normalised).

    Source: J. S. Chung and A. Zisserman, Out of time: automated lip sync in the wild, 2016,
    and the layer list of the released `syncnet_v2.model`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.config: dict[str, float] = {}
        self.netcnnaud = nn.Sequential(
            *_conv2d(1, 64),
            nn.MaxPool2d(1, 1),
            *_conv2d(64, 192),
            nn.MaxPool2d(3, (1, 2)),
            *_conv2d(192, 384),
            *_conv2d(384, 256),
            *_conv2d(256, 256),
            nn.MaxPool2d(3, 2),
            *_conv2d(256, 512, (5, 4), 0),
        )
        self.netfcaud = _head()
        self.netcnnlip = nn.Sequential(
            *_conv3d(3, 96, (5, 7, 7), (1, 2, 2), (0, 0, 0)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(96, 256, (1, 5, 5), (1, 2, 2)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_conv3d(256, 256, (1, 3, 3)),
            *_conv3d(256, 256, (1, 3, 3)),
            *_conv3d(256, 256, (1, 3, 3)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(256, 512, (1, 6, 6), padding=(0, 0, 0)),
        )
        self.netfclip = _head()

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        """MFCC windows (B, 1, 13, 20) of int16-scaled samples → (B, 1024)."""
        return self.netfcaud(self.netcnnaud(mfcc).flatten(1))

    def embed_lips(self, frames: Tensor) -> Tensor:
        """Frames (B, 3, T, 224, 224), BGR 0–255 → (B, T − 4, 1024), one per window of 5.

        The result equals that of separate windows.
        """
        x = self.netcnnlip(frames)[:, :, :, 0, 0].transpose(1, 2)  # (B, T − 4, 512)
        return self.netfclip(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def forward(self, audio: Tensor, lips: Tensor) -> tuple[Tensor, Tensor]:
        """Embed matching windows of 0.2 s.

        Args:
            audio: MFCC of int16-scaled samples, (B, 1, 13, 20).
            lips: BGR 0–255, (B, 3, 5, 224, 224).

        Returns:
            Audio and lip embeddings, each (B, 1024).
        """
        return self.embed_audio(audio), self.embed_lips(lips)[:, 0]

    def folded(self) -> FoldedSyncNet:
        """The same embeddings at less cost, of the weights as they are and where they are now."""
        folded = FoldedSyncNet(self.netcnnlip, self.netfclip, self.netcnnaud, self.netfcaud)
        return folded.for_cpu() if next(self.parameters()).device.type == "cpu" else folded
