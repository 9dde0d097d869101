"""Images compared with a reference by `evaluate.py`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.unit.scoring import test_identity, test_landmarks
from w2l.files import sha256
from w2l.models import FidInception


def test_images_beside_a_reference(clips, evaluate, capsys):
    """A video beside itself: nothing differs."""
    good = clips / "good #1.mp4"
    given = {"video": good, "reference": good, "report": "true", "plots": "false"}
    got = evaluate(**given, metrics="[psnr,ssim,mouth,flicker]")["pictures"]
    assert got["setting"] == "reconstruction"
    assert got["mean"]["ssim"] == pytest.approx(1)
    assert got["mean"]["psnr"] > 90  # every frame is equal: as if by one level in one value
    assert set(got["count"].values()) == {1}
    assert got["mean"]["mouth"] == 0
    assert got["mean"]["flicker"] > 0
    assert got["protocol"] in capsys.readouterr().out.replace("\n", " ")
    assert got["protocol"].split(";")[0] in Path("outputs/evaluate/good #1/scores.html").read_text()


@pytest.mark.long
def test_random_weights_give_no_fid(clips, evaluate, tmp_path, capsys):
    torch.manual_seed(0)
    weights = tmp_path / "inception.pth"
    torch.save(FidInception().state_dict(), weights)
    good = clips / "good #1.mp4"
    got = evaluate(video=good, reference=good, metrics="fid", inception=weights)["pictures"]
    assert "fid" not in got
    assert got["frechet_distance_stand_in"] == pytest.approx(0, abs=1e-3)
    assert (got["n_generated"], got["enough_pictures"]) == (6, False)
    assert "no FID" in capsys.readouterr().out


def test_identity_and_landmarks_come_from_files(clips, evaluate, tmp_path, capsys):
    """A video beside itself again; stand-in networks, whose hashes are written down."""
    face, _ = test_identity.network(tmp_path / "my face.onnx")
    fan = test_landmarks.saved(test_landmarks.Blobs(), tmp_path / "fan.zip")
    good = clips / "good #1.mp4"
    given = {"video": good, "reference": good, "plots": "false", "identity": face, "landmarks": fan}
    got = evaluate(**given, metrics="[identity,lmd]")["pictures"]
    assert got["mean"] == {"identity": pytest.approx(1), "lmd": pytest.approx(0)}
    assert got["identity"]["sha256"] == sha256(face)
    assert got["landmarks"]["sha256"] == sha256(fan)
    assert "every 5th frame where the detector finds five" in capsys.readouterr().out
    other = evaluate(**given, setting="cross")["pictures"]
    assert list(other["mean"]) == ["identity", "silence", "flicker"]


def test_scores_are_written_where_no_image_can_be_compared(clips, evaluate, capsys, tmp_path):
    """All of it, before it ends with the reason."""
    good, faceless = clips / "good #1.mp4", clips / "sub" / "faceless.mp4"
    with pytest.raises(SystemExit):
        evaluate(video=good, reference=faceless, metrics="psnr")
    assert "No video could be compared with its reference. " in capsys.readouterr().err
    folder = tmp_path / "outputs/evaluate/good #1"
    got = json.loads((folder / "scores.json").read_text())
    assert got["n_scored"] == 1
    assert got["pictures"]["mean"] == {"psnr": None}
    assert "must be of one size" in got["pictures"]["clips"][0]["error"]
    assert (folder / "scores.csv").is_file()
    assert "must be of one size" in (folder / "scores.html").read_text()


def test_strict_fails_where_a_pair_is_not_compared(clips, evaluate, capsys, tmp_path):
    """The videos can be scored, and one of two references is of another size."""
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(clips / "good #1.mp4", tmp_path / name)
    references = tmp_path / "references"
    references.mkdir()
    shutil.copy(tmp_path / "a.mp4", references / "a.mp4")
    shutil.copy(clips / "sub" / "faceless.mp4", references / "b.mp4")
    listed = tmp_path / "both.txt"
    listed.write_text("a.mp4\nb.mp4\n")
    given = {"video": listed, "reference": references, "metrics": "psnr", "plots": "false"}
    assert evaluate(**given)["pictures"]["n_failed"] == 1
    assert "1 pairs compared, 1 not." in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        evaluate(**given, strict="true")
    assert stopped.value.code == 1
    assert "0 of 2 videos failed, 0 faces were skipped and 1 of 2 pairs were not compared" in (
        capsys.readouterr().err
    )
    (references / "b.mp4").write_bytes((references / "a.mp4").read_bytes())
    assert evaluate(**given, strict="true")["pictures"]["n_failed"] == 0


def test_scores_are_on_the_disk_before_images_are_compared(clips, evaluate, monkeypatch, tmp_path):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("w2l.cli.evaluate_images.compare_pairs", killed)
    good = clips / "good #1.mp4"
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        evaluate(video=good, reference=good, metrics="[psnr]", plots="false")
    folder = tmp_path / "outputs/evaluate/good #1"
    assert json.loads((folder / "scores.json").read_text())["n_scored"] == 1
    assert (folder / "scores.parquet").is_file()


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"metrics": "[fid]", "inception": "gone.pth"}, "gone.pth"),
        ({"metrics": "[lpips]", "lpips": "[gone.pth,heads.pth]"}, "gone.pth"),
        ({"lpips": "gone.pth"}, "two files"),
        ({"metrics": "[identity]", "identity": "gone.onnx"}, "gone.onnx"),
        ({"metrics": "[lmd]", "landmarks": "gone.zip"}, "gone.zip"),
        ({"protocol": "lrs", "detector": "s3fd"}, "s3fd cannot be downloaded"),
    ],
)
def test_a_wrong_file_is_told_of_before_anything_is_scored(
    clips, networks, evaluate, capsys, monkeypatch, settings, part
):
    def too_early(*_):
        raise AssertionError

    monkeypatch.setattr("w2l.cli.evaluate.evaluate", too_early)
    good = clips / "good #1.mp4"
    with pytest.raises(SystemExit):
        evaluate(video=good, reference=good, syncnet=networks / "syncnet_v2.model", **settings)
    assert part in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"setting": "cross", "metrics": "[psnr]"}, "no target"),
        ({"metrics": "[fid]"}, "needs its weights"),
        ({"metrics": "[beauty]"}, "metrics=beauty is not known"),
        ({"setting": "odd"}, "setting=odd is not available: choose reconstruction or cross."),
    ],
)
def test_images_that_cannot_be_compared(clips, evaluate, capsys, settings, part):
    good = clips / "good #1.mp4"
    with pytest.raises(SystemExit):
        evaluate(video=good, reference=good, plots="false", report="false", **settings)
    assert part in capsys.readouterr().err
