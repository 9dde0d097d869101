"""What `infer.py` says of, and takes for, what it reads."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from rich.console import Console

from preprocess.prepare import _run
from preprocess.settings import Job, Recipe
from preprocess.worker import Worker
from tests.settings import settings_of
from tests.unit.video.test_clocks import two_tracks
from tests.unit.video.test_moving import woven
from w2l.cli.infer_report import show_input, show_rate
from w2l.cli.infer_settings import build_source, build_voice, own_sound
from w2l.cli.keys.infer import Infer
from w2l.errors import UserError
from w2l.video import choices_of


def settings(**given: Any) -> Infer:
    return settings_of(Infer, **given)


def said(capsys: pytest.CaptureFixture[str], given: Infer, face: Path, audio: Path) -> str:
    source, voice = build_source(given, face), build_voice(given, face, audio)
    show_input(source, voice.track, Console(soft_wrap=True, markup=False, highlight=False))
    return capsys.readouterr().out


def test_a_line_says_which_track_and_that_fields_are_made_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face, audio = woven(tmp_path / "face.mkv"), two_tracks(tmp_path / "audio.mkv", 1)
    first, second = said(capsys, settings(), face, audio).splitlines()
    assert "face.mkv is interlaced" in first
    assert "audio.mkv: sound track 2 of 2" in second
    (line,) = said(capsys, settings(deinterlace=False, audio_track=1), face, audio).splitlines()
    assert "sound track 1 of 2" in line


def test_too_few_images_for_lips_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    for fps, warned in ((Fraction(1, 3), True), (Fraction(10), False)):
        show_rate(fps, Console(soft_wrap=True))
        assert ("0.333 images a second" in capsys.readouterr().out) == warned


def test_fps_is_that_of_the_result(tmp_path: Path) -> None:
    face = woven(tmp_path / "face.mkv")
    assert build_source(settings(), face).fps == 25
    assert build_source(settings(fps=29.97), face).fps == Fraction(30_000, 1001)
    with pytest.raises(UserError, match="audio_track=0 must be a whole number, 1 or more"):
        settings(audio_track=0)
    with pytest.raises(UserError, match=r"fps=0 must be frames a second, 0\.1 or more, or null"):
        settings(fps=0)


def test_a_finished_video_with_sound_beyond_all_measure_is_refused_before_the_work(
    tmp_path: Path,
) -> None:
    face = tmp_path / "face.mkv"
    with av.open(str(woven(tmp_path / "woven.mkv"))) as source, av.open(str(face), "w") as output:
        video = output.add_stream_from_template(source.streams.video[0])
        sound = output.add_stream("pcm_f32le", rate=16_000, layout="mono")
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                output.mux(packet)
        block = AudioFrame.from_ndarray(np.full((1, 16_000), 3e38, np.float32), "flt", "mono")
        block.sample_rate, block.pts = 16_000, 0
        output.mux([*sound.encode(block), *sound.encode()])
    given = settings(mode="restore")
    with pytest.raises(UserError, match=r"face\.mkv has samples of up to 3e"):
        own_sound(given, build_source(given, face))


def test_choices_are_counted_when_many_videos_are_read(tmp_path: Path) -> None:
    video = woven(tmp_path / "a.mkv")
    assert choices_of(video) == ["are interlaced: their fields are made whole images"]
    assert choices_of(video, deinterlace=False) == []
    said: list[str] = []
    report: Any = SimpleNamespace(console=None, say=said.append)
    clips: list[Any] = [SimpleNamespace(path=video)] * 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "_prepared", lambda *_: {})
        patch.setattr(Worker, "start", lambda *_: None)
        records: Any = SimpleNamespace(root=tmp_path, recipe=Recipe(), forgive=lambda _: None)
        job = Job("folder", None, tmp_path, engine="serial", device="cpu")
        _run(clips, records, job, report)
    assert said == [
        "2 of 2 clips are of videos that are interlaced: their fields are made whole images"
    ]
