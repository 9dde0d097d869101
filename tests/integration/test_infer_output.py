"""What `infer.py` writes: codecs, sizes, views, a preview, tags; or one sentence why not."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.unit.video.made import constant, decoded_sound, write_video
from tests.writing import save_network, write_wav
from w2l.audio.waveform import load_audio
from w2l.cli import infer as command
from w2l.cli import infer_networks
from w2l.files import sha256
from w2l.inference import FaceGenerator
from w2l.models import Expert, Generator
from w2l.video import Look, VideoReader, VideoWriter, probe, read_image

BOX = (20, 90, 30, 100)  # top, bottom, left, right
N = 10  # frames of 0.4 s of sound
RATE = 22_050  # Hz of the sound: not the networks'
DEFAULTS = {
    "h264": ".mp4", "hevc": ".mp4", "vp9": ".webm", "prores": ".mov", "ffv1": ".mkv", "png": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Half a second of a moving image, 0.4 s of sound, a generator and an expert."""
    folder = tmp_path_factory.mktemp("private")
    rng = np.random.default_rng(0)
    noise = cv2.resize(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), (160, 120))
    with VideoWriter(folder / "face.mkv", 25, (160, 120), codec="ffv1") as writer:
        for i in range(12):
            writer.write(np.roll(noise, i, axis=1))
    t = np.arange(round(0.4 * RATE)) / RATE
    (folder / "folder.mp4").mkdir()
    write_wav(folder / "voice.wav", 0.3 * np.sin(2 * np.pi * 220 * t * (1 + t)), RATE)
    torch.manual_seed(0)
    save_network(Generator(width=0.125), "generator", folder / "generator.ckpt")
    save_network(Expert(width=0.125), "expert", folder / "expert.ckpt")
    return folder


@pytest.fixture
def infer(folder, tmp_path, monkeypatch):
    """Runs `infer.py` with these keys, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(**settings) -> None:
        given = {
            "face": folder / "face.mkv",
            "audio": folder / "voice.wav",
            "checkpoint": folder / "generator.ckpt",
            "device": "cpu",
            "box": list(BOX),
            **settings,
        }
        arguments = [f"{key}={value}" for key, value in given.items() if value is not None]
        monkeypatch.setattr(sys, "argv", ["infer.py", *arguments])
        command.main()

    return run


def frames_of(path: Path) -> list[np.ndarray]:
    return list(VideoReader(path))


def lossless(infer, tmp_path: Path, name: str, **settings) -> list[np.ndarray]:
    infer(outfile=tmp_path / name, codec="ffv1", **settings)
    return frames_of(tmp_path / name)


def tags_of(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return {key.lower(): value for key, value in container.metadata.items()}


@pytest.mark.parametrize("codec", [codec for codec in DEFAULTS if codec != "png"])
def test_every_codec_writes_all_frames_and_all_sound(infer, folder, tmp_path, codec) -> None:
    infer(codec=codec)
    (out,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert out == tmp_path / "outputs" / "infer" / f"face_voice{DEFAULTS[codec]}"
    info, written = probe(out), frames_of(out)
    assert (info.codec, info.width, info.height, info.fps) == (codec, 160, 120, 25)
    assert len(written) == N
    assert load_audio(out).size == load_audio(folder / "voice.wav").size
    for frame, source in zip(written, frames_of(folder / "face.mkv"), strict=False):
        error = np.abs(frame[:20].astype(int) - source[:20]).mean()
        assert error == 0 if codec == "ffv1" else error < 6


def test_png_folder_holds_what_ffv1_does(infer, folder, tmp_path) -> None:
    infer(codec="png")
    out = tmp_path / "outputs" / "infer" / "face_voice"
    exact = lossless(infer, tmp_path, "out.mkv")
    assert len(exact) == N
    names = [f"{i:06d}.png" for i in range(N)]
    assert sorted(path.name for path in out.iterdir()) == [*names, "about.json", "sound.wav"]
    for name, frame in zip(names, exact, strict=True):
        np.testing.assert_array_equal(read_image(out / name), frame)
    sound = decoded_sound(folder / "voice.wav")
    np.testing.assert_array_equal(decoded_sound(out / "sound.wav"), sound)
    np.testing.assert_array_equal(decoded_sound(tmp_path / "out.mkv"), sound)
    about = json.loads((out / "about.json").read_text("utf-8"))
    assert (about["fps"], about["frames"]) == ("25", N)
    infer(codec="png", audio_end=0.2)  # an earlier one stays, but where it is named
    assert len(list(out.glob("*.png"))) == N
    assert len(list(out.with_name("face_voice_2").glob("*.png"))) == 5
    infer(codec="png", audio_end=0.2, outfile=out)
    assert len(list(out.glob("*.png"))) == 5


def test_side_by_side_is_the_source_and_the_result(infer, folder, tmp_path) -> None:
    beside = lossless(infer, tmp_path, "beside.mkv", view="side_by_side")
    result = lossless(infer, tmp_path, "result.mkv")
    for both, source, alone in zip(beside, frames_of(folder / "face.mkv"), result, strict=False):
        np.testing.assert_array_equal(both, np.hstack([source, alone]))
    assert len(beside) == N


def test_the_mask_view_marks_the_box_and_leaves_the_rest(infer, folder, tmp_path) -> None:
    top, bottom, left, right = BOX
    middle = (top + bottom) // 2
    drawn = lossless(infer, tmp_path, "mask.mkv", view="mask")
    result = lossless(infer, tmp_path, "result.mkv")
    for frame, alone in zip(drawn, result, strict=True):
        changed = (frame != alone).any(axis=2)
        assert changed[top, left:right].all()
        assert changed[top:bottom, right - 1].all()
        assert changed[middle + 12 : bottom - 12, left + 12 : right - 12].all()
        assert not changed[top + 1 : middle, left + 1 : right - 1].any()
        changed[top:bottom, left:right] = False
        assert not changed.any()


@pytest.mark.parametrize(
    ("codec", "height", "size"),
    [
        ("h264", 60, (80, 60)),
        ("vp9", 34, (46, 34)),  # 45.3: the next even one
        ("ffv1", 61, (81, 61)),
        ("png", 240, (320, 240)),
    ],
)
def test_the_result_is_scaled(infer, tmp_path, codec, height, size) -> None:
    out = tmp_path / f"out{DEFAULTS[codec]}"
    infer(outfile=out, codec=codec, height=height)
    first = read_image(out / "000000.png") if codec == "png" else frames_of(out)[0]
    assert first.shape == (size[1], size[0], 3)
    exact = lossless(infer, tmp_path, "exact.mkv")[0]
    wanted = cv2.resize(exact, size, interpolation=cv2.INTER_AREA)
    # In grey, because most codecs halve the colours' resolution.
    assert np.abs(first.mean(axis=2) - wanted.mean(axis=2)).mean() < 6


def test_the_label_is_in_the_corner_of_the_result(infer, tmp_path) -> None:
    plain = lossless(infer, tmp_path, "plain.mkv")
    labelled = lossless(infer, tmp_path, "label.mkv", label="AI, (it's)")
    for frame, before in zip(labelled, plain, strict=True):
        changed = (frame != before).any(axis=2)
        assert changed[:8, :40].mean() > 0.9
        assert not changed[25:].any()
        assert not changed[:, 90:].any()


def test_a_preview_is_the_frame_of_the_result(infer, tmp_path, capsys) -> None:
    result = lossless(infer, tmp_path, "result.mkv")
    infer(preview=0.2, outfile=tmp_path / "later.mp4")
    shown = read_image(tmp_path / "later.png")
    difference = np.abs(shown.astype(int) - result[5])
    assert difference.max() <= 1  # a batch of one may round differently
    assert (difference > 0).mean() < 0.01
    assert "frame 5 of face.mkv), synced" in capsys.readouterr().out
    assert "Synthetic" in Image.open(tmp_path / "later.png").text["Comment"]
    infer(preview=0)
    assert (tmp_path / "outputs" / "infer" / "face_voice_preview.png").is_file()
    infer(preview=0.1, view="side_by_side", height=60, outfile=tmp_path / "both")
    assert read_image(tmp_path / "both.png").shape == (60, 160, 3)
    assert not (tmp_path / "later.mp4").exists()


def test_a_preview_has_the_label_and_needs_no_other_keys_than_the_whole(
    infer, folder, tmp_path, capsys
) -> None:
    label = {"label": "made with AI"}
    result = lossless(infer, tmp_path, "result.mkv", **label)
    infer(preview=0.2, outfile=tmp_path / "p.png", expert=folder / "expert.ckpt", **label)
    shown = read_image(tmp_path / "p.png")
    np.testing.assert_array_equal(shown[:25], result[5][:25])  # the letters, and the source
    assert np.abs(shown.astype(int) - result[5]).max() <= 1
    assert "no cosine similarity: it takes the whole video" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.png", "result.mkv"]


def test_a_preview_of_a_real_clip_finds_the_face_as_the_whole_does(
    infer, tmp_path, shared_media, monkeypatch
) -> None:
    clip = {"face": shared_media / "talking" / "grid_lbax4n_en_25fps.mpg", "box": None}
    speech = {"audio": shared_media / "audio" / "es_dreamtalk_16k.wav", "audio_end": 2}
    result = lossless(infer, tmp_path, "result.mkv", view="mask", **clip, **speech)
    read = []
    decoded = VideoReader.read

    def counted(reader, *span):
        for frame in decoded(reader, *span):
            read.append(frame.shape)
            yield frame

    monkeypatch.setattr(VideoReader, "read", counted)
    infer(preview=1.44, outfile=tmp_path / "p.png", view="mask", **clip, **speech)
    assert np.abs(read_image(tmp_path / "p.png").astype(int) - result[36]).max() <= 1
    assert len(read) < 60  # of 75: up to a second before and after
    read.clear()
    infer(preview=1.44, outfile=tmp_path / "w.png", view="mask", detect_whole=1, **clip, **speech)
    assert len(read) < 30


@pytest.mark.parametrize("codec", DEFAULTS)
def test_files_say_what_made_them_and_nothing_private(infer, folder, tmp_path, codec) -> None:
    out = tmp_path / f"out{DEFAULTS[codec]}"
    infer(outfile=out, codec=codec)
    if codec == "png":
        assert "generator.ckpt" in tags_of(out / "sound.wav")["comment"]
        tags = {key.lower(): text for key, text in Image.open(out / "000003.png").text.items()}
    else:
        tags = tags_of(out)
    digest = sha256(folder / "generator.ckpt")
    how = "Computed in float32 by torch."
    for words in ("Synthetic: the lips", "w2l 0.", "mouth and chin", "generator.ckpt", digest, how):
        assert words in tags["comment"]
    if codec != "prores":  # mov has no place for it
        about = json.loads(tags["description"])
        assert about["synthetic"] is True
        assert about["checkpoint_sha256"] == digest
        assert (about["precision"], about["runtime"]) == ("float32", "torch")
    for path in out.rglob("*") if out.is_dir() else [out]:
        content = path.read_bytes()
        assert not any(word in content for word in (b"private", b"face.mkv", b"voice", b"/tmp"))


@pytest.fixture
def tagged(tmp_path) -> Path:
    """A video in BT.709 with tall pixels, as cameras and discs have."""
    path = tmp_path / "tagged.mp4"
    look = Look(1, 1, 1, 1, Fraction(8, 9))
    with VideoWriter(path, 25, (160, 120), look=look) as writer:
        for i in range(12):
            writer.write(np.full((120, 160, 3), (30, 40 + i, 200), np.uint8))
    return path


@pytest.mark.parametrize("codec", ["h264", "hevc", "prores"])
def test_colour_tags_and_pixel_shape_of_the_source_are_kept(infer, tagged, tmp_path, codec) -> None:
    out = tmp_path / f"out{DEFAULTS[codec]}"
    infer(face=tagged, outfile=out, codec=codec)
    assert probe(out).look == probe(tagged).look == Look(1, 1, 1, 1, Fraction(8, 9))
    error = frames_of(out)[0].astype(int) - frames_of(tagged)[0]
    assert np.abs(error[:15]).max() <= 2


def test_published_output_has_the_tags_it_had(infer, tagged, tmp_path) -> None:
    infer(face=tagged, outfile=tmp_path / "out.mp4", published="true", detector="centerface")
    assert probe(tmp_path / "out.mp4").look == Look()


def test_a_turned_video_keeps_the_shape_of_what_it_shows(infer, tagged, tmp_path) -> None:
    infer(face=tagged, outfile=tmp_path / "out.mp4", rotate=90)
    assert probe(tmp_path / "out.mp4").look.pixel_aspect == Fraction(9, 8)


def test_untagged_sources_stay_untagged(infer, tmp_path) -> None:
    grey = np.full((120, 160, 3), 90, np.uint8)
    face = write_video(tmp_path / "in.mp4", [grey] * 12, constant(12, 25))
    infer(face=face, outfile=tmp_path / "out.mp4")
    look = probe(tmp_path / "out.mp4").look
    assert (look.matrix, look.primaries, look.transfer) == (2, 2, 2)


@pytest.mark.parametrize("codec", DEFAULTS)
def test_nothing_half_written_is_seen(infer, tmp_path, codec, monkeypatch) -> None:
    out = tmp_path / "to" / f"out{DEFAULTS[codec]}"
    infer(outfile=out, codec=codec)
    state = {path: path.stat().st_mtime_ns for path in out.parent.rglob("*")}
    work = FaceGenerator.__call__
    calls = []

    def interrupted(*arguments):
        calls.append(1)
        shown = [path for path in out.parent.iterdir() if not path.name.startswith(".")]
        assert shown == [out]
        if len(calls) == 3:
            raise KeyboardInterrupt
        return work(*arguments)

    monkeypatch.setattr(FaceGenerator, "__call__", interrupted)
    with pytest.raises(SystemExit) as exit_info:
        infer(outfile=out, codec=codec, batch_size=3)
    assert exit_info.value.code == 130
    assert {path: path.stat().st_mtime_ns for path in out.parent.rglob("*")} == state


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"codec": "vp9", "outfile": "out.mp4"}, "must end in .webm or .mkv for codec=vp9"),
        ({"codec": "prores", "outfile": "out.mp4"}, "must end in .mov for codec=prores"),
        ({"codec": "hevc", "outfile": "out.webm"}, "must end in .mp4, .m4v, .mov or .mkv"),
        ({"outfile": "out"}, "must end in"),
        ({"codec": "png", "outfile": "out.mp4"}, "codec=png writes a folder"),
        ({"codec": "png", "outfile": "out.png"}, "codec=png writes a folder"),
        ({"codec": "png", "outfile": "{folder}"}, "so it is not replaced"),
        ({"outfile": "{folder}/folder.mp4"}, "is a folder: name a file in it"),
        ({"codec": "png", "outfile": "/proc/nowhere/out"}, "Cannot write /proc/nowhere/out"),
        ({"height": 361}, "height=361 is odd"),
        ({"height": 2}, "16 to 16384"),
        ({"height": -360}, "16 to 16384"),
        ({"height": 1e9}, "whole number"),
        ({"height": "tall"}, "height=tall must be a whole number from 16 to 16384, or null."),
        ({"height": 14_000, "view": "side_by_side"}, "pixels wide"),
        ({"view": "both"}, "result, side_by_side or mask"),
        ({"label": "a line that is far too long for an image of this width"}, "too long"),
        ({"label": "合成"}, "letters that the font lacks"),
        ({"label": ""}, "one line of text"),
        ({"preview": -1}, "preview=-1 must be seconds"),
        ({"preview": "soon"}, "preview=soon must be seconds"),
        ({"preview": "true"}, "preview=true must be seconds"),
        ({"preview": 0, "outfile": "/proc/nowhere/out.png"}, "Cannot write"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_long(
    infer, folder, tmp_path, capsys, monkeypatch, settings, words
) -> None:
    def too_late(*_: object, **__: object) -> None:
        raise AssertionError("the checkpoint was loaded")

    monkeypatch.setattr(infer_networks, "build_generator", too_late)
    settings = {
        key: value.replace("{folder}", str(folder)) if isinstance(value, str) else value
        for key, value in settings.items()
    }
    with pytest.raises(SystemExit) as exit_info:
        infer(**settings)
    assert exit_info.value.code == 1
    printed = capsys.readouterr().err.strip()
    assert printed.startswith("error: ")
    assert words in printed
    assert len(printed.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_moment_beyond_the_result_is_refused(infer, tmp_path, capsys) -> None:
    with pytest.raises(SystemExit):
        infer(preview=0.4)
    assert "the result, which lasts 0.40 s" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_encoder_is_said_at_once(infer, tmp_path, capsys, monkeypatch) -> None:
    def none(name: str, mode: str) -> None:
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr("w2l.video.codecs.Coder", none)
    with pytest.raises(SystemExit):
        infer(codec="hevc")
    assert "This PyAV has no HEVC encoder (libx265)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
