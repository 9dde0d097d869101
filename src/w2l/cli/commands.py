"""The installed commands: what needs no torch is checked before it is loaded."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from w2l.cli.checks import check_evaluate, check_infer, check_train
from w2l.cli.hydra_app import run
from w2l.memory import share_heap


def train() -> None:
    """Entry point of `w2l-train`."""

    def task(cfg: DictConfig) -> float | None:
        check_train(cfg)
        from w2l.cli.train import train

        return train(cfg)

    run(task, "train")


def infer() -> None:
    """Entry point of `w2l-infer`."""

    def task(cfg: DictConfig) -> None:
        if cfg.batch is None:
            check_infer(plain(cfg))
        from w2l.cli.infer import infer

        infer(cfg)

    share_heap()
    run(task, "infer")


def evaluate() -> None:
    """Entry point of `w2l-evaluate`."""

    def task(cfg: DictConfig) -> None:
        check_evaluate(plain(cfg))
        from w2l.cli.evaluate import evaluate_command

        evaluate_command(cfg)

    run(task, "evaluate")


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The values of the keys."""
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]
