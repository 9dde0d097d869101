"""`python infer.py face=… audio=…`: a video or photo says something else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from hydra.core.hydra_config import HydraConfig
from rich.console import Console

from w2l.audio.speech import check_speech_finder
from w2l.cli import commands
from w2l.cli.checks import check_infer
from w2l.cli.infer_batch import Done, do, run_batch
from w2l.cli.infer_input import find_input, given_inputs
from w2l.cli.infer_jobs import Job
from w2l.cli.infer_networks import Networks
from w2l.cli.infer_output import build_output, choose_outfile
from w2l.cli.infer_people import build_parts, read_people, show_people, voices_of
from w2l.cli.infer_report import (
    check_synced,
    cosine_file,
    show_cosine,
    show_generator,
    show_input,
    show_judged,
    show_rate,
    show_report,
    show_tracks,
    write_preview,
)
from w2l.cli.infer_settings import (
    build_options,
    build_scorer,
    build_source,
    build_voice,
    find_person,
    own_sound,
    with_networks,
    with_quality,
)
from w2l.cli.keys.infer import Infer
from w2l.cli.presets import given_keys
from w2l.cli.progress import StageProgress, quiet
from w2l.cli.signals import ended_by_signals
from w2l.components import Progress
from w2l.extras.people import sync_people
from w2l.extras.restore import restore_video
from w2l.inference import (
    Layout,
    SyncReport,
    make_preview,
    pick_device,
    sync_video,
)
from w2l.inference.provenance import provenance
from w2l.jobs import Devices


def infer(settings: Infer) -> None:
    """One job, or many."""
    console = plain_console()
    with ended_by_signals():
        if settings.batch is None:
            infer_one(settings, networks(), console)
            return
        given = given_keys(HydraConfig.get().overrides.task)
        run_batch(settings, given, partial(Dubber, alone=settings.engine == "serial"), console)


def plain_console() -> Console:
    """For what is said: a name may hold [brackets]."""
    return Console(highlight=False, soft_wrap=True, markup=False)


@cache
def networks() -> Networks:
    """Those that the jobs of this process share."""
    return Networks()


@dataclass(frozen=True)
class Dubber:
    """Does jobs of a list, in any process.

    Attributes:
        devices: of the networks.
        alone: the terminal is this job's, so bars may be drawn.
    """

    devices: Devices
    alone: bool

    def __call__(self, job: Job) -> Done:
        """Do one job; what is wrong with it is a reason."""
        console = plain_console()
        console.print(job.name)
        settings = replace(job.settings, device=self.devices.mine())
        progress: Progress = StageProgress(console) if self.alone else quiet
        done = do(job, lambda: infer_one(settings, networks(), console, progress))
        if done.reason and self.alone:
            console.print(f"  failed: {done.reason}")
        return done


def infer_one(
    settings: Infer,
    networks: Networks,
    console: Console,
    progress: Progress | None = None,
) -> SyncReport | None:
    """One job: check everything cheap, sync, and say what was done.

    Args:
        settings: of the job.
        networks: kept from one job to the next.
        console: what is said goes there.
        progress: shows how far each stage is; None: on the console.

    Returns:
        What was done; None for a preview.

    Raises:
        UserError: bad input.
    """
    check_infer(settings)
    settings.detector.check()
    if settings.restorer is not None:
        settings.restorer.check()
    settings = with_networks(settings)
    progress = progress or StageProgress(console)
    if settings.mode == "restore":
        return restore_one(settings, networks, console, progress)
    options = build_options(settings, build_output(settings))
    if options.silence != "sync":
        check_speech_finder()
    inputs = given_inputs(settings)
    face = find_input("face", inputs.pop("face"), console)
    device = str(pick_device(settings.device))
    if settings.person == "tracks":
        source = build_source(settings, face)
        detector = networks.detector(settings, device)
        show_tracks(settings, face, source, detector, progress, console)
        return None
    people = read_people(settings)
    given = {key: find_input(key, value, console) for key, value in inputs.items()}
    outfile = choose_outfile(settings, face, *given.values(), *(each.audio for each in people))
    source = build_source(settings, face)
    Layout((source.width, source.height), options.output)  # refuses what cannot be
    voice = build_voice(settings, face, **given) if "audio" in given else None
    show_input(source, voice.track if voice else None, console)
    show_rate(source.fps, console)
    options = with_quality(options, settings, device, console)
    lipsync, identity = networks.generator(settings)
    options = options.with_pads(lipsync.pads)
    show_generator(networks.known_speakers(settings), settings.checkpoint, console)
    detector = networks.detector(settings, device)
    scorer = build_scorer(settings, source, device, networks)
    faces = find_person(options.faces, settings, source, scorer, console.print)
    options = replace(options, faces=faces)
    common: dict[str, Any] = {"checkpoint": identity, "progress": progress}
    if people:
        with voices_of(people, voice, speech=options.silence != "sync") as (voices, sound):
            parts = build_parts(people, voices, faces, settings, source, scorer, console)
            reports = sync_people(
                source, parts, sound, outfile, lipsync, detector, options, **common
            )
        show_people(parts, reports, console)
        return reports[0]
    assert voice is not None
    if settings.preview is not None:
        shown = make_preview(
            source, voice, settings.preview, lipsync, detector, options, progress=progress
        )
        restored = None if options.restoration is None else options.restoration.about
        tags = provenance(options.quality, identity, restored, lipsync.computed)
        write_preview(shown, source, outfile, tags, console)
        if settings.expert is not None:
            console.print("no cosine similarity: it takes the whole video, not a preview")
        return None
    judge = networks.judge(settings, device)
    report = sync_video(
        source, voice, outfile, lipsync, detector, options, scorer=scorer, judge=judge, **common
    )
    if report.cosine is None:
        cosine_file(outfile).unlink(missing_ok=True)  # of the file that was there before
    else:
        show_cosine(report.cosine, settings, outfile, console)
    show_report(report, console)
    check_synced(report)
    show_judged(report.judged, str(settings.judge), console)
    return report


def restore_one(
    settings: Infer, networks: Networks, console: Console, progress: Progress
) -> SyncReport:
    """`mode=restore`: the faces of a finished video, and its own sound.

    Args, Raises: as `infer_one`.
    """
    options = build_options(settings, build_output(settings))
    face = find_input("face", str(settings.face), console)
    outfile = choose_outfile(settings, face)
    source = build_source(settings, face)
    Layout((source.width, source.height), options.output)  # refuses what cannot be
    device = str(pick_device(settings.device))
    options = with_quality(options, settings, device, console)
    faces = find_person(options.faces, settings, source, None, console.print)
    options = replace(options, faces=faces)
    detector, sound = networks.detector(settings, device), own_sound(settings, source)
    show_input(source, sound, console)
    report = restore_video(source, outfile, detector, options, sound=sound, progress=progress)
    show_report(report, console, "restored")
    return report


def main() -> None:
    """Run the command."""
    commands.infer()


if __name__ == "__main__":
    main()
