"""The file that published scoring makes of a video, against what FFmpeg 5.1's commands made."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.video.made import number_of, numbered, write_video
from tests.unit.video.test_jpeg import source
from w2l.errors import UserError
from w2l.video import VideoReader
from w2l.video.passes import Jpeg, Mpeg4, bgr_through
from w2l.video.rewritten import Avi, Mp4, NumberedReader

# Rate, frames (of that rate), Hz of the sound, its start → the numbers of the images in
# `ffmpeg -i x.mkv -q:v 2 -async 1 -r 25 y.avi` (y.mp4) and `ffmpeg -i y.avi -f image2 %06d.jpg`.
UP = list(range(24))
CASES = {
    "25": (
        25, UP[:12], 16_000, 0,
        [0, 0, 1, 1, *range(2, 12)],
        [*range(12)],
    ),
    "30": (
        30, UP, 44_100, 0,
        [0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 23],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 20, 21, 22, 23],
    ),
    "50": (
        50, UP, 44_100, 0,
        [0, 1, 1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22],
        [0, 1, 2, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23],
    ),
    "gaps": (
        30, [0, 1, 2, 6, 7, 8, 9, 14, 15, 16], 22_050, 0,
        [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 6, 6, 7, 7, 8, 9],
        [0, 1, 2, 2, 3, 3, 4, 5, 6, 6, 6, 7, 7, 8, 9],
    ),
    "late images": (
        50, range(5, 25, 2), 44_100, 0,
        [0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    ),
    "late sound": (
        25, UP[:10], 44_100, Fraction(1, 10),
        [0, 1, 1, *range(2, 10)],
        [*range(10)],
    ),
    "mute": (
        30, UP[:12], None, 0,
        [*range(10)] + [11],
        [*range(12)],
    ),
}  # fmt: skip
DUMP = Path(__file__).parent / "avi_dump.npz"  # as jpeg_dump.npz, through such an AVI, -q:v 2


def made(folder: Path, case: str) -> Path:
    rate, frames, hertz, start, *_ = CASES[case]
    sound = None
    if hertz is not None:
        times = np.arange(int(0.9 * hertz)) / hertz
        sound = (0.3 * np.sin(times * 2 * np.pi * 440)).astype(np.float32)
    return write_video(
        folder / "x.mkv",
        [numbered(number) for number in range(len(frames))],
        [Fraction(frame, rate) for frame in frames],
        rate=Fraction(rate),
        codec="mjpeg",
        pix_fmt="yuvj420p",
        sound=sound,
        sound_rate=hertz or 16_000,
        sound_start=Fraction(start),
        sound_codec="pcm_s16le",
    )


@pytest.mark.parametrize("case", CASES)
def test_the_images_are_those_of_ffmpegs_command(case: str, tmp_path: Path) -> None:
    video = made(tmp_path, case)
    for kind, want in zip((Avi(), Mp4()), CASES[case][-2:], strict=True):
        output = tmp_path / f"y{kind.suffix}"
        kind.write(video, output)
        reader = NumberedReader(output, filled=True)
        assert [number_of(image) for image in reader] == want, kind.suffix
        assert reader.count() == len(want)
        assert [number_of(image) for image in reader.read(3, 6)] == want[3:6]


@pytest.mark.long
def test_an_mp4_is_the_same_whatever_was_written_before(tmp_path: Path) -> None:
    """x264 reads memory that nobody wrote: within one process, several such files differed."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (18, 18), dtype=np.uint8)
    ground = cv2.resize(coarse, (216, 216), interpolation=cv2.INTER_CUBIC)
    lights = 0.4 + 0.6 * np.abs(np.sin(np.arange(30) / 7))
    images = [
        np.repeat((ground[i : i + 156, i : i + 156] * light).astype(np.uint8)[..., None], 3, 2)
        for i, light in enumerate(lights)
    ]
    times = [Fraction(i, 25) for i in range(30)]
    video = write_video(tmp_path / "x.mkv", images, times, options={"crf": "10"})
    files = set()
    fill = getattr(ctypes.CDLL(None), "mallopt", lambda *values: None)  # of glibc
    for byte in (1, 200, 0):
        fill(-6, byte)  # M_PERTURB: what memory is filled with when it is given out; 0: nothing
        Mp4().write(video, tmp_path / "y.mp4")
        files.add((tmp_path / "y.mp4").read_bytes())
    assert len(files) == 1


@pytest.mark.long
def test_an_mp4_is_written_for_a_script_without_a_guard_and_refused_in_a_sentence(
    tmp_path: Path,
) -> None:
    """Python's own ways to start a process begin with the caller's script once more."""
    script = tmp_path / "script.py"
    (tmp_path / "av.py").write_text("raise SystemExit('no package of this name')")
    script.write_text(
        "import sys\n"
        "del sys.path[0]\n"
        "from pathlib import Path\n"
        "from w2l.video.rewritten import Mp4\n"
        f"Mp4().write(Path({str(made(tmp_path, '25'))!r}), Path('y.mp4'))\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert NumberedReader(tmp_path / "y.mp4", filled=True).count() == 12
    odd = tmp_path / os.fsdecode(b"\xff.mp4")
    shutil.copy(script, odd)
    with pytest.raises(UserError, match="is no media file") as refused:
        Mp4().write(odd, tmp_path / "z.mp4")
    assert str(odd) in str(refused.value)
    with pytest.raises(UserError, match="could not be encoded"):
        Mp4().write(tmp_path / "x.mkv", tmp_path / "no" / "z.mp4")


def test_the_pixels_are_those_of_ffmpegs_command(tmp_path: Path) -> None:
    with np.load(DUMP) as dump:
        wanted = [cv2.imdecode(dump[name], cv2.IMREAD_COLOR) for name in sorted(dump)]
    Avi().write(source(tmp_path / "x.mkv", len(wanted)), tmp_path / "y.avi")
    reader = NumberedReader(tmp_path / "y.avi", [Jpeg(2)], filled=True)
    for image, want in zip(reader, wanted, strict=True):
        np.testing.assert_array_equal(image, want)
    assert np.abs(wanted[0].astype(int) - next(iter(VideoReader(tmp_path / "x.mkv")))).max() > 2


@pytest.mark.parametrize(("code", "suffix"), [("XVID", ".avi"), ("mp4v", ".mp4")])
def test_mpeg4_is_opencvs_writer_bit_for_bit(code: str, suffix: str, tmp_path: Path) -> None:
    """Over more than one key frame, and as many images as came."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.uniform(0, 255, (112, 112, 3)).astype(np.uint8), (0, 0), 3)
    images = [np.roll(ground, i * i % 17, axis=1) for i in range(15)]
    path = tmp_path / f"w{suffix}"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 25, (112, 112))
    if not writer.isOpened():
        pytest.skip("this build of OpenCV writes no video")
    for image in images:
        writer.write(image)
    writer.release()
    passed = list(bgr_through([Mpeg4()], images))
    assert len(passed) == len(images)
    for ours, theirs in zip(passed, VideoReader(path), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("quantizer", [0, 32])
def test_a_quantizer_that_there_is_not_is_refused(quantizer: int) -> None:
    for step in (Jpeg, Avi):
        with pytest.raises(ValueError, match="from 1 to 31"):
            step(quantizer)
