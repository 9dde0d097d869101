"""`load_from_checkpoint` of the systems: what a file holds is built, the rest is given."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from w2l.checkpoints import describe
from w2l.errors import UserError
from w2l.models import Expert, Generator, QualityDiscriminator
from w2l.systems import ExpertSystem, Wav2LipGANSystem, Wav2LipSystem

EXPERT = Expert(1 / 16)


def systems() -> dict[str, pl.LightningModule]:
    networks = {"generator": Generator(1 / 16, lead_frames=1), "expert": EXPERT}
    judge = QualityDiscriminator(1 / 16)
    return {
        "expert": ExpertSystem(Expert(1 / 16, 64)),
        "wav2lip": Wav2LipSystem(**networks),
        "gan": Wav2LipGANSystem(**networks, discriminator=judge),
    }


@pytest.mark.parametrize("name", ["expert", "wav2lip", "gan"])
def test_a_system_comes_back_from_its_checkpoint(name: str, tmp_path: Path) -> None:
    system = systems()[name]
    system.speakers = 7
    content = {"state_dict": system.state_dict()}
    system.on_save_checkpoint(content)
    torch.save(content, tmp_path / "last.ckpt")
    given = {} if name == "expert" else {"expert": EXPERT}
    again = type(system).load_from_checkpoint(tmp_path / "last.ckpt", **given)
    assert type(again) is type(system)
    assert again.speakers == 7
    network = "expert" if name == "expert" else "generator"
    assert describe(getattr(again, network)) == describe(getattr(system, network))
    assert again.state_dict().keys() == system.state_dict().keys()
    for key, value in system.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_another_systems_file_is_refused(tmp_path: Path) -> None:
    content = {"state_dict": (system := systems()["expert"]).state_dict()}
    system.on_save_checkpoint(content)
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="is not the wanted generator"):
        Wav2LipSystem.load_from_checkpoint(tmp_path / "last.ckpt", expert=EXPERT)
