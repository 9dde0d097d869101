"""A network as a folder with a model card, and back from the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from tests.unit.weights.hub_server import Hub
from w2l import LipSync
from w2l.checkpoints import load_expert, load_generator
from w2l.checkpoints.__main__ import main
from w2l.files import sha256
from w2l.models import Expert, Generator
from w2l.weights.hub import from_hub


def run_with(folder: Path, network: torch.nn.Module, kind: str) -> Path:
    """A run's folder with a checkpoint of update 8, curves and summary."""
    state = {f"{kind}.{name}": value for name, value in network.state_dict().items()}
    about = {"network": kind, "config": network.config, "pads": [0, 10, 0, 0], "speakers": 13}
    checkpoint = folder / "checkpoints" / "best.ckpt"
    checkpoint.parent.mkdir(parents=True)
    torch.save({"state_dict": state, "w2l": about, "global_step": 8}, checkpoint)
    (folder / "csv").mkdir()
    rows = "step,train/loss,val/loss,val/lse_d\n3,,0.9,\n7,0.5,,\n7,,0.25,nan\n11,,0.125,\n"
    (folder / "csv" / "metrics.csv").write_text(rows)
    splits = {"train": {"clips": 262, "speakers": 13}, "val": {"clips": 11, "speakers": 1}}
    summary = {"experiment": "wav2lip_small", "data": {"root": "/home/jane", "splits": splits}}
    (folder / "summary.json").write_text(json.dumps(summary))
    return checkpoint


def test_a_trained_generator_goes_to_the_hub_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = Generator(1 / 16)
    path, out = run_with(tmp_path / "run", generator, "generator"), tmp_path / "lips"
    assert main([str(path), f"{out}/", "--license", "cc-by-4.0"]) == 0
    assert f"hf upload OWNER/lips {out}" in capsys.readouterr().out
    assert sorted(each.name for each in out.iterdir()) == [
        "README.md", "config.json", "metrics.json", "model.safetensors"
    ]  # fmt: skip
    assert json.loads((out / "metrics.json").read_text()) == {"update": 8, "val/loss": 0.25}
    config = json.loads((out / "config.json").read_text())
    assert (config["network"], config["config"]) == ("generator", generator.config)
    _, front, card = (out / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "cc-by-4.0"
    assert yaml.safe_load(front)["tags"] == ["lip-sync", "wav2lip", "audio-visual"]
    for said in ("| val/loss | 0.25 |", "262 clips of 13 speakers", "11 clips of 1 speaker |",
                 "checkpoint=hf:OWNER/lips", sha256(out / "model.safetensors")):  # fmt: skip
        assert said in card
    assert "/home/jane" not in card, "nobody is told whose machine it was"
    assert "to be stated" not in card

    hub = Hub()
    hub.files["jane/lips"] = {"main": {each.name: each.read_bytes() for each in out.iterdir()}}
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    from_hub.cache_clear()
    back = load_generator("hf:jane/lips")
    hub.close()
    assert all(torch.equal(back.state_dict()[k], v) for k, v in generator.state_dict().items())
    assert LipSync.from_pretrained("hf:jane/lips", detector=None).checkpoint.name.startswith(
        "model"
    )
    from_hub.cache_clear()


def test_without_a_run_a_card_says_what_is_missing(tmp_path: Path) -> None:
    expert, path = Expert(1 / 16), tmp_path / "expert.pth"
    torch.save({"state_dict": expert.state_dict(), "config": expert.config}, path)
    (tmp_path / "given").mkdir()
    assert main([str(path), str(tmp_path / "given"), "--half"]) == 0, "an empty folder is one"
    card = (tmp_path / "given" / "README.md").read_text()
    assert "say here what it was measured on" in card
    assert "**to be stated**" in card
    assert not (tmp_path / "given" / "metrics.json").exists()
    assert load_expert(tmp_path / "given" / "model.safetensors").config == expert.config


def test_nothing_that_is_there_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_with(tmp_path / "run", Expert(1 / 16), "expert")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").touch()
    assert main([str(path), str(tmp_path / "notes")]) == 1
    assert "notes is there, and not empty: name a new folder." in capsys.readouterr().err
    assert [each.name for each in (tmp_path / "notes").iterdir()] == ["mine.txt"]
    assert main([str(path), str(tmp_path / "x.pth"), "--license", "mit"]) == 1
    assert "let the path end in /" in capsys.readouterr().err
