"""Sound as published scoring's commands decode it, and the codecs that it passes through."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.audio.frame import AudioFrame

from w2l.audio.waveform import converter, to_int16
from w2l.errors import UserError
from w2l.media import pull
from w2l.media.sound import alike, open_sound
from w2l.windows import SAMPLE_RATE


class SoundPass(Protocol):
    """Sound through a codec."""

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """Float32 (n,), mono at 16 kHz → the same after the codec; the length may change."""
        ...


class Aac:
    """FFmpeg's AAC in an mp4 file, read back: 16 kHz mono at its default rate, 69 kb/s."""

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """See `SoundPass`; what fills up the last block stays, as FFmpeg's command leaves it."""
        encoder = av.CodecContext.create("aac", "w")
        encoder.sample_rate, encoder.format, encoder.layout = SAMPLE_RATE, "fltp", "mono"
        encoder.time_base = Fraction(1, SAMPLE_RATE)
        encoder.open()
        decoder = av.CodecContext.create("aac", "r")
        decoder.extradata = encoder.extradata
        frame = AudioFrame.from_ndarray(waveform[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
        packets = [*encoder.encode(frame), *encoder.encode(None)]
        blocks = [
            out.to_ndarray()[0] for packet in [*packets, None] for out in decoder.decode(packet)
        ]
        # The encoder's delay is hidden by the mp4's edit list.
        return _as_int16(np.concatenate(blocks)[-(packets[0].pts or 0) :])


def joined_audio(path: str | Path) -> np.ndarray:
    """A file's sound as `ffmpeg -i FILE -ac 1 -ar 16000 -acodec pcm_s16le x.wav` decodes it.

    Blocks follow one another whatever their timestamps say, the first one at 0, and what an encoder
    put before and after the sound is there unless the container hides it. `load_audio` puts all of
    it where it belongs.

    Returns:
        (n,) float32 in [-1, 1].

    Raises:
        UserError: no such file, no media, no sound.
    """
    waveform = np.concatenate([np.zeros(0, np.float32), *_joined(Path(path))])
    if not len(waveform):
        raise UserError(f"{path} holds no sound that can be decoded: check that it plays.")
    return _as_int16(waveform)


def _joined(path: Path) -> Iterator[np.ndarray]:
    with open_sound(path) as sound:
        graph, position = None, 0
        for block in alike(sound.blocks()):
            graph = graph or converter(block, None, SAMPLE_RATE, 1)
            block.pts, block.time_base = position, Fraction(1, block.sample_rate)
            position += block.samples
            yield from (out.to_ndarray().reshape(-1) for out in pull(graph, block))
        if graph is not None:
            yield from (out.to_ndarray().reshape(-1) for out in pull(graph, None))


def _as_int16(waveform: np.ndarray) -> np.ndarray:
    """As a wav file of 16 bits holds it."""
    return to_int16(waveform) / np.float32(32768)
