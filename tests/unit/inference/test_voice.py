"""How long the result is, and the sound that goes into it, to the sample."""

from __future__ import annotations

import math
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.unit.video.made import constant, decoded_sound, numbered, snr, sweep, write_video
from tests.writing import write_wav
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.inference import Geometry, SyncOptions, load_voice, open_source
from w2l.inference.voice import count_frames, fitted_track, mel_windows, origin_of
from w2l.video import VideoWriter

RATES = [Fraction(24000, 1001), 24, 25, Fraction(30000, 1001), 30, 50, 60]


def video(path, n: int, rate, **more):
    return write_video(path, [numbered(i) for i in range(n)], constant(n, rate), rate=rate, **more)


@pytest.mark.parametrize("sample_rate", [16_000, 44_100])
@pytest.mark.parametrize("rate", RATES, ids=str)
def test_frames_cover_the_sound_to_its_end(tmp_path, rate, sample_rate):
    rate = Fraction(rate)
    source = open_source(video(tmp_path / "v.mp4", 40, rate), Geometry())
    assert source.fps == rate
    for n in (sample_rate, sample_rate + 1, math.floor(sample_rate * Fraction(7) / rate)):
        write_wav(tmp_path / "a.wav", sweep(n, sample_rate), sample_rate)
        voice = load_voice(tmp_path / "a.wav")
        wanted = math.ceil(Fraction(n, sample_rate) * rate)
        got = count_frames(source, voice, "audio")
        assert got == wanted
        assert count_frames(source, voice, "video") == 40
        assert count_frames(source, voice, "shortest") == min(got, 40)


def test_a_variable_rate_lasts_as_long_as_it_is(tmp_path):
    times = [Fraction(round(1000 * t), 1000) for t in np.cumsum([0.04, 0.06, 0.05] * 10)]
    path = write_video(tmp_path / "v.mp4", [numbered(i) for i in range(30)], times)
    source = open_source(path, Geometry())
    write_wav(tmp_path / "a.wav", sweep(48_000, 16_000))
    frames = count_frames(source, load_voice(tmp_path / "a.wav"), "video")
    assert frames / source.fps == pytest.approx(float(times[-1] - times[0]) + 0.04, abs=0.051)


def written(tmp_path, source, voice, duration, codec, ending):
    n = count_frames(source, voice, duration)
    track = fitted_track(voice, n, source, duration)
    path = tmp_path / f"out{ending}"
    with VideoWriter(path, source.fps, (64, 48), track, codec=codec) as writer:
        for i in range(n):
            writer.write(numbered(i))
    return n, path


@pytest.mark.parametrize(
    ("codec", "ending"), [("h264", ".mp4"), ("ffv1", ".mkv"), ("vp9", ".webm")]
)
@pytest.mark.parametrize("seconds", [0.7, 1.9])
@pytest.mark.parametrize("duration", ["audio", "video", "shortest"])
def test_the_sound_in_the_file_is_exact(tmp_path, duration, seconds, codec, ending):
    rate = Fraction(30000, 1001)  # 36 frames are 1.2012 s, of which no rate has a whole number
    source = open_source(video(tmp_path / "v.mp4", 36, rate), Geometry())
    sample_rate = 48_000
    sound = sweep(int(seconds * sample_rate), sample_rate)
    write_wav(tmp_path / "a.wav", sound, sample_rate)
    voice = load_voice(tmp_path / "a.wav")
    n, path = written(tmp_path, source, voice, duration, codec, ending)
    shown = round(36 / rate * sample_rate)
    frames = {"audio": math.ceil(seconds * rate), "video": 36}
    frames["shortest"] = min(frames.values())
    samples = {"audio": len(sound), "video": shown, "shortest": min(len(sound), shown)}
    assert n == frames[duration]
    heard = load_audio(path, sample_rate=sample_rate)
    assert len(heard) == samples[duration]
    both = min(len(heard), len(sound))
    assert snr(sound[:both], heard[:both]) > (15 if codec == "vp9" else 25)
    assert np.abs(heard[both + 960 :]).max(initial=0) < 1e-3  # silence follows


def test_aac_is_copied_where_all_of_it_is_wanted(tmp_path):
    given = video(tmp_path / "v.mp4", 25, 25, sound=sweep(44_100, 44_100), sound_rate=44_100)
    source, voice = open_source(given, Geometry()), load_voice(given)

    def packets(path):
        with av.open(str(path)) as file:
            return [bytes(p) for p in file.demux(file.streams.audio[0]) if p.size]

    for duration in ("audio", "shortest"):
        _, path = written(tmp_path, source, voice, duration, "h264", ".mp4")
        assert packets(path) == packets(given)
        np.testing.assert_array_equal(decoded_sound(path), decoded_sound(given))


def test_another_track_drives_the_lips(tmp_path):
    mix, alone = sweep(24_000, 16_000), 0.5 * sweep(40_000, 16_000)[::-1]
    write_wav(tmp_path / "mix.wav", mix)
    write_wav(tmp_path / "alone.wav", alone)
    voice = load_voice(tmp_path / "mix.wav", 0.25, driving=tmp_path / "alone.wav")
    np.testing.assert_allclose(voice.waveform, alone[4000:24_000], atol=1e-4)  # cut to the mix
    assert voice.track.path == tmp_path / "mix.wav"
    write_wav(tmp_path / "alone.wav", alone[:8000])
    voice = load_voice(tmp_path / "mix.wav", driving=tmp_path / "alone.wav")
    np.testing.assert_allclose(voice.waveform[:8000], alone[:8000], atol=1e-4)
    assert len(voice.waveform) == 24_000
    assert not voice.waveform[8000:].any()


@pytest.mark.parametrize("late_s", [Fraction(3, 10), Fraction(-2, 10)])
def test_a_videos_own_sound_stays_beside_its_images(tmp_path, late_s):
    """0.3 s of silence first where the sound begins later; what comes before an image goes."""
    sound = sweep(16_000, 16_000)
    start = Fraction(1)
    path = write_video(
        tmp_path / "v.mkv", [numbered(i) for i in range(25)], constant(25, 25, start),
        tick=Fraction(1, 1000), sound=sound, sound_start=start + late_s, sound_codec="pcm_s16le",
    )  # fmt: skip
    voice = load_voice(path, origin="video")
    shift = round(late_s * 16_000)
    wanted = np.pad(sound, (shift, 0)) if shift > 0 else sound[-shift:]
    np.testing.assert_allclose(voice.waveform, wanted, atol=1e-4)
    source = open_source(path, Geometry())
    _, out = written(tmp_path, source, voice, "audio", "ffv1", ".mkv")
    np.testing.assert_allclose(load_audio(out), wanted, atol=1e-4)


def test_only_a_videos_own_sound_begins_where_it_does_in_the_video(tmp_path):
    path, other = tmp_path / "v.mp4", tmp_path / "a.wav"
    video(path, 5, 25)
    write_wav(other, sweep(1600, 16_000))
    assert origin_of(path, path) == "video"
    assert origin_of(tmp_path / "." / "v.mp4", path) == "video"
    assert origin_of(other, path) == "audio"
    assert origin_of(path, other) == "audio"
    assert origin_of(tmp_path / "none.mp4", tmp_path / "none.mp4") == "audio"


def test_a_photo_has_no_length(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "p.png"), numbered(3))
    write_wav(tmp_path / "a.wav", sweep(16_000, 16_000))
    source, voice = open_source(tmp_path / "p.png", Geometry()), load_voice(tmp_path / "a.wav")
    with pytest.raises(UserError, match="duration=video needs a video"):
        count_frames(source, voice, "video")
    assert count_frames(source, voice, "shortest") == 25
    assert len(mel_windows(source, voice, SyncOptions())) == 25


def test_published_has_its_own_length():
    with pytest.raises(UserError, match="leave out duration=video"):
        SyncOptions(published=True, duration="video")
