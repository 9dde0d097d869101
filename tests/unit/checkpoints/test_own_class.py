"""Networks of a class that is not ours: built by name, where their package is trusted."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from w2l.checkpoints import describe, export, export_safetensors, load_generator, read
from w2l.errors import UserError
from w2l.inference import build_generator
from w2l.models import Expert, Generator
from w2l.systems import Wav2LipSystem
from w2l.trust import VARIABLE, trust


class Tint(nn.Module):
    """The reference in another colour."""

    def __init__(self, tones: list[float], image_size: int = 48, lead_frames: int = 0) -> None:
        super().__init__()
        self.config = {"tones": tones, "image_size": image_size, "lead_frames": lead_frames}
        self.tone = nn.Parameter(torch.tensor(tones).view(3, 1, 1))

    def forward(self, audio: torch.Tensor, face: torch.Tensor) -> torch.Tensor:
        return (face[:, 3:] * self.tone).clamp(0, 1)


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package that holds `Tint`."""
    module = ModuleType("lab_of_mine")
    monkeypatch.setitem(sys.modules, "lab_of_mine", module)
    monkeypatch.setattr(Tint, "__module__", "lab_of_mine")
    module.Tint = Tint  # type: ignore[attr-defined]
    monkeypatch.setenv(VARIABLE, "")
    return module


@pytest.fixture
def saved(tmp_path: Path, mine: ModuleType) -> Path:
    network = Tint([0.5, 1.0, 0.25])
    with torch.no_grad():
        network.tone[1] = 0.75  # learned since
    system = Wav2LipSystem(network, Expert(1 / 16, 48))  # type: ignore[arg-type]
    checkpoint = {"state_dict": system.state_dict()}
    system.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "tint.ckpt")
    return tmp_path / "tint.ckpt"


def test_it_is_built_where_it_is_trusted(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tint\.ckpt .* lab_of_mine\.Tint.*trust=lab_of_mine"):
        load_generator(saved)
    trust("lab_of_mine")
    export(saved, tmp_path / "tint.pth")
    export_safetensors(saved, tmp_path / "tint.safetensors")
    faces = np.full((2, 48, 48, 3), 200, np.uint8)
    for path in (saved, tmp_path / "tint.pth", tmp_path / "tint.safetensors"):
        assert read(path).config["tones"] == [0.5, 1.0, 0.25]
        generator = build_generator(path, device="cpu")
        for one in (generator, generator.lower_half()):
            made = one(faces, np.zeros((2, 80, 16), np.float32))
            assert made[1, 40, 7].tolist() == [100, 150, 50]


def test_what_does_not_fit_is_one_sentence(saved: Path, mine: ModuleType, tmp_path: Path) -> None:
    trust(["lab_of_mine", "os"])
    content = torch.load(saved, weights_only=True)

    def stated(**about: object) -> Path:
        torch.save(content | {"w2l": content["w2l"] | about}, tmp_path / "other.ckpt")
        return tmp_path / "other.ckpt"

    about: dict[str, object]
    for about, words in (
        ({"target": "os.path.join"}, "names os.path.join, which is no network"),
        ({"target": "w2l.files.atomic_path"}, "which is no network"),
        ({"target": "lab_of_mine.Gone"}, "cannot be imported .*PYTHONPATH"),
        ({"config": {"tones": [1.0], "hue": 3}}, r"Tint\(.*hue=3\) cannot be built"),
    ):
        with pytest.raises(UserError, match=words):
            load_generator(stated(**about))
    mine.Tint = nn.Identity  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"does not fit lab_of_mine\.Tint.*not known \(tone\)"):
        load_generator(saved)


def test_a_heir_of_ours_is_not_taken_for_ours(tmp_path: Path, monkeypatch) -> None:
    """It has the same entries, and may do another thing with them."""

    class Heir(Generator):
        pass

    monkeypatch.setattr(Heir, "__module__", "lab_of_mine")
    network = Heir(1 / 16, 48)
    state = {f"generator.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state, "w2l": {"network": "generator", **describe(network)}},
               tmp_path / "heir.ckpt")  # fmt: skip
    with pytest.raises(UserError, match="trust=lab_of_mine"):
        load_generator(tmp_path / "heir.ckpt")


def test_a_generator_without_a_config_is_refused() -> None:
    with pytest.raises(UserError, match="a Identity, states no image_size and no lead_frames"):
        Wav2LipSystem(nn.Identity(), Expert(1 / 16))  # type: ignore[arg-type]
