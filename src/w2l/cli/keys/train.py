"""The keys of `train.py`: its own, and those of its groups that are set by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from w2l.bounds import Count, FileName, NotNegative, Positive, Share, Texts, Weights, Whole
from w2l.schema import Choice, Group, argument, group, key


@dataclass(frozen=True, kw_only=True)
class Model:
    """What all networks of a training follow."""

    TARGET: ClassVar[str | None] = None

    image_size: Annotated[int, Ge(16), Le(1024)] = argument(
        "side of the face in pixels; 96 is the published network"
    )
    width: Positive = argument("factor on every channel count; 1 is the published network")


@dataclass(frozen=True, kw_only=True)
class Clips:
    """Arguments of `w2l.data.ClipDataModule`."""

    TARGET: ClassVar[str] = "w2l.data.ClipDataModule"

    root: FileName = argument(
        "preprocessed folder, or an address of shards (s3://…); `python -m preprocess`"
    )
    storage: Literal["auto", "raw", "compressed", "jpeg", "folder"] = argument(
        "how faces are stored; auto: the first of raw, compressed, jpeg, folder that is there"
    )
    cache_dir: FileName | None = argument(
        "where shards of an address are kept; null: ~/.cache/w2l/shards"
    )
    cache_bytes: Count | None = argument("how much they may take there; null: no limit")
    batch_size: Count = argument("samples of an update, on each device")
    num_workers: Whole = argument("loading processes")
    balance: Share = argument(
        "0 to 1: speakers with few clips are drawn more often; 1: all alike (small sets)"
    )
    repeats: Count = argument(
        "samples per clip and epoch; an epoch's end costs little, but not nothing"
    )
    val_repeats: Count = argument("the same in validation")
    cache: bool = argument("keep faces decoded from JPEG in memory: for small sets")


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """Arguments of Lightning's Trainer that the configs set; +trainer.name=value adds others."""

    TARGET: ClassVar[str] = "pytorch_lightning.Trainer"

    accelerator: str = argument("auto, cpu, gpu, or another of Lightning's")
    devices: int | str | list[int] = argument(
        "how many, a list of which, or auto; the published batch and rate are those of one; "
        "several: trainer=ddp"
    )
    num_nodes: Count = argument("machines")
    strategy: str = argument("how devices work together; trainer=ddp sets it")
    precision: str | int = argument(
        "the release trains in float32; auto: bf16-mixed on GPUs that have it and CPUs that are "
        "quicker so, tried once (_strong, _small and demo recipes). Losses are computed in float32 "
        "either way; float16 is refused"
    )
    max_epochs: Annotated[int, Ge(-1)] | None = argument(
        "-1: without an end; max_updates is the budget"
    )
    val_check_interval: Positive | None = argument("updates from one validation to the next")
    check_val_every_n_epoch: Count | None = argument("null: by val_check_interval")
    limit_train_batches: NotNegative | None = argument("of an epoch; null: all")
    limit_val_batches: NotNegative | None = argument("published: up to 300")
    num_sanity_val_steps: Annotated[int, Ge(-1)] | None = argument(
        "batches validated before the first update"
    )
    log_every_n_steps: Count | None = argument("updates from one logged value to the next")
    accumulate_grad_batches: Count = argument("batches of an update")
    gradient_clip_val: NotNegative | None = argument(
        "Lightning's; system.clip_norm works with GANs, too"
    )


@dataclass(frozen=True, kw_only=True)
class Overfit:
    """What debug=overfit learns, and when it has."""

    samples: Count = key(32, "so many are learned, over and over")
    metric: str = key("train/loss", "that falls")
    below: float = key(0.05, "the bar under which it has to fall")


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a lip-sync expert, or a generator against one; --cfg job prints the whole config."""

    NAME: ClassVar[str] = "train"
    COMMAND: ClassVar[str] = "python train.py"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "experiment=syncnet data.root=data/lrs2",
        "experiment=wav2lip_gan expert=lipsync_expert run_dir=outputs/mine",
        "experiment=syncnet run_dir=outputs/expert resume=auto",
    )

    experiment: Choice = group("what is trained: system, data, callbacks, budgets; required")
    model: Group = group("the generator, or the size of all networks", Model)
    data: Group = group(
        "what is read, and what is drawn from a clip; the experiments choose it", Clips
    )
    system: Group = group("networks, losses, optimizers: what learns; the experiments state it")
    optimizer: Choice = group("the optimizer of all networks, a class by _partial_")
    scheduler: Choice = group("the learning rate along the run")
    loss: Choice = group("more terms for generators: lpips, teacher, or several, loss=[lpips,mine]")
    callbacks: Group = group("what watches a run, beside what the experiment adds")
    trainer: Group = group("Lightning's Trainer: devices, precision, budgets", Trainer)
    logger: Group = group("where curves go")
    debug: Choice = group("a short run to try things: fast, overfit")
    hparams_search: Choice = group("a sweep, with --multirun")

    needs_expert: bool = key(
        False,
        "true: what is trained learns from expert=; the experiments state it",
        section="Networks",
    )
    expert: Weights | None = key(
        None,
        "frozen expert that the generator learns from: file, hf:owner/name, registry name "
        "(lipsync_expert: the published one); generators need one",
    )
    expert_batchnorm: Literal["eval", "batch"] = key(
        "eval", "eval: the expert's own statistics; batch: those of each batch (published)"
    )
    teacher: Weights | None = key(
        None,
        "generator that another learns from, of loss=teacher: file, hf:owner/name, registry name",
    )
    syncnet: Weights | None = key(
        None, "SyncNet v2 for the LSE of validation clips: file or registry name; null: no LSE"
    )
    init_from: Weights | None = key(
        None, "weights that the trained networks start with: file, registry name or hf:owner/name"
    )
    lead_frames: Annotated[int, Ge(0), Le(5)] = key(
        0, "by how many frames the mel window of a frame starts before it (generators)"
    )
    compile: bool | Literal["auto"] = key(
        False, "torch.compile of generator and expert; auto: on GPUs (_strong recipes)"
    )

    max_updates: Count | None = key(
        None, "updates of the generator (or the expert) to train for", section="Budget"
    )
    seed: Annotated[int, Ge(0), Le(2**32 - 1)] = key(
        0, "of the first weights, and of what is drawn"
    )
    overfit: Overfit = key(Overfit(), "debug=overfit: learned until the metric is under a bar")

    run_dir: FileName = key(
        "outputs/train/${hydra:runtime.choices.experiment}/${now:%Y-%m-%d_%H-%M-%S}",
        "folder of the run: checkpoints, curves, images, settings",
        section="Files",
    )
    checkpoint_every: Count = key(1000, "updates from one checkpoint to the next")
    keep_last: Count = key(3, "checkpoints kept beside best.ckpt; the newest is last.ckpt too")
    monitor: str = key(
        "val/loss",
        "what best.ckpt is best at, and what a sweep optimises: something that means the same "
        "along the whole run, as val/loss does (docs/cluster.md)",
    )
    monitor_mode: Literal["min", "max"] = key("min", "max for val/accuracy or val/dubbed_cosine")
    resume: FileName | None = key(
        None,
        "go on exactly where a run stopped: a checkpoint, a run's folder (its newest readable "
        "one), or auto (that of run_dir, else a new start)",
    )
    overwrite: bool = key(
        False, "true: a run that is in run_dir is deleted, once this one can begin"
    )

    trust: Texts | None = key(
        None,
        "[mygen]: packages outside w2l whose networks a checkpoint may name; their code runs "
        "(docs/extending.md)",
        section="How it is run",
    )
    preset: str | None = key(
        None,
        "values of many keys at once: published, or a file of presets/train in --config-dir "
        "(docs/extending.md)",
    )
    published: bool = key(False, "true: preset=published, what the release does differently")
