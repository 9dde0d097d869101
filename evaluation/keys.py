"""The keys of `python -m evaluation`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Lt

from w2l.bounds import Count, FileName, Sides, Texts, Weights
from w2l.building import Component
from w2l.jobs.keys import RunnerKeys
from w2l.schema import group as component  # a key is called group
from w2l.schema import key

Least = Annotated[float, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class Evaluation(RunnerKeys):
    """Benchmark a generator, compare scores, or write a page of results.

    Values called published are those of the release's evaluation scripts. `published` is true
    here, so that the numbers are those of the paper's protocol; published=false takes the values
    below.
    """

    NAME: ClassVar[str] = "evaluation"
    COMMAND: ClassVar[str] = "python -m evaluation"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "benchmark=lrs2 data_root=mvlrs_v1/main checkpoint=wav2lip_gan",
        "compare=[a/results.json,b/results.json]",
        "show=[source.mp4,result.mp4]",
    )

    benchmark: str | None = key(
        None,
        "lrs2, lrs3, lrw: pair lists; real: dubbed, random, TTS videos; demo: the report of the "
        "demo set, and four of its pairs",
        section="One of these",
    )
    compare: list[str] | None = key(
        None, "[a.json,b.json,…]: each results.json or scores.json against the first"
    )
    names: list[str] | None = key(
        None, "compare: [ours,theirs]: what tables call the files; null: by their folders"
    )
    group: FileName | None = key(
        None,
        "compare: folder, or a .csv with columns path and group (or speaker): the table has rows "
        "for each group, too; null: those that the first file names",
    )
    pairs: FileName | None = key(
        None,
        "with compare=: folder for shuffled side-by-side videos that people judge; without: the "
        "answers in it are read (docs/people.md)",
    )
    show: list[str] | None = key(
        None, "[source,result]: a page with both videos and their sync curves"
    )
    open: bool = key(
        True, "show: the page opens in a browser, where the command runs on a terminal"
    )
    pipelines: FileName | None = key(
        None,
        "a video, a folder, or a .txt with one per line: scored by each pipeline that papers use, "
        "by our default and by lrs (docs/pipelines.md)",
    )
    results: FileName | None = key(
        None, "folder of result files, e.g. docs/results: writes the page docs/results.md"
    )

    checkpoint: Weights | None = key(None, "generator on trial", section="What is scored")
    name: str | None = key(None, "what tables call it; null: from the checkpoint's path")
    data_root: FileName | None = key(
        None, "where the clips lie (lrs2: mvlrs_v1/main); demo: the prepared set, data/demo"
    )
    filelist: FileName | None = key(
        None, "pairs, `audio_clip video_clip`; null: filelists/<benchmark>.txt"
    )
    sets: Texts | None = key(None, "real: [dubbed,random,tts]; null: those that are there")
    limit: int | None = key(
        None, "only the first so many pairs of each list; pairs: so many videos"
    )
    out: FileName | None = key(
        None,
        "null: outputs/benchmarks/<benchmark> (another recipe: <benchmark>_2, …), outputs/demo; "
        "outputs/show, outputs/pipelines or outputs/compare (each time a new one)",
    )
    preset: str | None = key(
        None, "values of many keys at once, a file of configs/presets/evaluation: published"
    )
    published: bool = key(
        True, "windows, boxes, skipping and scoring of the release; keys that are given win"
    )

    syncnet: Weights = key("syncnet_v2", "SyncNet v2, for LSE; none: no LSE", section="Networks")
    expert: Weights | None = key(
        None,
        "for the cosine similarity, best one that the generator was not trained against; demo: the "
        "one that it was trained against",
    )
    inception: Weights | None = key(
        None,
        "FID of each set: fid_inception (fetched), or its file; any other file gives a stand-in; "
        "null: no FID",
    )
    judge: Weights | None = key(
        None,
        "demo: another expert, which it was not trained against; show: null: judge_small",
    )

    detector: Component = component("finds the faces (published: s3fd)")
    detect_every: Count = key(
        5, "frames from one detection to the next (published: 1)", section="How pairs are made"
    )
    box: Sides | None = key(None, "pixels, ends excluded: a fixed box, without detection")
    pads: Sides | None = key(
        None,
        "null: 0 for lists, [0,10,0,0] for real (published); published=false: those that the "
        "generator was trained with, if it says so",
    )
    person: Literal["largest", "center", "left", "right", "first"] = key(
        "largest", "first: the detector's first face (published)"
    )
    missing_face: Literal["pass", "hold", "error"] = key(
        "pass", 'error: the pair counts as "no face" (published)'
    )
    extend: Literal["pingpong", "loop", "freeze"] = key(
        "pingpong",
        "how a video that is shorter than the audio goes on. published=false only; as published it "
        'counts as "video shorter than sound"',
    )
    quality: Literal["improved", "fast"] = key(
        "improved", "improved: only the mouth changes; fast: the whole box (published)"
    )

    device: str = key(
        "auto",
        "auto, cuda: all GPUs, a worker each; cuda:1: that one; cpu",
        section="How it is run",
    )
    batch_size: Count = key(32, "frames, or windows, that go through a network at once")
    retry_failed: bool = key(False, "true: try pairs again that an earlier run could not do")
    strict: bool = key(
        False, "true: exit code 1 if a pair could not be scored, or its images compared"
    )
    keep_videos: bool = key(True, "false: a video is deleted once it is scored")
    trust: Texts | None = key(
        None,
        "[mygen]: packages outside w2l whose networks a checkpoint may name; their code runs "
        "(docs/extending.md)",
    )
    started: float | None = key(
        None, "demo: Unix time at which the whole demo began, for `seconds`; null: now"
    )

    resamples: Annotated[int, Ge(100)] = key(9999, "of the bootstrap", section="Comparison")
    interval: Literal["bca", "percentile"] = key(
        "bca", "bca (corrected for bias and skew) or percentile"
    )
    confidence: Annotated[float, Gt(0), Lt(1)] = key(0.95, "of the intervals")
    seed: Annotated[int, Ge(0)] = key(0, "of the resampling")
