"""Settings of a command without its command line."""

from __future__ import annotations

from typing import Any, TypeVar

from evaluation.filelists.keys import Filelists
from evaluation.keys import Evaluation
from preprocess.keys import Preprocess
from w2l.building import CONFIG_DIR
from w2l.cli.help import defaults
from w2l.cli.keys.app import App
from w2l.cli.keys.evaluate import Evaluate
from w2l.cli.keys.infer import Infer
from w2l.cli.keys.live import Live
from w2l.cli.keys.train import Train
from w2l.schema import read

T = TypeVar("T")
COMMANDS: dict[str, type] = {
    command.NAME: command
    for command in (Infer, Evaluate, Evaluation, Preprocess, Filelists, App, Live, Train)
}


def settings_of(command: type[T], **given: Any) -> T:
    """What the keys that are given make of the defaults.

    Raises:
        UserError: a value does not fit.
    """
    values = defaults(CONFIG_DIR, command)
    assert set(given) <= set(values)
    return read(command, values | given)
