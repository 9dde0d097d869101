"""The installed commands: what needs no torch is checked before it is loaded."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig

from w2l.cli.hydra_app import run
from w2l.cli.keys.train import Train
from w2l.cli.presets import given_keys
from w2l.errors import UserError


def train() -> None:
    """Entry point of `w2l-train`."""

    def task(settings: Train) -> float | None:
        check_train(settings)
        from w2l.memory import importing

        with importing():
            from w2l.cli.train import train

        return train(settings)

    run(task, Train)


def infer() -> None:
    """Entry point of `w2l-infer`."""
    from w2l.cli.checks import check_infer
    from w2l.cli.keys.infer import Infer
    from w2l.memory import importing, share_heap

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
    from w2l.cli.checks import check_evaluate
    from w2l.cli.keys.evaluate import Evaluate
    from w2l.memory import importing

    def task(settings: Evaluate) -> None:
        check_evaluate(settings)
        with importing():
            from w2l.cli.evaluate import evaluate_command

        evaluate_command(settings)

    run(task, Evaluate)


def check_train(settings: Train) -> None:
    """See that a run has an expert where it needs one, and a folder that it finds again.

    Raises:
        UserError: naming the key.
    """
    given = given_keys(HydraConfig.get().overrides.task)
    if settings.resume == "auto" and "run_dir" not in given:  # by default it is named by the time
        raise UserError("resume=auto looks into run_dir: name one, as run_dir=outputs/my_run.")
    if settings.needs_expert and settings.expert is None:
        raise UserError(
            "expert= is needed, the lip-sync expert that the generator learns from: train one with "
            "`python train.py experiment=syncnet_strong run_dir=outputs/expert` and give "
            "expert=outputs/expert/checkpoints/best.ckpt, or expert=lipsync_expert, the published "
            "one."
        )
