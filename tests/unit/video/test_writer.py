"""What is written: images, sound to the sample, tags, sizes, and nothing after a failure."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.unit.video.made import (
    constant,
    decoded_sound,
    number_of,
    numbered,
    snr,
    sweep,
    write_video,
)
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.video import AudioTrack, VideoReader, VideoWriter, probe

NTSC = Fraction(30_000, 1001)


def write(path: Path, n: int = 25, fps: Fraction | float = 25, **options: object) -> Path:
    with VideoWriter(path, fps, (64, 48), **options) as writer:  # type: ignore[arg-type]
        for i in range(n):
            writer.write(numbered(i))
    return path


def write_sound(path: Path, samples: np.ndarray, rate: int, codec: str = "pcm_s16le") -> Path:
    """Sound alone: (n,) float32."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        kind = stream.codec_context.format.name
        data = samples if kind.startswith("flt") else np.round(samples * 32767).astype(np.int16)
        for at in range(0, samples.size, 1024):
            block = np.ascontiguousarray(data[None, at : at + 1024])
            frame = av.AudioFrame.from_ndarray(block, kind, "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("fps", [25, NTSC, 29.97, 50])
def test_images_come_back_in_order_at_their_rate(tmp_path: Path, fps: Fraction | float) -> None:
    reader = VideoReader(write(tmp_path / "o.mp4", 30, fps))
    assert [number_of(p) for p in reader] == [i % 25 for i in range(30)]
    assert reader.fps == (NTSC if fps == 29.97 else fps)
    assert not reader.info.variable_rate


def test_browsers_can_play_it(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "a.wav", sweep(16_000, 16_000), 16_000)
    path = write(tmp_path / "o.mp4", audio=AudioTrack(sound))
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # starts before it is all there
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert audio.codec_context.name == "aac"
        frame = next(container.decode(video=0))
        # BT.601 matrix, limited range, BT.709 primaries and transfer, all stated.
        assert (frame.colorspace, frame.color_range) == (6, 1)
        assert (frame.color_primaries, frame.color_trc) == (1, 1)


def test_colours_survive_in_every_reader(tmp_path: Path) -> None:
    image = np.empty((48, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = (40, 90, 200), (180, 60, 30)
    with VideoWriter(tmp_path / "o.mp4", 25, (64, 48)) as writer:
        for _ in range(5):
            writer.write(image)
    ours = next(iter(VideoReader(tmp_path / "o.mp4")))
    ok, theirs = cv2.VideoCapture(str(tmp_path / "o.mp4")).read()
    assert ok
    for read in (ours, theirs):
        for x in (10, 55):
            assert np.abs(read[20, x].astype(int) - image[20, x]).max() <= 3


def test_images_are_close_to_what_was_written(tmp_path: Path) -> None:
    y, x = np.mgrid[:96, :128].astype(np.float32)
    images = [
        np.stack([128 + 90 * np.sin((x + 3 * k * t) / 14) * np.cos(y / 9) for k in (1, 2, 3)], -1)
        for t in range(10)
    ]
    with VideoWriter(tmp_path / "o.mp4", 25, (128, 96)) as writer:
        for image in images:
            writer.write(image.astype(np.uint8))
    for read, image in zip(VideoReader(tmp_path / "o.mp4"), images, strict=True):
        assert 10 * np.log10(255**2 / ((read - image) ** 2).mean()) > 33


def test_ffv1_is_bit_exact_with_lossless_sound(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 35, 53, 3), dtype=np.uint8)
    samples = sweep(10_000, 22_050)
    sound = write_sound(tmp_path / "a.wav", samples, 22_050)
    with VideoWriter(
        tmp_path / "o.mkv", 25, (53, 35), AudioTrack(sound), codec="ffv1", metadata={"comment": "c"}
    ) as writer:
        for image in images:
            writer.write(image)
    np.testing.assert_array_equal(list(VideoReader(tmp_path / "o.mkv")), images)
    capture = cv2.VideoCapture(str(tmp_path / "o.mkv"))
    np.testing.assert_array_equal(capture.read()[1], images[0])
    np.testing.assert_array_equal(decoded_sound(tmp_path / "o.mkv"), decoded_sound(sound))


@pytest.mark.parametrize("size", [(53, 35), (52, 35), (53, 36)])
def test_odd_sizes_gain_a_repeated_row_or_column(tmp_path: Path, size: tuple[int, int]) -> None:
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[:, -1] = image[-1] = 200
    with VideoWriter(tmp_path / "o.mp4", 25, size) as writer:
        writer.write(image)
    read = next(iter(VideoReader(tmp_path / "o.mp4")))
    assert read.shape == (36, 54 if size[0] == 53 else 52, 3)
    assert abs(int(read[-1, 10].mean()) - 200) < 12
    assert read[: size[1] - 4, : size[0] - 4].mean() < 12


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 24_000])
@pytest.mark.parametrize("n", [16_000, 15_923, 1024 * 20, 1024 * 20 + 1, 700])
def test_encoded_sound_is_exact_in_length_and_place(tmp_path: Path, rate: int, n: int) -> None:
    samples = sweep(n, rate)
    sound = write_sound(tmp_path / "a.wav", samples, rate)
    path = write(tmp_path / "o.mp4", audio=AudioTrack(sound))
    plain = decoded_sound(path)[0]
    assert plain.size == n  # by any decoder that honours edit lists, not only by ours
    ours = load_audio(path, sample_rate=rate)
    assert ours.size == n
    assert n < 3000 or snr(samples, ours) > 22
    assert probe(path).start == 0


def test_trimmed_sound_is_exact(tmp_path: Path) -> None:
    samples = sweep(48_000, 16_000)
    sound = write_sound(tmp_path / "a.wav", samples, 16_000)
    path = write(tmp_path / "o.mp4", audio=AudioTrack(sound, start_s=0.5, end_s=2.25))
    assert decoded_sound(path).shape[1] == 28_000
    assert snr(samples[8000:36_000], load_audio(path)) > 22
    np.testing.assert_allclose(
        load_audio(sound, start_s=0.5, end_s=2.25), samples[8000:36_000], atol=1 / 32_000
    )
    with pytest.raises(UserError, match="choose an earlier start"):
        write(tmp_path / "p.mp4", audio=AudioTrack(sound, start_s=5))
    assert AudioTrack(sound, end_s=1e30).seconds() == AudioTrack(sound).seconds()


def test_aac_from_mp4_is_copied_to_the_bit(tmp_path: Path) -> None:
    source = write_video(
        tmp_path / "in.mp4",
        [numbered(i) for i in range(25)],
        constant(25, 25),
        sound=sweep(15_923, 16_000),
    )
    path = write(tmp_path / "o.mp4", audio=AudioTrack(source))
    np.testing.assert_array_equal(decoded_sound(path), decoded_sound(source))
    assert abs(load_audio(source).size - 15_923) <= 16  # PyAV's edit list counts milliseconds
    np.testing.assert_array_equal(load_audio(path), load_audio(source))


@pytest.mark.parametrize("late", [Fraction(3, 20), Fraction(-3, 20)])
@pytest.mark.parametrize("name", ["o.mp4", "o.mkv"])
def test_sound_keeps_its_offset_to_the_images(tmp_path: Path, late: Fraction, name: str) -> None:
    samples = sweep(16_000, 16_000)
    source = write_video(
        tmp_path / "in.mp4",
        [numbered(i) for i in range(25)],
        constant(25, 25, Fraction(1, 2)),
        sound=samples,
        sound_start=Fraction(1, 2) + late,
    )
    heard = load_audio(source, origin="video")
    assert heard.size == 16_000 + round(late * 16_000)
    codec = "ffv1" if name.endswith("mkv") else "h264"
    track = AudioTrack(source, origin="video")
    again = load_audio(write(tmp_path / name, audio=track, codec=codec), origin="video")
    assert again.size == heard.size
    assert snr(heard, again) > 22
    if late < 0:
        assert snr(samples[2400:], heard) > 22
    else:
        assert snr(samples, heard[2400:]) > 22


def test_stereo_and_high_rates_are_kept(tmp_path: Path) -> None:
    both = np.stack([sweep(30_000, 48_000), 0.5 * sweep(30_000, 48_000)[::-1]])
    with av.open(str(tmp_path / "a.flac"), "w") as container:
        stream = container.add_stream("flac", rate=48_000, layout="stereo")
        data = np.round(both * 32767).astype(np.int16).T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), "s16", "stereo")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path = write(tmp_path / "o.mp4", audio=AudioTrack(tmp_path / "a.flac"))
    decoded = decoded_sound(path)
    assert decoded.shape == (2, 30_000)
    assert min(snr(a, b) for a, b in zip(both, decoded, strict=True)) > 22


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv"])
def test_tags_survive(tmp_path: Path, name: str) -> None:
    tags = {"comment": "synthetic: made by w2l", "title": "ü"}
    codec = "ffv1" if name.endswith("mkv") else "h264"
    path = write(tmp_path / name, metadata=tags, codec=codec)
    with av.open(str(path)) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
    assert {key: found[key] for key in tags} == tags


def test_long_sound_is_written_whole_and_interleaved(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "a.wav", sweep(16_000 * 6, 16_000), 16_000)
    path = write(tmp_path / "o.mp4", 100, audio=AudioTrack(sound))
    assert decoded_sound(path).shape[1] == 96_000
    with av.open(str(path)) as container:
        kinds = [
            (p.pos, p.stream.type, float(p.pts * p.time_base)) for p in container.demux() if p.size
        ]
    kinds.sort()
    last = {"video": 0.0, "audio": 0.0}
    for _, kind, time in kinds:
        last[kind] = max(last[kind], time)
        if last["video"] < 3.9:
            assert abs(last["audio"] - last["video"]) < 1.2


def test_nothing_is_left_after_an_error_or_interrupt(tmp_path: Path) -> None:
    path = tmp_path / "o.mp4"
    path.write_bytes(b"earlier")

    def broken_off(error: type[BaseException]) -> None:
        with VideoWriter(path, 25, (64, 48)) as writer:
            writer.write(numbered(0))
            raise error

    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error):
            broken_off(error)
    with pytest.raises(ValueError, match="no image"), VideoWriter(path, 25, (64, 48)):
        pass
    assert path.read_bytes() == b"earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["o.mp4"]


def test_wrong_names_and_places_say_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"end in \.mkv"):
        VideoWriter(tmp_path / "o.mp4", 25, (64, 48), codec="ffv1")
    with pytest.raises(UserError, match="choose h264, hevc, vp9, prores or ffv1"):
        VideoWriter(tmp_path / "o.mp4", 25, (64, 48), codec="av1")  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another output path"):
        write(tmp_path / "file" / "o.mp4")
    with (
        pytest.raises(ValueError, match="expected uint8"),
        VideoWriter(tmp_path / "o.mp4", 25, (64, 48)) as writer,
    ):
        writer.write(np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(UserError, match="has no sound"):
        AudioTrack(write(tmp_path / "silent.mp4"))


def test_real_clips_keep_their_sound(tmp_path: Path, shared_media: Path) -> None:
    for name in ("talking/grid_brbk7n_en_25fps.mpg", "talking/retalking4_woman_30fps.mp4"):
        source = shared_media / name
        path = write(tmp_path / "o.mp4", 80, audio=AudioTrack(source))
        before, after = load_audio(source), load_audio(path)
        assert snr(before, after) > 22


def test_sound_that_cannot_be_stored_costs_one_sentence(tmp_path):
    """Damaged packets are told of only when they are written."""
    sound = tmp_path / "a.wav"
    write_sound(sound, np.zeros(16000, np.float32), 16000)

    class Damaged(AudioTrack):
        def add_to(self, *given):
            yield next(super().add_to(*given))
            raise av.error.InvalidDataError(1, "Invalid data found when processing input")

    def write_all() -> None:
        with VideoWriter(tmp_path / "out.mp4", 25, (32, 32), Damaged(sound)) as writer:
            for _ in range(50):
                writer.write(np.zeros((32, 32, 3), np.uint8))

    with pytest.raises(UserError, match=r"sound of .*a\.wav is damaged .*out\.mp4: convert"):
        write_all()
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_images_that_no_encoder_takes_are_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"o\.mp4 cannot be written: .*20558×136 .*height=…"),
        VideoWriter(tmp_path / "o.mp4", 25, (20558, 136)) as writer,
    ):
        writer.write(np.zeros((136, 20558, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
