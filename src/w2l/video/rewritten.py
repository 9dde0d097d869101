"""The file that published scoring makes of a video first, and the images that it reads of it.

`ffmpeg -i VIDEO -q:v 2 -async 1 -r 25 video.avi` decides which image is shown when, and what is
lost: FFmpeg's rate conversion drops and repeats images, the encoder of the sound starts before
time 0, so that the images are moved by a frame, and AVI stores gaps as empty packets. So the file
is written here, too, by the same libraries; rules are those of FFmpeg 5.1's command.
"""

from __future__ import annotations

import heapq
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Protocol, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from w2l.errors import UserError
from w2l.media import open_media, pull, sound_graph, time_base
from w2l.media.sound import alike, open_sound
from w2l.video.decode import ACCURATE, Timed, ToBgr, decode
from w2l.video.jpeg import LAMBDA, is_full_range
from w2l.video.passes import BICUBIC, FramePass, check_quantizer, through
from w2l.video.probe import VideoInfo, probe
from w2l.video.reader import VideoReader
from w2l.windows import FPS

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
# Added to a time in frames, so that what lies in the middle between two is rounded up.
_MIDDLE = 2.0**-17


class Rewriting(Protocol):
    """Makes the file that is scored in a video's place."""

    suffix: str

    def write(self, video: Path, output: Path) -> None:
        """Write it, at 25 frames a second, with the video's sound if it has any.

        Raises:
            UserError: the video cannot be read.
        """
        ...


class Avi:
    """`ffmpeg -i VIDEO -q:v 2 -async 1 -r 25 video.avi`: MPEG-4 and MP3, by SyncNet's scripts.

    Args:
        quantizer: FFmpeg's `-q:v`, 1 to 31.
        threads: of the encoder, which cuts an image into as many slices. FFmpeg's command takes
            one more than the machine has processors, so that its images depend on the machine.
    """

    suffix = ".avi"

    def __init__(self, quantizer: int = 2, threads: int = 1) -> None:
        check_quantizer(quantizer)
        self.quantizer, self.threads = quantizer, threads

    def write(self, video: Path, output: Path) -> None:
        """See `Rewriting`."""
        # FFmpeg's `-q:v` sets quantizer and lambda; PyAV cannot set the latter of each image.
        step, scale = str(self.quantizer), str(self.quantizer * LAMBDA)
        options = {"qmin": step, "qmax": step, "lmin": scale, "lmax": scale}
        _write(video, output, ("mpeg4", options, self.threads), "libmp3lame", steady=False)


class Mp4:
    """`ffmpeg -i VIDEO -q:v 2 -async 1 -r 25 video.mp4`: H.264 (crf 23) and AAC, by LatentSync.

    Args:
        threads: of the encoder, which change its choices a little.
    """

    suffix = ".mp4"

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def write(self, video: Path, output: Path) -> None:
        """See `Rewriting`.

        x264's weighted prediction reads memory that nobody wrote, and its choices follow what
        lies there. A process of its own, as FFmpeg's command is, has the same there each time; one
        that does not begin with the caller's script, which may be a notebook or have no guard.
        """
        # -P: what lies in the present folder is not imported, but what the caller imports is.
        program = [sys.executable, "-P", "-c", "from w2l.video.rewritten import main; main()"]
        found = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run(
            [*program, video, output, str(self.threads)], capture_output=True,
            env={**os.environ, "PYTHONPATH": found},
        )  # fmt: skip
        if done.returncode == REFUSED:
            raise UserError(os.fsdecode(done.stdout))  # names may be of any bytes
        if done.returncode:
            told = os.fsdecode(done.stderr).strip()
            last = told.rpartition("\n")[2] or f"exit code {done.returncode}"
            raise UserError(
                f"{video} could not be encoded as its pipeline does ({last}): see whether there is "
                "memory and space on the disk, or take another preset=."
            )


REFUSED = 3  # exit code of `main` where the sentence for the user is in its output


def main() -> None:
    """`Mp4.write` in this process; arguments: video, output, threads."""
    video, output, threads = sys.argv[1:]
    try:
        _write(Path(video), Path(output), ("libx264", {}, int(threads)), "aac", steady=True)
    except UserError as error:
        sys.stdout.buffer.write(os.fsencode(str(error)))
        raise SystemExit(REFUSED) from None


def _write(
    video: Path,
    output: Path,
    images: tuple[str, dict[str, str], int],
    sound: str,
    *,
    steady: bool,
) -> None:
    """Both streams, their packets in the order of their times, as FFmpeg's muxer wants them."""
    info = probe(video)
    with open_media(video) as container:
        origin = Fraction(container.start_time or 0, av.time_base)
    with av.open(f"file:{output}", "w") as target:
        streams = [_images(target, info, origin, images, steady=steady)]
        if info.has_audio:
            streams.append(_sound(target, video, origin, sound))
        for packet in heapq.merge(*streams, key=_decoding_time):
            target.mux(packet)


def _decoding_time(packet: Packet) -> Fraction:
    return (packet.dts or 0) * time_base(packet)


def _images(
    target: OutputContainer,
    info: VideoInfo,
    origin: Fraction,
    encoder: tuple[str, dict[str, str], int],
    *,
    steady: bool,
) -> Iterator[Packet]:
    codec, options, threads = encoder
    stream = cast(VideoStream, target.add_stream(codec, FPS, options))
    stream.width, stream.height, stream.pix_fmt = info.width, info.height, "yuv420p"
    stream.codec_context.thread_count = threads
    return _encoded(stream, info, origin, steady=steady)


def _encoded(
    stream: VideoStream, info: VideoInfo, origin: Fraction, *, steady: bool
) -> Iterator[Packet]:
    reformatter = VideoReformatter()
    upright = ToBgr((info.width, info.height), info.orientation, (info.width, info.height))
    decoded = decode(info.path, info.fps, deinterlace=False)
    for number, timed in at_25(decoded, origin, info.fps, steady=steady):
        image, conversion = timed.frame, BICUBIC
        if any(info.orientation):
            image, conversion = VideoFrame.from_ndarray(upright(image), "bgr24"), ACCURATE
        plain = reformatter.reformat(
            image,
            format="yuv420p",
            interpolation=conversion,
            src_color_range=ColorRange.JPEG if is_full_range(image) else ColorRange.MPEG,
            dst_color_range=ColorRange.MPEG,
        )
        # A new one: the type of a decoded image, I or P, would be kept.
        frame = VideoFrame.from_ndarray(plain.to_ndarray(), "yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def at_25(
    images: Iterable[Timed], origin: Fraction, fps: Fraction, *, steady: bool
) -> Iterator[tuple[int, Timed]]:
    """FFmpeg's `-r 25`: which image is written as which number.

    Args:
        images: decoded.
        origin: the file's first timestamp, which becomes 0 (seconds).
        fps: its nominal rate.
        steady: every number has an image, as in mp4; else, as in AVI, gaps stay.
    """
    if steady:
        timed = ((_place(each, origin), _lasting(each, fps), each) for each in images)
        yield from enumerate(_filled(timed))
        return
    due = 0
    for each in images:
        place, lasting = _place(each, origin), _lasting(each, fps)
        late = place - due
        if late + lasting <= -0.6:
            continue
        if late + lasting > 0.6:
            due = round(max(place, due))
        yield due, each
        due += 1


def _place(timed: Timed, origin: Fraction) -> float:
    """When it is shown, in frames."""
    place = float((timed.time - origin) * FPS)
    return place + (_MIDDLE if place > 0 else -_MIDDLE if place < 0 else 0)


def _lasting(timed: Timed, fps: Fraction) -> float:
    """How long, in frames: what the file says in whole ones, else by its rate, at most one."""
    stated = round(float(timed.frame.duration * time_base(timed.frame) * FPS))
    return stated or min(1.0, float(FPS / fps))


def _filled(timed: Iterable[tuple[float, float, Timed]]) -> Iterator[Timed]:
    """FFmpeg's constant rate: an image for every number, gaps filled, what is too many dropped."""
    due, last = 0, None
    for place, lasting, image in timed:
        late = place - due
        ahead = late + lasting
        late = 0.0 if late < 0 < ahead else late
        n = 0 if ahead < -1.1 else round(ahead) if ahead > 1.1 else 1
        n_last = min(n, round(late - 0.6)) if ahead > 1.1 and late > 1.1 else 0
        for i in range(n):
            yield image if last is None or i >= n_last else last
        due += n
        last = image


def _sound(target: OutputContainer, video: Path, origin: Fraction, codec: str) -> Iterator[Packet]:
    with open_sound(video) as sound:
        context = sound.stream.codec_context
        rate, channels = context.sample_rate, context.layout.nb_channels
    if codec == "libmp3lame":
        rate = rate if rate in _MP3_RATES else 44_100
    layout = "mono" if channels == 1 else "stereo"
    stream = cast(AudioStream, target.add_stream(codec, rate=rate, layout=layout))
    return _encoded_sound(stream, video, origin, rate, layout)


def _encoded_sound(
    stream: AudioStream, video: Path, origin: Fraction, rate: int, layout: str
) -> Iterator[Packet]:
    with open_sound(video) as sound:
        blocks = alike(sound.blocks())
        first = next(blocks, None)
        if first is None:
            return
        late = round((sound.start - origin) * first.sample_rate)
        form = stream.codec_context.format.name
        if first.format.bytes == 2 and stream.codec_context.name == "libmp3lame":
            form = "s16p"
            stream.codec_context.format = form
        graph = sound_graph(
            first,
            ("aresample", "async=1:first_pts=0"),
            ("asetpts", "N/SR/TB"),
            ("atrim", f"start_sample={max(0, -late)}"),
            ("asetpts", "N/SR/TB"),
            ("adelay", f"{max(0, late)}S:all=1"),
            ("aformat", f"sample_fmts={form}:channel_layouts={layout}:sample_rates={rate}"),
        )
        position = 0
        for block in chain([first], blocks, [None]):
            for frame in pull(graph, block):
                frame.pts, frame.time_base = position, Fraction(1, rate)
                position += frame.samples
                yield from stream.encode(frame)
    yield from stream.encode(None)


class NumberedReader(VideoReader):
    """A video's images as `ffmpeg -i VIDEO %06d.jpg` numbers them, at 25 a second.

    Args:
        path: a video.
        passes: codecs that they go through.
        filled: the path is of a file that was rewritten: its images count from time 0, and gaps
            are filled as FFmpeg's command fills them. Else they are read by their times.
    """

    def __init__(
        self, path: str | Path, passes: Sequence[FramePass] = (), *, filled: bool = False
    ) -> None:
        super().__init__(path, FPS, deinterlace=False)
        self._passes, self._filled = passes, filled

    def _images(self, start: int) -> Iterator[np.ndarray]:
        convert = ToBgr((self.info.width, self.info.height), self.info.orientation, self.size)
        if not self._passes:
            yield from map(convert, self.decoded(start))
            return
        # From the first one on: a pass may carry state from image to image.
        for frame in islice(through(self._passes, self.decoded()), start, None):
            yield convert(frame)

    def _on_grid(self, start: int, rate: Fraction) -> Iterator[VideoFrame]:
        if not self._filled:
            yield from super()._on_grid(start, rate)
            return
        decoded = decode(self.info.path, self.info.fps, deinterlace=False)
        numbered = ((round(each.time * FPS), 1.0, each) for each in decoded)
        for timed in islice(_filled(numbered), start, None):
            yield timed.frame
