"""Sizes that cannot be measured are one sentence, before anything long begins."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf
from rich.console import Console

from benchmarks.sizes import measure
from w2l.errors import UserError


def settings(**changed: object) -> object:
    values = {"sizes": [96], "width": 0.0625, "windows": 1, "device": "cpu"} | changed
    return OmegaConf.create({"sizes": values})


@pytest.mark.parametrize(
    ("changed", "part"),
    [({"sizes": [96, 100]}, "image_size 100"), ({"device": "gpu"}, "device=gpu")],
)
def test_what_does_not_exist_is_refused(changed: dict[str, object], part: str) -> None:
    with pytest.raises(UserError, match=part):
        measure(settings(**changed), Console())  # type: ignore[arg-type]


def test_a_size_that_is_killed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = SimpleNamespace(returncode=-9, stdout="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(UserError, match="96 px ended with code -9"):
        measure(settings(), Console())  # type: ignore[arg-type]
