"""`infer.py` where the face is not always there, and a second time."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from tests.writing import save_network, write_wav
from w2l.audio.waveform import load_audio
from w2l.cli.infer import main
from w2l.models import Expert, Generator
from w2l.video import AudioTrack, VideoReader, VideoWriter

FACELESS = [*range(6), *range(30, 50)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait that sways, with a colour card in some frames, and 3 s of sound."""
    folder = tmp_path_factory.mktemp("faces")
    portrait = cv2.resize(skimage.data.astronaut()[:300, 80:380, ::-1], (160, 160))
    card = np.repeat(np.arange(8, dtype=np.uint8)[None] * 32, 160, 0).repeat(20, 1)
    card = np.stack([card, card[:, ::-1], card.T], axis=2)
    with VideoWriter(folder / "face.mkv", 25, (160, 160), codec="ffv1") as writer:
        for i in range(75):
            writer.write(card if i in FACELESS else np.roll(portrait, i % 5, axis=1))
    write_wav(folder / "voice.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 48000))
    torch.manual_seed(0)
    save_network(Generator(width=0.125), "generator", folder / "generator.ckpt")
    return folder


def infer(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    given = {
        "face": folder / "face.mkv",
        "audio": folder / "voice.wav",
        "checkpoint": folder / "generator.ckpt",
        "device": "cpu",
        "codec": "ffv1",
        **settings,
    }
    monkeypatch.setattr(sys, "argv", ["infer.py", *(f"{k}={v}" for k, v in given.items())])
    main()


def test_frames_without_a_face_stay_and_a_second_run_looks_for_none(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    infer(folder, monkeypatch, outfile=tmp_path / "a.mkv")
    source, written = list(VideoReader(folder / "face.mkv")), list(VideoReader(tmp_path / "a.mkv"))
    assert len(written) == 75
    assert [i for i in range(75) if np.array_equal(source[i], written[i])] == FACELESS
    np.testing.assert_array_equal(load_audio(tmp_path / "a.mkv"), load_audio(folder / "voice.wav"))
    printed = capsys.readouterr().out
    assert "49 of 75 frames synced" in printed
    assert "0:00.00 to 0:00.24 (frames 0 to 5): no face found" in printed
    assert "0:01.20 to 0:02.00 (frames 30 to 49): no face found" in printed
    assert "finding faces" in printed

    infer(folder, monkeypatch, outfile=tmp_path / "b.mkv")
    printed = capsys.readouterr().out
    assert "known from an earlier run" in printed
    assert "finding faces" not in printed
    for first, second in zip(written, VideoReader(tmp_path / "b.mkv"), strict=True):
        np.testing.assert_array_equal(first, second)


def test_tracks_are_listed_and_one_of_them_is_synced(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    infer(folder, monkeypatch, person="tracks", outfile=tmp_path / "a.mkv")
    printed = capsys.readouterr().out
    assert "track 1: 0.24 to 1.20 s, 24 frames" in printed
    assert "track 2: 2.00 to 3.00 s, 25 frames" in printed
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv.tracks.png"]
    assert cv2.imread(str(tmp_path / "a.mkv.tracks.png")).shape == (188, 320, 3)

    infer(folder, monkeypatch, person="track:2", outfile=tmp_path / "a.mkv")
    source, written = list(VideoReader(folder / "face.mkv")), list(VideoReader(tmp_path / "a.mkv"))
    changed = [i for i in range(75) if not np.array_equal(source[i], written[i])]
    assert changed == list(range(50, 75))
    assert "the chosen person is not in the image" in capsys.readouterr().out

    with pytest.raises(SystemExit):
        infer(folder, monkeypatch, person="track:3", outfile=tmp_path / "a.mkv")
    assert "names a track that is not there" in capsys.readouterr().err


def test_a_preview_shows_who_speaks(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As the whole result does; only the second track is long enough to tell."""
    face = tmp_path / "heard.mkv"
    sound = AudioTrack(folder / "voice.wav")
    with VideoWriter(face, 25, (160, 160), sound, codec="ffv1") as writer:
        for frame in VideoReader(folder / "face.mkv"):
            writer.write(frame)
    torch.manual_seed(0)
    expert = save_network(Expert(width=0.125), "expert", folder / "expert.ckpt")
    for moment, state in ((0.6, "left untouched: the chosen person"), (2.4, ", synced")):
        infer(folder, monkeypatch, face=face, person="speaker", expert=expert, preview=moment,
              codec="h264", outfile=tmp_path / "p.png")  # fmt: skip
        assert state in capsys.readouterr().out


def test_people_need_no_audio(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "people.yaml").write_text(
        "- {person: track:1, audio: voice.wav, audio_end: 1}\n"
        "- {person: track:2, audio: voice.wav, at: 1}\n"
    )
    infer(folder, monkeypatch, people=folder / "people.yaml", audio="null",
          outfile=tmp_path / "a.mkv")  # fmt: skip
    printed = capsys.readouterr().out
    assert "track:1: 24 of 100 frames synced" in printed
    assert "track:2: 49 of 100 frames synced" in printed  # 25, and 24 of them played back
    assert len(load_audio(tmp_path / "a.mkv", sample_rate=48000)) == 4 * 48000
    assert len(list(VideoReader(tmp_path / "a.mkv"))) == 100
