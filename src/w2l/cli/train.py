"""`python train.py experiment=…`: build the objects of an experiment and fit."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from pytorch_lightning.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import nn

from w2l.building import check_parts
from w2l.callbacks import (
    AtomicCheckpointIO,
    DivergedError,
    RunCheckpoints,
    RunPage,
    Stopped,
    StopSignals,
    copy_best,
)
from w2l.checkpoints import (
    ENOUGH_SPEAKERS,
    load_discriminator,
    load_expert,
    load_generator,
    read,
    resolve,
)
from w2l.cli import commands
from w2l.cli.hydra_app import folded
from w2l.cli.keys.train import Train
from w2l.cli.provenance import record
from w2l.cli.requeue import leave
from w2l.cli.run_dir import check_free, check_state, claimed, find_state, remove_run
from w2l.cli.run_log import logged, next_command, summary
from w2l.cli.speed import compile_networks, picked_precision
from w2l.data import clips_of
from w2l.data.clips import AnyClip, BadClipError
from w2l.data.module import shared_clips
from w2l.errors import UserError
from w2l.models import Expert

logger = logging.getLogger(__name__)
ONE_SPEAKER = (
    "all training clips are of one speaker: this expert will know that person and not sync, its "
    "scores say nothing of others, and generators trained against it move the lips too little. Use "
    "the published expert (expert=lipsync_expert), or add speakers."
)
SHARED = (
    "{n_shared} of {n_val} validation clips are training clips, too: val/ values tell nothing of "
    "clips that were not learned. Make the lists disjoint, best by speaker."
)

_LOADERS: dict[str, Callable[[Path], Any]] = {
    "generator": load_generator,
    "expert": load_expert,
    "discriminator": load_discriminator,
}


def initialise(system: pl.LightningModule, source: str) -> list[str]:
    """Give the networks that will be trained the weights of a file; optimizers start anew.

    Args:
        system: its generator, or its expert where that is what learns; its discriminator too where
            the file has one.
        source: a checkpoint of any packing, or a registry name.

    Returns:
        The names of the networks that were given weights.

    Raises:
        UserError: no such file or name, another network, or one of another size.
    """
    path = resolve(source)
    networks = {n: m for n, m in system.named_children() if n in _LOADERS and _learns(m)}
    given = []
    for name, network in networks.items():
        if name == "discriminator" and read(path, name).network != name:
            continue  # a plain generator's file: the discriminator starts anew
        loaded = _LOADERS[name](path)
        if type(loaded) is not type(network):
            if name == "discriminator":
                continue  # one of another make has nothing to give
            raise UserError(
                f"init_from={source}: its {name} is of class {type(loaded).__name__}, this run's "
                f"of {type(network).__name__}: name a file of that, or set no init_from."
            )
        _check_same_make(source, name, loaded.config, network.config)
        network.load_state_dict(loaded.state_dict())
        given.append(name)
    return given


def count_speakers(clips: Sequence[AnyClip], enough: int) -> int:
    """How many speakers the clips are of; looks no further than for `enough`."""
    speakers: set[str] = set()
    for i in range(len(clips)):
        with suppress(BadClipError):  # counted where it is drawn
            speakers.add(clips[i].name.partition("/")[0])
        if len(speakers) == enough:
            break
    return len(speakers)


def _learns(network: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in network.parameters())


def _check_same_make(source: str, name: str, given: Any, own: Any) -> None:
    # last_relu has no weights: a published expert may go on without its last ReLU.
    other = {k: v for k, v in given.items() if k in {"width", "image_size"} and own.get(k) != v}
    if other:
        has = ", ".join(f"{key} {value}" for key, value in other.items())
        wants = ", ".join(f"{key} {own[key]}" for key in other)
        remedy = " ".join(f"model.{key}={value}" for key, value in other.items())
        raise UserError(
            f"init_from={source}: its {name} has {has}, this run's {wants}: set {remedy}."
        )


def fit(
    system: pl.LightningModule,
    data: pl.LightningDataModule,
    trainer: pl.Trainer,
    resume: Path | None = None,
) -> None:
    """Train; the callbacks of the trainer write the checkpoints.

    Args:
        system: what learns.
        data: its batches.
        trainer: with its callbacks and loggers.
        resume: checkpoint to go on from.

    Raises:
        Stopped: a signal ended it.
        UserError: Lightning cannot do what its arguments, or those of its callbacks, ask for.
    """
    data.setup("fit")  # a missing data set is reported before anything long begins
    try:
        trainer.fit(system, datamodule=data, ckpt_path=resume, weights_only=True)
    except MisconfigurationException as error:
        raise UserError(f"trainer: {folded(error)}") from error
    except RuntimeError as error:
        if "Early stopping conditioned on metric" not in str(error):
            raise
        raise UserError(f"callbacks.early_stopping: {folded(error)}.") from error


def strategy_for(trainer: Mapping[str, Any], per_update: int) -> Any:
    """The configured strategy; DDP must look for unused parameters where two networks take turns.

    Each of the GAN's two backward passes leaves the other network without gradients.

    Raises:
        UserError: a strategy that splits networks over devices.
    """
    strategy = trainer.get("strategy", "auto")
    if any(name in str(strategy).lower() for name in ("fsdp", "deepspeed")):
        raise UserError(
            "Networks that are split over devices cannot be trained here: the reports after a "
            "validation need them whole. They fit one GPU; for several use trainer=ddp."
        )
    ddp = {"ddp", "ddp_spawn", "ddp_fork", "ddp_notebook"}
    if per_update == 1 or strategy not in {"auto", *ddp}:
        return strategy
    if strategy == "auto":
        if not several_devices(trainer):
            return strategy
        strategy = "ddp"  # as Lightning would choose
    return f"{strategy}_find_unused_parameters_true"


def _built(group: Mapping[str, Any]) -> list[Any]:
    """What a group of the config names; null leaves a part out."""
    parts = instantiate(group, _convert_="all").values()
    return [part for part in parts if part is not None]


def several_devices(trainer: Mapping[str, Any]) -> bool:
    """Whether more than one device, here or on other nodes, is asked for."""
    if trainer.get("num_nodes", 1) > 1:
        return True
    devices = str(trainer.get("devices", "auto"))
    if devices in {"auto", "-1"}:
        return trainer.get("accelerator") != "cpu" and torch.cuda.device_count() > 1
    return devices != "1"


def used_devices(trainer: pl.Trainer, batch_size: int | None) -> str | None:
    """A line on what several devices mean for the batch, or that others lie idle."""
    n = trainer.world_size
    if n > 1:
        samples = (
            f"{n} batches"
            if batch_size is None
            else f"{n} x {batch_size} = {n * batch_size} samples"
        )
        return (
            f"devices: {n}, so {samples} an update; "
            "rates and numbers of updates are not scaled (docs/cluster.md)"
        )
    there = torch.cuda.device_count() if trainer.strategy.root_device.type == "cuda" else 1
    if there > 1:
        return f"devices: 1 of {there} GPUs; trainer=ddp uses all, each with its own batch"
    return None


def build_trainer(settings: Train, system: pl.LightningModule, *last: pl.Callback) -> pl.Trainer:
    """The Trainer with its callbacks and loggers; budgets in updates become Lightning's steps.

    Args:
        settings: of the command.
        system: what learns.
        last: callbacks after those of the config.
    """
    if counted := {"max_steps", "min_steps"} & set(settings.trainer):
        raise UserError(
            f"trainer.{min(counted)} counts the steps of each optimizer: say max_updates=…."
        )
    # With two optimizers Lightning counts two steps per update.
    per_update = int(system.optimizers_per_update)  # type: ignore[arg-type]
    trainer = instantiate(
        settings.trainer,
        _convert_="all",
        strategy=strategy_for(settings.trainer, per_update),
        precision=picked_precision(
            settings.trainer.get("precision", "32-true"),
            settings.trainer.get("accelerator", "auto"),
            settings.model.get("width", 1.0),
            settings.model.get("image_size", 96),
        ),
        max_steps=-1 if settings.max_updates is None else settings.max_updates * per_update,
        callbacks=[*_built(settings.callbacks), *last],
        logger=_built(settings.logger) or False,
        plugins=[AtomicCheckpointIO()],
    )
    started = int(os.environ["WORLD_SIZE"]) if TorchElasticEnvironment.detect() else 1
    if trainer.world_size < started:
        raise UserError(
            f"torchrun started {started} processes, and each would train alone: say trainer=ddp."
        )
    return trainer


def find_expert(given: str, image_size: int) -> Expert:
    """The expert asked for; none is taken because it happens to lie around.

    Raises:
        UserError: the file is none, or one for larger faces than the generator's, or the published
            one cannot be fetched.
    """
    expert = load_expert(given)
    logger.info("expert: %s", given)
    if expert.config["image_size"] > image_size:
        shown = expert.config["image_size"]
        raise UserError(
            f"expert={given} is one for faces of {shown} px, and this generator makes "
            f"{image_size} px: set model.image_size={shown}, or name an expert of {image_size} px "
            "or less."
        )
    return expert


def check_arguments(settings: Train) -> None:
    """See that the components take their arguments, and that all networks are of one size.

    Raises:
        UserError: naming the one that does not fit.
    """
    parts = {"system": settings.system, "data": settings.data, "trainer": settings.trainer}
    for name, part in parts.items():
        if "_target_" not in part:
            raise UserError(f"{name}= names no class, which its _target_ is: see --cfg job.")
    trainer = {key: value for key, value in settings.trainer.items() if key != "precision"}
    parts |= {"trainer": trainer, "callbacks": settings.callbacks, "logger": settings.logger}
    for name, part in parts.items():
        check_parts(part, name)
    size = settings.model.get("image_size")
    parts = {f"system.{name}": part for name, part in settings.system.items()}
    for name, part in {"data": settings.data, **parts}.items():
        other = part.get("image_size", size) if isinstance(part, Mapping) else size
        if other != size:
            raise UserError(
                f"{name}.image_size={other} is not model.image_size={size}: set the latter, which "
                "all others follow."
            )


def started_by_lightning() -> bool:
    """Whether the other processes of this machine are neither torchrun's nor Slurm's."""
    return not (TorchElasticEnvironment.detect() or SLURMEnvironment.detect())


def train(settings: Train) -> float | None:
    """Build everything an experiment names, and fit.

    Returns:
        The best value of `monitor`, which a sweep optimises; None without a validation.
    """
    # Advice about worker counts and short epochs that the configs decide on purpose.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", ".*in eval mode at the start of training.*")  # the expert
    warnings.filterwarnings("ignore", ".*treespec, LeafSpec.*")  # Lightning under torch 2.13
    is_first = getattr(rank_zero_only, "rank", 0) == 0
    with claimed(Path(settings.run_dir)) if is_first else nullcontext():
        return run_training(settings, is_first)


def run_training(settings: Train, is_first: bool) -> float | None:
    """As `train`, in a folder where nobody else writes.

    Args:
        settings: of the command.
        is_first: whether this process is the one that speaks and writes.
    """
    run_dir = Path(settings.run_dir)
    check_arguments(settings)
    told: list[str] = []
    resume = find_state(settings.resume, run_dir, told.append)
    if not is_first:
        logging.getLogger("w2l").setLevel(logging.WARNING)  # the first process speaks for all
        return fit_experiment(settings, resume, is_first=False)
    check_free(run_dir, resume, settings.resume, overwrite=settings.overwrite)
    with logged(run_dir / "train.log"):
        for text in told:
            logger.info("warning: %s", text)
        return fit_experiment(settings, resume, is_first=True)


def fit_experiment(settings: Train, resume: Path | None, *, is_first: bool) -> float | None:
    """Build the objects of an experiment, and fit.

    Args:
        settings: of the command.
        resume: checkpoint to go on from.
        is_first: whether this process is the one that writes.
    """
    run_dir = Path(settings.run_dir)
    pl.seed_everything(settings.seed, verbose=False)
    extra: dict[str, Any] = {}
    if settings.needs_expert:
        extra["expert"] = find_expert(str(settings.expert), settings.model.get("image_size", 96))
    data = instantiate(settings.data, _convert_="all")
    system = instantiate(settings.system, _convert_="all", **extra)
    data.setup("fit")
    if clips := clips_of(data, "train"):
        system.speakers = count_speakers(clips, ENOUGH_SPEAKERS)
        if system.speakers == 1 and not settings.needs_expert:
            logger.info("warning: %s", ONE_SPEAKER)
        n_shared, n_val = shared_clips(str(settings.data.get("root")))
        if n_shared:
            logger.info("warning: %s", SHARED.format(n_shared=n_shared, n_val=n_val))
    if resume is not None:
        check_state(resume, system)
        logger.info("going on from: %s", resume)
    elif settings.init_from is not None:
        given = " and ".join(initialise(system, settings.init_from))
        logger.info("%s from: %s", given, settings.init_from)
    compile_networks(system, settings.compile, settings.trainer.get("accelerator", "auto"))
    with StopSignals() as signals:
        checkpoints = RunCheckpoints(
            run_dir / "checkpoints", settings.checkpoint_every, settings.keep_last,
            settings.monitor, settings.monitor_mode, signals,
        )  # fmt: skip
        page = RunPage(
            run_dir, str(settings.experiment), settings.monitor, settings.monitor_mode,
            lambda: next_command(settings, makes_lips=hasattr(system, "generator")),
        )  # fmt: skip
        trainer = build_trainer(settings, system, page, checkpoints)
        if line := used_devices(trainer, settings.data.get("batch_size")):
            logger.info(line)
        if is_first and settings.overwrite:
            remove_run(run_dir)
        record(settings, trainer, run_dir)
        if trainer.is_global_zero and resume is not None:
            copy_best(resume, run_dir / "checkpoints")
        try:
            with page.until_the_end(trainer):
                fit(system, data, trainer, resume)
        except DivergedError:
            if trainer.is_global_zero:
                raise
            raise SystemExit(0) from None  # the first process says it, and fails for all
        except Stopped as stopped:
            first = trainer.is_global_zero
            kept = {"only_file": True}  # `leave` says it
            logger.info("stopped by %s at %s", stopped.signal.name, stopped.checkpoint, extra=kept)
            leave(stopped, signals, speaks=first, is_child=not first and started_by_lightning())
    if resume is None and checkpoints.saved is None:
        raise UserError(
            "Nothing was trained: the budget (max_updates, trainer.max_epochs, trainer.max_time, "
            "trainer.limit_train_batches) leaves no update."
        )
    if (run_dir / "checkpoints" / "last.ckpt").is_file():
        for line in summary(settings, trainer, system):
            logger.info(line)
    else:
        logger.info("checkpoint: %s, beyond which there was nothing to do", resume)
    return checkpoints.best_score


def main() -> None:
    """Run the command."""
    commands.train()


if __name__ == "__main__":
    main()
