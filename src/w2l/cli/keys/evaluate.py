"""The keys of `evaluate.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

from w2l.bounds import Count, FileName, Sides, Texts, Weights
from w2l.building import Component
from w2l.schema import Group, key
from w2l.schema import group as component  # a key is called group

Least = Annotated[float, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score talking videos: LSE-D, LSE-C, offset and cosine similarity."""

    NAME: ClassVar[str] = "evaluate"
    COMMAND: ClassVar[str] = "python evaluate.py"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "video=result.mp4",
        "video=folder syncnet=syncnet_v2 preset=wav2lip output=out/scores.json",
        "video=result.mp4 reference=original.mp4 metrics=[psnr,ssim]",
    )

    video: FileName | None = key(
        None,
        "a video, a folder of videos (searched through), or a .txt with one per line",
        section="Input and output",
    )
    data_root: FileName | None = key(
        None,
        "(or data=) a prepared set in place of video=: how well expert= tells sync on whole clips",
    )
    split: Literal["test", "val", "train"] | None = key(
        None, "data_root: which clips; null: test where there is one, else val"
    )
    audio: FileName | None = key(None, "scored against in place of each video's own audio")
    protocol: Literal["track", "lrs"] = key(
        "track",
        "track: faces are found, followed and cropped; lrs: the whole frame, for clips centred on "
        "a face. Scores of the two are not comparable",
    )
    output: FileName | None = key(
        None,
        "a .json file; plots go beside it, <name>_<clip>.png; null: scores.json in a new folder, "
        "outputs/evaluate/<video>, <video>_2, …",
    )
    plots: bool = key(
        True, "a plot of distance and similarity against the offset, and over time, for each clip"
    )
    report: bool = key(
        True, "one page with all of it, <name>.html; <name>.csv and .parquet have a row per face"
    )
    group: FileName | None = key(
        None,
        "folder, or a .csv with columns path and group (or speaker): the tables have a row for "
        "each group, too",
    )
    strict: bool = key(
        False,
        "true: exit code 1 if a clip or face cannot be scored, or a pair's images compared, after "
        "the outputs are written",
    )

    chain: Group = component("codecs in between, as the pipelines of papers have them")
    preset: str | None = key(
        None,
        "wav2lip, latentsync, mochabench (also the package syncnet-python): a pipeline that papers "
        "use, its detector, its codecs, what counts as a track, and its video_score; published: "
        "published=true; or a file of configs/presets/evaluate",
        section="Pipelines that papers use (protocol=track; docs/metrics.md)",
    )
    video_score: Literal["mean", "first", "longest", "best"] = key(
        "mean",
        "a video's number from those of its tracks; best: the lowest LSE-D and the highest LSE-C "
        "of any",
    )

    syncnet: Weights = key("syncnet_v2", "SyncNet v2, for LSE; none: no LSE", section="Networks")
    expert: Weights | None = key(
        "judge_small",
        "lip-sync expert, for offset and cosine similarity (judge_small: comes with w2l; "
        "lipsync_expert: the published one); none: no cosine",
    )

    lips: bool = key(
        False, "lips against audio without any network for sync, too (docs/metrics.md; extra lips)"
    )

    clip_judge: Component | None = key(
        None,
        "(or judge=) lips against audio by another network, an .onnx or TorchScript file of faces "
        "and speech, or a component of your own (docs/metrics.md)",
    )
    iqa: Component | None = key(
        None, "how faces look by a network, an .onnx or TorchScript file of single faces"
    )

    voices: Texts | None = key(
        None,
        "own (the video's audio) or [a.wav,b.wav], which begin with the video: each face is "
        "compared with each voice, and the voices are given to the faces",
        section="Active speaker (protocol=track, by the expert; docs/metrics.md)",
    )
    calibration: FileName | None = key(
        None, "of calibrate=true with this expert: from its threshold on a voice belongs to a face"
    )
    calibrate: bool = key(
        False,
        "true: nothing is scored; on clips in sync, one talking face each, the threshold is "
        "measured and written with its ROC, <name>_calibration.json and .png",
    )

    reference: FileName | None = key(
        None,
        "what the video was made from: a file, or a folder of files of the same names",
        section="Images beside a reference (docs/metrics.md)",
    )
    setting: Literal["reconstruction", "cross"] = key(
        "reconstruction",
        "reconstruction: with its own speech, so that each frame has a target; cross: with others",
    )
    metrics: Group = key(
        {},
        "what reference= is compared by, one or several: metrics=[psnr,ssim]; null: all whose "
        "networks are there",
    )
    inception: Weights | None = key(
        None, "fid: fid_inception (fetched), or its file; any other file gives no FID"
    )
    landmarks: Component | None = key(
        None,
        "68 of a face, for lmd, face_lmd and lips=true, which takes dlib where nothing is named: "
        "dlib (extra lips), fan_2d4 (fetched), a TorchScript file of face_alignment or .onnx, or "
        "a component of your own",
    )
    identity: Weights | None = key(
        None, "identity: .onnx of an ArcFace-like network (112 px, RGB, (x-127.5)/127.5)"
    )
    lpips: Texts | None = key(
        None, "lpips: [vgg16-397923af.pth,vgg.pth], of torchvision and of the lpips package"
    )

    detector: Component = component("finds the faces (published: s3fd)")
    box: Sides | None = key(
        None,
        "pixels, ends excluded: a fixed box, without detection",
        section="Faces (protocol=track, and the expert's crops)",
    )
    detect_every: Count = key(
        5, "frames from one detection to the next, tracked between (published: 1)"
    )
    min_face_score: Least = key(0.5, "of a face (published: 0.9, of s3fd)")
    min_track_frames: Least = key(
        24, "a track counts with more detections than this (published: 100, 4 s)"
    )
    shots: bool = key(
        True, "a face's track ends where the scene changes (PySceneDetect; published)"
    )
    min_face_size: Least = key(
        50, "pixels, mean width or height that a track must exceed (published: 100)"
    )

    convert_rate: bool = key(
        True,
        "lrs: resample to 25 fps by time (published: false; track always does)",
        section="Signal",
    )
    keep_offset: bool = key(
        True, "audio that starts before or after the frames stays there (published: false)"
    )
    jpeg: bool = key(False, "frames go through FFmpeg's default JPEG (published: true)")

    device: str = key(
        "auto", "auto (cuda if there is one), cpu, cuda, cuda:1", section="How it is run"
    )
    precision: Literal["float32", "tf32", "bfloat16"] = key(
        "float32",
        "float32 on every processor; tf32: faster on a GPU, bfloat16: SyncNet, faster where a "
        "processor has it; their scores are others",
    )
    batch_size: Count = key(
        24, "windows that go through a network at once, on a CPU on each core; no effect on scores"
    )
    trust: Texts | None = key(
        None,
        "[mygen]: packages outside w2l whose networks a checkpoint may name; their code runs "
        "(docs/extending.md)",
    )
    published: bool = key(False, "true: the values called published above, all at once")
