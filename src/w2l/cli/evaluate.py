"""`python evaluate.py video=…`: LSE-D, LSE-C, offset and cosine similarity of talking videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import track

from w2l.boxes import from_tblr
from w2l.checkpoints import (
    ENOUGH_SPEAKERS,
    load_expert,
    load_syncnet,
    read,
    resolve,
)
from w2l.cli.evaluate_output import chosen_output, remove_earlier, write_plots
from w2l.cli.evaluate_pictures import load_comparison, raise_if_none, wanted_pairs
from w2l.cli.evaluate_speaker import calibration_command, speaker_search, speaker_table
from w2l.cli.hydra_app import run
from w2l.errors import UserError
from w2l.faces import FaceDetector, build_detector
from w2l.faces.centerface import WEIGHTS as EMBEDDED
from w2l.files import identity
from w2l.inference import pick_device
from w2l.models import Expert, SyncNetV2
from w2l.paths import shown_path, user_path
from w2l.scoring import ClipScore, Evaluator, Protocol, SyncScorer, evaluate, find_videos, to_json
from w2l.scoring.page import SHOWN, for_page, write_page
from w2l.scoring.report import score_table, summary_line, write_json
from w2l.scoring.results import finite
from w2l.scoring.tables import write_tables
from w2l.weights import fetch, registry

NONE = "none"
# What decides the scores beside the protocol and the networks.
RECORDED = ("audio", "detector", "detect_scale", "box", "published", "voices", "calibration")
RECORDED_FILES = ("audio", "calibration")
Network = TypeVar("Network", SyncNetV2, Expert)


def evaluate_command(cfg: DictConfig) -> None:
    """Check everything cheap, score, write, show; then say by the exit code how it went."""
    settings: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    console = Console(highlight=False)
    check_values(settings)
    videos = find_videos(settings["video"])
    pairs = wanted_pairs(settings, videos)
    audio = None if settings["audio"] is None else user_path(settings["audio"])
    if audio is not None and not audio.is_file():
        raise UserError(f"audio={audio} is not a file: check the path.")
    with chosen_output(settings["output"], user_path(settings["video"])) as output:
        score(settings, videos, pairs, audio, output, console)


def score(
    settings: dict[str, Any],
    videos: Sequence[Path],
    pairs: list[tuple[Path, Path]],
    audio: Path | None,
    output: Path,
    console: Console,
) -> None:
    """Score what was checked, write, show; then say by the exit code how it went."""
    evaluator, weights = build_evaluator(settings, console, with_pictures=bool(pairs))
    comparison = None
    if pairs:  # before anything long: a wrong file is to be told of at once
        assert evaluator.detector is not None
        comparison = load_comparison(settings, pairs, evaluator.detector, audio)
    if expert := weights["expert"]:
        console.print(f"expert: {expert['file']}", soft_wrap=True, markup=False)
    if settings["calibrate"]:
        calibration_command(evaluator, videos, output, settings, weights, console)
        return
    evaluator.speaker = speaker_search(settings, evaluator.scorer, weights)
    n_shown = SHOWN if settings["plots"] and settings["report"] else 0
    scored = for_page(evaluate(evaluator, videos, audio), n_shown)
    shown = Console(stderr=True)
    clips = list(track(scored, "scoring", total=len(videos), console=shown, transient=True))
    if settings["output"] is not None:
        remove_earlier(output)
    if settings["plots"]:
        write_plots(clips, output)
    recorded = asdict(evaluator.protocol) | {key: settings[key] for key in RECORDED}
    recorded |= {key: shown_path(recorded[key]) for key in RECORDED_FILES if recorded[key]}
    scores = to_json(clips, recorded.pop("name"), recorded, weights)
    write_json(scores, output)
    write_tables(clips, output)
    if comparison is not None:
        scores["pictures"] = finite(comparison.run(console))
        write_json(scores, output)
    if settings["report"]:
        write_page(clips, scores, output)
    show(clips, evaluator, output, console)
    compared = scores.get("pictures")
    raise_failures(clips, compared, settings["strict"])
    if compared is not None:
        raise_if_none(compared)


def check_values(settings: dict[str, Any]) -> None:
    """Refuse values outside their range.

    Raises:
        UserError: naming key and choices.
    """
    if settings["protocol"] not in {"track", "lrs"}:
        raise UserError(f"protocol={settings['protocol']} is not known: choose track or lrs.")
    for key in ("detect_every", "batch_size"):
        if not isinstance(settings[key], int) or settings[key] < 1:
            raise UserError(f"{key}={settings[key]} must be a whole number, 1 or more.")
    for key in ("min_face_score", "min_track_frames", "min_face_size"):
        if type(settings[key]) not in (int, float) or settings[key] < 0:
            raise UserError(f"{key}={settings[key]} must be a number, 0 or more.")


def build_evaluator(
    settings: dict[str, Any], console: Console, *, with_pictures: bool = False
) -> tuple[Evaluator, dict[str, Any]]:
    """The evaluator, and the file and hash of each of its networks.

    Args:
        settings: of evaluate.py.
        console: for what cannot be scored.
        with_pictures: a detector is needed in any case.

    Raises:
        UserError: no network at all can be had, or what was asked for by name or file cannot.
    """
    device = str(pick_device(settings["device"]))
    syncnet, syncnet_file, lse_reason = load_or_reason(settings, "syncnet", load_syncnet)
    expert, expert_file, cosine_reason = load_or_reason(settings, "expert", load_expert)
    protocol = Protocol(
        name=settings["protocol"],
        **{f.name: settings[f.name] for f in fields(Protocol) if f.name != "name"},
    )
    detector = detector_file = None
    needed = protocol.name == "track" or with_pictures
    if needed or expert is not None:
        try:
            detector, detector_file = choose_detector(settings, device)
        except UserError as error:
            if needed or syncnet is None:
                raise
            expert, expert_file, cosine_reason = None, None, str(error)
    if syncnet is None and expert is None:
        raise UserError(f"There is no network to score with. {lse_reason} {cosine_reason}")
    for score, reason in (("LSE", lse_reason), ("cosine", cosine_reason)):
        if reason is not None:
            console.print(f"no {score}: {reason}", soft_wrap=True, markup=False)
    scorer = SyncScorer(syncnet, expert, device=device, batch_size=settings["batch_size"])
    evaluator = Evaluator(
        scorer, protocol, detector, lse_reason=lse_reason, cosine_reason=cosine_reason
    )
    files = {"syncnet": syncnet_file, "expert": expert_file, "detector": detector_file}
    weights: dict[str, Any] = {name: file and identity(file) for name, file in files.items()}
    if expert_file is not None and (speakers := read(expert_file, "expert").speakers):
        weights["expert"] |= {"speakers": speakers}
        if speakers < ENOUGH_SPEAKERS:
            console.print(
                f"warning: the cosine's expert was trained on {speakers} speakers: of others it "
                "may rate a wrong dub as high as a right one.",
                soft_wrap=True,
            )
    return evaluator, weights


def load_or_reason(
    settings: dict[str, Any], key: str, load: Callable[[Path, str], Network]
) -> tuple[Network | None, Path | None, str | None]:
    """The network that `key` names, its file, and else why there is none.

    Published weights that cannot be fetched are a reason; a wrong file or name is an error.

    Raises:
        UserError: no such file or name, or it holds another network.
    """
    wanted = settings[key]
    if wanted == NONE:
        return None, None, f"switched off by {key}=none."
    if wanted is None and key == "expert":
        licence = registry()["lipsync_expert"].licence
        return None, None, (
            "no expert is named: expert=FILE takes one of `python train.py "
            "experiment=syncnet_strong`, expert=lipsync_expert fetches the published one "
            f"({licence})."
        )  # fmt: skip
    if wanted is None:
        raise UserError(f"{key}=null names nothing: give a file or a registry name, or {key}=none.")
    is_published = str(wanted) in registry() and not Path(str(wanted)).is_file()
    try:
        file = resolve(str(wanted))
    except UserError as error:
        if not is_published:
            raise
        return None, None, str(error)
    return load(file, "cpu"), file, None


def choose_detector(settings: dict[str, Any], device: str) -> tuple[FaceDetector, Path | None]:
    """The face detector, and the file of its weights or boxes; None with a fixed box."""
    name, weights, box = settings["detector"], settings["detector_weights"], settings["box"]
    if box is not None:
        from_tblr(box)  # a sentence for a wrong box
        return build_detector(box=box), None
    if name == "s3fd":
        from w2l.faces.s3fd import S3FD  # brings numba

        file = user_path(weights or fetch("s3fd"))
        threshold, scale = settings["min_face_score"], settings["detect_scale"]
        return S3FD(file, device, threshold=threshold, scale=scale), file
    given = None if weights is None else user_path(weights)
    return build_detector(name, device=device, weights=given), given or EMBEDDED


def show(clips: Sequence[ClipScore], evaluator: Evaluator, output: Path, console: Console) -> None:
    """Print the table, then each failure of a set with its reason."""
    if any(clip.tracks for clip in clips):
        console.print(score_table(clips, evaluator.protocol.name))
        console.print(summary_line(clips))
    for clip in clips:
        if clip.speakers:
            console.print(speaker_table(clip.speakers, Path(clip.path).name))
    for clip in clips:
        # A lone clip's error is what the command ends with.
        problems = [("failed", clip.error)] if clip.error is not None and len(clips) > 1 else []
        problems += [("skipped", f"frame {s.start_frame} on: {s.error}") for s in clip.skipped]
        for what, error in problems:
            path = "" if clip.path in error else f"{clip.path}: "
            console.print(f"{what}: {path}{error}", soft_wrap=True, markup=False)
    scored = [(clip.path, track.to_dict()) for clip in clips for track in clip.tracks]
    if odd := [(path, track) for path, track in scored if track["implausible"]]:
        path, first = odd[0]
        console.print(
            f"warning: no real video is known to score like {path} (LSE-D {first['lse_d']:.1f}, "
            f"LSE-C {first['lse_c']:.1f}; {len(odd)} of {len(scored)} faces): check the weights "
            f"(syncnet=), colours and frame rate.",
            soft_wrap=True, markup=False,
        )  # fmt: skip
    console.print(str(output), soft_wrap=True, markup=False)


def raise_failures(
    clips: Sequence[ClipScore], compared: dict[str, Any] | None, strict: bool
) -> None:
    """End with an error where nothing was scored, or anything failed and `strict`.

    Args:
        clips: as scored.
        compared: the field `pictures` of scores.json; None: there was no reference.
        strict: one clip, face or pair that failed is enough.

    Raises:
        UserError: so.
    """
    errors = [clip.error for clip in clips if clip.error is not None]
    skipped = sum(len(clip.skipped) for clip in clips)
    if len(errors) == len(clips):
        number = "" if len(clips) == 1 else f"None of {len(clips)} videos could be scored. "
        raise UserError(number + errors[0])
    not_compared = 0 if compared is None else compared["n_failed"]
    if (errors or skipped or not_compared) and strict:
        failed = [f"{len(errors)} of {len(clips)} videos failed", f"{skipped} faces were skipped"]
        if compared is not None:
            failed.append(f"{not_compared} of {len(clips)} pairs were not compared")
        told = " and ".join([", ".join(failed[:-1]), failed[-1]])
        raise UserError(f"{told} (strict=true): see above.")


def main() -> None:
    """Entry point of `w2l-evaluate`."""
    run(evaluate_command, "evaluate")


if __name__ == "__main__":
    main()
