"""Two training steps in float64 give the published losses and gradient norms."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from tests.parity.published import GOLDEN, filled, uniform, unit
from w2l.callbacks import SyncGate
from w2l.data import LipBatch, SyncBatch
from w2l.models import Expert, Generator, QualityDiscriminator
from w2l.systems import ExpertSystem, Wav2LipGANSystem, Wav2LipSystem

STEPS = 2  # of the five golden ones: the second shows what the first update has done
TOLERANCE = 1e-6


class Recorder(pl.Callback):
    """Keeps what the system logged in each batch."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        self.rows.append({k: float(v) for k, v in trainer.logged_metrics.items()})


def train(system: pl.LightningModule, batch: tuple[torch.Tensor, ...], folder: Path,
          *callbacks: pl.Callback, steps: int = STEPS) -> list[dict[str, float]]:  # fmt: skip
    recorder = Recorder()
    trainer = pl.Trainer(
        accelerator="cpu",
        precision="64-true",
        max_epochs=1,
        callbacks=[*callbacks, recorder],
        default_root_dir=folder,
        log_every_n_steps=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(system, DataLoader([batch] * steps, batch_size=None))
    return recorder.rows


@pytest.fixture
def fast(pytestconfig: pytest.Config) -> bool:
    """Whether this is the fast tier, where no second golden step is taken."""
    return "not long" in pytestconfig.option.markexpr


def test_expert(tmp_path: Path) -> None:
    golden = np.load(GOLDEN / "train_expert.npz")
    labels = torch.tensor([1.0, 0, 1, 1, 0, 0, 1, 0]).unsqueeze(1)
    faces, mels = unit("window8", 8, 15, 48, 96), 4 * uniform("mel8", 8, 1, 80, 16)
    batch = SyncBatch(faces, mels, labels, torch.arange(8))
    rows = train(ExpertSystem(filled(Expert(), "expert")), batch, tmp_path)
    losses = [row["train/loss"] for row in rows]
    norms = [row["optim/grad_norm"] for row in rows]
    np.testing.assert_allclose(losses, golden["losses"][:STEPS], rtol=TOLERANCE)
    np.testing.assert_allclose(norms, golden["grad_norms"][:STEPS], rtol=TOLERANCE)


@pytest.mark.parametrize("gan", [pytest.param(False, marks=pytest.mark.long), True])
def test_wav2lip(tmp_path: Path, gan: bool, fast: bool) -> None:
    steps = STEPS if gan and not fast else 1  # the generator's update is the same in both
    golden = np.load(GOLDEN / f"train_wav2lip{'_gan' if gan else ''}.npz")
    face = unit("x", 2, 6, 5, 96, 96)
    face[:, :3, :, 48:] = 0
    batch = LipBatch(
        face,
        4 * uniform("indiv", 2, 5, 1, 80, 16),
        4 * uniform("syncmel", 2, 1, 80, 16),
        unit("gt", 2, 3, 5, 96, 96),
    )
    # The golden steps were taken with the plain statistics of `fill.weight`, not the calibrated.
    networks = {
        "generator": filled(Generator(), "generator", calibrated=False),
        "expert": filled(Expert(), "expert", calibrated=False),
    }
    if gan:
        discriminator = filled(QualityDiscriminator(), "quality_discriminator")
        adam = partial(torch.optim.Adam, lr=1e-4, betas=(0.5, 0.999))
        system = Wav2LipGANSystem(discriminator=discriminator, optimizer=adam, **networks)
    else:
        system = Wav2LipSystem(**networks)
    rows = train(system, batch, tmp_path, SyncGate(weight=0.03, from_update=0), steps=steps)
    names = {
        "loss": "train/loss",
        "l1": "train/loss_l1",
        "sync": "train/loss_sync",
        "perceptual": "train/loss_adversarial",
        "disc_real": "train/loss_discriminator_real",
        "disc_fake": "train/loss_discriminator_fake",
        "generator_grad_norm": "optim/grad_norm",
    }
    columns = [names[name] for name in golden["columns"]]
    actual = [[row.get(column, 0.0) for column in columns] for row in rows]
    np.testing.assert_allclose(actual, golden["rows"][:steps], rtol=TOLERANCE)
