"""Every kind of face that people have, as it comes: size, orientation, rate, length and sound."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import pytest

from tests.integration.infer_job import narrow_generator, sync
from tests.unit.video.made import constant, sweep, write_video
from tests.writing import write_wav
from w2l.audio.waveform import load_audio
from w2l.cli.infer import main
from w2l.cli.infer_networks import Networks
from w2l.video import VideoReader, probe

WIDTH, HEIGHT = 112, 80
MARKER = (30, 60, 220)  # BGR, top left; the rest is a blue grey
REST = (150, 110, 90)
SAMPLES, SAMPLE_RATE = 26_461, 44_100  # a prime number of samples, 0.6 s
X265 = {"x265-params": "log-level=none"}


def image(width: int = WIDTH, height: int = HEIGHT, alpha: bool = False) -> np.ndarray:
    made = np.full((height, width, 3), REST, np.uint8)
    made[: height // 4, : width // 4] = MARKER
    if not alpha:
        return made
    opaque = np.full((height, width, 1), 255, np.uint8)
    opaque[: height // 4, -width // 4 :] = 0  # top right: over black
    return np.concatenate([made, opaque], axis=2)


def film(
    codec: str,
    ending: str,
    pix_fmt: str,
    n: int = 8,
    rate: Fraction | int = 25,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    alpha: bool = False,
    **more,
) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        tick = Fraction(1, 1000) if ending in {"mkv", "webm"} else 1 / Fraction(rate)
        return write_video(
            folder / f"face.{ending}", [image(*size, alpha)] * n, constant(n, rate),
            tick=tick, rate=Fraction(rate), codec=codec, pix_fmt=pix_fmt, **more,
        )  # fmt: skip

    return write


def turned(folder: Path) -> Path:
    """As phones write it: stored lying, with a display matrix that turns it 90° clockwise."""
    lying = np.rot90(image(HEIGHT, WIDTH))  # upright it is HEIGHT wide and WIDTH high
    path = folder / "phone.mp4"
    write_video(path, [np.ascontiguousarray(lying)] * 8, constant(8, 30), rate=Fraction(30))
    data, one = bytearray(path.read_bytes()), 1 << 16
    at = data.index(b"tkhd") + 4 + 40
    matrix = [0, one, 0, -one, 0, 0, 0, 0, 1 << 30]
    data[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(data)
    return path


def variable(folder: Path) -> Path:
    times = [Fraction(t, 1000) for t in (0, 30, 90, 120, 180, 210, 270, 300)]
    return write_video(folder / "vfr.mp4", [image()] * 8, times)


def photo(ending: str, alpha: bool = False) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        cv2.imwrite(str(folder / f"p.{ending}"), image(alpha=alpha))
        # Told by content, whatever it is called.
        return (folder / f"p.{ending}").rename(folder / "photo.mp4")

    return write


def exif_turned(folder: Path) -> Path:
    from PIL import Image

    path = folder / "phone.jpg"
    lying = np.rot90(image(HEIGHT, WIDTH))
    turned = Image.fromarray(np.ascontiguousarray(lying[..., ::-1]))
    exif = turned.getexif()
    exif[0x0112] = 6  # turn 90° clockwise to show
    turned.save(path, exif=exif, quality=95)
    return path


def folder_of_images(folder: Path) -> Path:
    path = folder / "frames.mp4"
    path.mkdir()
    for i in range(8):
        cv2.imwrite(str(path / f"{i}.png"), image())
    return path


def gif(folder: Path) -> Path:
    path = folder / "face.gif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr8"
        for i in range(4):
            frame = av.VideoFrame.from_ndarray(image(), format="bgr24").reformat(format="bgr8")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class Kind(NamedTuple):
    write: Callable[[Path], Path]
    rate: Fraction | int = 25
    size: tuple[int, int] = (WIDTH, HEIGHT)
    tolerance: int = 12


UPRIGHT = (HEIGHT, WIDTH)
KINDS = {
    "h264": Kind(film("libx264", "mp4", "yuv420p")),
    "h264 10-bit 4:2:2": Kind(film("libx264", "mp4", "yuv422p10le")),
    "hevc 10-bit": Kind(film("libx265", "mp4", "yuv420p10le", options=X265)),
    "vp9": Kind(film("libvpx-vp9", "webm", "yuv420p")),
    "vp9 with alpha": Kind(film("libvpx-vp9", "webm", "yuva420p", alpha=True)),
    "prores 4444 with alpha": Kind(film("prores_ks", "mov", "yuva444p10le", alpha=True)),
    "mpeg4 avi": Kind(film("mpeg4", "avi", "yuv420p")),
    "mpeg1": Kind(film("mpeg1video", "mpg", "yuv420p")),
    "ntsc film": Kind(film("libx264", "mp4", "yuv420p", rate=Fraction(24000, 1001)),
                      Fraction(24000, 1001)),
    "ntsc": Kind(film("libx264", "mkv", "yuv420p", rate=Fraction(30000, 1001)),
                 Fraction(30000, 1001)),
    "50 fps": Kind(film("libx264", "mp4", "yuv420p", rate=50), 50),
    "60 fps": Kind(film("libx264", "mp4", "yuv420p", rate=60), 60),
    "variable rate": Kind(variable, Fraction(100, 3)),  # the median step is 30 ms
    "odd size": Kind(film("ffv1", "mkv", "bgr0", size=(113, 81)), 25, (114, 82)),
    "odd size 4:4:4": Kind(film("libx264", "mp4", "yuv444p", size=(111, 80)), 25, (112, 80)),
    "phone": Kind(turned, 30, UPRIGHT),
    "gif": Kind(gif, 10, tolerance=40),
    "png called mp4": Kind(photo("png")),
    "png with alpha": Kind(photo("png", alpha=True)),
    "webp with alpha": Kind(photo("webp", alpha=True)),
    "jpeg": Kind(photo("jpg")),
    "phone's jpeg": Kind(exif_turned, 25, UPRIGHT),
    "folder": Kind(folder_of_images),
}  # fmt: skip


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    narrow_generator(folder / "generator.ckpt")
    write_wav(folder / "voice.wav", sweep(SAMPLES, SAMPLE_RATE), SAMPLE_RATE)
    return folder, Networks()


@pytest.mark.parametrize("name", KINDS)
def test_it_becomes_a_video_that_looks_and_lasts_right(ready, tmp_path, name):
    folder, networks = ready
    kind = KINDS[name]
    out = tmp_path / "out.mp4"
    report = sync(
        networks, face=kind.write(tmp_path), audio=folder / "voice.wav", outfile=out,
        checkpoint=folder / "generator.ckpt", box=[44, 76, 36, 68], quality="fast",
    )  # fmt: skip
    info, images = probe(out), list(VideoReader(out))
    assert (info.fps, info.variable_rate) == (kind.rate, False)
    assert (info.width, info.height, any(info.orientation)) == (*kind.size, False)
    assert len(images) == report.n_frames == math.ceil(Fraction(SAMPLES, SAMPLE_RATE) * info.fps)
    assert len(load_audio(out, sample_rate=SAMPLE_RATE)) == SAMPLES
    width, height = kind.size
    for shown in (images[0], images[-1]):
        for at, colour in {
            (9, 9): MARKER,
            (height - 3, width - 3): REST,
            (height - 3, 5): REST,
        }.items():
            assert np.abs(shown[at].astype(int) - colour).max() <= kind.tolerance, (at, shown[at])
    if "alpha" in name and "vp9" not in name:  # FFmpeg's VP9 decoder does not see it
        assert images[0][5, width - 5].max() <= kind.tolerance
    box = images[0][60:76, 36:68]
    assert np.abs(box.astype(int) - REST).mean() > 3  # the generated face


NAMES = [
    "it's (1)",
    'a "b"',
    "-rf",
    "~talk",
    "naïve 口 ü",
    "v1.2.final",
    "a,b=c",
    "100% [x] ${HOME}",
    "a\\b",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_name(ready, tmp_path, monkeypatch, capsys, name):
    """Relative, as typed in the folder; the result is named after both, and so is said."""
    folder, _ = ready
    monkeypatch.chdir(tmp_path)
    film("libx264", "mp4", "yuv420p")(tmp_path).rename(tmp_path / f"{name}.mp4")
    (tmp_path / f"{name}.wav").write_bytes((folder / "voice.wav").read_bytes())
    given = {"face": f"{name}.mp4", "audio": f"{name}.wav", "box": "[44,76,36,68]",
             "checkpoint": folder / "generator.ckpt", "device": "cpu"}  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["infer.py", *(f"{k}={v}" for k, v in given.items())])
    main()
    out = Path("outputs/infer") / f"{name}_{name}.mp4"
    assert f"{out}: 16 of 16 frames synced" in capsys.readouterr().out
    assert len(load_audio(out, sample_rate=SAMPLE_RATE)) == SAMPLES
