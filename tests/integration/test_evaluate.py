"""`evaluate.py` as a user runs it, on small videos and a narrow untrained expert."""

from __future__ import annotations

import json
import shutil
import sys
import wave
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.parity.published import state_dict
from tests.unit.scoring import test_identity, test_landmarks
from w2l.audio.waveform import load_audio
from w2l.checkpoints import load_syncnet
from w2l.cli.evaluate import main
from w2l.errors import UserError
from w2l.files import sha256
from w2l.models import Expert, FidInception, Generator
from w2l.scoring import SyncScorer
from w2l.video import AudioTrack, VideoReader, VideoWriter

ADDRESS = "https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model"


def write_video(path: Path, picture: np.ndarray, seconds: float, sound: bool = True) -> None:
    """The picture, swaying, with a changing tone."""
    path.parent.mkdir(exist_ok=True)
    n = round(seconds * 25)
    t = np.arange(n * 640) / 16000
    tone = (np.sin(2 * np.pi * 220 * t * (1 + t)) * 9000 * np.abs(np.sin(9 * t))).astype("<i2")
    wav = path.with_suffix(".wav")
    with wave.open(str(wav), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(tone.tobytes())
    height, width = picture.shape[:2]
    track = AudioTrack(wav) if sound else None
    with VideoWriter(path, Fraction(25), (width, height), track, codec="h264") as writer:
        for i in range(n):
            writer.write(np.roll(picture, round(3 * np.sin(i / 4)), axis=1))
    wav.unlink()


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
    monkeypatch.setattr("w2l.cli.evaluate.fetch", unreachable)

    def run(**settings) -> dict:
        given = {"device": "cpu", "expert": networks / "expert.ckpt", "syncnet": "none", **settings}
        arguments = [f"{key}={value}" for key, value in given.items() if value is not None]
        monkeypatch.setattr(sys, "argv", ["evaluate.py", *arguments])
        main()
        return json.loads(Path(given.get("output", "outputs/evaluate/scores.json")).read_text())

    return run


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
    assert got["settings"]["detect_scale"] == 1
    assert good["lse_d"] is None
    assert "syncnet=none" in good["lse_reason"]
    out = capsys.readouterr().out
    assert "1 scored (1 tracks), 4 failed" in out
    assert out.count("failed: ") == 4
    assert "cosine ↑" in out
    folder = tmp_path / "outputs" / "evaluate"
    names = {"scores.json", "scores.csv", "scores.parquet", "scores.html", good["plot"]}
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


def test_without_an_expert_the_cosine_is_null(clips, networks, evaluate):
    settings = {"video": clips / "tiny.mp4", "protocol": "lrs", "box": [9, 99, 9, 99],
                "expert": None, "syncnet": networks / "syncnet_v2.model"}  # fmt: skip
    clip = evaluate(**settings)["clips"][0]
    assert clip["cosine"] is None
    assert "no expert under outputs/" in clip["cosine_reason"]
    assert clip["lse_d"] > 0
    newest = Path("outputs/train/run/last.ckpt")
    newest.parent.mkdir(parents=True)
    newest.write_bytes((networks / "expert.ckpt").read_bytes())
    assert evaluate(**settings)["clips"][0]["cosine"]["count"] == 4


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
    assert got["settings"]["audio"] == str(tmp_path / "other.mp4")


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
        ({"video": "{clips}", "min_face_score": "null"}, "min_face_score=None must be a number"),
        ({"video": "{clips}", "output": "scores.csv"}, "scores.csv"),
        ({"video": "{clips}", "box": "[a,b]"}, "box=['a', 'b'] must be four numbers"),
        ({"video": "{clips}", "box": "word"}, "box must be a list"),
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


def test_pictures_beside_a_reference(clips, evaluate, tmp_path, capsys):
    """A video beside itself: nothing differs; random weights give no FID."""
    torch.manual_seed(0)
    weights = tmp_path / "inception.pth"
    torch.save(FidInception().state_dict(), weights)
    good = clips / "good #1.mp4"
    given = {"video": good, "reference": good, "report": "true", "plots": "false"}
    got = evaluate(**given, metrics="[psnr,ssim,mouth,fid,flicker]", inception=weights)["pictures"]
    assert got["setting"] == "reconstruction"
    assert got["mean"]["ssim"] == pytest.approx(1)
    assert got["mean"]["psnr"] > 90  # every frame is equal: as if by one level in one value
    assert set(got["count"].values()) == {1}
    assert got["mean"]["mouth"] == 0
    assert got["mean"]["flicker"] > 0
    assert "fid" not in got
    assert got["frechet_distance_stand_in"] == pytest.approx(0, abs=1e-3)
    assert (got["n_generated"], got["enough_pictures"]) == (6, False)
    out = capsys.readouterr().out
    assert "no FID" in out
    assert got["protocol"] in out.replace("\n", " ")
    assert got["protocol"].split(";")[0] in Path("outputs/evaluate/scores.html").read_text()


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


def test_scores_are_written_where_no_picture_can_be_compared(clips, evaluate, capsys, tmp_path):
    """All of it, before it ends with the reason."""
    good, faceless = clips / "good #1.mp4", clips / "sub" / "faceless.mp4"
    with pytest.raises(SystemExit):
        evaluate(video=good, reference=faceless, metrics="psnr")
    assert "No video could be compared with its reference. " in capsys.readouterr().err
    folder = tmp_path / "outputs/evaluate"
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


def test_scores_are_on_the_disk_before_pictures_are_compared(
    clips, evaluate, monkeypatch, tmp_path
):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("w2l.cli.evaluate_pictures.compare_pairs", killed)
    good = clips / "good #1.mp4"
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        evaluate(video=good, reference=good, metrics="[psnr]", plots="false")
    assert json.loads((tmp_path / "outputs/evaluate/scores.json").read_text())["n_scored"] == 1
    assert (tmp_path / "outputs/evaluate/scores.parquet").is_file()


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
        ({"setting": "odd"}, "setting=odd is not known"),
    ],
)
def test_pictures_that_cannot_be_compared(clips, evaluate, capsys, settings, part):
    good = clips / "good #1.mp4"
    with pytest.raises(SystemExit):
        evaluate(video=good, reference=good, plots="false", report="false", **settings)
    assert part in capsys.readouterr().err


def test_who_speaks(clips, networks, evaluate, tmp_path, capsys):
    """The one face of a clip is given the one voice; decided only where there is a threshold."""
    good = clips / "good #1.mp4"
    file = tmp_path / "c.json"
    expert = sha256(networks / "expert.ckpt")
    measured = {"score": "similarity", "threshold": 2, "expert": {"sha256": expert}}
    file.write_text(json.dumps(measured))
    got = evaluate(video=good, voices="own", calibration=file, plots="false")["clips"][0]
    (face,) = got["speakers"]["faces"]
    assert (face["face"], face["speaks"], face["belongs"]) == (1, "own", [False])
    assert len(face["similarity"]) == len(got["speakers"]["voices"]) == 1
    assert "Who speaks" in capsys.readouterr().out
    file.write_text(json.dumps(measured | {"expert": {"sha256": "another's"}}))
    with pytest.raises(SystemExit):
        evaluate(video=good, voices="own", calibration=file)
    assert "c.json was measured with another expert" in capsys.readouterr().err
    file.write_text("[]")
    with pytest.raises(SystemExit):
        evaluate(video=good, voices="own", calibration=file)
    assert "is not a calibration" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        evaluate(video=good, voices="[gone.wav]")
    assert "voices=gone.wav is not a file" in capsys.readouterr().err


def test_calibration(clips, evaluate, tmp_path, capsys):
    with pytest.raises(SystemExit):
        evaluate(video=clips, calibrate="true")
    assert "at least two clips" in capsys.readouterr().err
