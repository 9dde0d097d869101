"""`python infer.py face=… audio=…`: a video or photo says something else."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from w2l.boxes import from_tblr
from w2l.checkpoints import load_expert, resolve
from w2l.cli.hydra_app import run
from w2l.cli.infer_output import build_output, choose_outfile
from w2l.cli.progress import StageProgress
from w2l.errors import UserError, either
from w2l.faces import FaceDetector, build_detector
from w2l.files import atomic_path
from w2l.inference import (
    CheckpointId,
    FaceOptions,
    Geometry,
    Layout,
    OutputOptions,
    Preview,
    Source,
    StillSource,
    SyncOptions,
    SyncReport,
    Voice,
    build_generator,
    load_voice,
    make_preview,
    open_source,
    pick_device,
    sync_video,
)
from w2l.inference.preview import SPARE_S
from w2l.inference.provenance import provenance
from w2l.inference.report import clock
from w2l.inference.runtimes import RUNTIMES
from w2l.metrics import offsets
from w2l.scoring import CosineResult, SyncScorer
from w2l.video import CODECS, exact_rate, write_png
from w2l.weights import fetch

CHOICES = {
    "extend": ("pingpong", "loop", "freeze"),
    "person": ("largest", "center", "left", "right", "first"),
    "missing_face": ("pass", "hold", "error"),
    "quality": ("improved", "fast"),
    "codec": (*CODECS, "png"),
    "view": ("result", "side_by_side", "mask"),
    "precision": ("float32", "bfloat16"),
    "runtime": RUNTIMES,
}


def infer(cfg: DictConfig) -> None:
    """Check everything cheap, sync, and say what was done."""
    settings: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    console = Console(highlight=False, soft_wrap=True)
    check_choices(settings)
    face, audio = existing(settings, "face"), existing(settings, "audio")
    options = build_options(settings, build_output(settings))
    outfile = choose_outfile(settings, face, audio)
    source = build_source(settings, face)
    Layout((source.width, source.height), options.output, options.quality)  # refuses what cannot be
    voice = build_voice(settings, audio)
    device = str(pick_device(settings["device"]))
    checkpoint = resolve(settings["checkpoint"])
    lipsync = build_generator(
        checkpoint,
        runtime=settings["runtime"],
        device=settings["device"],
        precision=settings["precision"],
    )
    if options.quality == "improved":
        lipsync = lipsync.lower_half()  # no more is put back
    identity = CheckpointId.of(checkpoint)
    detector = build_faces(settings, device)
    if settings["preview"] is not None:
        shown = make_preview(source, voice, settings["preview"], lipsync, detector, options)
        write_preview(shown, source, outfile, provenance(options.quality, identity), console)
        return
    report = sync_video(
        source,
        voice,
        outfile,
        lipsync,
        detector,
        options,
        scorer=build_scorer(settings, source, device),
        checkpoint=identity,
        progress=StageProgress(console),
    )
    if report.cosine is not None:
        show_cosine(report.cosine, settings, outfile, console)
    show_report(report, console)


def check_choices(settings: dict[str, Any]) -> None:
    """Refuse values that are none of a key's choices.

    Raises:
        UserError: naming the choices.
    """
    for key, choices in CHOICES.items():
        if settings[key] not in choices:
            raise UserError(f"{key}={settings[key]} is not available: choose {either(choices)}.")
    for key in ("fps", "batch_size", "detect_every"):
        if settings[key] < (0.1 if key == "fps" else 1):
            raise UserError(f"{key}={settings[key]} is too small.")


def existing(settings: dict[str, Any], key: str) -> Path:
    """The file that `key` names.

    Raises:
        UserError: there is none.
    """
    path = Path(str(settings[key])).expanduser()
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise UserError(f"{key}={path} {what}: check the path.")
    return path


def build_source(settings: dict[str, Any], face: Path) -> Source:
    """The face video or photo, as it is to be shown."""
    crop = settings["crop"] if settings["crop"] is not None else [0, -1, 0, -1]
    geometry = Geometry(settings["resize_factor"], settings["rotate"], integers(crop, "crop"))
    return open_source(
        face,
        geometry,
        start_s=settings["start"],
        end_s=settings["end"],
        still_fps=exact_rate(settings["fps"]),
        static=settings["static"],
        # As they came, pictures are numbered by decoding all before, for which a preview has no
        # time.
        constant_rate=settings["preview"] is not None or not settings["published"],
    )


def build_voice(settings: dict[str, Any], audio: Path) -> Voice:
    """The new sound, for a preview as much of it as that takes."""
    start, end = settings["audio_start"], settings["audio_end"]
    if settings["preview"] is not None:
        enough = start + settings["preview"] + SPARE_S
        end = enough if end is None else min(end, enough)
    return load_voice(audio, start, end)


def build_options(settings: dict[str, Any], output: OutputOptions) -> SyncOptions:
    """Plain typed options from the settings."""
    box = settings["box"]
    faces = FaceOptions(
        pads=integers(settings["pads"], "pads"),
        smooth=settings["smooth"],
        missing_face=settings["missing_face"],
        person=settings["person"],
        detect_every=settings["detect_every"],
        published=settings["published"],
    )
    return SyncOptions(
        faces=faces,
        box=None if box is None else from_tblr(integers(box, "box")),
        extend=settings["extend"],
        quality=settings["quality"],
        output=output,
        batch_size=settings["batch_size"],
        published=settings["published"],
    )


def integers(values: Any, key: str) -> tuple[int, int, int, int]:
    """Four whole numbers.

    Raises:
        UserError: anything else.
    """
    if not (isinstance(values, list) and [type(v) for v in values] == [int] * 4):
        raise UserError(f"{key}={values} must be four whole numbers: [top,bottom,left,right].")
    top, bottom, left, right = values
    return top, bottom, left, right


def build_faces(settings: dict[str, Any], device: str) -> FaceDetector | None:
    """The detector, with its weights; none where a box is given."""
    if settings["box"] is not None:
        return None
    name, weights = settings["detector"], settings["detector_weights"]
    if name == "s3fd" and weights is None:
        weights = fetch("s3fd")
    return build_detector(name, device=device, weights=weights, published=settings["published"])


def build_scorer(settings: dict[str, Any], source: Source, device: str) -> SyncScorer | None:
    """The expert that compares the given video with the new sound, if one is asked for.

    Raises:
        UserError: the face is a still, whose lips do not move.
    """
    if settings["expert"] is None:
        return None
    if isinstance(source, StillSource):
        raise UserError(
            "expert= compares moving lips with the audio: give a video, or leave it out."
        )
    return SyncScorer(expert=load_expert(settings["expert"]), device=device)


def show_cosine(
    cosine: CosineResult, settings: dict[str, Any], outfile: Path, console: Console
) -> None:
    """Print the summary and save it, with each window, as `<outfile stem>.cosine.json`."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else round(float(value), 6)

    summary = {key: known(value) for key, value in cosine.summary._asdict().items()}
    summary["count"] = cosine.summary.count
    content = {
        "face": str(settings["face"]),
        "audio": str(settings["audio"]),
        "expert": str(settings["expert"]),
        **summary,
        "best_offset_frames": cosine.offset,
        "by_offset": {
            str(int(o)): known(v) for o, v in zip(offsets(), cosine.by_offset, strict=True)
        },
        "windows": [known(value) for value in cosine.curve],  # one every 1/25 s; null: no face
    }
    path = outfile.with_name(f"{outfile.stem}.cosine.json")
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
    console.print(
        "cosine similarity of the given video and the audio: "
        + ", ".join(f"{key} {value}" for key, value in summary.items())
        + f"\n{path}"
    )


def write_preview(
    shown: Preview, source: Source, outfile: Path, tags: dict[str, str], console: Console
) -> None:
    """Write the one picture, and print where it is and which one it is."""
    with atomic_path(outfile) as temporary:
        write_png(temporary, shown.frame, tags)
    state = "synced" if shown.reason is None else f"left untouched: {shown.reason}"
    console.print(
        f"{outfile}: the result at {clock(shown.index / source.fps)} (its frame {shown.index}, "
        f"frame {shown.number} of {source.path.name}), {state}"
    )


def show_report(report: SyncReport, console: Console) -> None:
    """Print where the video is, and which of its frames were left untouched."""
    seconds = float(Fraction(report.n_frames) / report.fps)
    synced = report.n_frames - report.n_untouched
    console.print(f"{report.outfile}: {synced} of {report.n_frames} frames synced, {seconds:.2f} s")
    if report.untouched:
        console.print(f"{report.n_untouched} frames were left untouched:")
        for line in report.lines():
            console.print(f"  {line}")


def main() -> None:
    """Entry point of `w2l-infer`."""
    run(infer, "infer")


if __name__ == "__main__":
    main()
