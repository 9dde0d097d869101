"""`w2l doctor published=DIR`, with stand-ins for the released files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from w2l.__main__ import main
from w2l.cli import doctor_published
from w2l.cli.doctor_published import ANSWERS, FRAMES
from w2l.files import sha256
from w2l.models import Generator
from w2l.weights import registry


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a generator of ours under a released one's name, whose hash is then right."""
    torch.manual_seed(0)
    file = tmp_path / "wav2lip_gan.pth"
    torch.save({"state_dict": Generator(width=1 / 16).state_dict()}, file)
    known = dict(registry())
    known["wav2lip_gan"] = replace(known["wav2lip_gan"], sha256=sha256(file))
    monkeypatch.setattr(doctor_published, "registry", lambda: known)
    return tmp_path


@pytest.mark.long
def test_hashes_and_frames_pass_and_fail(released: Path, capsys) -> None:
    run = ["doctor", f"published={released}"]
    assert main(run) == 0
    told = capsys.readouterr().out
    assert "pass  hash of wav2lip_gan" in told
    assert "-     SyncNet on example.avi: no example.avi, syncnet_v2.model" in told
    assert "-     frames by wav2lip_gan: stored in frames.json" in told
    assert main(run) == 0
    told = capsys.readouterr().out
    assert "pass  frames by wav2lip_gan: at most 0.00 levels" in told
    assert "2 of 2 checks passed" in told
    stored = json.loads((released / FRAMES).read_text())
    blocks = np.array(stored["wav2lip_gan"]["blocks"])
    assert blocks.shape == (5, 36, 45, 3)
    stored["wav2lip_gan"]["blocks"] = (blocks + 3).tolist()
    (released / FRAMES).write_text(json.dumps(stored))
    (released / "sfd_face.pth").write_bytes(b"another file")
    assert main(run) == 1
    told = capsys.readouterr().out
    assert "FAIL  frames by wav2lip_gan: at most 3.00 levels" in told
    assert "FAIL  hash of sfd_face" in told


def test_syncnets_answer_is_compared(released: Path, monkeypatch, capsys) -> None:
    for name in ("example.avi", "syncnet_v2.model"):
        (released / name).write_bytes(b"stand-in")
    answer = ANSWERS[0]
    found = {"offset": answer.offset, "lse_d": answer.lse_d + 0.02, "lse_c": answer.lse_c}
    asked = []

    def scores(video: Path, settings: dict) -> dict:
        asked.append((video.name, settings["protocol"], Path(settings["syncnet"]).name))
        return found

    monkeypatch.setattr(doctor_published, "scores", scores)
    monkeypatch.setattr(doctor_published, "GENERATORS", ())
    main(["doctor", f"published={released}"])
    assert (
        "pass  SyncNet on example.avi: offset 3 (3), LSE-D 5.373 (5.353)" in capsys.readouterr().out
    )
    assert asked == [("example.avi", "lrs", "syncnet_v2.model")]
    for key, value in (("offset", 4), ("lse_d", 5.5), ("lse_c", 9.8)):
        found[key], before = value, found[key]
        assert main(["doctor", f"published={released}"]) == 1
        assert "FAIL  SyncNet on example.avi" in capsys.readouterr().out
        found[key] = before


def test_nothing_there_is_told(tmp_path: Path, capsys) -> None:
    assert main(["doctor", f"published={tmp_path}"]) == 1
    assert "has none of the released files" in capsys.readouterr().out
    assert main(["doctor", f"published={tmp_path / 'no'}"]) == 1
    assert "is not a folder" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["doctor", "foo=1"])
