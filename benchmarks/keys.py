"""The keys of `python -m benchmarks`: those of one benchmark lie below its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from w2l.bounds import Count, FileName, Positive, Share, Size, Texts, Weights, Whole
from w2l.schema import key

Overrides = dict[str, list[str]]
TURNS = "in turn; the median counts"
DEVICE = "auto (cuda if there is one), cpu, cuda, cuda:1"
OWN = "as the experiment has it"

# What is compared with the published way, each by the keys of its run.
RUNS: Overrides = {
    "generator_1": ["name=generator", "generator.threads=1", "generator.faces=16"],
    "generator": ["name=generator", "generator.faces=16"],
    "inference": [
        "name=inference", "inference.seconds=8", "inference.turns=3",
        "inference.published_frames.detected=2", "inference.published_frames.fixed_box=64",
    ],
    "evaluation_1": ["name=evaluation", "evaluation.threads=1"],
    "evaluation": ["name=evaluation"],
    "training_expert": [
        "name=training", "training.experiment=syncnet_small", "training.data_root=data/grid",
    ],
    "training_generator": [
        "name=training", "training.experiment=wav2lip_small", "training.data_root=data/grid",
    ],
    "loader": ["name=loader"],
}  # fmt: skip

# What the arms of the recipes change, one thing each.
CHANGES: Overrides = {
    "strong": [],
    "no_augmentation": ["data.samples.augment=null"],
    "one_negative": [  # of the same clip, however near, as the published pairs have
        "data.samples.windows=2", "data.samples.min_distance=1", "data.batch_size=32",
        "system.objective.other_clips=0",
    ],
    "no_other_clips": ["system.objective.other_clips=0"],
    "plain_schedule": [  # the published optimizer
        "system.optimizer.lr=1e-4", "system.optimizer.betas=[0.9,0.999]",
        "system.optimizer.weight_decay=0", "system.scheduler.warmup_updates=0",
        "system.scheduler.cosine=false", "system.clip_norm=null",
    ],
    "last_relu": ["system.expert.last_relu=true"],
    "cross_entropy": [  # and the ReLU, since that loss knows no cosine below 0
        "system.expert.last_relu=true", "~system.objective.other_clips",
        "system.objective._target_=w2l.losses.CrossEntropySync", "~data.samples.windows",
        "data.samples._target_=w2l.data.SyncSamples", "data.batch_size=64",
    ],
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Overview:
    out: FileName = key("outputs/benchmarks", "folder of a file per run")
    page: FileName = key("docs/performance.md", "name=table: the page that the table is written to")
    only: Texts | None = key(None, "some of the runs; null: all")
    runs: Overrides = key(RUNS, "the keys of each run")


@dataclass(frozen=True, kw_only=True)
class Data:
    root: FileName | None = key(
        None, "prepared folder, or an address (docs/data_format.md); null: made for the measurement"
    )
    storage: Literal["auto", "folder", "jpeg", "compressed", "raw"] = key("auto", "of faces")
    samples: Literal["expert", "generator"] = key("expert", "what is drawn")
    image_size: Count = key(96, "side of the face in pixels")
    batch_size: Count = key(64, "of your own set; otherwise the published sizes")
    num_workers: Whole = key(2, "measured beside none")
    repeats: Count = key(1000, "samples per clip and epoch, so that none ends while it is measured")


@dataclass(frozen=True, kw_only=True)
class Loader:
    clips: Count = key(32, "of 75 frames")
    turns: Count = key(5, f"measurements of each, {TURNS}")
    seconds: Positive = key(1.0, "of each measurement, at least")


@dataclass(frozen=True, kw_only=True)
class PublishedFrames:
    detected: Count = key(16, "where faces are searched for: 0.3 a second here")
    fixed_box: Count = key(256, "with a box")


@dataclass(frozen=True, kw_only=True)
class Inference:
    size: Size = key([1280, 720], "width and height of the video made for it")
    seconds: Positive = key(60, "of it")
    width: Positive = key(1, "of the generator; 1 is published")
    turns: Count = key(1, TURNS)
    published_frames: PublishedFrames = key(
        PublishedFrames(), "frames that the published way is measured on"
    )


@dataclass(frozen=True, kw_only=True)
class Generator:
    width: Positive = key(1, "factor on every channel count; 1 is published")
    image_size: Count = key(96, "side of the face in pixels")
    faces: Count = key(32, "in a batch")
    turns: Count = key(5, TURNS)
    device: str = key("cpu", DEVICE)
    threads: Count | None = key(None, "null: torch's own number")


@dataclass(frozen=True, kw_only=True)
class Live:
    checkpoint: Weights = key("wav2lip_small", "generator")
    device: str = key("cpu", DEVICE)
    seconds: Positive = key(60, "of speech; it is heard twice in real time")
    chunk: Count = key(320, "samples that come at once: 20 ms")
    batch_size: Count = key(2, "faces through the generator at once")
    turns: Count = key(3, f"of the work without the clock, {TURNS}")


@dataclass(frozen=True, kw_only=True)
class Detection:
    size: Size = key([640, 360], "width and height of the video made for it")
    frames: Count = key(61, "of it")
    published_frames: Count = key(4, "frames that the published way is measured on")
    turns: Count = key(3, TURNS)


@dataclass(frozen=True, kw_only=True)
class Preparation:
    sizes: list[Size] = key(
        [[360, 288], [1280, 720]], "of the videos made for it; the first one's ratio is the ratio"
    )
    clips: Count = key(4, "of 75 frames")
    turns: Count = key(3, TURNS)
    published_frames: Count = key(
        8, "frames that the published way is measured on: each takes about a second"
    )


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    video: FileName | None = key(
        None, "file, folder or list.txt, with audio; null: one made for it"
    )
    frames: Count = key(317, "of that one")
    syncnet: Weights | None = key(None, "SyncNet v2; null: random weights, which cost as much")
    turns: Count = key(3, TURNS)
    threads: Count | None = key(
        None,
        "for both ways (null: torch's own number); with 1 CPU seconds are measured, with more the "
        "clock's",
    )


@dataclass(frozen=True, kw_only=True)
class Deviations:
    video: FileName | None = key(
        None, "file, folder or list.txt, with audio; null: one made for it"
    )
    frames: Count = key(100, "of each clip, at most")
    syncnet: Weights | None = key(None, "SyncNet v2; null: random weights, which cost as much")


@dataclass(frozen=True, kw_only=True)
class Training:
    experiment: str = key("syncnet_strong", "of train.py")
    data_root: FileName = key("data/demo", "prepared set")
    expert: Weights | None = key(None, "for generators; null: random weights, which cost as much")
    image_size: Count | None = key(None, f"null: {OWN}")
    width: Positive | None = key(None, f"null: {OWN}")
    batch_size: Count | None = key(None, f"null: {OWN}")
    num_workers: Whole | None = key(None, f"null: {OWN}")
    precision: str | None = key(None, f"null: {OWN}")
    updates: Count = key(6, "of each turn")
    turns: Count = key(3, TURNS)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    sizes: list[int] = key([96, 128, 192, 256, 288, 384], "sides of the face in pixels")
    width: Positive = key(1, "factor on every channel count; 1 is published")
    windows: Count = key(2, "windows of 5 frames per step")
    device: str = key("auto", DEVICE)


@dataclass(frozen=True, kw_only=True)
class Recipes:
    data_root: FileName = key("data/demo", "prepared set; looked at on its test clips")
    out: FileName = key(
        "outputs/recipes", "a file per run, and curves.png; finished runs are not done again"
    )
    seeds: list[int] = key([0, 1, 2], "a run of each arm with each")
    arms: Texts | None = key(None, "some of changes, or published; null: all")
    pair_accuracy: Share = key(0.95, "the bar that counts as reached,")
    balanced_accuracy: Share = key(0.92, "and this one, both at the same look")
    common: list[str] = key(
        ["model.width=0.25", "model.image_size=64", "data.cache=true", "data.num_workers=0"],
        "keys of all arms: small enough for two cores",
    )
    strong: list[str] = key(
        [
            "experiment=syncnet_strong",
            "data.batch_size=4",  # clips; 64 windows, as the published recipe has
            "system.optimizer.lr=1e-3",
            "system.scheduler.warmup_updates=100",  # at 20, clipped to 1, it stayed at chance
            "max_updates=600",
        ],
        "keys of all arms but the published one",
    )
    changes: Overrides = key(CHANGES, "arms: what each has beyond strong, one thing each")
    published: list[str] = key(
        ["experiment=syncnet", "data.batch_size=64", "max_updates=1200"],
        "the arm that has nothing of strong",
    )
    every: Count = key(150, "updates between looks")


@dataclass(frozen=True, kw_only=True)
class Benchmarks:
    """Measure w2l beside the published way; the last line of the output is JSON."""

    NAME: ClassVar[str] = "benchmarks"
    COMMAND: ClassVar[str] = "python -m benchmarks"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "name=inference",
        "name=generator generator.device=cuda",
        "name=training training.experiment=wav2lip_gan",
    )

    name: Literal[
        "overview", "table", "inference", "generator", "detection", "loader", "preparation",
        "training", "sizes", "recipes", "evaluation", "deviations", "live",
    ] = key(
        "overview",
        "overview: what is compared with the published way, in one run; table writes its table "
        "into docs/performance.md",
    )  # fmt: skip
    seed: Whole = key(0, "of everything that is made for a measurement")
    published: bool = key(False, "changes nothing here: the published way is measured beside ours")

    overview: Overview = key(Overview(), "of name=overview and name=table")
    data: Data = key(Data(), "name=loader: your own set, or one made for the measurement")
    loader: Loader = key(Loader(), "name=loader: samples/s, how they are measured")
    inference: Inference = key(Inference(), "wall seconds and memory of python infer.py")
    generator: Generator = key(Generator(), "faces/s of the network alone")
    live: Live = key(Live(), "from what is spoken to its frame, in real time")
    detection: Detection = key(Detection(), "frames/s of looking for faces")
    preparation: Preparation = key(Preparation(), "frames/s of python -m preprocess, one core")
    evaluation: Evaluation = key(Evaluation(), "seconds per clip of evaluate.py protocol=lrs")
    deviations: Deviations = key(
        Deviations(), "what each departure from the published scoring does to LSE"
    )
    training: Training = key(Training(), "the recipe's own step beside plain float32")
    sizes: Sizes = key(Sizes(), "parameters, time and memory of a step of each network")
    recipes: Recipes = key(Recipes(), "how many updates each recipe of the expert needs")
