"""`python evaluate.py video=…`: LSE-D, LSE-C, offset and cosine similarity of talking videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from w2l import examples
from w2l.audio.waveform import load_audio
from w2l.boxes import from_tblr
from w2l.checkpoints import (
    ENOUGH_SPEAKERS,
    load_expert,
    load_syncnet,
    read,
    resolve,
)
from w2l.cli import commands
from w2l.cli.checks import check_evaluate
from w2l.cli.evaluate_images import load_comparison, raise_if_none, wanted_pairs
from w2l.cli.evaluate_judges import build_judges, judges_of
from w2l.cli.evaluate_lips import build_lip_scorer, run_lips
from w2l.cli.evaluate_output import chosen_output, remove_earlier, write_plots
from w2l.cli.evaluate_show import raise_failures, show
from w2l.cli.evaluate_speaker import calibration_command, speaker_search
from w2l.cli.keys.evaluate import Evaluate
from w2l.cli.progress import StageProgress
from w2l.cli.signals import ended_by_signals
from w2l.components import FaceDetector, Progress
from w2l.errors import UserError
from w2l.faces import FixedBox
from w2l.files import identity
from w2l.inference import pick_device
from w2l.models import Expert, SyncNetV2
from w2l.paths import shown_path, user_path
from w2l.progress import counted
from w2l.schema import as_dict
from w2l.scoring import ClipScore, Evaluator, Protocol, SyncScorer, evaluate, to_json
from w2l.scoring.chain import Chain, check_chain
from w2l.scoring.groups import groups_of
from w2l.scoring.page import SHOWN, for_page, write_page
from w2l.scoring.paper import write_paper_tables
from w2l.scoring.partial import Partial
from w2l.scoring.report import write_json
from w2l.scoring.results import finite, without_windows
from w2l.scoring.tables import write_tables
from w2l.video import VideoReader, choices_of
from w2l.weights import registry, shipped
from w2l.weights.catalog import JUDGE, judge_believes

NONE = "none"
# What decides the scores beside the protocol and the networks.
RECORDED = ("audio", "box", "published", "preset", "chain", "video_score", "precision", "voices",
            "calibration")  # fmt: skip
RECORDED_FILES = ("audio", "calibration")
UNKNOWN_SYNCNET = (
    "warning: {} is not the published SyncNet v2 (its SHA-256 is another): its LSE compare with no "
    "published numbers."
)
Network = TypeVar("Network", SyncNetV2, Expert)


def evaluate_command(settings: Evaluate) -> None:
    """Check everything cheap, score, write, show; then say by the exit code how it went."""
    console = Console(highlight=False)
    videos, audio = check_evaluate(settings)
    if settings.data_root is not None:
        from w2l.cli.evaluate_expert import evaluate_expert  # loads Lightning

        evaluate_expert(settings, console)
        return
    settings.detector.check()
    check_chain(settings.chain)
    if settings.landmarks is not None:
        settings.landmarks.check()
    for judge in judges_of(settings).values():
        judge.check()
    pairs = wanted_pairs(settings, videos)
    if settings.group is not None:  # a wrong list is to be told of before anything long
        groups_of(settings.group, videos)
    given = settings.output, user_path(settings.video)
    with ended_by_signals(), chosen_output(*given) as output:
        score(settings, videos, pairs, audio, output, console)


def score(
    settings: Evaluate,
    videos: Sequence[Path],
    pairs: list[tuple[Path, Path]],
    audio: Path | None,
    output: Path,
    console: Console,
    progress: Progress | None = None,
) -> list[ClipScore]:
    """Score what was checked, write, show; then say by the exit code how it went."""
    wants_faces = bool(pairs or judges_of(settings)) or settings.lips
    evaluator, weights = build_evaluator(settings, console, with_images=wants_faces)
    comparison = None
    lip_scorer = build_lip_scorer(settings, evaluator.detector, weights)
    judges = build_judges(settings, evaluator.detector, str(pick_device(settings.device)))
    if pairs:  # before anything long: a wrong file is to be told of at once
        assert evaluator.detector is not None
        comparison = load_comparison(settings, pairs, evaluator.detector, audio)
    if expert := weights["expert"]:
        console.print(f"expert: {expert['file']}", soft_wrap=True, markup=False)
    if settings.calibrate:
        calibration_command(evaluator, videos, output, settings, weights, console)
        return []
    evaluator.speaker = speaker_search(settings, evaluator.scorer, weights)
    values = as_dict(settings)
    recorded = asdict(evaluator.protocol) | {key: values[key] for key in RECORDED}
    detector = settings.detector
    recorded |= {"detector": detector.name, "detector_arguments": detector.changed()}
    if settings.landmarks is not None:
        recorded["landmarks"] = settings.landmarks.name
    recorded |= {key: shown_path(recorded[key]) for key in RECORDED_FILES if recorded[key]}
    partial = Partial(output, [recorded, weights, settings.plots, settings.report,
                               *given_files(settings)])  # fmt: skip
    if settings.output is not None and not partial.count(videos):
        remove_earlier(output)
    clips = score_all(evaluator, videos, audio, output, settings, partial, console, progress)
    scores = to_json(clips, recorded.pop("name"), recorded, weights)
    if settings.group is not None:
        group_of = groups_of(settings.group, [clip["path"] for clip in scores["clips"]])
        for clip in scores["clips"]:
            clip["group"] = group_of.get(clip["path"])
    write_json(scores, output)
    write_tables(clips, output)
    if comparison is not None:
        scores["pictures"] = finite(comparison.run(console))
        write_json(scores, output)
    if lip_scorer is not None:
        scores["lips"] = finite(run_lips(lip_scorer, videos, audio, console))
        write_json(scores, output)
    for judge in judges:
        scores[judge.key] = judge.run(videos, audio, console)
        write_json(scores, output)
    write_paper_tables(scores, output)
    if settings.report:
        write_page(clips, scores, output)
    partial.remove()
    show(clips, evaluator, output, console, settings.video_score, has_page=settings.report)
    compared = scores.get("pictures")
    beside = [scores[key] for key in ("lips", "judge", "iqa") if key in scores]
    if settings.strict or not any(each["n_scored"] for each in beside):
        raise_failures(clips, compared, beside, settings.strict, has_network=evaluator.has_network)
    if compared is not None:
        raise_if_none(compared)
    for name in ("lips", *(judge.key for judge in judges)) if settings.strict else ():
        if n_failed := scores.get(name, {}).get("n_failed"):
            told = f"{name}= could not score {n_failed} of {len(clips)} videos"
            raise UserError(f"{told} (strict=true): see above.")
    return clips


def given_files(settings: Evaluate) -> list[dict[str, str]]:
    """Hashes of the files beside the videos and the networks that decide the scores."""
    voices = settings.voices
    named = [
        settings.audio,
        settings.calibration,
        *(voices if isinstance(voices, list) else [voices]),
    ]
    paths = [user_path(name) for name in named if name is not None]
    return [identity(path) for path in paths if path.is_file()]


def score_all(
    evaluator: Evaluator, videos: Sequence[Path], audio: Path | None, output: Path,
    settings: Evaluate, partial: Partial, console: Console, progress: Progress | None,
) -> list[ClipScore]:  # fmt: skip
    """Score the videos, those excepted that a killed run did, and plot each.

    Of a clip only what the outputs show is held: what it was plotted from is let go.
    `progress` is shown the frames of each; None: a terminal is, or how many videos are done.
    """
    if done := partial.count(videos):
        console.print(
            f"going on after {done} of {len(videos)} videos, which {partial.path} has",
            soft_wrap=True,
            markup=False,
        )
    known = set[int]()
    choices = Counter[str]()

    def scored() -> Iterator[ClipScore]:
        for number, video in enumerate(videos):
            clip = partial.find(video)
            if clip is None:
                yield from evaluate(evaluator, [video], audio)
            else:
                known.add(number)
                yield clip

    n_shown = SHOWN if settings.plots and settings.report else 0
    shown = Console(stderr=True)
    clips_scored = for_page(scored(), n_shown)
    if progress is None and len(videos) == 1:
        progress = StageProgress(shown, transient=True)
    if progress is None:
        clips_scored = counted(clips_scored, len(videos), shown, "scoring", "videos")
    else:
        evaluator.progress = progress
    clips = list[ClipScore]()
    used = partial.plots()
    for number, (video, clip) in enumerate(zip(videos, clips_scored, strict=True)):
        if number not in known:
            if settings.plots:
                write_plots([clip], output, used)
            if clip.error is None:
                choices.update(choices_of(video, deinterlace=not settings.jpeg))
            clip.tracks = [without_windows(each) for each in clip.tracks]
            partial.add(video, clip)
        clips.append(clip)
    for choice, n in choices.items():
        console.print(f"{n} of {len(videos)} videos {choice}", soft_wrap=True)
    return clips


def build_evaluator(
    settings: Evaluate, console: Console, *, with_images: bool = False
) -> tuple[Evaluator, dict[str, Any]]:
    """The evaluator, and the file and hash of each of its networks.

    Args:
        settings: of evaluate.py.
        console: for what cannot be scored.
        with_images: other scores than those of lip sync are wanted, which need a detector.

    Raises:
        UserError: there is nothing to score with, or what was asked for by name or file cannot be
            had.
    """
    device = str(pick_device(settings.device))
    syncnet, syncnet_file, lse_reason = load_or_reason("syncnet", settings.syncnet, load_syncnet)
    expert, expert_file, cosine_reason = load_or_reason("expert", settings.expert, load_expert)
    protocol = Protocol(
        name=settings.protocol,
        **{f.name: getattr(settings, f.name) for f in fields(Protocol) if f.name != "name"},
    )
    detector = detector_file = None
    needed = protocol.name == "track" or with_images
    if needed or expert is not None:
        try:
            detector, detector_file = choose_detector(settings, device)
        except UserError as error:
            if needed or syncnet is None:
                raise
            expert, expert_file, cosine_reason = None, None, str(error)
    if syncnet is None and expert is None and not with_images:
        raise UserError(f"There is no network to score with. {lse_reason} {cosine_reason}")
    for score, reason in (("LSE", lse_reason), ("cosine", cosine_reason)):
        if reason is not None:
            console.print(f"no {score}: {reason}", soft_wrap=True, markup=False)
    precision = settings.precision
    if precision == "tf32" and not device.startswith("cuda"):
        raise UserError("precision=tf32 needs a CUDA device: take precision=float32.")
    if precision == "bfloat16" and syncnet is not None:
        console.print(show_coarser(syncnet, device), soft_wrap=True, markup=False)
    scorer = SyncScorer(
        syncnet, expert, device=device, batch_size=settings.batch_size, precision=precision
    )
    evaluator = Evaluator(
        scorer,
        protocol,
        detector,
        lse_reason=lse_reason,
        cosine_reason=cosine_reason,
        chain=Chain.of(settings.chain),
    )
    files = {"syncnet": syncnet_file, "expert": expert_file, "detector": detector_file}
    weights: dict[str, Any] = {name: file and identity(file) for name, file in files.items()}
    if syncnet_file is not None:
        weights["syncnet"] |= {"published": is_published_syncnet(weights["syncnet"]["sha256"])}
        if not weights["syncnet"]["published"]:
            console.print(UNKNOWN_SYNCNET.format(syncnet_file), soft_wrap=True, markup=False)
    if expert_file is not None and (speakers := read(expert_file, "expert").speakers):
        weights["expert"] |= {"speakers": speakers}
        if expert_file == shipped()[JUDGE]:
            evaluator.believes = judge_believes
            console.print(
                f"{JUDGE} comes with w2l: trained on {speakers} people of one studio (GRID), so "
                "offsets of others are less sure, and cosines of different people do not compare.",
                soft_wrap=True,
            )
        elif speakers < ENOUGH_SPEAKERS:
            counted_speakers = f"{speakers} speaker{'' if speakers == 1 else 's'}"
            console.print(
                f"warning: the cosine's expert was trained on {counted_speakers}: of others it "
                "may rate a wrong dub as high as a right one.",
                soft_wrap=True,
            )
    return evaluator, weights


def show_coarser(syncnet: SyncNetV2, device: str) -> str:
    """What bfloat16 does to the scores of a clip that comes with w2l, in a sentence."""
    path = examples.EXAMPLES[0].path
    sound = load_audio(path)
    plain, coarser = (
        SyncScorer(syncnet, device=device, precision=each).lse(VideoReader(path), sound).lse
        for each in ("float32", "bfloat16")
    )
    changes = ", ".join(
        f"{name} {a:.4f} becomes {b:.4f} ({b - a:+.4f})"
        for name, a, b in (
            ("LSE-D", plain.lse_d, coarser.lse_d), ("LSE-C", plain.lse_c, coarser.lse_c),
        )
    )  # fmt: skip
    return f"precision=bfloat16: of the clip {path.stem}, {changes}"


def is_published_syncnet(sha256: str) -> bool:
    """Whether a file of this SHA-256 is the SyncNet v2 that published numbers are of."""
    return sha256 == registry()["syncnet_v2"].sha256


def load_or_reason(
    key: str, wanted: str | None, load: Callable[[Path, str], Network]
) -> tuple[Network | None, Path | None, str | None]:
    """The network that `key` names, its file, and else why there is none.

    Published weights that cannot be fetched are a reason; a wrong file or name is an error.

    Raises:
        UserError: no such file or name, or it holds another network.
    """
    if wanted == NONE:
        return None, None, f"switched off by {key}=none."
    if wanted is None and key == "expert":
        return None, None, f"switched off: expert={JUDGE} is the one that comes with w2l."
    if wanted is None:
        raise UserError(f"{key}=null names nothing: give a file or a registry name, or {key}=none.")
    is_published = wanted in registry() and not Path(wanted).is_file()
    try:
        file = resolve(wanted)
    except UserError as error:
        if not is_published:
            raise
        return None, None, str(error)
    return load(file, "cpu"), file, None


def choose_detector(settings: Evaluate, device: str) -> tuple[FaceDetector, Path | None]:
    """The face detector, and the file of its weights or boxes; None with a fixed box."""
    if settings.box is not None:
        from_tblr(settings.box)  # a sentence for a wrong box
        return FixedBox(settings.box), None
    component = settings.detector
    detector = component.build(device=device)
    return detector, next(iter(component.files()), None)


def main() -> None:
    """Run the command."""
    commands.evaluate()


if __name__ == "__main__":
    main()
