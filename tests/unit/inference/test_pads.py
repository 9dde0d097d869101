"""Pads belong to a generator: its file states them, through every packing.

ONNX files too (checkpoints/test_onnx.py).
"""

from __future__ import annotations

from pathlib import Path

import torch

from w2l.boxes import PUBLISHED_PADS
from w2l.checkpoints import export, read
from w2l.inference import FaceOptions, SyncOptions, build_generator
from w2l.models import Generator


def saved(path: Path, **stated: object) -> Path:
    network = Generator(1 / 16, 48)
    state = {f"generator.{name}": value for name, value in network.state_dict().items()}
    ours = {"network": "generator", "config": network.config, **stated}
    torch.save({"state_dict": state, "w2l": ours}, path)
    return path


def test_a_generator_keeps_the_pads_it_was_trained_with(tmp_path: Path) -> None:
    ours = saved(tmp_path / "ours.ckpt", pads=[0, 0, 0, 0], speakers=3)
    export(ours, tmp_path / "ours.pth")
    for path in (ours, tmp_path / "ours.pth"):
        assert (read(path).pads, read(path).speakers) == ((0, 0, 0, 0), 3)
        generator = build_generator(path, device="cpu")
        assert generator.pads == generator.lower_half().pads == (0, 0, 0, 0)


def test_where_nothing_is_stated_they_are_the_published_ones(tmp_path: Path) -> None:
    old = build_generator(saved(tmp_path / "old.ckpt"), device="cpu")
    odd = build_generator(saved(tmp_path / "odd.ckpt", pads="wide"), device="cpu")
    assert old.pads == odd.pads == PUBLISHED_PADS == (0, 10, 0, 0)


def test_given_pads_win() -> None:
    assert SyncOptions().with_pads((1, 2, 3, 4)).faces.pads == (1, 2, 3, 4)
    given = SyncOptions(faces=FaceOptions(pads=(0, 0, 0, 0)))
    assert given.with_pads((1, 2, 3, 4)) is given
