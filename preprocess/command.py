"""The command: a composed config becomes typed settings."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from preprocess.keys import Preprocess
from preprocess.prepare import prepare
from preprocess.report import Report
from preprocess.settings import Cut, Job, Packing, Quality, Recipe
from preprocess.sources import Prepared
from w2l.building import Component
from w2l.cli.hydra_app import run
from w2l.cli.signals import ended_by_signals
from w2l.components import FacesByIndex, Source
from w2l.errors import UserError
from w2l.files import sha256
from w2l.paths import shown_path, user_path
from w2l.weights.catalog import JUDGE
from w2l.windows import FPS

SHORTEST = 16  # frames; training takes clips of more than 15 (published)
SMALL = "small"  # the judge that comes with w2l
MIN_CONFIDENCE = {"syncnet_v2": 3.0, "expert": 0.1}  # published; this project's


def main() -> None:
    """Run `python -m preprocess`."""
    run(preprocess, Preprocess)


@ended_by_signals()
def preprocess(settings: Preprocess) -> None:
    """Prepare what the config says.

    Raises:
        UserError: a value makes no sense, or there is nothing to prepare.
    """
    job, packing, report = _job(settings), _packing(settings), Report(Console())
    if isinstance(job.source, Prepared):
        if packing is None:
            raise UserError(
                "source=prepared only packs: choose storage=compressed, storage=raw or "
                "storage=jpeg."
            )
        _pack(job.source.data_root, job, packing, report)
        return
    result = prepare(job, _recipe(settings, report), report)
    _shards(job, packing, report, is_done=not result.pending)
    if not result.pending:
        experiment = "demo_syncnet" if settings.source.name == "demo" else "syncnet_strong"
        root = shlex.quote(f"data.root={shown_path(job.out)}")
        report.say(f"next: python train.py experiment={experiment} {root}")


def _shards(job: Job, packing: Packing | None, report: Report, *, is_done: bool) -> None:
    if packing is not None and not is_done:
        report.say("shards are packed by the run that prepares the last clip")
    elif packing is not None:
        _pack(job.out, replace(job, shard=0, num_shards=1), packing, report)


def _pack(root: Path, job: Job, packing: Packing, report: Report) -> None:
    from preprocess.packing import pack  # loads torch: preparing must not wait for it

    pack(root, job, packing, report)


def _packing(settings: Preprocess) -> Packing | None:
    """What shards to make; None: none."""
    if settings.storage == "folder":
        return None
    return Packing(settings.storage, settings.image_size, settings.shard_bytes)


def _job(settings: Preprocess) -> Job:
    out = f"data/{settings.source.name}" if settings.out is None else settings.out
    return Job(
        source=_source(settings, user_path(out)),
        out=user_path(out),
        **settings.runner(settings.device),
        batch_size=settings.batch_size,
        retry_rejected=settings.retry_rejected,
        cut=_cut(settings),
        duplicates=_duplicates(settings),
        page=settings.report,
    )


def _source(settings: Preprocess, out: Path) -> Source:
    source = settings.source
    if settings.data_root is None and "data_root" in source.required():
        raise UserError(
            f"source={source.name} needs data_root=FOLDER, where its videos lie (csv: the file)."
        )
    root = None if settings.data_root is None else user_path(settings.data_root)
    workers = 1 if settings.engine == "serial" else settings.workers
    made: Source = source.build(data_root=root, out=out, workers=workers)
    return made


def _cut(settings: Preprocess) -> Cut | None:
    return Cut(float(settings.max_seconds)) if _wanted(settings, settings.cut) else None


def _wanted(settings: Preprocess, given: bool | None) -> bool:
    """Whether a step is done that, if nobody says so, is for videos as people have them."""
    return bool(settings.source.says("any_videos", False)) if given is None else given


def _duplicates(settings: Preprocess) -> str:
    default = "exact" if _wanted(settings, None) else "none"
    return settings.duplicates or default


def _quality(settings: Preprocess) -> Quality | None:
    limits = Quality(
        settings.min_face,
        float(settings.min_sharpness),
        float(settings.min_brightness),
        float(settings.max_brightness),
        float(settings.max_turn),
    )
    if not limits.min_brightness < limits.max_brightness:
        raise UserError(
            f"min_brightness={limits.min_brightness:g} must be less than "
            f"max_brightness={limits.max_brightness:g}."
        )
    return limits if _wanted(settings, settings.quality) else None


def _recipe(settings: Preprocess, report: Report) -> Recipe:
    detector = _detector(settings)
    default = FPS if _wanted(settings, None) else SHORTEST
    min_frames = default if settings.min_frames is None else int(settings.min_frames)
    sync, min_confidence = _sync(settings, report)
    return Recipe(
        fps=None if settings.fps is None else float(settings.fps),
        detector=detector,
        detect_every=settings.detect_every,
        detect_whole=settings.detect_whole,
        smooth=settings.smooth,
        min_frames=min_frames,
        jpeg_quality=settings.jpeg_quality,
        published=settings.published,
        sync=None if sync is None else str(sync),
        sync_sha256=None if sync is None else sha256(sync),
        min_confidence=min_confidence,
        quality=_quality(settings),
    )


def _sync(settings: Preprocess, report: Report) -> tuple[Path | None, float]:
    """The weights file of the network that judges, and the least confidence.

    Raises:
        UserError: no such file or name, or it holds another network.
    """
    if settings.sync is None:
        return None, 0.0
    # Loads torch: only who asks waits for it.
    from w2l.checkpoints import ENOUGH_SPEAKERS, read, resolve

    if settings.fps != FPS:
        raise UserError(
            f"sync={settings.sync} needs fps={FPS}: offsets are counted in those frames."
        )
    path = resolve(JUDGE if settings.sync == SMALL else str(settings.sync))
    judge = read(path)
    if judge.network not in MIN_CONFIDENCE:
        raise UserError(f"sync={settings.sync} holds neither SyncNet v2 nor an expert.")
    if judge.speakers is not None and judge.speakers < ENOUGH_SPEAKERS:
        report.warn(
            f"sync={settings.sync} was trained on {judge.speakers} speakers: of others it may be "
            "wrong by frames; look at sync_offset and sync_confidence in manifest.jsonl."
        )
    given = settings.min_confidence
    return path, MIN_CONFIDENCE[judge.network] if given is None else float(given)


def _detector(settings: Preprocess) -> Component:
    """The detector, its weights fetched here once rather than by each worker."""
    detector = settings.detector.check()
    if detector.is_a(FacesByIndex):
        raise UserError(
            f"detector={detector.name} has the boxes of one video, and a set has many: choose one "
            "that looks at the images, such as detector=centerface."
        )
    return detector.fetched()
