"""The keys of `python -m preprocess`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from w2l.bounds import Count, FileName, Says, Texts, Weights
from w2l.building import Component
from w2l.jobs.keys import RunnerKeys
from w2l.schema import group, key

Least = Annotated[float, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class Preprocess(RunnerKeys):
    """Turn videos into a training set: a folder a clip, lists, and shards."""

    NAME: ClassVar[str] = "preprocess"
    COMMAND: ClassVar[str] = "python -m preprocess"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "source=folder data_root=videos out=data/mine",
        "source=lrs2 data_root=mvlrs_v1 out=data/lrs2 workers=8",
        "source=demo out=data/demo",
    )

    source: Component = group(
        "where the clips come from; folder: any videos, csv: a row per clip, prepared: a set that "
        "is there as folders, to be packed"
    )
    data_root: FileName | None = key(
        None,
        "folder of the videos, grid: or of the archives; csv: the file; demo: where they are "
        "rendered (null: <out>/videos)",
        section="Input and output",
    )
    out: FileName | None = key(
        None,
        "the set: <speaker>/<clip>/<frame>.jpg, audio.wav, mel.npy, and its lists; null: "
        "data/<source>",
    )
    report: bool = key(
        True, "<out>/report.html: counts, histograms, a wall of clips, what was rejected"
    )

    cut: bool | None = key(
        None,
        "true: at changes of scene; null: true for folder and csv, whose videos may be any",
        section="Long videos become several clips",
    )
    max_seconds: Annotated[float, Ge(1), Says("seconds")] = key(
        10, "longer scenes are divided into equal parts"
    )
    duplicates: Literal["none", "exact", "near"] | None = key(
        None,
        "what is left out: exact: files with the same bytes; near: also clips that look and sound "
        "the same, however encoded; null: exact for folder and csv",
    )

    detector: Component = group("finds the faces (published: s3fd)")
    fps: Annotated[float, Ge(1), Le(240), Says("frames a second")] | None = key(
        25,
        "by time (reference section 2); null: as the video has them",
        section="What a prepared clip is; change one of these and clips are prepared anew",
    )
    detect_every: Count = key(
        5, "frames from one detection to the next, tracked between (published: 1)"
    )
    detect_whole: Count = key(
        5,
        "detections from one in a whole frame to the next: between, faces are looked for around "
        "where they are; 1: always in whole frames (published)",
    )
    smooth: bool = key(True, "the boxes are steadied over five frames (published: false)")
    min_frames: Count | None = key(
        None,
        "frames in a row with a face; null: 25, a second, for folder and csv, else 16: training "
        "takes clips of more than 15 (published)",
    )
    sync: Weights | None = key(
        None,
        "network that finds by how many frames the audio is off, which is then put right: small "
        "(the judge that comes with w2l), syncnet_v2, an expert's file; null: the audio stays",
    )
    min_confidence: float | None = key(
        None,
        "clips whose best offset has less confidence are rejected; null: 3 for SyncNet v2 "
        "(published), 0.1 for an expert",
    )
    quality: bool | None = key(
        None,
        "true: reject clips whose faces the limits below exclude; null: true for folder and csv",
    )
    min_face: int = key(48, "pixels, height of the box")
    min_sharpness: float = key(
        0.02, "0.1 to 0.3 of sharp faces; 0.02 of faces enlarged from 30 pixels"
    )
    min_brightness: float = key(25, "mean grey value of the face, 0 to 255")
    max_brightness: float = key(235, "likewise")
    max_turn: float = key(45, "degrees by which the head is turned aside, or up or down")
    jpeg_quality: Annotated[int, Ge(1), Le(100)] = key(
        95, "OpenCV's default, which the published preparation writes with"
    )

    storage: Literal["folder", "jpeg", "compressed", "raw"] = key(
        "jpeg",
        "jpeg: the files as they are, smallest, for any image size; compressed: pixels packed "
        "without loss, twice as large, up to twice as quick to read; raw: pixels, again twice as "
        "large, 3 times as quick; folder: no shards",
        section="Shards for training, packed once all clips are prepared (docs/data_format.md)",
    )
    image_size: Annotated[int, Ge(16), Le(1024)] = key(
        96, "side of the faces in compressed and raw shards, in pixels: model.image_size"
    )
    shard_bytes: Count = key(268435456, "size of a shard, about")

    device: str = key(
        "auto",
        "of the detector: auto (cuda if there is one), cpu, cuda, cuda:1",
        section="How it is run; changes nothing in the result",
    )
    batch_size: Count = key(8, "frames per detector call")
    retry_rejected: bool = key(False, "true: try clips again that an earlier run rejected")
    trust: Texts | None = key(
        None,
        "[mygen]: packages outside w2l whose networks a checkpoint may name; their code runs "
        "(docs/extending.md)",
    )
    preset: str | None = key(
        None, "values of many keys at once, a file of configs/presets/preprocess: published"
    )
    published: bool = key(False, "true: what the release does differently (called published here)")
