"""What can be written, in which files, and which of it this PyAV has an encoder for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from av.codec import Codec as Coder
from av.codec.codec import UnknownCodecError

from w2l.errors import UserError, either

CodecName = Literal["h264", "hevc", "vp9", "prores", "ffv1"]


@dataclass(frozen=True)
class Codec:
    """One way to store images.

    Attributes:
        label: its name for a person.
        encoders: FFmpeg's names of what can write it, the first that is there is taken.
        endings: of files that hold it, the usual one first.
        pix_fmt: FFmpeg's name of the pixels' form.
        options: of the encoder.
        refined: further options, which go with the preset among them and no other.
        lossless_sound: sound is PCM in mov files too.
    """

    label: str
    encoders: tuple[str, ...]
    endings: tuple[str, ...]
    pix_fmt: str
    options: Mapping[str, str]
    refined: Mapping[str, str] = field(default_factory=dict)
    lossless_sound: bool = False

    @property
    def is_rgb(self) -> bool:
        """Whether images are stored as they are; else their sides must be even."""
        return self.pix_fmt == "bgr0"


# Qualities: as near as their sizes are equal to what "veryfast" makes of H.264 (60 frames of
# 700×700: 43.3 dB and 0.39 MB, HEVC 42.2 dB and 0.41 MB, VP9 42.0 dB and 0.42 MB; ProRes 46.4 dB
# and 16 MB).
CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "h264": Codec(
            "H.264",
            ("libx264", "libopenh264", "h264"),
            (".mp4", ".m4v", ".mov", ".mkv"),
            "yuv420p",
            # Visually lossless, with what "superfast" leaves out but costs little. "veryfast" takes
            # twice as long (90 frames of 1280×720: 4.3 and 2.1 s of a core, 50.2 and 49.6 dB, both
            # 3.6 Mbit/s; of 700×700: 1.5 and 0.8 s, 49.8 and 49.3 dB, 1.3 and 1.5 Mbit/s).
            {"crf": "16", "preset": "superfast"},
            refined={"mbtree": "1", "rc-lookahead": "10"},
        ),
        "hevc": Codec(
            "HEVC",
            ("libx265",),
            (".mp4", ".m4v", ".mov", ".mkv"),
            "yuv420p",
            {"crf": "16", "preset": "fast", "x265-params": "log-level=error"},
        ),
        "vp9": Codec(
            "VP9",
            ("libvpx-vp9",),
            (".webm", ".mkv"),
            "yuv420p",
            {"crf": "18", "b:v": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
        ),
        "prores": Codec(
            "ProRes 422 HQ",
            ("prores_ks",),
            (".mov",),
            "yuv422p10le",
            {"profile": "hq", "vendor": "apl0"},  # the vendor that players expect
            lossless_sound=True,
        ),
        "ffv1": Codec(
            "FFV1",
            ("ffv1",),
            (".mkv",),
            "bgr0",
            {"level": "3", "g": "1", "slices": "4", "slicecrc": "1"},
        ),
    }
)


def find_codec(name: str, path: str | Path) -> Codec:
    """The codec called `name`, if a file called `path` can hold it.

    Raises:
        UserError: no such codec, or another ending.
    """
    if name not in CODECS:
        raise UserError(f"codec={name} is not known: choose {either(tuple(CODECS))}.")
    codec = CODECS[name]
    if Path(path).suffix.lower() not in codec.endings:
        raise UserError(
            f"{path} cannot hold {codec.label}: let the name end in {either(codec.endings)}."
        )
    return codec


def find_encoder(name: str) -> str:
    """FFmpeg's name of an encoder for a codec of `CODECS`.

    Raises:
        UserError: this PyAV has none.
    """
    codec = CODECS[name]
    for encoder in codec.encoders:
        try:
            return Coder(encoder, "w").name
        except UnknownCodecError:
            continue
    other = "ffv1" if name == "h264" else "h264"
    raise UserError(
        f"This PyAV has no {codec.label} encoder ({either(codec.encoders)}): "
        f"install av from its wheel, or use codec={other}."
    )


def can_decode(name: str) -> bool:
    """Whether this PyAV reads a codec, by FFmpeg's name."""
    try:
        Coder(name, "r")
    except UnknownCodecError:
        return False
    return True
