"""Terms of one's own in a generator's losses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.unit.systems.test_systems import WIDTH, build, lips, trainer
from w2l.data.batches import LipBatch, to_float
from w2l.errors import UserError
from w2l.losses import ImageLoss
from w2l.models import Generator
from w2l.systems import TeacherLoss


class Brightness:
    """How bright the generated frames are."""

    weight = 0.25

    def __call__(self, batch: LipBatch, generated: Tensor) -> Tensor:
        assert generated.shape == batch.target.shape
        return generated.mean()


class Scaled(nn.Module):
    """A network that a loss uses: images (N, 3, S, S)."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(3.0))

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        assert generated.ndim == 4
        return self.factor * (generated - target).abs().mean()


@pytest.mark.parametrize("gan", [False, True], ids=["wav2lip", "gan"])
def test_terms_are_weighed_logged_frozen_and_not_saved(
    gan: bool, prepared: Path, tmp_path: Path
) -> None:
    system = build(gan, losses={"light": Brightness(), "scaled": ImageLoss(Scaled(), 0.5)})
    fit = trainer(tmp_path, 2 * system.optimizers_per_update)
    fit.fit(system, datamodule=lips(prepared))
    fit.save_checkpoint(tmp_path / "last.ckpt")
    logged = {name: float(value) for name, value in fit.callback_metrics.items()}
    # Three times L1 by half of the weight, as the network is; no gate has opened.
    assert logged["val/loss_scaled"] == pytest.approx(3 * logged["val/loss_l1"])
    assert logged["val/loss"] == pytest.approx(
        2.5 * logged["val/loss_l1"] + 0.25 * logged["val/loss_light"]
    )
    assert {"train/loss_light", "train/loss_scaled"} <= logged.keys()
    assert float(system.terms["scaled"].network.factor) == 3  # type: ignore[attr-defined]
    saved = torch.load(tmp_path / "last.ckpt", weights_only=False)["state_dict"]
    assert not [name for name in saved if "factor" in name]
    assert system.meanings["val/loss"].startswith("1 l1 + 0 sync + 0.25 light + 0.5 scaled")


def test_a_term_changes_what_is_learned(prepared: Path, tmp_path: Path) -> None:
    def trained(losses: dict[str, Brightness]) -> Tensor:
        torch.manual_seed(0)
        system = build(losses=losses)
        trainer(tmp_path, 2).fit(system, datamodule=lips(prepared))
        return torch.cat([p.flatten() for p in system.generator.parameters()]).detach()

    unweighted = Brightness()
    unweighted.weight = 0.0
    plain, reported, weighed = (
        trained(losses) for losses in ({}, {"light": unweighted}, {"light": Brightness()})
    )
    assert torch.equal(plain, reported)
    assert not torch.equal(plain, weighed)


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match=r"losses\.sync has the name of a loss that is there"):
        build(losses={"sync": Brightness()})


def test_a_student_learns_what_its_teacher_makes(prepared: Path, tmp_path: Path) -> None:
    term = TeacherLoss(Generator(WIDTH).eval(), image_size=96, lead_frames=0)
    system = build(losses={"teacher": term})
    data = lips(prepared)
    data.setup("fit")
    batch = to_float(next(iter(data.val_dataloader())))
    second = term.teacher(batch.mels[:, 1], batch.masked_and_reference[:, :, 1])
    made = torch.rand_like(batch.target)
    frames = [term(batch._replace(mels=batch.mels[:, t : t + 1],
                                  masked_and_reference=batch.masked_and_reference[:, :, t : t + 1]),
                   made[:, :, t : t + 1]) for t in range(made.shape[2])]  # fmt: skip
    torch.testing.assert_close(frames[1], F.l1_loss(made[:, :, 1], second))
    torch.testing.assert_close(term(batch, made), torch.stack(frames).mean())
    trainer(tmp_path, 1).fit(system, datamodule=data)
    assert all(parameter.grad is None for parameter in term.parameters())


@pytest.mark.parametrize(
    ("given", "words"),
    [({"image_size": 64, "lead_frames": 0}, "set model.image_size=96"),
     ({"image_size": 96, "lead_frames": 1}, "set lead_frames=0")],
)  # fmt: skip
def test_a_teacher_of_other_faces_or_windows_is_refused(given: dict[str, int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        TeacherLoss(Generator(WIDTH), **given)
