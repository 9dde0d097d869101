"""LPIPS against a plain rendering of its definition, and its weights' files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from w2l.checkpoints import load_lpips
from w2l.errors import UserError
from w2l.models import Lpips

# torchvision's names of VGG-16's convolutions, and where the map before each pool is taken.
CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
TAPS = {2: 0, 7: 1, 14: 2, 21: 3, 28: 4}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    torch.manual_seed(0)
    vgg = {f"features.{k}": v for k, v in Lpips().features.state_dict().items()}
    vgg["classifier.0.weight"] = torch.zeros(2, 2)
    torch.save(vgg, tmp_path / "vgg16.pth")
    heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1)
             for i, c in enumerate((64, 128, 256, 512, 512))}  # fmt: skip
    torch.save(heads, tmp_path / "vgg.pth")
    return tmp_path / "vgg16.pth", tmp_path / "vgg.pth"


def test_distance_is_as_defined(files: tuple[Path, Path]) -> None:
    network = load_lpips(*files)
    images = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    vgg, heads = (torch.load(file) for file in files)

    def maps(bgr: torch.Tensor) -> list[torch.Tensor]:
        mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)  # ImageNet's, RGB in [0, 1]
        std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        x, found = (bgr[:, [2, 1, 0]] - mean) / std, []
        for i in CONVOLUTIONS:
            x = F.relu(
                F.conv2d(x, vgg[f"features.{i}.weight"], vgg[f"features.{i}.bias"], padding=1)
            )
            if i in TAPS:
                found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
                x = F.max_pool2d(x, 2)
        return found

    expected = sum(
        float((heads[f"lin{k}.model.1.weight"] * (a - b) ** 2).sum(1).mean())
        for k, (a, b) in enumerate(zip(maps(images[0]), maps(images[1]), strict=True))
    )
    assert float(network(*images)) == pytest.approx(expected, rel=2e-3)  # its constants are rounded
    assert float(network(images[0], images[0])) == 0


def test_gradient_goes_to_what_is_generated_alone(files: tuple[Path, Path]) -> None:
    network = load_lpips(files[0])
    generated, target = (torch.rand(1, 3, 32, 32, requires_grad=True) for _ in range(2))
    network(generated, target).backward()
    assert generated.grad is not None
    assert np.abs(generated.grad.numpy()).sum() > 0
    assert target.grad is None
    assert all(p.grad is None for p in network.parameters())


def test_other_files_are_refused(files: tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="VGG-16"):
        load_lpips(files[1])
    with pytest.raises(UserError, match="heads of LPIPS"):
        load_lpips(files[0], files[0])
