"""`python infer.py face=… audio=…`: a video or photo says something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from w2l.audio.speech import check_speech_finder
from w2l.cli.hydra_app import run
from w2l.cli.infer_batch import run_batch
from w2l.cli.infer_faces import build_box, build_face_options, find_person, integers
from w2l.cli.infer_input import SOUNDS, check_given, find_input
from w2l.cli.infer_networks import Networks
from w2l.cli.infer_output import build_output, choose_outfile
from w2l.cli.infer_people import build_parts, read_people, show_people, voices_of
from w2l.cli.infer_report import show_cosine, show_report, write_preview
from w2l.cli.infer_tracks import show_tracks
from w2l.cli.progress import StageProgress
from w2l.cli.published import given_keys
from w2l.errors import UserError, either
from w2l.inference import (
    Geometry,
    Layout,
    OutputOptions,
    Source,
    StillSource,
    SyncOptions,
    SyncReport,
    Voice,
    load_voice,
    make_preview,
    open_source,
    pick_device,
    sync_video,
)
from w2l.inference.people import sync_people
from w2l.inference.preview import SPARE_S
from w2l.inference.provenance import provenance
from w2l.inference.sync import Progress
from w2l.scoring import SyncScorer
from w2l.video import CODECS, exact_rate, is_image

CHOICES = {
    "duration": ("audio", "video", "shortest"),
    "silence": ("sync", "close", "pass"),
    "extend": ("pingpong", "loop", "freeze"),
    "missing_face": ("pass", "hold", "error"),
    "quality": ("improved", "fast"),
    "codec": (*CODECS, "png"),
    "view": ("result", "side_by_side", "mask"),
    "precision": ("float32", "bfloat16"),
}


def infer(cfg: DictConfig) -> None:
    """One job, or many."""
    settings: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    console = Console(highlight=False, soft_wrap=True)
    networks = Networks()
    if settings["batch"] is None:
        infer_one(settings, networks, console)
        return
    given = given_keys(HydraConfig.get().overrides.task)
    run_batch(settings, given, lambda each: infer_one(each, networks, console), console)


def infer_one(
    settings: dict[str, Any],
    networks: Networks,
    console: Console,
    progress: Progress | None = None,
) -> SyncReport | None:
    """One job: check everything cheap, sync, and say what was done.

    Args:
        settings: values of the keys of configs/infer.yaml.
        networks: kept from one job to the next.
        console: what is said goes there.
        progress: shows how far each stage is; None: on the console.

    Returns:
        What was done; None for a preview.

    Raises:
        UserError: bad input.
    """
    check_given(settings)
    check_choices(settings)
    options = build_options(settings, build_output(settings))
    if options.silence != "sync":
        check_speech_finder()
    progress = progress or StageProgress(console)
    face = find_input(settings, "face", console)
    device = str(pick_device(settings["device"]))
    if settings["person"] == "tracks":
        source = build_source(settings, face)
        detector = networks.detector(settings, device)
        show_tracks(settings, face, source, detector, progress, console)
        return None
    people = read_people(settings)
    given = {key: find_input(settings, key, console) for key in SOUNDS if settings[key] is not None}
    outfile = choose_outfile(settings, face, *given.values(), *(each.audio for each in people))
    source = build_source(settings, face)
    Layout((source.width, source.height), options.output)  # refuses what cannot be
    voice = build_voice(settings, face, **given) if "audio" in given else None
    lipsync, identity = networks.generator(settings["checkpoint"], device, settings["precision"])
    detector = networks.detector(settings, device)
    scorer = build_scorer(settings, source, device, networks)
    faces = find_person(options.faces, settings, source, scorer, console.print)
    options = replace(options, faces=faces)
    if people:
        with voices_of(people, voice, speech=options.silence != "sync") as (voices, sound):
            parts = build_parts(people, voices, options.faces, settings, source, scorer, console)
            reports = sync_people(
                source,
                parts,
                sound,
                outfile,
                lipsync,
                detector,
                options,
                checkpoint=identity,
                progress=progress,
            )
        show_people(parts, reports, console)
        return reports[0]
    assert voice is not None
    if settings["preview"] is not None:
        shown = make_preview(source, voice, settings["preview"], lipsync, detector, options)
        write_preview(shown, source, outfile, provenance(options.quality, identity), console)
        return None
    report = sync_video(
        source,
        voice,
        outfile,
        lipsync,
        detector,
        options,
        scorer=scorer,
        checkpoint=identity,
        progress=progress,
    )
    if report.cosine is not None:
        show_cosine(report.cosine, settings, outfile, console)
    show_report(report, console)
    return report


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
    for key in ("start", "end", "audio_start", "audio_end"):
        if type(settings[key]) not in (int, float, NoneType):
            raise UserError(f"{key}={settings[key]} must be seconds.")


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


def build_voice(
    settings: dict[str, Any], face: Path, audio: Path, voice: Path | None = None
) -> Voice:
    """The new sound, for a preview as much of it as that takes.

    A video's own sound stays where it was: its second 0 is the first picture (release: the
    first sample).
    """
    start, end = settings["audio_start"], settings["audio_end"]
    if settings["preview"] is not None:
        enough = start + settings["preview"] + SPARE_S
        end = enough if end is None else min(end, enough)
    own = not settings["published"] and face.is_file() and audio.samefile(face)
    return load_voice(
        audio,
        start,
        end,
        driving=voice,
        origin="video" if own and not is_image(face) else "audio",
        speech=settings["silence"] != "sync",
    )


def build_options(settings: dict[str, Any], output: OutputOptions) -> SyncOptions:
    """Plain typed options from the settings."""
    return SyncOptions(
        faces=build_face_options(settings),
        box=build_box(settings),
        duration=settings["duration"],
        extend=settings["extend"],
        silence=settings["silence"],
        quality=settings["quality"],
        output=output,
        batch_size=settings["batch_size"],
        published=settings["published"],
    )


def build_scorer(
    settings: dict[str, Any], source: Source, device: str, networks: Networks
) -> SyncScorer | None:
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
    return networks.scorer(settings["expert"], device)


def main() -> None:
    """Entry point of `w2l-infer`."""
    run(infer, "infer")


if __name__ == "__main__":
    main()
