"""What a training starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.writing import save_network
from w2l.checkpoints import load_discriminator
from w2l.cli.train import initialise
from w2l.components import Discriminator
from w2l.errors import UserError
from w2l.models import Expert, Generator, PatchDiscriminator, QualityDiscriminator
from w2l.systems import ExpertSystem, Wav2LipGANSystem, Wav2LipSystem

WIDTH = 1 / 16


def gan(discriminator: type[Discriminator] = QualityDiscriminator) -> Wav2LipGANSystem:
    return Wav2LipGANSystem(
        generator=Generator(WIDTH), expert=Expert(WIDTH), discriminator=discriminator(width=WIDTH)
    )


class OtherGenerator(nn.Module):
    """One of somebody's own."""

    def __init__(self, image_size: int = 96, lead_frames: int = 0) -> None:
        super().__init__()
        self.config = {"image_size": image_size, "lead_frames": lead_frames}
        self.colour = nn.Parameter(torch.zeros(3))


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    own, others = one.state_dict(), other.state_dict()
    return all(torch.equal(value, others[name]) for name, value in own.items())


def test_the_gan_starts_warm_from_a_plain_generator(tmp_path: Path) -> None:
    plain, system = Generator(WIDTH), gan()
    discriminator = {k: v.clone() for k, v in system.discriminator.state_dict().items()}
    file = save_network(plain, "generator", tmp_path / "plain.ckpt")
    assert not same(system.generator, plain)
    assert initialise(system, str(file)) == ["generator"]
    assert same(system.generator, plain)
    assert system.generator.training
    assert all(
        torch.equal(v, discriminator[k]) for k, v in system.discriminator.state_dict().items()
    )
    system.generator.output_block[1].bias.data += 1
    assert not same(system.generator, plain)


def test_a_gans_file_gives_the_discriminator_too(tmp_path: Path) -> None:
    first, second = gan(), gan()
    state = {k: v for k, v in first.state_dict().items() if not k.startswith("expert.")}
    torch.save({"state_dict": state, "w2l": {"network": "generator"}}, tmp_path / "gan.ckpt")
    assert initialise(second, str(tmp_path / "gan.ckpt")) == ["generator", "discriminator"]
    assert same(second.generator, first.generator)
    assert same(second.discriminator, first.discriminator)
    assert not same(second.expert, first.expert), "the frozen expert is not this key's"


def test_a_discriminator_of_another_make_comes_out_of_the_file_too(tmp_path: Path) -> None:
    first, second = gan(PatchDiscriminator), gan(PatchDiscriminator)
    checkpoint = {"state_dict": first.state_dict()}
    first.on_save_checkpoint(checkpoint)
    file = tmp_path / "gan.ckpt"
    torch.save(checkpoint, file)
    assert isinstance(load_discriminator(file), PatchDiscriminator)
    assert initialise(second, str(file)) == ["generator", "discriminator"]
    assert same(second.discriminator, first.discriminator)
    published = gan()
    before = {k: v.clone() for k, v in published.discriminator.state_dict().items()}
    assert initialise(published, str(file)) == ["generator"]
    after = published.discriminator.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_an_expert_goes_on_from_an_expert(tmp_path: Path) -> None:
    published, system = Expert(WIDTH), ExpertSystem(Expert(WIDTH, last_relu=False))
    file = save_network(published, "expert", tmp_path / "expert.ckpt")
    assert initialise(system, str(file)) == ["expert"]
    assert same(system.expert, published)


def test_what_does_not_fit_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expert = save_network(Expert(WIDTH), "expert", tmp_path / "expert.ckpt")
    small = save_network(Generator(WIDTH, 64), "generator", tmp_path / "small.ckpt")
    other = save_network(OtherGenerator(), "generator", tmp_path / "tiny.ckpt")
    monkeypatch.setenv("W2L_TRUST", OtherGenerator.__module__)
    newest = save_network(Generator(WIDTH), "generator", tmp_path / "run/checkpoints/last.ckpt")
    plain = Wav2LipSystem(generator=Generator(WIDTH), expert=Expert(WIDTH))
    for source, sentence in {
        str(expert): "not the wanted generator: it holds an expert",
        str(small): "has image_size 64, this run's image_size 96: set model.image_size=64",
        str(other): "its generator is of class OtherGenerator, this run's of Generator",
        str(tmp_path / "run"): f"is a folder: name the checkpoint file in it, {newest}",
        str(newest.parent): "is a folder: name the checkpoint file in it.",
        "nowhere.ckpt": "neither a file nor the name of weights; the names are",
        str(tmp_path / "best.ckpt"): "first validation.: its folder has expert.ckpt, small.ckpt",
        str(tmp_path / "no" / "x.ckpt"): "neither a file nor the name of weights: there is no fol",
    }.items():
        with pytest.raises(UserError, match=sentence):
            initialise(plain, source)
