"""What a training says goes to the terminal and, with the time, to `train.log` in its folder."""

from __future__ import annotations

import logging
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import OmegaConf

from w2l.building import CONFIG_DIR
from w2l.callbacks import RunReport
from w2l.callbacks.run_document import PAGE
from w2l.cli.keys.train import Train
from w2l.errors import UserError
from w2l.examples import EXAMPLES

PUBLISHED_SIZE = 96  # pixels, of a recipe that names none
HEARD = "w2l", "pytorch_lightning", "lightning_fabric"
# Steps are counted once per optimizer, there are no TPUs, and one is an advertisement.
LEFT_OUT = "`max_steps=", "TPU available", "litlogger"


class _Terminal(logging.Handler):
    """Prints to what is the standard output by then: a bar has its own."""

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(record, "only_file", False):
            print(self.format(record), flush=True)


@contextmanager
def logged(file: Path) -> Iterator[None]:
    """Within, log records, warnings, and the error that ends it, are written there, too."""
    written = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    written.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    handlers = [_Terminal(), written]
    for handler in handlers:
        handler.addFilter(lambda record: not any(x in record.getMessage() for x in LEFT_OUT))
    loggers = [logging.getLogger(name) for name in HEARD]
    before = [(each.handlers, each.level, each.propagate) for each in loggers]
    shown = warnings.showwarning

    def show(message: Any, category: Any, *where: Any, **more: Any) -> None:
        shown(message, category, *where, **more)
        note(f"warning: {message}")

    def note(text: str) -> None:
        logging.getLogger("w2l").info(text, extra={"only_file": True})

    for each in loggers:
        each.handlers, each.propagate = handlers, False
        each.setLevel(logging.INFO)
    warnings.showwarning = show
    try:
        yield
    except UserError as error:
        note(f"error: {error}")  # the command says it
        raise
    except Exception:
        logging.getLogger("w2l").exception("error", extra={"only_file": True})
        raise
    finally:
        warnings.showwarning = shown
        for each, (own, level, propagate) in zip(loggers, before, strict=True):
            each.handlers, each.propagate = own, propagate
            each.setLevel(level)
        written.close()


def summary(settings: Train, trainer: pl.Trainer, system: pl.LightningModule) -> list[str]:
    """Lines: what was reached, where everything lies, and the command that comes next."""
    run_dir = Path(settings.run_dir)
    lines = [
        line
        for report in trainer.callbacks  # type: ignore[attr-defined]
        if isinstance(report, RunReport)
        for line in report.summary()
    ]
    places = {
        "report": run_dir / PAGE,
        "curves": run_dir / "csv" / "metrics.csv",
        "images": run_dir / "samples",
        "reports": run_dir / "validation",
        "best": run_dir / "checkpoints" / "best.ckpt",
    }
    lines += [f"{name}: {place}" for name, place in places.items() if place.exists()]
    lines.append(f"checkpoint: {run_dir / 'checkpoints' / 'last.ckpt'}")
    return [*lines, f"next: {next_command(settings, makes_lips=hasattr(system, 'generator'))}"]


def next_command(settings: Train, *, makes_lips: bool) -> str:
    """A generator dubs; an expert is what a generator is trained with, on the same set.

    Args:
        settings: of the command.
        makes_lips: whether a generator was trained.
    """
    folder = Path(settings.run_dir) / "checkpoints"
    checkpoint = next((p for p in [folder / "best.ckpt"] if p.is_file()), folder / "last.ckpt")
    if makes_lips:
        face, speech = EXAMPLES[0].path, EXAMPLES[1].path
        name, values = "infer", [f"face={face}", f"audio={speech}", f"checkpoint={checkpoint}"]
    else:
        twin, size = generator_of(str(settings.experiment))
        name, values = "train", [f"experiment={twin}", f"expert={checkpoint}"]
        if (root := settings.data.get("root")) is not None:  # not of one's own data module
            values.append(f"data.root={root}")
        if (shown := settings.model.get("image_size", size)) > size:
            values.append(f"model.image_size={shown}")
    installed = Path(sys.argv[0]).suffix != ".py"
    command = [f"w2l-{name}"] if installed else ["python", f"{name}.py"]
    return shlex.join([*command, *values])


def generator_of(expert: str) -> tuple[str, int]:
    """The experiment of the generator that is trained like an expert, and its image size."""
    recipes = CONFIG_DIR / "experiment"
    twin = expert.replace("syncnet", "wav2lip")
    if twin == expert or not (recipes / f"{twin}.yaml").is_file():
        twin = "wav2lip_strong"
    size = OmegaConf.select(OmegaConf.load(recipes / f"{twin}.yaml"), "model.image_size")
    return twin, size or PUBLISHED_SIZE
