"""`w2l doctor`: what is here, what is missing, how to get it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from w2l import weights
from w2l.__main__ import main
from w2l.cli import doctor


def test_all_is_told_without_loading_torch() -> None:
    """It is over before torch would be loaded."""
    code = (
        "import sys; from w2l.__main__ import main; code = main(['doctor']); "
        "print('LOADED', {'torch', 'pytorch_lightning', 'hydra'} & {*sys.modules}); sys.exit(code)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    for part in (
        f"Python {sys.version.split()[0]}", f"torch: {version('torch')}", "codec=h264: H.264",
        "reads: h264", "face detector CenterFace: ships with w2l", "syncnet_v2 (LSE-D",
    ):  # fmt: skip
        assert any(part in line for line in lines), part
    assert lines[-2:] == ["All that w2l needs is here.", "LOADED set()"]


def test_what_is_missing_comes_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(name: str) -> str:
        if name in {"wandb", "gradio"}:
            raise PackageNotFoundError(name)
        return "0.1" if name == "scipy" else version(name)

    monkeypatch.setattr(doctor, "version", found)
    monkeypatch.setenv("W2L_WEIGHTS_DIR", str(tmp_path))
    entry = weights.registry()["syncnet_v2"]
    with (tmp_path / entry.file_name).open("wb") as file:
        file.truncate(entry.size)
    (tmp_path / weights.registry()["wav2lip"].file_name).write_bytes(b"half")
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert 'MISSING wandb; pip install "wandb>=' in told
    assert "MISSING scipy; 0.1 is here, >=1." in told
    assert 'is wanted: pip install "scipy>=1.' in told
    assert 'not here; pip install "w2l[app]" (gradio)' in told
    assert "syncnet_v2 (LSE-D, LSE-C and offsets): 54.6 MB" in told.replace("55 MB", "54.6 MB")
    assert "wav2lip.pth is damaged, 4 bytes in place of 435807851: remove it" in told
    assert f"lay it there as {weights.registry()['wav2lip_gan'].file_name}" in told
    assert told.rstrip().endswith("Something that w2l needs is missing.")


@pytest.mark.skipif(sys.platform == "win32", reason="the tool is a shell script here")
def test_gpus_are_told_by_nvidias_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771, 570.1'\necho 'Tesla T4, 15360, 570.1'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert list(doctor.nvidia_gpus()) == [
        "NVIDIA H200, 143771 MiB, driver 570.1",
        "Tesla T4, 15360 MiB, driver 570.1",
    ]
    monkeypatch.setattr(doctor, "cuda_of_torch", lambda: None)
    told = {line.what: line for line in doctor.machine()}
    assert told["CUDA"].found is None
    assert "CPU build" in told["CUDA"].remedy
    monkeypatch.setattr(doctor, "cuda_of_torch", lambda: "CUDA 12.8")
    assert {line.what: line for line in doctor.machine()}["CUDA"].found == (
        "torch is built for CUDA 12.8"
    )


def test_what_torch_was_built_for_is_read_from_its_files() -> None:
    import torch

    expected = None if torch.version.cuda is None else f"CUDA {torch.version.cuda}"
    assert doctor.cuda_of_torch() == expected
