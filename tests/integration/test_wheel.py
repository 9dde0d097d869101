"""The wheel works where there is no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.command import ROOT, environment
from w2l import examples
from w2l.weights.catalog import FOLDER

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("w2l-*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, folder / "site", wheel], check=True, capture_output=True)
    return folder / "site"


def call(installed: Path, script: str, *values: str) -> subprocess.CompletedProcess[str]:
    # -P: neither the script's folder nor the working directory is where modules come from.
    command = [sys.executable, "-P", str(installed / "bin" / script), *values]
    env = {**environment(), "PYTHONPATH": str(installed)}
    return subprocess.run(command, cwd=installed.parent, env=env, capture_output=True, text=True)


def test_the_commands_compose_their_configs(installed: Path) -> None:
    result = call(installed, "w2l-train", "--cfg", "job", "experiment=wav2lip_gan")
    assert result.returncode == 0, result.stderr
    assert "adversarial_weight: 0.07" in result.stdout
    for script in ("w2l-infer", "w2l-evaluate", "w2l-preprocess", "w2l-benchmark"):
        result = call(installed, script, "--cfg", "job")
        assert result.returncode == 0, result.stderr
        assert "detect_every: 5\n" in result.stdout


def test_clips_become_a_set(installed: Path, tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "set"
    clips.mkdir()
    shutil.copy(examples.EXAMPLES[0].path, clips)
    given = ("source=folder", f"data_root={clips}", f"out={out}", "workers=1", "device=cpu")
    result = call(installed, "w2l-preprocess", *given)
    assert result.returncode == 0, result.stderr
    assert (out / "manifest.jsonl").is_file()
    result = call(installed, "w2l-benchmark", "benchmark=lrs9")
    assert "benchmark=lrs9 is unknown: choose lrs2" in result.stderr


def test_what_runs_is_the_wheel(installed: Path) -> None:
    code = "import w2l.faces; print(w2l.faces.CenterFace().detect([])); print(w2l.__file__)"
    env = {**os.environ, "PYTHONPATH": str(installed)}
    run = [sys.executable, "-P", "-c", code]
    shown = subprocess.run(run, env=env, capture_output=True, text=True, check=True).stdout
    assert str(installed) in shown
    assert (installed / "w2l" / "faces" / "centerface.safetensors").is_file()
    small = {path.name for path in (installed / "w2l" / "weights" / "small").iterdir()}
    assert {path.name for path in FOLDER.glob("*.*")} <= small
    shipped = {path.name for path in (installed / "w2l" / "examples").iterdir()}
    assert {f"{name}.mp4" for name in examples.names()} | {"README.md"} <= shipped
