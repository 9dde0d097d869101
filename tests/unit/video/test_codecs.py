"""Every codec writes what it was given: images, colours, tags, sound; or says why it cannot."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.unit.video.made import constant, decoded_sound, number_of, numbered, snr, sweep
from tests.unit.video.made import write_video as made_video
from tests.writing import write_wav
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.video import AudioTrack, Look, VideoReader, VideoWriter, codecs, probe
from w2l.video.codecs import CODECS

FILES = {"h264": "o.mp4", "hevc": "o.mp4", "vp9": "o.webm", "prores": "o.mov", "ffv1": "o.mkv"}
# FFmpeg's names of what then lies in the file
STORED = {
    "h264": ("h264", "yuv420p", "aac"),
    "hevc": ("hevc", "yuv420p", "aac"),
    "vp9": ("vp9", "yuv420p", "opus"),
    "prores": ("prores", "yuv422p10le", "pcm_s16le"),
    "ffv1": ("ffv1", "bgr0", "pcm_s16le"),
}
BT709 = Look(1, 1, 1, 1)
HLG = Look(9, 1, 9, 18)
FULL = Look(6, 2, 6, 6)
UNSTATED = Look(2, 0, 2, 2)


def colours(size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """Four flat fields of strong colours, where a wrong matrix or range shows at once."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    y, x = size[1] // 2, size[0] // 2
    image[:y, :x], image[:y, x:] = (30, 40, 200), (40, 190, 30)
    image[y:, :x], image[y:, x:] = (200, 50, 40), (220, 210, 230)
    return image


def fields(image: np.ndarray) -> np.ndarray:
    """The middle pixel of each field, (4, 3) int."""
    h, w = image.shape[:2]
    return image[[h // 4, h // 4, 3 * h // 4, 3 * h // 4], [w // 4, 3 * w // 4] * 2].astype(int)


def write(path: Path, codec: str, n: int = 30, **options) -> Path:
    with VideoWriter(path, 25, (64, 48), codec=codec, **options) as writer:
        for i in range(n):
            writer.write(numbered(i))
    return path


def test_every_codec_is_tried() -> None:
    assert set(FILES) == set(CODECS)


@pytest.mark.parametrize("codec", FILES)
def test_images_sound_and_tags_come_back(tmp_path: Path, codec: str) -> None:
    samples = sweep(19_123, 16_000)
    write_wav(tmp_path / "a.wav", samples)
    path = write(tmp_path / FILES[codec], codec, audio=AudioTrack(tmp_path / "a.wav"),
                 metadata={"comment": "synthetic", "description": "ü"})  # fmt: skip
    reader = VideoReader(path)
    assert [number_of(image) for image in reader] == [i % 25 for i in range(30)]
    assert (reader.size, reader.fps, reader.info.start) == ((64, 48), 25, 0)
    heard = load_audio(path)
    assert heard.size == 19_123
    assert snr(samples, heard) > 22
    with av.open(str(path)) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
        image, sound = container.streams.video[0], container.streams.audio[0]
        stored = image.codec_context.name, image.codec_context.pix_fmt
        assert (*stored, sound.codec_context.name) == STORED[codec]
    assert tags["comment"] == "synthetic"
    assert codec == "prores" or tags["description"] == "ü"  # mov has no place for it


@pytest.mark.parametrize("look", [BT709, HLG, FULL, UNSTATED], ids=str)
@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9"])
def test_colours_and_their_tags_are_kept(tmp_path: Path, codec: str, look: Look) -> None:
    path = tmp_path / FILES[codec]
    with VideoWriter(path, 25, (64, 48), codec=codec, look=look) as writer:
        writer.write(colours())
    assert np.abs(fields(next(iter(VideoReader(path)))) - fields(colours())).max() <= 4
    found = probe(path).look
    assert (found.matrix, found.primaries, found.transfer) == (
        look.matrix, look.primaries, look.transfer,
    )  # fmt: skip
    assert found.is_full == look.is_full


@pytest.mark.parametrize("look", [BT709, HLG], ids=str)
def test_prores_keeps_colours_and_tags(tmp_path: Path, look: Look) -> None:
    with VideoWriter(tmp_path / "o.mov", 25, (64, 48), codec="prores", look=look) as writer:
        writer.write(colours())
    assert np.abs(fields(next(iter(VideoReader(tmp_path / "o.mov")))) - fields(colours())).max() < 4
    assert probe(tmp_path / "o.mov").look == look


def test_ffv1_keeps_primaries_and_every_pixel(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (35, 53, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "o.mkv", 25, (53, 35), codec="ffv1", look=HLG) as writer:
        writer.write(image)
    np.testing.assert_array_equal(next(iter(VideoReader(tmp_path / "o.mkv"))), image)
    found = probe(tmp_path / "o.mkv").look
    assert (found.primaries, found.transfer) == (9, 18)


@pytest.mark.parametrize("codec", ["h264", "hevc", "prores"])
def test_pixels_that_are_not_square_stay_so(tmp_path: Path, codec: str) -> None:
    look = Look(pixel_aspect=Fraction(16, 15))
    path = write(tmp_path / FILES[codec], codec, 2, look=look)
    assert probe(path).look.pixel_aspect == Fraction(16, 15)


def test_a_look_is_read_from_a_source_and_turned_with_it(tmp_path: Path) -> None:
    """What FFmpeg itself wrote, not our writer."""
    path = made_video(tmp_path / "in.avi", [numbered(0)] * 2, constant(2, 25), codec="mjpeg",
                      pix_fmt="yuvj420p", tick=Fraction(1, 25))  # fmt: skip
    assert probe(path).look.is_full
    assert Look(1, 2, 9, 16, Fraction(8, 9)).turned().pixel_aspect == Fraction(9, 8)
    rgb = made_video(tmp_path / "rgb.mkv", [numbered(0)] * 2, constant(2, 25), codec="ffv1",
                     pix_fmt="bgr0")  # fmt: skip
    assert (probe(rgb).look.matrix, probe(rgb).look.is_full) == (6, False)  # as YUV is written


def test_h264_refines_its_own_preset_and_no_other(tmp_path: Path) -> None:
    """By what x264 notes in the file of its settings."""
    notes = {}
    for preset in (None, "medium"):
        with VideoWriter(tmp_path / "out.mp4", 25, (64, 64), preset=preset) as writer:
            writer.write(np.zeros((64, 64, 3), np.uint8))
        text = (tmp_path / "out.mp4").read_bytes().decode("latin1")
        notes[preset] = dict(re.findall(r"(\w+)=(\S+)", text))
    own, medium = notes[None], notes["medium"]
    names = ("subme", "mbtree", "rc_lookahead", "crf")
    assert [own[name] for name in names] == ["1", "1", "10", "16.0"]
    assert [medium[name] for name in names] == ["7", "1", "40", "16.0"]


def test_apple_plays_hevc(tmp_path: Path) -> None:
    for name in ("o.mp4", "o.mov"):
        with av.open(str(write(tmp_path / name, "hevc", 2))) as container:
            assert container.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize("codec", ["hevc", "vp9", "prores"])
def test_odd_sizes_gain_a_repeated_row_and_column(tmp_path: Path, codec: str) -> None:
    path = tmp_path / FILES[codec]
    with VideoWriter(path, 25, (63, 47), codec=codec) as writer:
        writer.write(np.full((47, 63, 3), 90, np.uint8))
    read = next(iter(VideoReader(path)))
    assert read.shape == (48, 64, 3)
    assert np.abs(read.astype(int) - 90).max() <= 3


@pytest.mark.parametrize("rate", [44_100, 22_050])
def test_opus_at_rates_it_lacks_is_as_long(tmp_path: Path, rate: int) -> None:
    """Opus has no 44.1 kHz: at its 48 kHz the length is exact to one of its samples."""
    samples = sweep(30_001, rate)
    write_wav(tmp_path / "a.wav", samples, rate)
    path = write(tmp_path / "o.webm", "vp9", audio=AudioTrack(tmp_path / "a.wav"))
    heard = decoded_sound(path)[0]
    assert abs(heard.size - 30_001 * 48_000 / rate) <= 1
    ours = load_audio(path, sample_rate=rate)
    assert snr(samples, ours[: samples.size]) > 22


def test_prores_has_the_samples_of_the_source(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", sweep(15_923, 22_050), 22_050)
    path = write(tmp_path / "o.mov", "prores", audio=AudioTrack(tmp_path / "a.wav"))
    np.testing.assert_array_equal(decoded_sound(path), decoded_sound(tmp_path / "a.wav"))


@pytest.mark.parametrize("codec", ["hevc", "vp9", "prores", "ffv1"])
def test_a_wrong_ending_names_the_right_ones(tmp_path: Path, codec: str) -> None:
    with pytest.raises(UserError) as error:
        VideoWriter(tmp_path / "o.avi", 25, (64, 48), codec=codec)
    assert all(ending in str(error.value) for ending in CODECS[codec].endings)


@pytest.mark.parametrize("codec", FILES)
def test_a_missing_encoder_is_one_sentence(tmp_path: Path, codec: str, monkeypatch) -> None:
    def none(name: str, mode: str) -> None:
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(codecs, "Coder", none)
    with pytest.raises(UserError, match=f"no {CODECS[codec].label} encoder") as error:
        VideoWriter(tmp_path / FILES[codec], 25, (64, 48), codec=codec)
    assert f"codec={codec}" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
