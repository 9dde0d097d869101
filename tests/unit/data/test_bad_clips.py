"""Bad samples are counted by reason, never hang, and end the run where they are too many."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from w2l.callbacks.watchers import DataReport
from w2l.data import ClipDataModule, SyncBatch, SyncSamples
from w2l.data.clips import (
    BAD_FRAME,
    MISSING,
    NO_SOUND,
    NO_WINDOW,
    TOO_SHORT,
    BadClipError,
    Rejections,
)
from w2l.errors import UserError


@pytest.fixture
def spoilt(prepared: Path, tmp_path: Path) -> Path:
    """Eight training clips, three of which are bad in a way of their own."""
    root = shutil.copytree(prepared, tmp_path / "set")
    lists = [(root / f"{split}.txt").read_text() for split in ("train", "val", "test")]
    (root / "train.txt").write_text("".join(lists))
    clips = [root / f"train{i}" / "00001" for i in range(4)]
    (clips[0] / "audio.wav").unlink()
    for path in clips[1].glob("*.jpg"):
        path.write_bytes(path.read_bytes()[:20])
    for number in range(15, 40):
        (clips[2] / f"{number}.jpg").unlink()
    return root


def loader_of(root: Path, workers: int, repeats: int = 10) -> ClipDataModule:
    data = ClipDataModule(
        root, SyncSamples(), batch_size=4, num_workers=workers, repeats=repeats, storage="folder"
    )
    data.setup("fit")
    return data


@pytest.mark.parametrize("workers", [0, 2])
def test_every_bad_clip_is_counted_by_its_reason(spoilt: Path, workers: int) -> None:
    data = loader_of(spoilt, workers)
    assert sum(len(batch.frames) for batch in data.train_dataloader()) == 80
    rejections = data.train_set.rejections
    assert rejections.good == 80
    counts = rejections.by_reason
    assert min(counts[NO_SOUND], counts[BAD_FRAME], counts[TOO_SHORT]) >= 10
    assert rejections.total == counts[NO_SOUND] + counts[BAD_FRAME] + counts[TOO_SHORT]


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_end_the_run_with_the_list(spoilt: Path, workers: int) -> None:
    for path in spoilt.glob("*[!2]/00001/audio.wav"):
        path.write_bytes(b"")
    data = loader_of(spoilt, workers)
    with pytest.raises(UserError) as error:
        list(data.train_dataloader())
    sentence = str(error.value)
    assert "Traceback" not in sentence
    assert len(sentence.splitlines()) == 1
    for part in (NO_SOUND, TOO_SHORT, str(spoilt / "train"), "preprocess them again"):
        assert part in sentence


def test_clips_that_vanish_or_fall_silent(prepared: Path, tmp_path: Path) -> None:
    root = shutil.copytree(prepared, tmp_path / "set")
    data = loader_of(root, 0)
    np.save(root / "train1" / "00001" / "mel.npy", np.zeros((80, 9), np.float32))
    shutil.rmtree(root / "train0")
    list(data.train_dataloader())
    counts = data.train_set.rejections.by_reason
    assert counts[MISSING] >= 10
    assert counts[NO_WINDOW] >= 10


def test_too_many_means_more_than_half_and_not_a_few() -> None:
    rejections = Rejections()
    for _ in range(100):
        rejections.count("a/1", BadClipError(NO_SOUND, "a/1: no sound"))
    assert not rejections.too_many
    rejections.count("b/1", BadClipError("a reason of somebody's own"))
    assert rejections.too_many
    assert rejections.by_reason["other"] == 1
    assert "a/1 (100×, a/1: no sound)" in rejections.sentence()
    for _ in range(101):
        rejections.count_good()
    assert not rejections.too_many


class Idle(pl.LightningModule):
    """Trains nothing, but takes batches."""

    optimizers_per_update = 1

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: SyncBatch, _: int) -> torch.Tensor:
        return self.weight * batch.frames.mean()

    def validation_step(self, batch: SyncBatch, _: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Kept(pl.loggers.Logger):
    """A logger that keeps the last value of everything."""

    name, version = "kept", 0

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, float] = {}

    def log_hyperparams(self, *_: object) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.values |= metrics


def test_training_logs_the_counts(spoilt: Path, tmp_path: Path) -> None:
    logger, data = Kept(), loader_of(spoilt, 2)
    trainer = pl.Trainer(
        max_epochs=1, logger=logger, callbacks=[DataReport()], log_every_n_steps=2,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        use_distributed_sampler=False, default_root_dir=tmp_path, limit_val_batches=0,
        accelerator="cpu",
    )  # fmt: skip
    with pytest.warns(UserWarning, match=f"{TOO_SHORT}: 1"):
        trainer.fit(Idle(), datamodule=data)
    assert logger.values["data/rejected_too_few_frames"] >= 10
    assert logger.values["data/rejected_broken_frame"] >= 10
    assert "data/rejected_missing_clip" not in logger.values
