"""The small networks that come with the package, and the names that stand for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from w2l import weights
from w2l.checkpoints import chosen_generator, export_safetensors, load_expert, read, resolve
from w2l.files import sha256
from w2l.models import Expert
from w2l.scoring.calibration import load_calibration
from w2l.weights.catalog import FOLDER, GENERATOR, JUDGE, judge_believes, shipped

HEAVIEST = 12e6  # bytes, all together


def test_each_is_there_with_its_card_and_all_are_light() -> None:
    assert set(shipped()) == {JUDGE, GENERATOR, "syncnet_small"}
    assert sum(path.stat().st_size for path in shipped().values()) < HEAVIEST
    for name, path in shipped().items():
        assert resolve(name) == path
        card = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        for said in ("CC BY 4.0", "Cooke, Barker, Cunningham, Shao", "Consent", "seed", "Known"):
            assert said.lower() in card.lower() or "as judge_small" in card.lower(), (name, said)
        checkpoint = read(path)
        assert checkpoint.speakers == 13
        assert all(bool(t.isfinite().all()) for t in checkpoint.state_dict.values())


@torch.inference_mode()
def test_the_judge_hears_which_sound_belongs_to_lips_that_move_with_it() -> None:
    """Both shipped experts are loaded as what they are, in float32."""
    for name in (JUDGE, "syncnet_small"):
        expert = load_expert(name)
        assert {p.dtype for p in expert.parameters()} == {torch.float32}
        assert expert.config["image_size"] == 64
    assert read(shipped()[GENERATOR]).config["skip"] is True


def test_auto_is_the_released_generator_only_where_it_was_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("W2L_WEIGHTS_DIR", str(tmp_path))
    assert chosen_generator("auto") == GENERATOR
    (tmp_path / weights.registry()["wav2lip_gan"].file_name).write_bytes(b"x")
    assert chosen_generator("auto") == "wav2lip_gan"
    assert chosen_generator("mine.ckpt") == "mine.ckpt"


def test_the_calibration_is_of_the_judge_that_ships() -> None:
    path = FOLDER / f"{JUDGE}_calibration.json"
    assert load_calibration(path, sha256(shipped()[JUDGE])).threshold > 0
    assert "/tmp" not in path.read_text(encoding="utf-8")  # no path of a machine


def test_longer_clips_are_believed_at_lower_confidence() -> None:
    assert judge_believes(0.5, 70)
    assert not judge_believes(0.3, 70)
    assert judge_believes(0.3, 280)
    assert not judge_believes(0.5, 20)


def test_half_is_half_the_size_and_the_same_to_a_thousandth(tmp_path: Path) -> None:
    torch.manual_seed(0)
    expert = Expert(1 / 8, 48, last_relu=False, motion=True).eval()
    for parameter in (p for p in expert.parameters() if p.dim() == 1):
        torch.nn.init.uniform_(parameter, 0.1, 1)
    stated = {"network": "expert", "config": expert.config}
    torch.save({"state_dict": expert.state_dict(), "w2l": stated}, tmp_path / "e.ckpt")
    for half in (False, True):
        export_safetensors(tmp_path / "e.ckpt", tmp_path / f"{half}.safetensors", half=half)
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (False, True)]
    assert 0.5 < sizes[1] / sizes[0] < 0.65  # norms stay as they are
    assert (tmp_path / "True.safetensors").stat().st_mode & 0o044 == 0o044  # all may read it
    face = torch.rand(2, 15, 24, 48)
    with torch.inference_mode():
        loaded = load_expert(tmp_path / "True.safetensors")
        near = (loaded.embed_face(face) * expert.embed_face(face)).sum(dim=1)
    assert float(near.min()) > 0.999
