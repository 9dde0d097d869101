"""The command: a composed config becomes typed settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from preprocess.prepare import prepare
from preprocess.report import Report
from preprocess.settings import Cut, Job, Packing, Quality, Recipe
from w2l.building import Component
from w2l.cli.hydra_app import run
from w2l.cli.signals import ended_by_signals
from w2l.components import FacesByIndex
from w2l.engine import RaySettings
from w2l.errors import UserError
from w2l.files import sha256
from w2l.paths import user_path
from w2l.weights.shipped import JUDGE
from w2l.windows import FPS

STORAGES = ("folder", "jpeg", "compressed", "raw")
UNCUT = ("folder", "csv")  # sources of videos as people have them
SHORTEST = 16  # frames; training takes clips of more than 15 (published)
DUPLICATES = ("none", "exact", "near")
SMALL = "small"  # the judge that comes with w2l
MIN_CONFIDENCE = {"syncnet_v2": 3.0, "expert": 0.1}  # published; this project's
NUMBERS = (  # which null is not, unlike fps, min_frames, min_confidence and workers
    "batch_size", "detect_every", "gpus_per_worker", "image_size", "jpeg_quality",
    "max_brightness", "max_seconds", "max_turn", "min_brightness", "min_face", "min_sharpness",
    "num_shards", "ray_attempts", "shard", "shard_bytes",
)  # fmt: skip


def main() -> None:
    """Run `python -m preprocess`."""
    run(preprocess, "preprocess")


@ended_by_signals()
def preprocess(cfg: DictConfig) -> None:
    """Prepare what the config says.

    Raises:
        UserError: a value makes no sense, or there is nothing to prepare.
    """
    for key in NUMBERS:
        if cfg[key] is None:
            raise UserError(f"{key}=null must be a number.")
    job, packing, report = _job(cfg), _packing(cfg), Report(Console())
    if job.source == "prepared":
        if job.data_root is None:
            raise UserError("source=prepared needs data_root=FOLDER, the prepared set.")
        if packing is None:
            raise UserError(
                "source=prepared only packs: choose storage=compressed, storage=raw or "
                "storage=jpeg."
            )
        _pack(job.data_root, job, packing, report)
        return
    result = prepare(job, _recipe(cfg, report), report)
    if packing is not None and result.pending:
        report.say("shards are packed by the run that prepares the last clip")
    elif packing is not None:
        _pack(job.out, replace(job, shard=0, num_shards=1), packing, report)


def _pack(root: Path, job: Job, packing: Packing, report: Report) -> None:
    from preprocess.packing import pack  # loads torch: preparing must not wait for it

    pack(root, job, packing, report)


def _packing(cfg: DictConfig) -> Packing | None:
    """What shards to make; None: none."""
    if cfg.storage not in STORAGES:
        raise UserError(f"storage={cfg.storage} is unknown: use {', '.join(STORAGES)}.")
    if not 16 <= cfg.image_size <= 1024:
        raise UserError(f"image_size={cfg.image_size} must lie between 16 and 1024 pixels.")
    if cfg.shard_bytes < 1:
        raise UserError(f"shard_bytes={cfg.shard_bytes} must be at least 1.")
    if cfg.storage == "folder":
        return None
    return Packing(str(cfg.storage), int(cfg.image_size), int(cfg.shard_bytes))


def _job(cfg: DictConfig) -> Job:
    for key in ("batch_size", "num_shards"):
        if cfg[key] < 1:
            raise UserError(f"{key}={cfg[key]} must be at least 1.")
    return Job(
        source=str(cfg.source),
        data_root=_path(cfg.data_root),
        out=user_path(cfg.out),
        filelists=_path(cfg.filelists),
        pretrain=bool(cfg.pretrain),
        engine=str(cfg.engine),
        workers=cfg.workers,
        device=str(cfg.device),
        batch_size=int(cfg.batch_size),
        shard=int(cfg.shard),
        num_shards=int(cfg.num_shards),
        retry_rejected=bool(cfg.retry_rejected),
        cut=_cut(cfg),
        duplicates=_duplicates(cfg),
        page=bool(cfg.report),
        ray=_ray(cfg),
    )


def _ray(cfg: DictConfig) -> RaySettings:
    gpus = float(cfg.gpus_per_worker)
    if cfg.engine == "ray" and cfg.device.startswith("cuda") and not gpus:
        raise UserError(f"device={cfg.device} with engine=ray needs gpus_per_worker=1, or less.")
    return RaySettings(cfg.ray_address, gpus, int(cfg.ray_attempts))


def _cut(cfg: DictConfig) -> Cut | None:
    wanted = cfg.source in UNCUT if cfg.cut is None else bool(cfg.cut)
    if not cfg.max_seconds >= 1:
        raise UserError(f"max_seconds={cfg.max_seconds} must be at least 1.")
    return Cut(float(cfg.max_seconds)) if wanted else None


def _duplicates(cfg: DictConfig) -> str:
    default = "exact" if cfg.source in UNCUT else "none"
    chosen = default if cfg.duplicates is None else str(cfg.duplicates)
    if chosen not in DUPLICATES:
        raise UserError(f"duplicates={chosen} is unknown: use {', '.join(DUPLICATES)}.")
    return chosen


def _quality(cfg: DictConfig) -> Quality | None:
    limits = Quality(
        int(cfg.min_face),
        float(cfg.min_sharpness),
        float(cfg.min_brightness),
        float(cfg.max_brightness),
        float(cfg.max_turn),
    )
    if not limits.min_brightness < limits.max_brightness:
        raise UserError(
            f"min_brightness={limits.min_brightness:g} must be less than "
            f"max_brightness={limits.max_brightness:g}."
        )
    wanted = cfg.source in UNCUT if cfg.quality is None else bool(cfg.quality)
    return limits if wanted else None


def _recipe(cfg: DictConfig, report: Report) -> Recipe:
    detector = _detector(cfg)
    default = FPS if cfg.source in UNCUT else SHORTEST
    min_frames = default if cfg.min_frames is None else int(cfg.min_frames)
    for key, frames in (("detect_every", cfg.detect_every), ("min_frames", min_frames)):
        if frames < 1:
            raise UserError(f"{key}={frames} must be at least 1 frame.")
    if cfg.fps is not None and not 1 <= cfg.fps <= 240:
        raise UserError(f"fps={cfg.fps} must lie between 1 and 240 (null: as the video has it).")
    sync, min_confidence = _sync(cfg, report)
    if not 1 <= cfg.jpeg_quality <= 100:
        raise UserError(f"jpeg_quality={cfg.jpeg_quality} must lie between 1 and 100.")
    return Recipe(
        fps=None if cfg.fps is None else float(cfg.fps),
        detector=detector,
        detect_every=int(cfg.detect_every),
        smooth=bool(cfg.smooth),
        min_frames=min_frames,
        jpeg_quality=int(cfg.jpeg_quality),
        published=bool(cfg.published),
        sync=None if sync is None else str(sync),
        sync_sha256=None if sync is None else sha256(sync),
        min_confidence=min_confidence,
        quality=_quality(cfg),
    )


def _sync(cfg: DictConfig, report: Report) -> tuple[Path | None, float]:
    """The weights file of the network that judges, and the least confidence.

    Raises:
        UserError: no such file or name, or it holds another network.
    """
    if cfg.sync is None:
        return None, 0.0
    # Loads torch: only who asks waits for it.
    from w2l.checkpoints import ENOUGH_SPEAKERS, read, resolve

    if cfg.fps != FPS:
        raise UserError(f"sync={cfg.sync} needs fps={FPS}: offsets are counted in those frames.")
    path = resolve(JUDGE if cfg.sync == SMALL else str(cfg.sync))
    judge = read(path)
    if judge.network not in MIN_CONFIDENCE:
        raise UserError(f"sync={cfg.sync} holds neither SyncNet v2 nor an expert.")
    if judge.speakers is not None and judge.speakers < ENOUGH_SPEAKERS:
        report.warn(
            f"sync={cfg.sync} was trained on {judge.speakers} speakers: of others it may be wrong "
            "by frames; look at sync_offset and sync_confidence in manifest.jsonl."
        )
    given = cfg.min_confidence
    return path, MIN_CONFIDENCE[judge.network] if given is None else float(given)


def _path(value: str | None) -> Path | None:
    return None if value is None else user_path(value)


def _detector(cfg: DictConfig) -> Component:
    """The detector, its weights fetched here once rather than by each worker."""
    detector = Component.of(OmegaConf.to_container(cfg.detector, resolve=True)).check()  # type: ignore[arg-type]
    if detector.is_a(FacesByIndex):
        raise UserError(
            f"detector={detector.name} has the boxes of one video, and a set has many: choose one "
            "that looks at the images, such as detector=centerface."
        )
    return detector.fetched()
