"""Timestamps, rates, seeking, orientation, formats and bad files, on videos made here."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.unit.video.made import constant, number_of, numbered, sweep, write_video
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.video import VideoReader, exact_rate, jpeg_frames, probe

NTSC = Fraction(30_000, 1001)
FILM = Fraction(24_000, 1001)


def clip(path: Path, n: int, rate: Fraction | int, **options: object) -> Path:
    times = constant(n, Fraction(rate))
    images = [numbered(i) for i in range(n)]
    return write_video(path, images, times, rate=Fraction(rate), **options)  # type: ignore[arg-type]


def shown_at(times: list[Fraction], step: Fraction, rate: Fraction) -> list[int]:
    """Which image is shown at each instant of the grid, said plainly.

    The nearest of all that began or do so within half a step; the earlier one of two as near.
    """
    shown, k = [], 0
    while (at := times[0] + k / rate) < times[-1] + step:
        near = [i for i, time in enumerate(times) if time < at + step / 2]
        shown.append(min(near, key=lambda i: (abs(times[i] - at), i)))
        k += 1
    return shown


@pytest.mark.parametrize("source", [FILM, 24, 25, NTSC, 30, 50, 60])
@pytest.mark.parametrize("wanted", [25, NTSC])
def test_constant_rates_are_resampled_by_time(
    tmp_path: Path, source: Fraction, wanted: Fraction
) -> None:
    times = constant(25, Fraction(source))
    path = clip(tmp_path / "in.mp4", 25, source)
    reader = VideoReader(path, fps=wanted)
    expected = shown_at(times, 1 / Fraction(source), Fraction(wanted))
    assert [number_of(image) for image in reader] == expected
    assert reader.count() == len(expected)
    assert reader.info.fps == source
    assert not reader.info.variable_rate


@pytest.mark.parametrize("source", [FILM, 25, NTSC, 60])
def test_a_rate_kept_keeps_each_image_once_in_spite_of_rounded_timestamps(
    tmp_path: Path, source: Fraction
) -> None:
    # Matroska rounds to milliseconds, so that images come up to 1 ms late.
    path = clip(tmp_path / "in.mkv", 25, source)
    reader = VideoReader(path, fps=reader_rate(path))
    assert [number_of(image) for image in reader] == list(range(25))


def reader_rate(path: Path) -> Fraction:
    rate = probe(path).fps
    assert not probe(path).variable_rate
    return rate


def test_a_file_is_looked_at_once_until_it_changes(tmp_path: Path) -> None:
    path = clip(tmp_path / "in.mp4", 5, 25)
    first = probe(path)
    assert probe(str(path)) is first
    clip(path, 9, 50)
    assert (probe(path).fps, probe(path).n_frames_estimate) == (50, 9)
    path.unlink()
    with pytest.raises(UserError, match=r"in\.mp4"):
        probe(path)


def test_a_variable_rate_is_resampled_by_time(tmp_path: Path) -> None:
    steps = [1, 2, 1, 1, 4, 1, 3, 1, 1, 1, 2, 5, 1, 1, 1]
    times = [Fraction(sum(steps[:i]), 30) for i in range(len(steps) + 1)]
    path = write_video(
        tmp_path / "in.mp4", [numbered(i) for i in range(16)], times, rate=Fraction(30)
    )
    reader = VideoReader(path, fps=25)
    assert reader.info.variable_rate
    assert [number_of(p) for p in reader] == shown_at(times, 1 / reader.info.fps, Fraction(25))
    as_they_came = VideoReader(path)
    assert [number_of(p) for p in as_they_came] == list(range(16))
    assert as_they_came.count() == 16


@pytest.mark.parametrize("rate", [FILM, 25, NTSC, 60])
def test_flash_and_beep_stay_together(tmp_path: Path, rate: Fraction) -> None:
    n, flash_s = int(rate * 2), Fraction(13, 10)
    flash = int(flash_s * rate)
    images = [np.full((48, 64, 3), 235 if i >= flash else 20, np.uint8) for i in range(n)]
    sound = np.zeros(32_000 * 2, np.float32)
    beep = round(float(flash / rate) * 32_000)
    sound[beep : beep + 1600] = sweep(1600, 32_000)
    path = write_video(
        tmp_path / "in.mp4",
        images,
        constant(n, rate, Fraction(1, 5)),
        rate=rate,
        sound=sound,
        sound_rate=32_000,
        sound_start=Fraction(1, 5),
    )
    seen = [k for k, p in enumerate(VideoReader(path, fps=25)) if p.mean() > 100]
    heard = int(np.argmax(np.abs(load_audio(path, origin="video")) > 0.02)) / 16_000
    assert abs(heard - float(flash / rate)) < 0.002
    # An image of 25 per second is first seen within half a step of the moment it came.
    assert abs(seen[0] / 25 - heard) < 0.021


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.mpg", "a.ts"])
@pytest.mark.parametrize("fps", [None, 25, 40])
def test_reading_by_index_equals_reading_through(
    tmp_path: Path, name: str, fps: int | None
) -> None:
    codec = {"a.avi": "mpeg4", "a.mpg": "mpeg1video"}.get(name, "libx264")
    tick = {"a.avi": Fraction(1, 25), "a.mpg": Fraction(1, 25)}.get(name, Fraction(1, 90_000))
    options = {"g": "12", "bf": "2"}
    path = clip(tmp_path / name, 90, 25, codec=codec, tick=tick, options=options)
    whole = list(VideoReader(path, fps=fps))
    reader = VideoReader(path, fps=fps)
    for start, stop in [(60, 64), (0, 3), (31, 50), (len(whole) - 2, len(whole) + 5), (12, 13)]:
        part = list(reader.read(start, stop))
        assert len(part) == len(whole[start:stop])
        np.testing.assert_array_equal(part, whole[start:stop])
    assert list(reader.read(len(whole), len(whole) + 3)) == []
    assert reader.count() == len(whole)


def test_trimming_is_relative_to_the_first_image(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "in.mp4",
        [numbered(i) for i in range(75)],
        constant(75, 25, Fraction(3, 2)),
        options={"g": "25"},
    )
    assert float(probe(path).start) == pytest.approx(1.5)
    for fps in (None, 25):
        reader = VideoReader(path, fps=fps, start_s=0.4, end_s=1.2)
        assert [number_of(p) for p in reader] == [i % 25 for i in range(10, 30)]
        assert reader.count() == 20
        assert [number_of(p) for p in reader.read(5, 7)] == [15, 16]
    with pytest.raises(UserError, match="choose an earlier start"):
        list(VideoReader(path, fps=25, start_s=60))
    with pytest.raises(UserError, match="over before start"):  # beyond 64 bits of its clock
        list(VideoReader(path, fps=25, start_s=1e30))
    with pytest.raises(UserError, match="0 ≤ start < end"):
        VideoReader(path, start_s=2, end_s=1)


def test_each_image_belongs_to_the_caller(tmp_path: Path) -> None:
    reader = VideoReader(clip(tmp_path / "in.mp4", 5, 25), fps=50)
    numbers = []
    for image in reader:
        numbers.append(number_of(image))
        assert image.flags.c_contiguous
        assert image.dtype == np.uint8
        image[:] = 0
    assert numbers == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    images = [numbered(0, (320, 240))] * 200
    path = write_video(tmp_path / "in.mp4", images, constant(200, 25))
    tracemalloc.start()
    for _ in VideoReader(path, fps=25):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 320 * 240 * 3


def turned_file(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """A video with a display matrix (a, b, c, d), patched into the track header."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32], image[:24, 32:] = 255, 128  # bright top left, grey top right
    write_video(path, [image] * 3, constant(3, 25))
    a, b, c, d = (each << 16 for each in matrix)
    data = bytearray(path.read_bytes())
    # tkhd version 0: 40 bytes after the name come the nine numbers of the matrix.
    at = data.index(b"tkhd") + 4 + 40
    numbers = [a, b, 0, c, d, 0, 0, 0, 1 << 30]
    data[at : at + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    path.write_bytes(data)
    return path


# Where the stored corner comes to lie, and the one that was right of it: (down, right).
@pytest.mark.parametrize(
    ("matrix", "bright", "grey"),
    [
        ((1, 0, 0, 1), (0, 0), (0, 1)),
        ((-1, 0, 0, 1), (0, 1), (0, 0)),
        ((1, 0, 0, -1), (1, 0), (1, 1)),
        ((-1, 0, 0, -1), (1, 1), (1, 0)),
        ((0, 1, -1, 0), (0, 1), (1, 1)),
        ((0, -1, 1, 0), (1, 0), (0, 0)),
        ((0, 1, 1, 0), (0, 0), (1, 0)),
        ((0, -1, -1, 0), (1, 1), (0, 1)),
    ],
)
def test_turned_and_mirrored_images_are_shown_as_players_do(
    tmp_path: Path,
    matrix: tuple[int, int, int, int],
    bright: tuple[int, int],
    grey: tuple[int, int],
) -> None:
    path = turned_file(tmp_path / "in.mp4", matrix)
    image = next(iter(VideoReader(path)))
    info = probe(path)
    assert image.shape == (info.height, info.width, 3)
    assert (info.width, info.height) == ((64, 48) if matrix[0] else (48, 64))
    quarter = {
        (down, right): image[down * info.height // 2 :, right * info.width // 2 :]
        [4 : info.height // 2 - 4, 4 : info.width // 2 - 4].mean()
        for down in (0, 1)
        for right in (0, 1)
    }  # fmt: skip
    assert quarter[bright] > 240
    assert 120 < quarter[grey] < 136
    if matrix in ((0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)):  # OpenCV knows no others
        ok, expected = cv2.VideoCapture(str(path)).read()
        assert ok
        np.testing.assert_array_equal(image, expected)
    (encoded,) = islice(jpeg_frames(path), 1)
    assert np.abs(encoded.astype(int) - image).mean() < 4


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix"),
    [
        ("libx265", "yuv420p10le", "mp4"),
        ("libx264", "yuv444p", "mp4"),
        ("libx264", "yuvj420p", "mp4"),
        ("ffv1", "bgr0", "mkv"),
        ("libvpx-vp9", "yuv420p", "webm"),
        ("mjpeg", "yuvj422p", "avi"),
    ],
)
def test_pixel_formats_keep_their_colours(
    tmp_path: Path, codec: str, pix_fmt: str, suffix: str
) -> None:
    image = np.empty((50, 66, 3), np.uint8)
    image[:, :33], image[:, 33:] = (40, 90, 200), (180, 60, 30)
    tick = Fraction(1, 25)
    path = write_video(
        tmp_path / f"in.{suffix}",
        [image] * 4,
        constant(4, 25),
        codec=codec,
        pix_fmt=pix_fmt,
        tick=tick,
        options={"x265-params": "log-level=none"} if codec == "libx265" else {},
    )
    frames = list(VideoReader(path))
    assert len(frames) == 4
    for x, colour in ((10, (40, 90, 200)), (55, (180, 60, 30))):
        assert np.abs(frames[2][25, x].astype(int) - colour).max() <= 4


def test_odd_sizes_and_transparency(tmp_path: Path) -> None:
    image = np.full((35, 53, 4), 255, np.uint8)
    image[:, :20, 3] = 0
    image[:, 20:40, 3] = 128
    path = write_video(
        tmp_path / "in.mkv", [image] * 2, constant(2, 25), codec="ffv1", pix_fmt="bgra"
    )
    frame = next(iter(VideoReader(path)))
    assert frame.shape == (35, 53, 3)
    assert set(np.unique(frame)) == {0, 128, 255}


def test_scale_is_truncated_as_the_published_resize_factor(tmp_path: Path) -> None:
    images = [numbered(i, (66, 50)) for i in range(3)]
    path = write_video(tmp_path / "in.mp4", images, constant(3, 25))
    reader = VideoReader(path, scale=1 / 3)
    assert reader.size == (22, 16)
    assert all(p.shape == (16, 22, 3) for p in reader)
    whole = next(iter(VideoReader(path)))
    np.testing.assert_array_equal(next(iter(reader)), cv2.resize(whole, (22, 16)))


def test_a_file_cut_short_ends_at_its_last_image(tmp_path: Path) -> None:
    whole = clip(tmp_path / "whole.mkv", 60, 25, options={"g": "10", "bf": "0"}).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    numbers = [number_of(p) for p in VideoReader(cut, fps=25)]
    assert 10 < len(numbers) < 60
    assert numbers == [i % 25 for i in range(len(numbers))]


def test_damage_in_the_middle_does_not_end_the_video(tmp_path: Path) -> None:
    path = clip(
        tmp_path / "in.avi", 60, 25, codec="mjpeg", pix_fmt="yuvj420p", tick=Fraction(1, 25)
    )
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        spoilt = [p.pos for p in container.demux(video=0) if p.pts in (20, 21)]
    for position in spoilt:
        data[position + 8 : position + 400] = bytes(392)
    path.write_bytes(data)
    frames = list(VideoReader(path, fps=25))
    assert len(frames) == 60
    assert number_of(frames[59]) == 9


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"not a video at all\n" * 50, "no media file|text file"),
        ("noise.mp4", bytes(range(256)) * 40, "no media file|no image|no video stream"),
        ("headless.mp4", None, "no media file"),
    ],
)
def test_bad_files_say_so(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    path = tmp_path / name
    if content is None:  # an mp4 whose index, at its end, was never written
        content = clip(tmp_path / "whole.mp4", 30, 25).read_bytes()
        content = content[: content.index(b"moov") - 4]
    path.write_bytes(content)
    with pytest.raises(UserError, match=says) as error:
        VideoReader(path)
    assert name in str(error.value)


def test_a_missing_file_a_folder_and_sound_alone_say_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.mp4 does not exist"):
        probe(tmp_path / "no.mp4")
    with pytest.raises(UserError, match="is a folder"):
        probe(tmp_path)
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
    with pytest.raises(UserError, match="has no video stream"):
        probe(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["it's a (1).mp4", "a:b#c.mp4", "ünï 中.mp4", "100%d.mp4"])
def test_odd_names_are_read(tmp_path: Path, name: str) -> None:
    path = clip(tmp_path / "plain.mp4", 3, 25).rename(tmp_path / name)
    assert VideoReader(path, fps=25).count() == 3


@pytest.mark.parametrize(
    ("given", "exact"),
    [(29.97, NTSC), (23.976, FILM), (59.94, 2 * NTSC), (25, Fraction(25)), (12.5, Fraction(25, 2))],
)
def test_rates_by_their_usual_names(given: float, exact: Fraction) -> None:
    assert exact_rate(given) == exact


def test_real_clips_equal_opencv(shared_media: Path) -> None:
    for name, n in (("grid_brbk7n_en_25fps.mpg", 75), ("retalking1_man_vfr.mp4", 20)):
        capture = cv2.VideoCapture(str(shared_media / "talking" / name))
        for image in VideoReader(shared_media / "talking" / name).read(0, n):
            ok, expected = capture.read()
            assert ok
            np.testing.assert_array_equal(image, expected)
    assert VideoReader(shared_media / "talking" / "grid_brbk7n_en_25fps.mpg").count() == 75


def test_the_real_variable_and_gappy_clips(shared_media: Path) -> None:
    variable = VideoReader(shared_media / "talking" / "retalking1_man_vfr.mp4", fps=25)
    assert variable.info.variable_rate
    assert variable.count() == 153  # 6.1 s
    gaps = VideoReader(
        shared_media / "special" / "syncnet_example_sound_delayed_5_frames.avi", fps=25
    )
    assert gaps.count() == 319  # 317 images, two gaps of a step and a half filled


def test_colours_that_cannot_be_read_are_one_sentence(tmp_path, monkeypatch) -> None:
    """As FFmpeg refuses a frame of which a damaged file says something impossible."""
    write_video(tmp_path / "v.mp4", [numbered(i) for i in range(3)], constant(3, 25))

    def refused(*_: object) -> None:
        raise av.error.OSError(95, "Operation not supported")

    monkeypatch.setattr("w2l.video.decode.ToBgr.__call__", refused)
    with pytest.raises(UserError, match=r"v\.mp4 has an image whose colours cannot be read"):
        next(iter(VideoReader(tmp_path / "v.mp4", fps=25)))
