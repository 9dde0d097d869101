"""`benchmark=lrs2|lrs3|lrw|real`, and the few pairs of the demo: from settings to a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from evaluation.filelists.lengths import candidates
from evaluation.keys import Evaluation
from evaluation.pairs.records import Record, Records, own_folder
from evaluation.pairs.run import run_pairs
from evaluation.pairs.settings import PADS, Job, Recipe, Weights
from evaluation.pairs.tasks import LISTED, TaskList, listed_tasks, real_tasks
from evaluation.report.frechet import frechet_of
from evaluation.report.results import to_results, write_results
from evaluation.report.tables import document, facts, first_failures, grids, other_scores, terminal
from w2l.boxes import from_tblr
from w2l.building import Component, named_group
from w2l.checkpoints import (
    Pads,
    load_expert,
    load_generator,
    load_inception,
    load_syncnet,
    read,
    resolve,
)
from w2l.cli.infer_settings import integers
from w2l.cli.presets import PUBLISHED, Preset
from w2l.errors import UserError
from w2l.filelists import cross_pairs, write_pairs
from w2l.files import sha256, write_text
from w2l.inference import pick_device
from w2l.paths import user_path
from w2l.weights import registry

NONE = "none"
DEMO_PAIRS = 4


def benchmark(settings: Evaluation, console: Console) -> None:
    """Make and score the pairs of a benchmark, write the results and show them.

    Raises:
        UserError: a list, a network or a value is missing or wrong, nothing could be scored, or
            with `strict` not all; the results are written before.
    """
    name = str(settings.benchmark)
    lists = _lists(settings)
    protocol = "lrs" if name in LISTED else "track"
    recipe = build_recipe(settings, protocol, console)
    out = own_folder(name, recipe) if settings.out is None else user_path(settings.out)
    job = build_job(settings, out)
    records = run_and_report(name, lists, recipe, job, _label(settings), console)
    raise_failures(records, settings.strict)


def demo_pairs(settings: Evaluation, root: Path, out: Path, console: Console) -> None:
    """The same for a few pairs of the demo's test clips, scored by the judge.

    SyncNet v2 is left out: it is not there without a network, and knows no rendered faces.
    """
    clips, _ = candidates(root, root / "test.txt", "test", "")
    filelist = out / "pairs.txt"
    write_pairs(filelist, cross_pairs(clips, DEMO_PAIRS, different_speakers=True))
    name = settings.name or "demo's generator"
    detector = Component.of(named_group("detector", "centerface"))
    chosen = replace(settings, expert=settings.judge, syncnet=NONE, detector=detector)
    recipe = build_recipe(chosen, "lrs", console)
    lists = [listed_tasks("demo", filelist, root / "videos")]
    job = Job(out, engine="serial", device=settings.device)
    records = run_and_report("demo", lists, recipe, job, name, console)
    if settings.strict:  # else the report, which is there, is what was asked for
        raise_failures(records, strict=True)


def raise_failures(records: Sequence[Record], strict: bool) -> None:
    """End with an error where no pair could be scored, or anything failed and `strict`.

    Raises:
        UserError: so.
    """
    failed = sum(record["error"] is not None for record in records)
    if failed and failed == len(records):
        raise UserError(f"None of {failed} pairs could be scored; results.json says why.")
    not_compared = sum(record.get("pictures_error") is not None for record in records)
    if strict and (failed or not_compared):
        raise UserError(
            f"{failed} of {len(records)} pairs could not be scored, and the images of "
            f"{not_compared} not be compared (strict=true); results.json says why."
        )


def run_and_report(
    benchmark: str,
    lists: Sequence[TaskList],
    recipe: Recipe,
    job: Job,
    label: str,
    console: Console,
) -> list[Record]:
    """Run, write results.json, summary.json and results.md, and print the tables.

    Returns:
        The records of all pairs that are done.

    Raises:
        UserError: as `run_pairs`.
    """
    records = run_pairs([task for each in lists for task in each.tasks], recipe, job, console)
    files, device = Records(job.out, recipe), str(pick_device(job.device))
    images = {each.name: frechet_of(each, records, files, device) for each in lists}
    results = to_results(benchmark, label, lists, recipe, records, images)
    path = write_results(results, job.out)
    write_text(path.with_suffix(".md"), document(results))
    tables = list(grids(results))
    other = other_scores(results)
    for grid in [*tables, *([other] if other is not None else [])]:
        console.print(terminal(grid))
        for note in grid.notes:
            console.print(note, markup=False, soft_wrap=True)
    for line in first_failures(records):
        console.print(line, markup=False, soft_wrap=True)
    for name, value in facts(results):
        console.print(f"{name}: {value}", markup=False, soft_wrap=True)
    console.print(str(path), markup=False, soft_wrap=True)
    return records


def _lists(settings: Evaluation) -> list[TaskList]:
    """The wanted pairs of the wanted sets."""
    root = user_path(settings.data_root)
    limit = settings.limit
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise UserError(f"limit={limit} must be a whole number, 1 or more.")
    if settings.benchmark in LISTED:
        name = settings.benchmark
        filelist = user_path(settings.filelist or f"filelists/{name}.txt")
        lists = [listed_tasks(name, filelist, root)]
    else:
        lists = real_tasks(root, settings.sets)
    return [TaskList(each.name, each.source, each.tasks[:limit]) for each in lists]


def build_recipe(settings: Evaluation, protocol: str, console: Console) -> Recipe:
    """What decides the numbers, its networks fetched and looked into.

    Raises:
        UserError: a value or file is wrong, or there is nothing to score with.
    """
    if (
        settings.published
        and settings.extend != Preset.named("evaluation", PUBLISHED).values["extend"]
    ):
        raise UserError(
            f"extend={settings.extend} needs published=false: as published a video shorter than "
            "its sound fails."
        )
    pick_device(settings.device)
    detector = _detector(settings)
    generator = _weights(settings.checkpoint)
    load_generator(generator.file)
    syncnet, expert = _syncnet(settings, console), None
    if settings.expert not in (None, NONE):
        expert = _weights(settings.expert)
        load_expert(expert.file)
    if syncnet is None and expert is None:
        raise UserError(
            "There is no network to score with: give syncnet=FILE for LSE, or expert=FILE for the "
            "cosine similarity."
        )
    inception = None
    if settings.inception not in (None, NONE):
        inception = _weights(settings.inception)
        load_inception(inception.file)
    box, pads = settings.box, settings.pads
    if box is not None:
        from_tblr(box)  # a sentence for a wrong box
    return Recipe(
        published=settings.published,
        protocol="lrs" if protocol == "lrs" else "track",
        generator=generator,
        syncnet=syncnet,
        expert=expert,
        inception=inception,
        detector=detector,
        detector_weights=_detector_weights(detector, box),
        box=None if box is None else integers(box, "box"),
        detect_every=settings.detect_every,
        pads=_pads(settings, protocol, generator) if pads is None else integers(pads, "pads"),
        person=settings.person,
        missing_face=settings.missing_face,
        extend=settings.extend,
        quality=settings.quality,
        batch_size=settings.batch_size,
    )


def _pads(settings: Evaluation, protocol: str, generator: Weights) -> Pads:
    """The protocol's; where the release does not bind, those the generator was trained with."""
    stated = None if settings.published else read(generator.file, "generator").pads
    return PADS[protocol] if stated is None else stated


def _weights(path_or_name: Any) -> Weights:
    path = resolve(str(path_or_name))
    return Weights(str(path.absolute()), sha256(path))


def _syncnet(settings: Evaluation, console: Console) -> Weights | None:
    """SyncNet v2; where the published file cannot be fetched, the expert alone will do."""
    wanted = settings.syncnet
    if wanted in (None, NONE):
        return None
    try:
        found = _weights(wanted)
    except UserError as error:
        is_published = str(wanted) in registry() and not Path(str(wanted)).is_file()
        if settings.expert in (None, NONE) or not is_published:
            raise
        console.print(f"no LSE: {error}", markup=False, soft_wrap=True)
        return None
    load_syncnet(found.file)
    return found


def _detector(settings: Evaluation) -> Component:
    detector = settings.detector.check()
    if settings.box is not None:
        return detector  # which nobody needs
    try:
        return detector.fetched()
    except UserError as error:
        raise UserError(
            f"{error} detector=centerface needs no file; the scores then are not by the published "
            "protocol to the letter, and the table says so."
        ) from error


def _detector_weights(detector: Component, box: Any) -> Weights | None:
    if box is not None:
        return None
    path = next(iter(detector.given_files()), None)
    return None if path is None else Weights(str(path.absolute()), sha256(path))


def build_job(settings: Evaluation, out: Path) -> Job:
    """Where to, and by how many.

    Raises:
        UserError: a value makes no sense.
    """
    return Job(
        out=out,
        **settings.runner(settings.device),
        retry_failed=settings.retry_failed,
        keep_videos=settings.keep_videos,
    )


def _label(settings: Evaluation) -> str:
    """How the generator is called in the tables."""
    if settings.name is not None:
        return str(settings.name)
    path = Path(str(settings.checkpoint))
    if path.parent.name == "checkpoints":  # <run>/checkpoints/last.ckpt
        return f"{path.parent.parent.name}/{path.stem}"
    return path.stem
