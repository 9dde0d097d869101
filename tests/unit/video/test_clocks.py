"""Timestamps that jump, lie apart or claim too much: images and sound stay whole and together."""

from __future__ import annotations

import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet

from tests.unit.video.made import constant, decoded_sound, number_of, numbered, sweep, write_video
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.inference.geometry import Geometry
from w2l.inference.source import VideoSource, count
from w2l.media.clock import clock_of
from w2l.video import AudioTrack, VideoReader, VideoWriter, probe

RATE = 16_000


def beeps(waveform: np.ndarray, rate: int = RATE) -> list[float]:
    """Seconds at which sound sets in after silence."""
    loud = np.flatnonzero(np.abs(waveform) > 0.1)
    begins = (
        np.concatenate([[True], np.diff(loud) > rate // 10]) if len(loud) else np.zeros(0, bool)
    )
    return (loud[begins] / rate).tolist()


def flashes(reader: VideoReader) -> list[float]:
    bright = [image.mean() > 100 for image in reader]
    return [i / 25 for i in range(1, len(bright)) if bright[i] and not bright[i - 1]]


def flash_and_beep(path: Path, **options: object) -> Path:
    """Two seconds, with a flash and a beep at 1 s, and a beep at 0.2 s."""
    images = [np.full((48, 64, 3), 235 if 25 <= i < 30 else 20, np.uint8) for i in range(50)]
    sound = np.zeros(2 * RATE, np.float32)
    for at in (0.2, 1.0):
        start = int(at * RATE)
        sound[start : start + 1600] = np.sin(np.arange(1600) * 0.4).astype(np.float32) * 0.5
    return write_video(path, images, constant(50, 25), sound=sound, **options)  # type: ignore[arg-type]


def remux(
    source: Path,
    target: Path,
    edit: Callable[[Packet, int], None] = lambda *_: None,
    **options: str,
) -> Path:
    """Copy all streams packet by packet; `edit` is given each with its number in its stream."""
    with av.open(str(source)) as given, av.open(str(target), "w", options=options) as container:
        streams = {each.index: container.add_stream_from_template(each) for each in given.streams}
        numbers = dict.fromkeys(streams, 0)
        for packet in given.demux():
            if not packet.size:  # the end
                continue
            edit(packet, numbers[packet.stream_index])
            numbers[packet.stream_index] += 1
            packet.stream = streams[packet.stream_index]
            container.mux(packet)
    return target


def later(seconds: float, kind: str = "", first: int = 0) -> Callable[[Packet, int], None]:
    """Move packets of a kind of stream from number `first` on."""

    def edit(packet: Packet, number: int) -> None:
        if number >= first and packet.stream.type.startswith(kind):
            packet.pts += round(seconds / packet.time_base)
            packet.dts += round(seconds / packet.time_base)

    return edit


@pytest.mark.parametrize("offset", [0, 3600])
def test_spliced_recordings_are_whole_and_together(tmp_path: Path, offset: int) -> None:
    one = flash_and_beep(tmp_path / "one.ts")
    other = remux(one, tmp_path / "other.ts", later(offset))
    path = tmp_path / "in.ts"
    path.write_bytes(one.read_bytes() + other.read_bytes())
    reader = VideoReader(path, fps=25)
    assert probe(path).duration_s == pytest.approx(4, abs=0.05)
    assert reader.count() == 100
    heard = beeps(load_audio(path, origin="video"))
    assert len(heard) == 4
    for at, second in zip(flashes(reader), heard[1::2], strict=True):
        assert abs(at - second) < 0.021
    assert flashes(reader) == pytest.approx([1, 3], abs=0.021)


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv"])
def test_images_and_sound_that_jump_together_stay_together(tmp_path: Path, name: str) -> None:
    whole = flash_and_beep(tmp_path / "whole.mp4", options={"bf": "0"})

    def edit(packet: Packet, number: int) -> None:
        if packet.pts * packet.time_base > 0.6:
            later(900)(packet, number)

    path = remux(whole, tmp_path / name, edit)
    reader = VideoReader(path, fps=25)
    assert reader.count() == 50
    assert flashes(reader) == [1]
    assert beeps(load_audio(path, origin="video")) == pytest.approx(
        beeps(load_audio(whole, origin="video")), abs=0.021
    )
    assert count(VideoSource(path, Geometry())) == 50


def test_a_jump_between_images_out_of_order(tmp_path: Path) -> None:
    times = [Fraction(i, 25) + (900 if i > 12 else 0) for i in range(25)]
    path = write_video(
        tmp_path / "in.mp4", [numbered(i) for i in range(25)], times, options={"bf": "3"}
    )
    assert [number_of(image) for image in VideoReader(path, fps=25)] == list(range(25))
    assert [number_of(image) for image in VideoReader(path, fps=25).read(12, 15)] == [
        12,
        13,
        14,
    ]


@pytest.mark.parametrize("codec", ["libopus", "flac"])
def test_chained_sound_is_whole(tmp_path: Path, codec: str) -> None:
    one = tmp_path / "one.ogg"
    with av.open(str(one), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        samples = np.zeros(48_000, np.float32)
        samples[24_000:28_800] = 0.5 * np.sin(np.arange(4800) * 0.2)
        kind = stream.codec_context.format.name
        step = stream.codec_context.frame_size or 1024
        for at in range(0, len(samples), step):
            block = samples[None, at : at + step]
            if kind.startswith("s16"):
                block = np.rint(block * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), kind, "mono")
            frame.sample_rate, frame.pts = 48_000, at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path = tmp_path / "in.ogg"
    path.write_bytes(one.read_bytes() * 2)
    waveform = load_audio(path)
    length = len(load_audio(one)) / RATE
    assert len(waveform) / RATE == pytest.approx(2 * length, abs=0.001)
    (first,) = beeps(load_audio(one))
    assert beeps(waveform) == pytest.approx([first, first + length], abs=0.001)
    written = tmp_path / "out.wav"
    with av.open(str(written), "w") as output:
        output.mux(list(AudioTrack(path).add_to(output)))
    assert beeps(decoded_sound(written)[0], 48_000) == pytest.approx(beeps(waveform), abs=0.001)


@pytest.mark.parametrize("gap", [0.0587, 0.004])
def test_a_short_hole_in_the_sound_is_kept(tmp_path: Path, gap: float) -> None:
    """Fragmented mp4 has one after the encoder's delay: what is heard and written agree."""
    whole = flash_and_beep(tmp_path / "whole.mp4")
    path = remux(
        whole, tmp_path / "in.mp4", later(gap, "audio", 2), movflags="frag_keyframe+empty_moov"
    )
    before, after = (beeps(load_audio(each, origin="video")) for each in (whole, path))
    with av.open(str(path)) as container:  # what a muxer does on its own beside it
        packets = [(p.pts * p.time_base, p.duration) for p in container.demux(audio=0) if p.size]
        moved = float(packets[4][0]) - 4 * 1024 / RATE
        start = float(probe(path).start)
    with av.open(str(whole)) as container:
        moved -= (
            float([p.pts * p.time_base for p in container.demux(audio=0) if p.size][4])
            - 4 * 1024 / RATE
        )
    assert after == pytest.approx([each + moved - start for each in before], abs=0.0015)
    with VideoWriter(
        tmp_path / "out.mp4", 25, (64, 48), AudioTrack(path, origin="video")
    ) as writer:
        for image in VideoReader(path, fps=25):
            writer.write(image)
    assert beeps(decoded_sound(tmp_path / "out.mp4")[0]) == pytest.approx(after, abs=0.0015)


def write_blocks(path: Path, samples: np.ndarray, starts: list[float]) -> Path:
    """16-bit mono in blocks of 800 samples that begin at `starts` (seconds)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for start, block in zip(starts, samples.reshape(-1, 800), strict=True):
            whole = np.rint(block[None] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole, "s16", "mono")
            frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
            frame.pts = round(start * RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_timestamps_that_tremble_are_no_gaps(tmp_path: Path) -> None:
    sound = sweep(21 * 800, RATE)
    starts = [i / 20 + (0.004 if i % 3 == 1 else 0) for i in range(21)]
    np.testing.assert_array_equal(
        load_audio(write_blocks(tmp_path / "in.mkv", sound, starts)),
        np.rint(sound * 32767).astype(np.int16) / np.float32(32768),
    )


@pytest.mark.parametrize("hours", [Fraction(1, 6), 100])
def test_a_gap_of_hours_is_no_silence(tmp_path: Path, hours: Fraction) -> None:
    sound = sweep(RATE, RATE)
    starts = [i / 20 + (float(hours * 3600) if i > 5 else 0) for i in range(20)]
    path = write_blocks(tmp_path / "in.mkv", sound, starts)
    assert load_audio(path).size == RATE
    assert len(load_audio(path, end_s=0.5)) == RATE // 2
    assert AudioTrack(path).seconds() == 1


def test_sound_that_jumps_alone_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = flash_and_beep(tmp_path / "whole.mkv", sound_codec="pcm_s16le")
    path = remux(whole, tmp_path / "in.mkv", later(600, "audio", 10))
    assert load_audio(path, origin="video").size == 2 * RATE
    assert beeps(load_audio(path, origin="video")) == beeps(load_audio(whole, origin="video"))
    late = remux(whole, tmp_path / "late.mkv", later(600, "audio"))
    assert load_audio(late, origin="video").size == 2 * RATE


def test_a_still_over_which_sound_goes_on_is_no_jump(tmp_path: Path) -> None:
    times = [Fraction(0), *(Fraction(15) + Fraction(i, 25) for i in range(25))]
    sound = np.zeros(16 * RATE, np.float32)
    path = write_video(
        tmp_path / "in.mkv", [numbered(i) for i in range(26)], times, sound=sound,
        sound_codec="pcm_s16le",
    )  # fmt: skip
    reader = VideoReader(path, fps=25)
    assert reader.count() == 400


def test_a_video_that_jumps_is_as_long_as_its_images(tmp_path: Path) -> None:
    whole = write_video(
        tmp_path / "whole.mkv", [numbered(i) for i in range(25)], constant(25, 25),
        options={"bf": "0"},
    )  # fmt: skip
    path = remux(whole, tmp_path / "in.mkv", later(360_000, first=12))
    reader = VideoReader(path, fps=25)
    assert [number_of(image) for image in reader] == list(range(25))
    assert reader.count() == 25
    assert [number_of(image) for image in reader.read(20, 22)] == [20, 21]
    info = probe(path)
    assert (info.duration_s, info.fps, info.n_frames_estimate) == (pytest.approx(1), 25, 25)
    assert count(VideoSource(path, Geometry())) == 25


def test_more_than_the_bytes_can_hold_is_refused(tmp_path: Path) -> None:
    hertz = tmp_path / "hertz.wav"
    with wave.open(str(hertz), "wb") as file:
        file.setparams((1, 2, 1, 0, "NONE", "NONE"))
        file.writeframes(bytes(16_000))
    starts = [i * 9.5 for i in range(20)]
    gaps = write_blocks(tmp_path / "gaps.mkv", np.zeros(20 * 800, np.float32), starts)
    # As above, but with few bytes for each block.
    short = tmp_path / "short.mkv"
    with av.open(str(short), "w") as container:
        stream = container.add_stream("pcm_u8", rate=8000, layout="mono")
        for i in range(300):
            frame = av.AudioFrame.from_ndarray(np.full((1, 8), 128, np.uint8), "u8", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 8000, i * 76_000, Fraction(1, 8000)
            container.mux(stream.encode(frame))
    assert load_audio(gaps).size == 19 * 9.5 * RATE + 800
    for path, read in (
        (hertz, load_audio),
        (short, load_audio),
        (short, lambda path: AudioTrack(path).seconds()),
    ):
        with pytest.raises(UserError, match=rf"{path.name} claims to last .* bytes cannot"):
            read(path)


def test_the_rate_is_that_of_what_moves(tmp_path: Path) -> None:
    times = [Fraction(0), *(Fraction(8) + Fraction(i, 25) for i in range(49))]
    for name, tick in (("in.mp4", Fraction(1, 90_000)), ("in.mkv", Fraction(1, 1000))):
        path = write_video(tmp_path / name, [numbered(i) for i in range(50)], times, tick=tick)
        info = probe(path)
        assert (info.fps, info.variable_rate) == (25, True)
        source = VideoSource(path, Geometry())
        assert abs(source.n_frames_estimate - 249) <= 1
        assert count(source) == 249
        numbers = [number_of(image) for image in VideoReader(path, fps=info.fps)]
        assert numbers == [*[0] * 200, *(i % 25 for i in range(1, 50))]
        assert VideoSource(path, Geometry(), fps=Fraction(10)).fps == 10


@pytest.mark.parametrize("name", ["in.mp4", "in.gif"])
def test_a_last_image_is_held_to_the_end(tmp_path: Path, name: str) -> None:
    def hold(packet: Packet, number: int) -> None:
        packet.duration = round((2 if number == 24 else 0.04) / packet.time_base)

    gif = name.endswith("gif")
    whole = write_video(
        tmp_path / f"whole.{name[-3:]}", [numbered(i) for i in range(25)], constant(25, 25),
        options={} if gif else {"bf": "0"}, tick=Fraction(1, 100 if gif else 90_000),
        codec="gif" if gif else "libx264", pix_fmt="rgb8" if gif else "yuv420p",
    )  # fmt: skip
    path = remux(whole, tmp_path / name, hold)
    reader = VideoReader(path, fps=25)
    assert reader.count() == pytest.approx(74, abs=0)
    assert probe(path).duration_s == pytest.approx(2.96)
    assert count(VideoSource(path, Geometry())) == 74
    assert VideoReader(path).count() == 25


def two_tracks(path: Path, default: int) -> Path:
    """Mono tracks of 440 and 880 Hz; number `default` (0, 1) has the flag."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in range(2)]
        for number, stream in enumerate(streams):
            stream.disposition = 1 if number == default else 0
        for number, stream in enumerate(streams):
            tone = np.sin(np.arange(RATE // 2) * 2 * np.pi * 440 * (number + 1) / RATE)
            whole = np.rint(tone[None] * 9000).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole, "s16", "mono")
            frame.sample_rate = RATE
            container.mux(stream.encode(frame))
    return path


def pitch(waveform: np.ndarray, rate: int = RATE) -> float:
    return float(np.abs(np.fft.rfft(waveform)).argmax() * rate / len(waveform))


@pytest.mark.parametrize("default", [0, 1])
def test_the_default_track_is_taken_or_the_one_asked_for(tmp_path: Path, default: int) -> None:
    path = two_tracks(tmp_path / "in.mkv", default)
    assert pitch(load_audio(path)) == 440 * (default + 1)
    track = AudioTrack(path)
    assert (track.number, track.n_tracks) == (default + 1, 2)
    for number in (1, 2):
        assert pitch(load_audio(path, track=number)) == 440 * number
        with av.open(str(tmp_path / "out.wav"), "w") as output:
            output.mux(list(AudioTrack(path, track=number).add_to(output)))
        assert pitch(decoded_sound(tmp_path / "out.wav")[0]) == 440 * number
    with pytest.raises(UserError, match="no sound track 3: it has sound tracks 1 to 2"):
        load_audio(path, track=3)


def test_a_format_that_changes_on_the_way_is_read_and_written(tmp_path: Path) -> None:
    parts = b""
    for rate, layout, tone in ((44_100, "stereo", 440), (48_000, "mono", 880)):
        part = tmp_path / f"{layout}.mp3"
        with av.open(
            str(part), "w", options={"write_xing": "0", "id3v2_version": "0"}
        ) as container:
            stream = container.add_stream("libmp3lame", rate=rate, layout=layout)
            wave_ = 0.3 * np.sin(np.arange(1152 * 40) * 2 * np.pi * tone / rate)
            data = np.tile(wave_.astype(np.float32), (2 if layout == "stereo" else 1, 1))
            stream.codec_context.format = "fltp"
            for at in range(0, data.shape[1], 1152):
                block = np.ascontiguousarray(data[:, at : at + 1152])
                frame = av.AudioFrame.from_ndarray(block, "fltp", layout)
                frame.sample_rate, frame.pts = rate, at
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        parts += part.read_bytes()
    path = tmp_path / "in.mp3"
    path.write_bytes(parts)
    waveform = load_audio(path)
    lengths = [40 * 1152 / 44_100, 40 * 1152 / 48_000]
    assert len(waveform) / RATE == pytest.approx(sum(lengths), abs=0.1)
    with av.open(str(tmp_path / "out.mkv"), "w") as output:
        output.mux(list(AudioTrack(path).add_to(output)))
    written = decoded_sound(tmp_path / "out.mkv").reshape(-1, 2)[:, 0]
    assert len(written) / 44_100 == pytest.approx(len(waveform) / RATE, abs=0.001)
    for sound, rate in ((waveform, RATE), (written, 44_100)):
        for second, tone in ((0.2, 440), (1.3, 880)):
            piece = sound[int(second * rate) : int((second + 0.5) * rate)].astype(float)
            assert pitch(piece, rate) == pytest.approx(tone, abs=3)


def encoded_beep(path: Path, codec: str, rate: int, layout: str) -> bytes:
    """The file of one second with a beep at 0.5 s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        samples = np.zeros((stream.codec_context.layout.nb_channels, rate), np.float32)
        samples[:, rate // 2 : rate * 6 // 10] = 0.5 * np.sin(np.arange(rate // 10) * 0.2)
        kind = stream.codec_context.format.name
        step = stream.codec_context.frame_size or 1024
        for at in range(0, rate, step):
            block = samples[:, at : at + step]
            if kind.startswith("s16"):
                block = np.rint(block.T.reshape(1, -1) * 32767).astype(np.int16)
            elif not kind.endswith("p"):
                block = block.T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), kind, layout)
            frame.sample_rate, frame.pts = rate, at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("codec", "ending", "rates"),
    [
        ("libopus", "ogg", (48_000, 48_000)),  # FFmpeg ends where the number of channels changes
        ("flac", "ogg", (44_100, 48_000)),  # the others: it counts on by the first rate
        ("aac", "aac", (24_000, 44_100)),
        ("aac", "ts", (44_100, 48_000)),
    ],
)
def test_sound_of_another_kind_behind_the_first_is_whole_and_where_it_was(
    tmp_path: Path, codec: str, ending: str, rates: tuple[int, int]
) -> None:
    parts, lengths, begins = [], [], []
    for number, (rate, layout) in enumerate(zip(rates, ("stereo", "mono"), strict=True)):
        one = tmp_path / f"{number}.{ending}"
        parts.append(encoded_beep(one, codec, rate, layout))
        waveform = load_audio(one)
        lengths.append(len(waveform) / RATE)
        begins += beeps(waveform)
    path = tmp_path / f"in.{ending}"
    path.write_bytes(parts[0] + parts[1] + parts[0])
    wanted = [begins[0], begins[1] + lengths[0], begins[0] + sum(lengths)]
    heard = load_audio(path)
    assert len(heard) / RATE == pytest.approx(2 * lengths[0] + lengths[1], abs=0.003)
    assert beeps(heard) == pytest.approx(wanted, abs=0.003)
    with av.open(str(tmp_path / "out.wav"), "w") as output:
        output.mux(list(AudioTrack(path).add_to(output)))
    written = decoded_sound(tmp_path / "out.wav").reshape(-1, 2)[:, 0]
    assert beeps(written, rates[0]) == pytest.approx(wanted, abs=0.003)


def test_the_clock_of_a_whole_file_changes_nothing(tmp_path: Path) -> None:
    for name in ("in.mp4", "in.mkv", "in.ts"):
        clock = clock_of(flash_and_beep(tmp_path / name))
        assert not clock.stretches


def test_a_rate_beyond_all_measure_is_bounded(tmp_path: Path) -> None:
    """Else a sound of a second has a million images."""
    path = write_video(
        tmp_path / "in.mp4", [numbered(i) for i in range(6)], constant(6, 50_000),
        tick=Fraction(1, 50_000),
    )  # fmt: skip
    assert probe(path).fps == 1000
    assert [number_of(image) for image in VideoReader(path)] == list(range(6))
