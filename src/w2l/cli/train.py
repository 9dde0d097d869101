"""`python train.py experiment=…`: build the objects of an experiment and fit."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import ModelCheckpoint
from rich.console import Console

from w2l.callbacks import AtomicCheckpointIO
from w2l.checkpoints import archive, load_expert, newest_expert
from w2l.cli.hydra_app import run
from w2l.cli.start import initialise
from w2l.errors import UserError
from w2l.models import Expert

OUTPUTS = Path("outputs")


def fit(
    system: pl.LightningModule,
    data: pl.LightningDataModule,
    trainer: pl.Trainer,
    checkpoint: Path,
    resume: Path | None = None,
) -> Path:
    """Train, and leave the last state at `checkpoint`.

    Args:
        system: what learns.
        data: its batches.
        trainer: with its callbacks and loggers.
        checkpoint: where the final checkpoint goes.
        resume: checkpoint to go on from.

    Returns:
        `checkpoint`.
    """
    data.setup("fit")  # a missing data set is reported before anything long begins
    trainer.fit(system, datamodule=data, ckpt_path=resume, weights_only=True)
    trainer.save_checkpoint(checkpoint)  # with the optimizers: the next run may go on from it
    return checkpoint


def strategy_for(trainer: DictConfig, per_update: int) -> Any:
    """The configured strategy; DDP must look for unused parameters where two networks take turns.

    Each of the GAN's two backward passes leaves the other network without gradients.
    """
    if per_update == 1 or trainer.strategy not in {"auto", "ddp"}:
        return trainer.strategy
    several = torch.cuda.device_count() > 1 and str(trainer.devices) != "1"
    is_ddp = trainer.strategy == "ddp" or several
    return "ddp_find_unused_parameters_true" if is_ddp else trainer.strategy


def build_trainer(cfg: DictConfig, system: pl.LightningModule) -> pl.Trainer:
    """The Trainer with its callbacks and loggers; budgets in updates become Lightning's steps."""
    # With two optimizers Lightning counts two steps per update.
    per_update = int(system.optimizers_per_update)  # type: ignore[arg-type]
    folder = Path(cfg.run_dir) / "checkpoints"
    callbacks = list(instantiate(cfg.callbacks, _convert_="all").values())
    callbacks.append(
        ModelCheckpoint(
            folder,
            filename="last",
            every_n_train_steps=cfg.checkpoint_every * per_update,
            enable_version_counter=False,
        )
    )
    callbacks.append(
        ModelCheckpoint(folder, filename="best", monitor="val/loss", enable_version_counter=False)
    )
    return instantiate(
        cfg.trainer,
        _convert_="all",
        strategy=strategy_for(cfg.trainer, per_update),
        max_steps=-1 if cfg.max_updates is None else cfg.max_updates * per_update,
        callbacks=callbacks,
        logger=list(instantiate(cfg.logger, _convert_="all").values()) or False,
        plugins=[AtomicCheckpointIO()],
    )


def find_expert(given: str | None, console: Console) -> Expert:
    """The expert asked for, else the newest under outputs/, else the published one.

    Raises:
        UserError: the file is none, or the published one cannot be fetched.
    """
    source: str | Path = given or newest_expert(OUTPUTS) or "lipsync_expert"
    console.print(f"expert: {source}", highlight=False)
    return load_expert(source)


def existing(path: str | None, key: str) -> Path | None:
    """The file that `key` names, or None.

    Raises:
        UserError: there is none.
    """
    if path is None:
        return None
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f"{key}={path}: there is no such file.")
    return file


def check_resume(checkpoint: Path, system: pl.LightningModule) -> None:
    """Refuse to go on from a file that is no state of this training.

    Raises:
        UserError: it is damaged, no training checkpoint, or of other networks.
    """
    content = archive.load(checkpoint)
    if not {"state_dict", "optimizer_states"} <= content.keys():
        raise UserError(
            f"resume={checkpoint} holds a network but no state of a training: "
            "name a file from the checkpoints folder of a run."
        )
    saved = {name: value.shape for name, value in content["state_dict"].items()}
    own = {name: value.shape for name, value in system.state_dict().items()}
    trained = {name for name, value in system.named_parameters() if value.requires_grad}
    if not (saved.items() <= own.items() and trained <= saved.keys()):
        raise UserError(
            f"resume={checkpoint} was written by another experiment or with other model settings: "
            "repeat those of its run (config.yaml in its folder)."
        )


def train(cfg: DictConfig) -> None:
    """Build everything an experiment names, and fit."""
    # Advice about worker counts and short epochs that the configs decide on purpose.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", ".*in eval mode at the start of training.*")  # the expert
    warnings.filterwarnings("ignore", ".*Using ModelCheckpoint with manual optimization.*")
    warnings.filterwarnings("ignore", ".*treespec, LeafSpec.*")  # Lightning under torch 2.13
    console = Console()
    resume = existing(cfg.resume, "resume")
    pl.seed_everything(cfg.seed, verbose=False)
    extra: dict[str, Any] = {}
    data = instantiate(cfg.data, _convert_="all")
    data.setup("fit")
    if cfg.needs_expert:
        extra["expert"] = find_expert(cfg.expert, console)
    system = instantiate(cfg.system, _convert_="all", **extra)
    if resume is not None:
        check_resume(resume, system)
    elif cfg.init_from is not None:
        given = " and ".join(initialise(system, cfg.init_from))
        console.print(f"{given} from: {cfg.init_from}", highlight=False)
    trainer = build_trainer(cfg, system)
    if trainer.is_global_zero:
        OmegaConf.save(cfg, Path(cfg.run_dir) / "config.yaml", resolve=False)
    last = fit(system, data, trainer, Path(cfg.run_dir) / "checkpoints" / "last.ckpt", resume)
    if trainer.is_global_zero:
        console.print(f"checkpoint: {last}", highlight=False)


def main() -> None:
    """Entry point of `w2l-train`."""
    run(train, "train")


if __name__ == "__main__":
    main()
