"""`infer.py` as a user runs it, with a narrow untrained generator."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.unit.restoration import graphs
from tests.writing import save_network, write_wav
from w2l.audio.waveform import load_audio
from w2l.cli.infer import main
from w2l.inference.blending import coverage, mouth_mask
from w2l.models import Expert, Generator
from w2l.video import AudioTrack, VideoReader, VideoWriter, probe

BOX = (20, 90, 30, 100)  # top, bottom, left, right


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A moving image of 1 s, a second of sound, a generator and an expert."""
    folder = tmp_path_factory.mktemp("infer it's")
    rng = np.random.default_rng(0)
    noise = cv2.resize(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), (160, 120))
    with VideoWriter(folder / "face (1).mkv", Fraction(25), (160, 120), codec="ffv1") as writer:
        for i in range(25):
            writer.write(np.roll(noise, i, axis=1))
    t = np.arange(24000) / 16000
    write_wav(folder / "voice.of b.wav", 0.3 * np.sin(2 * np.pi * 220 * t * (1 + t)))
    torch.manual_seed(0)
    generator = Generator(width=0.125)
    save_network(generator, "generator", folder / "generator.ckpt")
    save_network(Expert(width=0.125), "expert", folder / "expert.ckpt")
    return folder


def infer(folder, monkeypatch, **settings) -> None:
    given = {
        "face": folder / "face (1).mkv",
        "audio": folder / "voice.of b.wav",
        "checkpoint": folder / "generator.ckpt",
        "device": "cpu",
        **settings,
    }
    arguments = [f"{key}={value}" for key, value in given.items() if value is not None]
    monkeypatch.setattr(sys, "argv", ["infer.py", *arguments])
    main()


def frames_of(path: Path) -> list[np.ndarray]:
    return list(VideoReader(path))


def test_lossless_output_changes_nothing_but_the_mouth(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "new folder" / "out.mkv"
    infer(folder, monkeypatch, outfile=out, codec="ffv1", box=list(BOX))
    source, written = frames_of(folder / "face (1).mkv"), frames_of(out)
    assert len(written) == 38  # ceil(1.5 · 25)
    order = [*range(25), *range(23, 10, -1)]  # ping-pong
    top, bottom, left, right = BOX
    for i, (frame, index) in enumerate(zip(written, order, strict=True)):
        changed = (frame != source[index]).any(axis=2)
        inside = changed[(top + bottom) // 2 : bottom, left:right]
        assert changed.sum() == inside.sum(), f"frame {i}"
        assert inside.mean() > 0.5, f"frame {i}"
    np.testing.assert_array_equal(load_audio(out), load_audio(folder / "voice.of b.wav"))
    assert "38 of 38 frames synced" in capsys.readouterr().out


@pytest.mark.parametrize("quality", ["fast", "improved", "enhanced"])
def test_every_quality_keeps_the_pixels_outside_its_mask(folder, tmp_path, monkeypatch, quality):
    """The whole box in fast, its lower half in the others, also with an aligned restorer."""
    out, settings = tmp_path / "out.mkv", {}
    if quality == "enhanced":
        settings = {"restorer": graphs.inverse(tmp_path / "inverse.onnx")}
    infer(folder, monkeypatch, outfile=out, codec="ffv1", box=list(BOX), audio_end=0.4,
          quality=quality, **settings)  # fmt: skip
    source, written = frames_of(folder / "face (1).mkv"), frames_of(out)
    top, bottom, left, right = BOX
    mask = np.zeros((120, 160), np.float32)
    mask[top:bottom, left:right] = coverage(bottom - top, right - left, quality)[..., 0]
    assert len(written) == 10
    for before, after in zip(source, written, strict=False):
        changed = (before != after).any(axis=2)
        assert not changed[mask == 0].any()
        assert changed[mask > 0.9].mean() > 0.9


def test_a_finished_video_is_restored_and_keeps_its_sound(folder, tmp_path, monkeypatch, capsys):
    """A network that gives white: white where the box's mask is full, the source elsewhere."""
    given = tmp_path / "made.mkv"
    infer(folder, monkeypatch, outfile=given, codec="ffv1", box=list(BOX), audio_end=1.0)
    white = graphs.constant(tmp_path / "white.onnx", 1.0)
    out = tmp_path / "out.mkv"
    infer(folder, monkeypatch, mode="restore", face=given, audio=None, outfile=out, codec="ffv1",
          box=list(BOX), restorer=white, restore_smooth=0)  # fmt: skip
    source, written = frames_of(given), frames_of(out)
    top, bottom, left, right = BOX
    mask = mouth_mask(bottom - top, right - left)[..., 0]
    assert len(written) == len(source) == 25
    for before, after in zip(source, written, strict=True):
        region = after[top:bottom, left:right]
        assert (region[mask == 1] == 255).all()
        np.testing.assert_array_equal(region[mask == 0], before[top:bottom, left:right][mask == 0])
        after[top:bottom, left:right] = before[top:bottom, left:right]
        np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(load_audio(out), load_audio(given))
    assert "face by GFPGAN (white.onnx)" in capsys.readouterr().out
    tags = probe(out).tags["comment"]
    assert "the lips in this video were generated" in tags  # what the given video said
    assert "Restored: face by GFPGAN" in tags


def test_a_folder_of_images_is_restored_as_the_video_that_it_is(
    folder, tmp_path, monkeypatch, capsys
):
    given, out = tmp_path / "made", tmp_path / "out.mkv"
    infer(folder, monkeypatch, outfile=given, codec="png", box=list(BOX), audio_end=0.2)
    restore = {"mode": "restore", "face": given, "audio": None, "outfile": out, "codec": "ffv1"}
    infer(folder, monkeypatch, box=list(BOX), **restore)
    assert len(frames_of(out)) == 5
    np.testing.assert_array_equal(load_audio(out), load_audio(given / "sound.wav"))
    assert "the lips in this video were generated" in probe(out).tags["comment"]
    sentence = refused(folder, monkeypatch, capsys, box=list(BOX), fps=30, **restore)
    assert "has its sound at 25 frames/s: give that as fps=." in sentence
    (given / "sound.wav").unlink()
    infer(folder, monkeypatch, box=list(BOX), fps=30, **restore)
    assert not probe(out).has_audio


def test_enhanced_without_weights_says_that_it_sharpens(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.mp4"
    infer(folder, monkeypatch, outfile=out, box=list(BOX), quality="enhanced", audio_end=0.4)
    assert "by sharpening (unsharp mask), no restoration network" in capsys.readouterr().out
    assert "Restored: mouth and chin by sharpening" in probe(out).tags["comment"]


def test_default_output_plays_and_says_that_it_is_synthetic(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    infer(folder, monkeypatch, box=list(BOX))
    out = tmp_path / "outputs" / "infer" / "face (1)_voice.of b.mp4"
    info = probe(out)
    assert (info.codec, info.width, info.height, info.has_audio) == ("h264", 160, 120, True)
    assert info.fps == 25
    assert VideoReader(out).count() == 38
    assert len(load_audio(out)) == 24000
    assert b"Synthetic" in out.read_bytes()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [out]


def test_trimming_and_extending(folder, tmp_path, monkeypatch):
    out = tmp_path / "out.mkv"
    infer(folder, monkeypatch, outfile=out, codec="ffv1", box=list(BOX), start=0.2, end=0.4,
          audio_start=0.5, audio_end=1.0, extend="loop")  # fmt: skip
    source, written = frames_of(folder / "face (1).mkv"), frames_of(out)
    assert len(written) == 13
    for i, frame in enumerate(written):
        np.testing.assert_array_equal(frame[:20], source[5 + i % 5][:20])
    np.testing.assert_array_equal(
        load_audio(out), load_audio(folder / "voice.of b.wav")[8000:16000]
    )


def test_published_frame_count(folder, tmp_path, monkeypatch):
    """121 mel columns: int(3.2 i) + 16 ≤ 121 for i ≤ 33, and one more: 35; looped, hard-pasted."""
    out = tmp_path / "out.mkv"
    infer(folder, monkeypatch, outfile=out, codec="ffv1", box=list(BOX), published="true",
          detector="centerface")  # fmt: skip
    source, written = frames_of(folder / "face (1).mkv"), frames_of(out)
    assert len(written) == 35
    top, bottom, left, right = BOX
    for i, frame in enumerate(written):
        np.testing.assert_array_equal(frame[:top], source[i % 25][:top])
        assert (frame[top:bottom, left:right] != source[i % 25][top:bottom, left:right]).any(
            2
        ).mean() > 0.9


def test_expert_gives_the_cosine_of_the_given_video(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.mp4"
    infer(folder, monkeypatch, outfile=out, box=list(BOX), expert=folder / "expert.ckpt")
    saved = json.loads((tmp_path / "out.mp4.cosine.json").read_text())
    assert saved["count"] == len(saved["windows"]) == 21
    assert saved["mean"] == pytest.approx(np.mean(saved["windows"]), abs=1e-5)
    assert {"min", "max", "variance", "skewness", "kurtosis", "by_offset"} <= set(saved)
    assert "cosine similarity of the given video and the audio" in capsys.readouterr().out
    other = tmp_path / "out.mkv"  # of the same stem: what was measured for the first one stays
    infer(
        folder, monkeypatch, outfile=other, box=list(BOX), expert=folder / "expert.ckpt",
        codec="ffv1", audio_end=0.6,
    )  # fmt: skip
    assert json.loads((tmp_path / "out.mp4.cosine.json").read_text()) == saved
    assert json.loads((tmp_path / "out.mkv.cosine.json").read_text())["count"] < saved["count"]


def test_frames_without_a_face_are_reported(folder, tmp_path, monkeypatch, capsys):
    boxes = [None if 6 <= i < 14 else [30, 20, 100, 90] for i in range(25)]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    out = tmp_path / "out.mkv"
    infer(folder, monkeypatch, outfile=out, codec="ffv1", detector="file",
          audio_end=1.0, **{"detector.path": tmp_path / "boxes.json"})  # fmt: skip
    source, written = frames_of(folder / "face (1).mkv"), frames_of(out)
    untouched = [i for i in range(25) if np.array_equal(source[i], written[i])]
    assert untouched == list(range(6, 14))
    assert "0:00.24 to 0:00.56 (frames 6 to 13): no face found" in capsys.readouterr().out


def refused(folder, monkeypatch, capsys, **settings) -> str:
    with pytest.raises(SystemExit) as exit_info:
        infer(folder, monkeypatch, **settings)
    assert exit_info.value.code == 1
    sentence = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence.startswith("error: ")
    return sentence


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"face": "missing.mp4"}, "missing.mp4"),
        ({"face": "{folder}"}, "folder"),
        ({"face": "{folder}/text.mp4"}, "text.mp4"),
        ({"audio": "{folder}/face (1).mkv"}, "sound"),
        ({"checkpoint": "{folder}/expert.ckpt"}, "expert.ckpt"),
        ({"outfile": "/proc/nowhere/out.mp4"}, "/proc/nowhere/out.mp4"),
        ({"outfile": "out.avi"}, ".mp4"),
        ({"outfile": "{folder}/face (1).mkv"}, "is an input"),
        ({"quality": "perfect"}, "improved, fast or enhanced"),
        ({"person": "tallest"}, "right, first, track:N, photo:FILE, speaker or tracks"),
        ({"person": "track:"}, "person=track: is not available"),
        ({"person": "photo:me.png"}, "there is no file me.png"),
        ({"person": "speaker", "judge": "none"}, "expert="),
        ({"person": "speaker"}, "and it has no sound"),
        ({"person": "tracks"}, "leave out box="),
        ({"audio": None}, "Missing: audio=…."),
        ({"people": "gone.yaml", "box": None}, "gone.yaml"),
        ({"max_turn": "[1]"}, "max_turn"),
        ({"restorer": "gfpgan"}, "plays no part in quality=improved"),
        ({"quality": "enhanced", "restorer": "gfpgam"}, "did you mean gfpgan"),
        ({"quality": "enhanced", "restorer": "{folder}/text.mp4"}, "text.mp4: its ending"),
        ({"quality": "enhanced", "restore_region": "nose"}, "mouth, face or parsing"),
        ({"quality": "enhanced", "restore_region": "parsing"}, "parser="),
        ({"quality": "enhanced", "restorer": "n.onnx", "restorer.fidelity": 3}, "fidelity=3"),
        ({"quality": "enhanced", "restore_smooth": 1}, "restore_smooth=1"),
        ({"quality": "fast", "parser": "p.onnx"}, "parser=p.onnx plays no part in quality=fast"),
        ({"mask_size": 0}, "mask_size=0"),
        ({"mask_size": "null"}, "mask_size=null must be a number."),
        ({"mode": "restore"}, "audio= has no meaning in mode=restore"),
        ({"mode": "restore", "audio": None, "voice": "v.wav"}, "voice= has no meaning"),
        ({"mode": "restore", "audio": None, "people": "p.yaml"}, "people= has no meaning"),
        ({"mode": "restore", "audio": None, "person": "tracks"}, "person=tracks has no meaning"),
        ({"mode": "restore", "audio": None, "person": "speaker"}, "person=speaker has no meaning"),
        ({"codec": "av1"}, "h264, hevc, vp9, prores, ffv1 or png"),
        ({"box": "[20,900,30,100]"}, "160×120"),
        ({"box": "[20,30,100]"}, "four whole numbers"),
        ({"box": None}, "No face was found in any frame"),
        ({"crop": "[0,500,0,-1]"}, "160×120"),
        ({"start": 7}, "start"),
        ({"start": "null"}, "start=null must be seconds."),
        ({"audio_start": 7}, "start"),
        ({"audio_start": "nan"}, "audio_start=nan must be seconds."),
        ({"start": "1e30"}, "start=1e+30 must be seconds."),
        ({"end": "inf"}, "end=inf must be seconds, or null."),
        ({"audio_end": "late"}, "audio_end=late must be seconds, or null."),
        (
            {"quality": "enhanced", "restorer": "n.onnx", "restorer.kind": "a"},
            "kind=a is not available",
        ),
        ({"fidelity": 0.7}, "fidelity= is now written restorer.fidelity"),
        ({"box": "{a:1}"}, "box={'a': 1} must be four whole numbers"),
        (
            {"box": None, "detector_weights": "f"},
            "is now written detector.weights",
        ),
        ({"box": None, "pads": f"[{10**22},1,2,3]"}, "four whole numbers"),
        ({"fps": 0}, "fps=0 must be frames a second, 0.1 or more, or null."),
        ({"batch_size": 2.5}, "batch_size=2.5 must be a whole number, 1 or more"),
        ({"detect_every": "null"}, "detect_every=null must be a whole number"),
        ({"resize_factor": 1.5}, "resize_factor=1.5 must be a whole number"),
        ({"device": "cuda:99"}, "device=cuda:99"),
        ({"device": "null"}, "device=null must be text."),
        ({"bxo": "[1,2,3,4]"}, "bxo"),
        ({"smooth": "maybe"}, "smooth"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    folder, tmp_path, monkeypatch, capsys, settings, word
):
    (folder / "text.mp4").write_text("not a video")
    monkeypatch.chdir(tmp_path)
    settings = {"box": list(BOX), "outfile": "results/out.mp4"} | {
        key: value.replace("{folder}", str(folder)) if isinstance(value, str) else value
        for key, value in settings.items()
    }
    assert word in refused(folder, monkeypatch, capsys, **settings)
    assert list(tmp_path.rglob("*")) == []


def test_an_existing_output_survives_a_failure(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    refused(folder, monkeypatch, capsys, outfile=out)  # no face in the noise
    assert out.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [out]


def test_a_still_is_refused_by_the_expert(folder, tmp_path, monkeypatch, capsys):
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((120, 160, 3), np.uint8))
    sentence = refused(folder, monkeypatch, capsys, face=tmp_path / "photo.png",
                       expert=folder / "expert.ckpt", box=list(BOX))  # fmt: skip
    assert "expert=" in sentence


def test_real_clip_with_a_missing_face(folder, shared_media, tmp_path, monkeypatch, capsys):
    """Frames 0 to 5 and 30 to 49 show a colour card: they stay, the others are synced."""
    out = tmp_path / "out.mkv"
    face = shared_media / "special" / "faceless_0_5_and_30_49_25fps.mp4"
    infer(folder, monkeypatch, face=face, outfile=out, codec="ffv1",
          audio=shared_media / "audio" / "es_dreamtalk_16k.wav", audio_end=3.0)  # fmt: skip
    source, written = frames_of(face), frames_of(out)
    untouched = [i for i in range(75) if np.array_equal(source[i], written[i])]
    assert untouched == [*range(6), *range(30, 50)]
    printed = capsys.readouterr().out
    assert "49 of 75 frames synced" in printed
    assert "frames 30 to 49" in printed


def test_variable_rate_does_not_drift(folder, shared_media, tmp_path, monkeypatch):
    """The image at time t is the one that the source shows at time t."""
    face = shared_media / "talking" / "retalking1_man_vfr.mp4"
    out = tmp_path / "out.mkv"
    infer(folder, monkeypatch, face=face, outfile=out, codec="ffv1", resize_factor=4,
          box=[40, 110, 50, 120], audio=shared_media / "audio" / "es_dreamtalk_16k.wav")  # fmt: skip  # noqa: E501
    rate = probe(out).fps
    assert rate == probe(face).fps
    shown = [cv2.resize(frame, (175, 175)) for frame in VideoReader(face, fps=rate)]
    for i, frame in enumerate(frames_of(out)):
        np.testing.assert_array_equal(frame[:40], shown[i][:40])


def test_sound_is_muxed_whole_and_copied(folder, tmp_path, monkeypatch):
    """AAC in mp4 goes in as it is: decoding both gives the same samples."""
    voice = tmp_path / "voice.mp4"
    with VideoWriter(voice, 25, (16, 16), audio=AudioTrack(folder / "voice.of b.wav")) as writer:
        for _ in range(38):
            writer.write(np.zeros((16, 16, 3), np.uint8))
    out = tmp_path / "out.mp4"
    infer(folder, monkeypatch, audio=voice, outfile=out, box=list(BOX))
    np.testing.assert_array_equal(load_audio(out), load_audio(voice))
