"""The command: a composed config becomes typed settings."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from preprocess.prepare import prepare
from preprocess.report import Report
from preprocess.settings import Job, Recipe
from w2l.cli.hydra_app import run
from w2l.errors import UserError
from w2l.weights import fetch

DETECTORS = ("centerface", "s3fd")  # those that look at pictures; boxes from a file fit one video


def main() -> None:
    """Run `python -m preprocess`."""
    run(preprocess, "preprocess")


def preprocess(cfg: DictConfig) -> None:
    """Prepare what the config says.

    Raises:
        UserError: a value makes no sense, or there is nothing to prepare.
    """
    if cfg.storage != "compressed":
        raise UserError(
            f"storage={cfg.storage} is not available in this version: use storage=compressed."
        )
    prepare(_job(cfg), _recipe(cfg), Report(Console()))


def _job(cfg: DictConfig) -> Job:
    for key in ("batch_size", "num_shards"):
        if cfg[key] < 1:
            raise UserError(f"{key}={cfg[key]} must be at least 1.")
    return Job(
        source=str(cfg.source),
        data_root=_path(cfg.data_root),
        out=Path(cfg.out).expanduser(),
        filelists=_path(cfg.filelists),
        engine=str(cfg.engine),
        workers=cfg.workers,
        device=str(cfg.device),
        batch_size=int(cfg.batch_size),
        shard=int(cfg.shard),
        num_shards=int(cfg.num_shards),
        retry_rejected=bool(cfg.retry_rejected),
    )


def _recipe(cfg: DictConfig) -> Recipe:
    if cfg.detector not in DETECTORS:
        raise UserError(f"detector={cfg.detector} is unknown: use {' or '.join(DETECTORS)}.")
    for key in ("detect_every", "min_frames"):
        if cfg[key] < 1:
            raise UserError(f"{key}={cfg[key]} must be at least 1 frame.")
    if cfg.fps is not None and not 1 <= cfg.fps <= 240:
        raise UserError(f"fps={cfg.fps} must lie between 1 and 240 (null: as the video has it).")
    if not 1 <= cfg.jpeg_quality <= 100:
        raise UserError(f"jpeg_quality={cfg.jpeg_quality} must lie between 1 and 100.")
    return Recipe(
        fps=None if cfg.fps is None else float(cfg.fps),
        detector=str(cfg.detector),
        detector_weights=_weights(cfg),
        detect_every=int(cfg.detect_every),
        min_frames=int(cfg.min_frames),
        jpeg_quality=int(cfg.jpeg_quality),
        published=bool(cfg.published),
    )


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value).expanduser()


def _weights(cfg: DictConfig) -> str | None:
    """The detector's weights file, fetched here once rather than by each worker."""
    path = _path(cfg.detector_weights)
    if path is None:
        return str(fetch(cfg.detector)) if cfg.detector == "s3fd" else None
    if not path.is_file():
        raise UserError(f"detector_weights={path} is not a file.")
    return str(path)
