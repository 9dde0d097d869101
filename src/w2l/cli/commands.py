"""The installed commands: what needs no torch is checked before it is loaded."""

from __future__ import annotations

from w2l.cli.checks import check_evaluate, check_infer, check_train
from w2l.cli.hydra_app import run
from w2l.cli.keys.evaluate import Evaluate
from w2l.cli.keys.infer import Infer
from w2l.cli.keys.train import Train
from w2l.memory import importing, share_heap


def train() -> None:
    """Entry point of `w2l-train`."""

    def task(settings: Train) -> float | None:
        check_train(settings)
        with importing():
            from w2l.cli.train import train

        return train(settings)

    run(task, Train)


def infer() -> None:
    """Entry point of `w2l-infer`."""

    def task(settings: Infer) -> None:
        if settings.batch is None:
            check_infer(settings)
        with importing():
            from w2l.cli.infer import infer

        infer(settings)

    share_heap()
    run(task, Infer)


def evaluate() -> None:
    """Entry point of `w2l-evaluate`."""

    def task(settings: Evaluate) -> None:
        check_evaluate(settings)
        with importing():
            from w2l.cli.evaluate import evaluate_command

        evaluate_command(settings)

    run(task, Evaluate)
