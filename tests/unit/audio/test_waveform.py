"""Any container, rate and channel count to 16 kHz mono; exact samples, exact times."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.unit.video.made import constant, numbered, snr, sweep, write_video
from tests.writing import write_wav
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.media.sound import Sound


def write(
    path: Path,
    channels: np.ndarray,
    rate: int,
    codec: str,
    layout: str,
    starts: list[int] | None = None,
) -> Path:
    """Write (channels, n) float32; `starts`: sample positions at which blocks of 1000 begin."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        kind = stream.codec_context.format.name
        data = channels.astype(np.float32)
        if "16" in kind:
            data = np.round(data * 32767).astype(np.int16)
        elif "32" in kind:
            data = np.round(data * 0.999 * 2**31).astype(np.int32)
        step = stream.codec_context.frame_size or 1000
        for i, at in enumerate(range(0, data.shape[1], step)):
            block = data[:, at : at + step]
            if not kind.endswith("p"):
                block = block.T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), kind, layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = starts[i] if starts else at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_16_bit_mono_at_16_khz_is_divided_and_nothing_else(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 12_345).astype("<i2")
    samples[:2] = -32768, 32767
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())
    waveform = load_audio(tmp_path / "a.wav")
    assert waveform.dtype == np.float32
    np.testing.assert_array_equal(waveform, samples / np.float32(32768))
    part = load_audio(tmp_path / "a.wav", start_s=0.1, end_s=0.25)
    np.testing.assert_array_equal(part, waveform[1600:4000])
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav", end_s=99), waveform)


@pytest.mark.parametrize(
    ("name", "rate", "codec"),
    [
        ("a.wav", 44_100, "pcm_s16le"),
        ("a.wav", 48_000, "pcm_s24le"),
        ("a.wav", 8_000, "pcm_f32le"),
        ("a.flac", 48_000, "flac"),
        ("a.m4a", 44_100, "aac"),
        ("a.mp3", 44_100, "libmp3lame"),
        ("a.mkv", 48_000, "libopus"),
        ("a.ogg", 48_000, "libopus"),
    ],
)
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_containers_rates_and_channels(
    tmp_path: Path, name: str, rate: int, codec: str, layout: str
) -> None:
    one = sweep(rate * 2, rate)
    channels = one[None] if layout == "mono" else np.stack([1.5 * one, 0.5 * one])
    waveform = load_audio(write(tmp_path / name, channels, rate, codec, layout))
    expected = sweep(32_000, 16_000)
    assert abs(waveform.size - 32_000) <= (1300 if codec == "libmp3lame" else 0)
    n = min(waveform.size, 32_000)
    assert snr(expected[:n], waveform[:n]) > 20


def test_a_float_source_keeps_what_exceeds_one(tmp_path: Path) -> None:
    loud = 5 * sweep(16_000, 16_000)[None]
    waveform = load_audio(write(tmp_path / "a.wav", loud, 16_000, "pcm_f32le", "mono"))
    np.testing.assert_array_equal(waveform, loud[0])


def test_left_and_right_are_averaged(tmp_path: Path) -> None:
    left = sweep(16_000, 16_000)
    stereo = np.stack([left, np.zeros_like(left)])
    waveform = load_audio(write(tmp_path / "a.wav", stereo, 16_000, "pcm_f32le", "stereo"))
    np.testing.assert_allclose(waveform, left / 2, atol=1e-6)


def test_the_padding_of_mp4_is_cut(tmp_path: Path) -> None:
    for n in (15_923, 16_384, 20_000):
        path = write_video(
            tmp_path / f"{n}.mp4", [numbered(0)] * 2, constant(2, 25), sound=sweep(n, 16_000)
        )
        assert abs(load_audio(path).size - n) <= 16  # the edit list counts in milliseconds


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("late", [Fraction(0), Fraction(1, 4), Fraction(-1, 4)])
def test_the_offset_to_the_images_is_kept(tmp_path: Path, suffix: str, late: Fraction) -> None:
    samples = np.zeros(16_000, np.float32)
    samples[8000:8800] = sweep(800, 16_000)
    path = write_video(
        tmp_path / f"a.{suffix}",
        [numbered(i) for i in range(25)],
        constant(25, 25, Fraction(1, 2)),
        sound=samples,
        sound_start=Fraction(1, 2) + late,
    )
    by_image = load_audio(path, origin="video")
    heard = int(np.argmax(np.abs(by_image) > 0.02)) / 16_000
    assert heard == pytest.approx(0.5 + float(late), abs=0.002)
    if late > 0:
        assert not by_image[: int(late * 16_000) - 1024 - 16].any()  # 1024: the codec's delay
        early = load_audio(path, origin="video", end_s=0.5)
        np.testing.assert_array_equal(early, by_image[:8000])
        assert load_audio(path, origin="video", start_s=0.5).size == by_image.size - 8000


def test_gaps_in_the_timestamps_become_silence(tmp_path: Path) -> None:
    starts = [i * 1000 if i < 8 else i * 1000 + 8000 for i in range(16)]
    sound = sweep(16_000, 16_000)[None]
    path = write(tmp_path / "a.mkv", sound, 16_000, "pcm_s16le", "mono", starts)
    waveform = load_audio(path)
    assert waveform.size == 24_000
    assert np.abs(waveform[8200:15_800]).max() < 1e-3
    np.testing.assert_allclose(waveform[17_000:23_000], sound[0, 9000:15_000], atol=1e-3)


def test_samples_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    for value in (np.nan, np.inf):
        sound = sweep(8000, 44_100)[None].copy()
        sound[0, 4000] = value
        path = write(tmp_path / "a.wav", sound, 44_100, "pcm_f32le", "mono")
        with pytest.raises(UserError, match=r"a\.wav has samples that are not numbers"):
            load_audio(path)


def test_silence_is_no_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.zeros((1, 8000), np.float32), 16_000, "pcm_s16le", "mono")
    assert not load_audio(path).any()


def test_bad_input_says_so(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "silent.mp4", [numbered(0)] * 2, constant(2, 25))
    sound = write(tmp_path / "a.wav", sweep(8000, 16_000)[None], 16_000, "pcm_s16le", "mono")
    (tmp_path / "text.wav").write_text("no sound at all\n" * 99)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "head.wav").write_bytes(sound.read_bytes()[:60])
    (tmp_path / "none.wav").write_bytes(sound.read_bytes()[:78])
    for path, says in (
        (silent, "has no sound"),
        (tmp_path / "missing.wav", "does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "text.wav", "no media file|text file"),
        (tmp_path / "empty.wav", "is empty"),
        (tmp_path / "none.wav", "no sound that can be decoded|no media file"),
    ):
        with pytest.raises(UserError, match=says) as error:
            load_audio(path)
        assert path.name in str(error.value)
    with pytest.raises(UserError, match="choose an earlier start"):
        load_audio(sound, start_s=3)
    with pytest.raises(UserError, match="0 ≤ start < end"):
        load_audio(sound, start_s=0.3, end_s=0.2)
    with pytest.raises(UserError, match="has no video stream"):
        load_audio(sound, origin="video")


def test_real_files(shared_media: Path) -> None:
    lengths = {  # as FFmpeg's own command converts them
        "audio/de_sadtalker_48k24bit_stereo.wav": 149_483,
        "audio/en_dreamtalk_48k.m4a": 265_195,
        "audio/en_jfk_44k_stereo.flac": 176_000,
        "audio/es_dreamtalk_16k.wav": 72_192,
        "audio/zh_sadtalker_24k_mono.wav": 87_552,
        "talking/grid_brbk7n_en_25fps.mpg": 47_648,
        "special/syncnet_example_sound_delayed_5_frames.avi": 207_360,
    }
    for name, length in lengths.items():
        assert load_audio(shared_media / name).size == length, name
    late = load_audio(shared_media / "special/multiface_street_25fps.mp4", origin="video")
    assert late.size == load_audio(shared_media / "special/multiface_street_25fps.mp4").size + 160


def test_no_more_is_decoded_than_is_wanted(tmp_path: Path, monkeypatch) -> None:
    samples = sweep(44_100 * 20, 44_100)
    path = tmp_path / "a.wav"
    write_wav(path, samples, 44_100)
    whole = load_audio(path)
    decoded = []
    blocks = Sound.blocks

    def counted(sound: Sound) -> Iterator[av.AudioFrame]:
        for block in blocks(sound):
            decoded.append(block.samples / block.sample_rate)
            yield block

    monkeypatch.setattr(Sound, "blocks", counted)
    part = load_audio(path, start_s=1.5, end_s=2.5)
    np.testing.assert_array_equal(part, whole[24_000:40_000])
    assert sum(decoded) < 4
