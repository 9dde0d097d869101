"""The site builds without a warning: links, references, docstrings; its reference has every key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.command import ROOT
from w2l.cli.keys.evaluate import Evaluate
from w2l.cli.keys.infer import Infer
from w2l.schema import keys

pytestmark = pytest.mark.long


def test_the_site_builds_and_has_every_key(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason="the extra docs is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for command in (Infer, Evaluate):
        page = (tmp_path / "reference" / f"{command.NAME}.html").read_text()
        nested = [key for key in keys(command).values() if key.nested]
        assert all(f"<code>{name}</code>" in page for name in keys(command) if not nested)
    api = (tmp_path / "reference/api/inference.html").read_text()
    assert "from_pretrained" in api
    assert "Docstring" not in api
