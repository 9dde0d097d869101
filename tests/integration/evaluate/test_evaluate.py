"""Scores of small videos by `evaluate.py`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.integration.evaluate.made import ADDRESS, write_video
from tests.unit.scoring.test_judges import Sees, script
from w2l.audio.waveform import load_audio
from w2l.checkpoints import load_syncnet
from w2l.files import sha256
from w2l.scoring import SyncScorer
from w2l.video import VideoReader
from w2l.weights import registry


def test_folder_with_good_and_bad_clips(clips, evaluate, capsys, tmp_path):
    got = evaluate(video=clips)
    assert (got["protocol"], got["n_scored"], got["n_failed"]) == ("track", 1, 4)
    errors = {Path(clip["path"]).name: clip.get("error") for clip in got["clips"]}
    assert errors.pop("good #1.mp4") is None
    reasons = {"silent": "no sound", "faceless": "no face", "tiny": "min_track_frames",
               "truncated": "check that it plays"}  # fmt: skip
    for name, part in reasons.items():
        assert part in errors[f"{name}.mp4"], name
    good = got["clips"][0]
    assert good["n_frames"] == 30
    assert good["cosine"]["count"] == 26
    assert good["tracks"][0]["cosine"] == good["cosine"]
    assert len(got["weights"]["detector"]["sha256"]) == 64
    assert got["settings"]["detector_arguments"] == {}
    assert good["lse_d"] is None
    assert "syncnet=none" in good["lse_reason"]
    out = capsys.readouterr().out
    assert "1 scored (1 face), 4 failed" in out
    assert out.count("failed: ") == 4
    assert "judge ↑" in out
    (folder,) = (tmp_path / "outputs" / "evaluate").iterdir()
    names = {
        "scores.json", "scores.csv", "scores.parquet", "scores.html", "scores.md", "scores.tex",
        "scores_means.csv",
        good["plot"],
    }  # fmt: skip
    assert {path.name for path in folder.iterdir()} == names
    assert "1 clips scored, 1 tracks; 4 clips failed" in (folder / "scores.html").read_text()
    assert cv2.imread(str(folder / good["plot"])) is not None
    assert list(tmp_path.iterdir()) == [tmp_path / "outputs"]


def test_strict_fails_after_writing(clips, evaluate, capsys, tmp_path):
    (tmp_path / "list.txt").write_text(f"{clips / 'good #1.mp4'}\n{clips / 'tiny.mp4'}\n")
    output = tmp_path / "new folder" / "my.json"
    with pytest.raises(SystemExit) as stopped:
        evaluate(video="list.txt", strict="true", output=output, box=[40, 150, 40, 150])
    assert stopped.value.code == 1
    assert json.loads(output.read_text())["n_failed"] == 1
    assert "1 of 2 videos failed" in capsys.readouterr().err


def test_syncnet_scores_are_the_scorers(clips, networks, evaluate):
    video, weights = clips / "tiny.mp4", networks / "syncnet_v2.model"
    got = evaluate(video=video, protocol="lrs", syncnet=weights, plots="false", box=[9, 99, 9, 99])
    scorer = SyncScorer(load_syncnet(weights))
    want = scorer.lse(VideoReader(video, fps=25), load_audio(video, origin="video"))
    clip = got["clips"][0]
    for name in ("lse_d", "lse_c", "offset", "lse_d_at_0", "lse_c_at_0"):
        assert clip[name] == pytest.approx(getattr(want.lse, name), rel=1e-5), name
        assert got["mean"][name] == pytest.approx(clip[name])
    assert clip["n_windows"] == want.n_windows == clip["n_frames"] - 5 == 3
    assert clip["syncnet_cosine"]["at_0"] == pytest.approx(want.cosine_at_0, rel=1e-4)
    assert clip["cosine"]["count"] == 4
    assert clip["plot"] is None
    assert len(got["weights"]["syncnet"]["sha256"]) == 64


def test_without_the_released_syncnet_the_expert_still_scores(clips, evaluate, capsys):
    got = evaluate(video=clips / "good #1.mp4", syncnet=None)  # the default, a registry name
    clip = got["clips"][0]
    assert clip["lse_d"] is clip["offset"] is clip["syncnet_cosine"] is None
    assert ADDRESS in clip["lse_reason"]
    assert clip["cosine"]["count"] == 26
    assert got["n_failed"] == 0
    assert ADDRESS in capsys.readouterr().out


def test_where_no_expert_is_named_the_judge_that_comes_with_w2l_scores(clips, networks, evaluate):
    settings = {"video": clips / "tiny.mp4", "protocol": "lrs", "box": [9, 99, 9, 99],
                "expert": None, "syncnet": networks / "syncnet_v2.model"}  # fmt: skip
    clip = evaluate(**settings | {"expert": "none"})["clips"][0]
    assert clip["cosine"] is None
    assert "switched off by expert=none" in clip["cosine_reason"]
    assert clip["lse_d"] > 0
    newest = Path("outputs/train/run/last.ckpt")
    newest.parent.mkdir(parents=True)
    newest.write_bytes((networks / "expert.ckpt").read_bytes())
    got = evaluate(**settings)  # one that lies around is not taken
    assert Path(got["weights"]["expert"]["file"]).name == "judge_small.safetensors"
    assert got["clips"][0]["cosine"]["count"] == 4
    assert got["clips"][0]["judged"] is False, "four windows tell nothing"
    ours = evaluate(**settings | {"expert": newest})["clips"][0]
    assert ours["cosine"]["count"] == 4
    assert ours["judged"] is None, "from where on is not known of it"
    # Each time a new name, and nothing of the runs before.
    assert sorted(str(p) for p in Path("outputs/evaluate").glob("*/scores.json")) == [
        f"outputs/evaluate/tiny{end}/scores.json" for end in ("", "_2", "_3")
    ]


def test_a_named_output_is_rid_of_the_scores_before(clips, evaluate, tmp_path):
    output = tmp_path / "scores.json"
    common = {"output": output, "protocol": "lrs", "box": [9, 99, 9, 99]}
    evaluate(video=clips / "good #1.mp4", **common)
    (plot,) = tmp_path.glob("scores_*.png")
    (tmp_path / "scores_mine.png").touch()
    got = evaluate(video=clips / "tiny.mp4", report="false", **common)
    assert not plot.exists()
    assert not (tmp_path / "scores.html").exists()
    assert (tmp_path / "scores_mine.png").exists()
    assert got["clips"][0]["plot"] == "scores_tiny.png"


def test_results_do_not_tell_whose_machine_it_was(clips, networks, evaluate, tmp_path):
    for name, file in (("a.mp4", clips / "tiny.mp4"), ("expert.ckpt", networks / "expert.ckpt")):
        (tmp_path / name).write_bytes(file.read_bytes())
    output = tmp_path / "x" / "scores.json"
    got = evaluate(
        video=tmp_path / "a.mp4", expert=tmp_path / "expert.ckpt", output=output, protocol="lrs",
        box=[9, 99, 9, 99],
    )  # fmt: skip
    assert got["clips"][0]["path"] == "a.mp4"
    assert got["weights"]["expert"]["file"] == "expert.ckpt"
    for file in ("scores.csv", "scores.parquet", "scores.json"):
        assert str(tmp_path).encode() not in (output.parent / file).read_bytes()


@pytest.mark.parametrize(("speakers", "told"), [(3, True), (50, False), (None, False)])
def test_an_expert_of_few_speakers_is_told_of(
    clips, networks, evaluate, capsys, tmp_path, speakers, told
):
    content = torch.load(networks / "expert.ckpt")
    content["w2l"]["speakers"] = speakers
    torch.save(content, tmp_path / "few.ckpt")
    got = evaluate(
        video=clips / "good #1.mp4", expert=tmp_path / "few.ckpt", box=[40, 150, 40, 150]
    )
    assert got["weights"]["expert"].get("speakers") == speakers
    assert ("was trained on 3 speakers" in capsys.readouterr().out) is told


def test_another_sound(clips, evaluate, tmp_path):
    write_video(tmp_path / "other.mp4", np.zeros((32, 32, 3), np.uint8), 1.0)
    got = evaluate(
        video=clips / "good #1.mp4", audio=tmp_path / "other.mp4", box=[40, 150, 40, 150]
    )
    assert got["clips"][0]["cosine"]["count"] == 21  # as long as that sound
    assert got["settings"]["audio"] == "other.mp4"  # as seen from the folder


def test_published_switch(clips, networks, evaluate):
    """lrs needs no detector for LSE, and a missing one costs only the cosine."""
    got = evaluate(video=clips / "tiny.mp4", protocol="lrs", published="true",
                   syncnet=networks / "syncnet_v2.model")  # fmt: skip
    settings = got["settings"]
    assert settings["published"] is settings["jpeg"] is True
    assert settings["convert_rate"] is settings["keep_offset"] is False
    assert (settings["min_track_frames"], settings["min_face_size"]) == (100, 100)
    assert (settings["detector"], settings["detect_every"]) == ("s3fd", 1)
    assert got["clips"][0]["lse_d"] > 0
    assert "s3fd cannot be downloaded" in got["clips"][0]["cosine_reason"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"video": "gone.mp4"}, "gone.mp4: there is no such file"),
        ({"video": "{clips}/notes.md"}, "no media file"),
        ({"video": "{clips}/silent.mp4"}, "no sound"),
        ({"video": "{clips}/sub/faceless.mp4"}, "no face in any frame"),
        ({"video": "{clips}/tiny.mp4", "protocol": "lrs", "box": [9, 99, 9, 99]}, None),
        ({"video": "."}, "no video in the folder"),
        ({"video": "{clips}", "protocol": "lrw"}, "choose track or lrs"),
        ({"video": "{clips}", "audio": "gone.wav"}, "audio=gone.wav"),
        ({"video": "{clips}", "expert": "{networks}/generator.ckpt"}, "generator"),
        ({"video": "{clips}", "expert": "{networks}/gone.ckpt"}, "gone.ckpt"),
        ({"video": "{clips}", "syncnet": "{networks}/expert.ckpt"}, "expert"),
        ({"video": "{clips}", "syncnet": None, "expert": "none"}, "no network to score with"),
        ({"video": "{clips}", "detector": "eyes"}, "detector=eyes"),
        ({"video": "{clips}", "detect_every": 0}, "detect_every=0"),
        ({"video": "{clips}", "min_face_score": "null"}, "min_face_score=null must be a"),
        ({"video": "{clips}", "output": "scores.csv"}, "scores.csv"),
        ({"video": "{clips}", "box": "[a,b]"}, "box=['a', 'b'] must be four whole numbers"),
        ({"video": "{clips}", "box": "word"}, "box=word must be four whole numbers"),
        ({"video": "{clips}", "output": "{clips}/notes.md/scores.json"}, "Cannot write"),
        ({"video": "{clips}", "stict": "true"}, "did you mean 'strict'"),
        ({}, "video=…"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(settings, message, clips, networks, evaluate, capsys):
    filled = {key: value.format(clips=clips, networks=networks) if isinstance(value, str) else value
              for key, value in settings.items()}  # fmt: skip
    if message is None:  # 0.3 s are enough for a few windows of the whole frame
        assert evaluate(**filled)["n_scored"] == 1
        return
    with pytest.raises(SystemExit) as stopped:
        evaluate(**filled)
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert len([line for line in error.splitlines() if line.strip()]) == 1


def test_a_judge_of_ones_own_scores_without_any_network_for_sync(clips, evaluate, tmp_path, capsys):
    network = script(Sees(), tmp_path / "sees.pt")
    given = {"expert": "none", "judge": network, "box": [40, 150, 40, 150]}
    got = evaluate(video=clips / "good #1.mp4", **given)
    assert (got["n_scored"], got["n_failed"], got["judge"]["n_scored"]) == (0, 0, 1)
    assert got["clips"][0]["tracks"] == []
    (folder,) = Path("outputs/evaluate").iterdir()
    assert [*folder.glob("*.png")] == []
    assert "| score (own judge) |" in (folder / "scores.md").read_text()
    page = (folder / "scores.html").read_text()
    assert "judge=sees.pt" in page
    assert "1 clips, without a network for lip sync." in page
    value = f"{got['judge']['mean']['score']:.3f}"
    assert page.count(value) >= 3, "summary, row and mean"
    with pytest.raises(SystemExit):
        evaluate(video=clips / "silent.mp4", **given)
    assert "cannot be judged: it has no audio" in capsys.readouterr().err


def test_weights_that_are_not_the_published_ones_are_told_of(
    clips, networks, evaluate, capsys, monkeypatch
):
    """By their hash, and by scores that no real video has; of the published ones nothing is."""
    given = {"syncnet": networks / "syncnet_v2.model", "expert": "none", "plots": "false"}
    scores = evaluate(video=clips / "good #1.mp4", **given)
    got = scores["clips"][0]
    assert scores["weights"]["syncnet"]["published"] is False
    shown = " ".join(capsys.readouterr().out.split())
    assert "syncnet_v2.model is not the published SyncNet v2" in shown
    assert got["lse_d"] < 2 or got["lse_d"] > 25
    assert "no real video is known to score like" in shown
    assert f"(LSE-D {got['lse_d']:.1f}, LSE-C {got['lse_c']:.1f}; 1 of 1 faces)" in shown
    known = registry()["syncnet_v2"]
    entry = replace(known, sha256=sha256(networks / "syncnet_v2.model"))
    monkeypatch.setattr("w2l.cli.evaluate.registry", lambda: {"syncnet_v2": entry})
    evaluate(video=clips / "good #1.mp4", **given)
    assert "not the published" not in capsys.readouterr().out


def test_a_preset_is_recorded_whole_and_gives_way_to_what_is_said(clips, evaluate):
    """By the expert alone: the chain is of the images that it sees, too."""
    got = evaluate(
        video=clips / "good #1.mp4", preset="wav2lip", detector="centerface", min_track_frames=20,
        min_face_size=20, plots="false", report="false", **{"~chain.crops.xvid": None},
    )  # fmt: skip
    settings, clip = got["settings"], got["clips"][0]
    assert (settings["preset"], settings["precision"], settings["video_score"]) == (
        "wav2lip", "float32", "mean",
    )  # fmt: skip
    assert [*settings["chain"]["crops"]] == ["jpeg"]
    assert settings["chain"]["file"] == {
        "_target_": "w2l.video.rewritten.Avi", "quantizer": 2, "threads": 1,
    }  # fmt: skip
    assert (settings["min_track_frames"], settings["min_face_score"]) == (20, 0.5)
    assert clip["n_frames"] == 30
    assert clip["video"]["cosine"] == clip["cosine"]["mean"]
