"""`evaluate.py` as a user runs it: clips, narrow untrained networks, and the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.integration.evaluate.made import ADDRESS, write_video
from tests.parity.published import state_dict
from w2l.cli.evaluate import main
from w2l.errors import UserError
from w2l.models import Expert, Generator


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """One good clip and four bad ones, beside things that are no clips."""
    data = pytest.importorskip("skimage.data")
    portrait = cv2.resize(data.astronaut()[:256, 96:352, ::-1], (192, 192))
    flat = np.full((96, 96, 3), 90, np.uint8)
    folder = tmp_path_factory.mktemp("it's (1), clips")
    write_video(folder / "good #1.mp4", portrait, 1.2)
    write_video(folder / "silent.mp4", portrait, 1.2, sound=False)
    write_video(folder / "sub" / "faceless.mp4", flat, 1.2)
    write_video(folder / "tiny.mp4", portrait, 0.3)
    (folder / "truncated.mp4").write_bytes((folder / "good #1.mp4").read_bytes()[:3000])
    (folder / "notes.md").write_text("no clip")
    return folder


@pytest.fixture(scope="module")
def networks(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    torch.manual_seed(0)
    for name, module in {
        "expert": Expert(width=0.125),
        "generator": Generator(width=0.125),
    }.items():
        state = {f"{name}.{key}": value for key, value in module.state_dict().items()}
        ours = {"network": name, "config": module.config, "version": "0"}
        torch.save({"state_dict": state, "w2l": ours}, folder / f"{name}.ckpt")
    torch.save(state_dict("syncnet_v2"), folder / "syncnet_v2.model")
    return folder


@pytest.fixture
def evaluate(networks, tmp_path, monkeypatch):
    """Run the command in an empty folder, the weights' homes out of reach; gives scores.json."""

    def unreachable(name):
        raise UserError(f"{name} cannot be downloaded without a network: fetch it from {ADDRESS}.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("w2l.weights.fetch", unreachable)
    monkeypatch.setattr("w2l.weights.cache.fetch", unreachable)

    def run(**settings) -> dict:
        given = {"device": "cpu", "expert": networks / "expert.ckpt", "syncnet": "none", **settings}
        arguments = [f"{key}={value}" for key, value in given.items() if value is not None]
        arguments += [key for key in given if key.startswith("~")]
        monkeypatch.setattr(sys, "argv", ["evaluate.py", *arguments])
        main()
        written = Path("outputs/evaluate").glob("*/scores.json")  # the newest is of the last run
        default = max(written, key=lambda path: path.stat().st_mtime_ns, default=Path())
        return json.loads(Path(given.get("output", default)).read_text())

    return run
