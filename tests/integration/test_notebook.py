"""The notebook installs the package, and its cells run with stand-ins for networks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from benchmarks.face_videos import write_face_videos
from tests.integration.command import ROOT, environment
from tests.writing import save_network
from w2l.models import Expert, Generator
from w2l.video import VideoReader

pytestmark = pytest.mark.long


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_all_cells_run(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    save_network(Generator(width=0.125), "generator", tmp_path / "generator.ckpt")
    save_network(Expert(width=0.125), "expert", tmp_path / "expert.ckpt")
    (video,) = write_face_videos(tmp_path, clips=1, frames=30, size=(320, 240), seed=0)
    notebook = nbformat.read(ROOT / "notebooks" / "w2l.ipynb", as_version=4)
    (given,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    given.source = (
        f"FACE = {str(video)!r}\nAUDIO = {str(video)!r}\n"
        f"CHECKPOINT, EXPERT, SET, UPDATES = 'generator.ckpt', 'expert.ckpt', {str(prepared)!r}, 4"
    )
    site = tmp_path / "site"  # so that this environment stays as it is
    for key, value in {
        **environment(),
        "W2L_SOURCE": str(ROOT),
        "PIP_TARGET": str(site),
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it the wrong way round: no isolation
        "PYTHONPATH": str(site),
        "PATH": os.pathsep.join([str(site / "bin"), str(Path(sys.executable).parent), "/bin"]),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }.items():
        monkeypatch.setenv(key, value)
    client = NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    assert VideoReader(tmp_path / "synced.mp4").count() == 30
    shown = [
        kind for cell in notebook.cells for out in cell.get("outputs", ())
        for kind in out.get("data", {})
    ]  # fmt: skip
    assert shown.count("image/png") == 4, "preview, sync curves, training curves, histograms"
    assert (tmp_path / "expert" / "report.html").is_file()
    assert (site / "w2l").is_dir()
    (scores,) = [c for c in notebook.cells if "lse_d" in c.source]
    assert "'cosine': {'count':" in scores.outputs[0].data["text/plain"].replace("\n", "")
