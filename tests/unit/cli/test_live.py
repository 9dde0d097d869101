"""`python live.py`, up to where the page is served."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from tests.settings import settings_of
from tests.writing import save_network
from w2l.cli.keys.live import Live
from w2l.cli.live import live, make_avatar
from w2l.errors import UserError
from w2l.inference import Avatar
from w2l.models import Generator


@pytest.fixture
def settings(tmp_path: Path) -> Live:
    """For a photo with a fixed box."""
    torch.manual_seed(0)
    network = Generator(0.0625, image_size=48)
    checkpoint = save_network(network, "generator", tmp_path / "generator.ckpt")
    cv2.imwrite(str(tmp_path / "photo.png"), skimage.data.astronaut()[:256, 96:352, ::-1])
    return settings_of(
        Live, face=str(tmp_path / "photo.png"), checkpoint=str(checkpoint), device="cpu",
        box=[40, 140, 40, 120],
    )  # fmt: skip


def test_a_face_is_prepared_once_and_then_loaded(settings, tmp_path, capsys) -> None:
    file = tmp_path / "kept.avatar"
    first = make_avatar(replace(settings, avatar=str(file)))
    assert str(file) in capsys.readouterr().out
    again = make_avatar(replace(settings, face=str(file), box=None))
    assert isinstance(again, Avatar)
    np.testing.assert_array_equal(again.plan.boxes, [[40, 40, 120, 140]])
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 8000).astype(np.float32)
    np.testing.assert_array_equal(list(again.stream([samples])), list(first.stream([samples])))


def test_what_live_cannot_do_is_one_sentence(settings, monkeypatch) -> None:
    for changed, words in (
        ({"published": True}, "published=true"),
        ({"face": "nowhere.png"}, "nowhere.png"),
    ):
        with pytest.raises(UserError, match=words):
            make_avatar(replace(settings, **changed))
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "w2l.cli.live_server", raising=False)
    with pytest.raises(UserError, match=r"aiohttp.*w2l\[live\]"):
        live(settings)
