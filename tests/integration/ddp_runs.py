"""Short runs on two CPU processes, one after another; each process writes down what it saw.

Run by torchrun (data, folder, names of the cases). A case that waits for a process that does not
come is ended by the test's limit.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tests.configs.test_train_configs import composed
from w2l.callbacks import OverfitCheck, RunCheckpoints, Stopped, StopSignals
from w2l.cli.train import build_trainer
from w2l.errors import UserError
from w2l.models import Expert

COMMON = ["debug=fast", "logger=none", "trainer=ddp", "trainer.accelerator=cpu",
          "trainer.devices=2", "model.width=0.0625"]  # fmt: skip
MONITORS = {
    "syncnet": ["val/loss", "val/accuracy", "val/pair_accuracy", "val/nothing"],
    "syncnet_strong": ["val/cosine_in_sync"],
    "wav2lip": ["val/dubbed_cosine", "train/loss"],
    "wav2lip_gan": ["val/loss_adversarial"],
}


class On(pl.Callback):
    """Does something in one process, after an update or within a validation."""

    def __init__(self, rank: int, do: Any, where: str = "update", update: int = 1) -> None:
        self.rank, self.do, self.where, self.update = rank, do, where, update

    def _go(self, trainer: pl.Trainer, system: Any, where: str) -> None:
        done = trainer.global_step // system.optimizers_per_update
        if (trainer.global_rank, where, done) == (self.rank, self.where, self.update):
            self.do(system)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: object) -> None:
        self._go(trainer, pl_module, "update")

    def on_validation_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: object) -> None:
        self._go(trainer, pl_module, "validation")


def told_to_stop(_: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def broken(system: Any) -> None:
    with torch.no_grad():
        next(system.expert.parameters()).view(-1)[0] = torch.nan


def config(root: str, folder: Path, experiment: str, *more: str) -> Any:
    return composed(f"experiment={experiment}", *COMMON, f"data.root={root}",
                    f"run_dir={folder}", *more)  # fmt: skip


def one(cfg: Any, *callbacks: pl.Callback, validate: bool = False) -> dict[str, Any]:
    """Fit, or only validate; what this process saw."""
    pl.seed_everything(0, verbose=False)
    extra = {"expert": Expert(0.0625)} if cfg.needs_expert else {}
    system = instantiate(cfg.system, _convert_="all", **extra)
    data = instantiate(cfg.data, _convert_="all")
    with StopSignals() as stop:
        checkpoints = RunCheckpoints(Path(cfg.run_dir), 1000, monitor=cfg.monitor, stop=stop)
        trainer = build_trainer(cfg, system, checkpoints)
        trainer.callbacks[:0] = callbacks
        ended = "well"
        try:
            if validate:
                trainer.validate(system, datamodule=data, verbose=False)
            else:
                trainer.fit(system, datamodule=data)
        except (Stopped, UserError) as error:
            ended = f"{type(error).__name__}: {error}"
    return {
        "ended": ended,
        "updates": trainer.global_step // system.optimizers_per_update,
        "metrics": {k: float(v) for k, v in trainer.callback_metrics.items()},
        "best": checkpoints.best_score,
        "files": sorted(path.name for path in Path(cfg.run_dir).glob("*.ckpt")),
    }


def runs(root: str, folder: Path) -> dict[str, Any]:
    """Name → a run that is yet to be made."""
    rank = int(os.environ.get("RANK", 0))
    found: dict[str, Any] = {}
    for experiment, monitors in MONITORS.items():
        for monitor in monitors:
            name = f"{experiment}:{monitor}"
            cfg = config(root, folder / name, experiment, f"monitor={monitor}")
            found[name] = lambda cfg=cfg: one(cfg)
    for where in ("update", "validation"):
        cfg = config(root, folder / where, "syncnet", "max_updates=4")
        update = 2 if where == "validation" else 1
        stop = On(1, told_to_stop, where, update)
        found[f"stop:{where}"] = lambda cfg=cfg, stop=stop: one(cfg, stop)
    cfg = config(root, folder / "nan", "syncnet", "max_updates=4",
                 "callbacks.finite_check.every=2")  # fmt: skip
    found["nan"] = lambda cfg=cfg: one(cfg, On(1, broken, update=2))
    cfg = config(root, folder / "overfit", "syncnet", "max_updates=3",
                 "trainer.limit_val_batches=0")  # fmt: skip
    check = OverfitCheck(below=1e9 if rank == 0 else 0.0)
    found["overfit"] = lambda cfg=cfg: one(cfg, check)
    cfg = config(root, folder / "validate", "syncnet", "data.val_repeats=3",
                 "trainer.limit_val_batches=1.0", "~callbacks.expert_report")  # fmt: skip
    if "RANK" not in os.environ:
        cfg = OmegaConf.merge(cfg, {"trainer": {"devices": 1, "strategy": "auto"}})
    found["validate"] = lambda cfg=cfg: one(cfg, validate=True)
    return found


def main(root: str, folder: Path, names: list[str]) -> None:
    made = runs(root, folder)
    found = {}
    for name in names or made:
        found[name] = made[name]()
        (folder / f"{os.environ.get('RANK', 'alone')}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
