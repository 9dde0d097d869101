"""Perceptual distance of images: LPIPS over VGG-16, without torchvision.

Source: R Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric,
CVPR 2018. The weights are others': torchvision's `vgg16` (features) and the heads of the `lpips`
package.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# torchvision's VGG-16: channels of each convolution, "M" a max-pool.
LAYERS = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512)
CHANNELS = (64, 128, 256, 512, 512)  # of the maps before each pool, which are compared
# What the published metric subtracts and divides by, for RGB in [-1, 1].
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


class Lpips(nn.Module):
    """Distance of two sets of images; 0 where they are the same.

    Built with random features: `w2l.checkpoints.load_lpips` fills in the published ones. Without
    the published heads each channel of a stage counts alike ("LPIPS-like", not LPIPS).
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for layer in LAYERS:
            if isinstance(layer, int):
                layers += [nn.Conv2d(channels, layer, 3, 1, 1), nn.ReLU()]
                channels = layer
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.heads = nn.ParameterList(torch.full((1, c, 1, 1), 1 / c) for c in CHANNELS)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Images (N, 3, S, S) → the map before each pool, of length 1 over its channels."""
        shift, scale = (images.new_tensor(v).view(1, 3, 1, 1) for v in (SHIFT, SCALE))
        x = (2 * images.flip(1) - 1 - shift) / scale  # BGR in [0, 1] to RGB in [-1, 1]
        found = []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                found.append(x)
            x = layer(x)
        return [x / (x.norm(dim=1, keepdim=True) + 1e-10) for x in (*found, x)]

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """Mean distance.

        Args:
            generated: BGR in [0, 1], (N, 3, S, S), S ≥ 16.
            target: likewise; no gradient goes there.
        """
        with torch.no_grad():
            real = self.maps(target)
        pairs = zip(self.maps(generated), real, self.heads, strict=True)
        stages = [((a - b).square() * head).sum(dim=1).mean() for a, b, head in pairs]
        return torch.stack(stages).sum()
