"""Damaged media files through everything that reads them.

    python scripts/fuzz.py --files 500 --seed 3

Small files of twelve formats are made on the spot and mutated. Each goes through probe, decode,
audio, image, a dub of it, a dub by its sound, and scores. What is meant to happen: a result, or a
`UserError`. Told of, with exit code 1: a crash of the process, any other exception, a file that
takes too long or too much memory. A child process does the work, so that each of these has one
culprit; `--only SEED:NUMBER` does one file again, `--known` those that once broke.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

Number = tuple[int, int] | str  # seed and number of a mutated file, or the name of a known one
BATCH = 1000  # files that a child process works on; its start costs as much as forty
TOLD_EVERY = 100  # files
POLL_S = 0.05
PR_SET_PDEATHSIG = 1
CLOCK = 30  # a step may last so many times its processor time: of one that waits for ever
FPS, FRAMES, SIZE, RATE = 25, 12, 64, 16000

# What once broke something, by what it is: name → (format, what is done to its bytes).
KNOWN: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a codec that nobody knows": ("mp4", lambda content: content.replace(b"avc1", b"zzz9")),
    "a sound codec that nobody knows": ("m4a", lambda content: content.replace(b"mp4a", b"zzz9")),
    "no sample tables": ("mp4", lambda content: content.replace(b"stsz", b"free")),
    "nothing but a header": ("mkv", lambda content: content[:600]),
    "a png chunk of gigabytes": ("png", lambda content: content[:33] + b"\xff" * 4 + content[37:]),
    "an image cut off": ("png", lambda content: content[: len(content) // 2]),
}


def make_seeds(folder: Path) -> dict[str, Path]:
    """A small valid file of each format, by its ending."""
    from PIL import Image
    from scipy.io import wavfile

    t = np.arange(RATE * FRAMES // FPS) / RATE
    sound = (8000 * np.sin(2 * np.pi * 220 * t * (1 + t))).astype(np.int16)
    y, x = np.mgrid[:SIZE, :SIZE]
    frames = [
        np.stack([(x * 3 + 9 * i) % 256, (y * 5) % 256, (x + y + 4 * i) % 256], 2).astype(np.uint8)
        for i in range(FRAMES)
    ]
    made = {ending: folder / f"seed.{ending}" for ending in (
        "mp4", "mkv", "mov", "avi", "webm", "ts", "wav", "mp3", "flac", "m4a", "png", "jpg",
    )}  # fmt: skip
    for ending, video, audio in (
        ("mp4", "libx264", "aac"), ("mkv", "libx264", "flac"), ("mov", "prores_ks", "pcm_s16le"),
        ("avi", "mpeg4", "mp3"), ("webm", "libvpx-vp9", "libopus"), ("ts", "mpeg2video", "mp2"),
        ("mp3", None, "mp3"), ("flac", None, "flac"), ("m4a", None, "aac"),
    ):  # fmt: skip
        _write(made[ending], frames if video else [], video, sound, audio)
    wavfile.write(made["wav"], RATE, sound)
    Image.fromarray(frames[0]).save(made["png"])
    Image.fromarray(frames[0]).save(made["jpg"])
    return made


def _write(
    path: Path, frames: Sequence[np.ndarray], video: str | None, sound: np.ndarray, audio: str
) -> None:
    import av

    rate = 48000 if audio == "libopus" else RATE
    with av.open(str(path), "w") as file:
        image = file.add_stream(video, rate=Fraction(FPS)) if video else None
        if image is not None:
            image.width = image.height = SIZE
            image.pix_fmt = "yuv422p10le" if video == "prores_ks" else "yuv420p"
        voice = file.add_stream(audio, rate=rate)
        voice.layout = "mono"
        for array in frames:
            file.mux(image.encode(av.VideoFrame.from_ndarray(array, "rgb24")))
        if image is not None:
            file.mux(image.encode(None))
        block = av.AudioFrame.from_ndarray(sound[None], "s16", "mono")
        block.sample_rate, block.pts = RATE, 0
        resampler = av.AudioResampler(voice.format.name, "mono", rate)
        fifo = av.AudioFifo()
        for part in resampler.resample(block):
            part.pts = None
            fifo.write(part)
        size, at = voice.codec_context.frame_size or 1024, 0
        while (part := fifo.read(size, partial=True)) is not None:
            part.pts, part.time_base, at = at, Fraction(1, rate), at + part.samples
            file.mux(voice.encode(part))
        file.mux(voice.encode(None))


def mutate(content: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Damaged content: one to four changes of the kinds that break readers."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        n = len(data)
        if n < 16:
            break
        # Half of the changes are where headers and indices lie.
        near = int(rng.integers(0, min(n, 1024)))
        at = int(rng.choice([near, n - 1 - near, *rng.integers(0, n, 2)]))
        length = min(int(2 ** rng.uniform(0, 10)), n - at)
        match int(rng.integers(9)):
            case 0:  # bits
                for place in rng.integers(0, n, int(rng.integers(1, 40))):
                    data[place] ^= 1 << int(rng.integers(8))
            case 1:
                data[at : at + length] = rng.bytes(length)
            case 2:
                data[at : at + length] = bytes([int(rng.choice([0, 255]))]) * length
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = data[at : at + length]
            case 5:
                del data[max(16, at) :]
            case 6:  # a number of its own
                value = int(rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF]))
                data[at : at + 4] = value.to_bytes(4, str(rng.choice(["big", "little"])))
            case 7:
                other = int(rng.integers(0, n))
                data[at : at + length] = data[other : other + length]
            case 8:  # the head or a piece of another format
                alien = others[int(rng.integers(len(others)))]
                start = int(rng.choice([0, int(rng.integers(len(alien)))]))
                data[at : at + length] = alien[start : start + length]
    return bytes(data)


def file_of(number: Number, seeds: dict[str, Path], folder: Path) -> Path:
    """Write the file that a number stands for."""
    if isinstance(number, str):
        ending, change = KNOWN[number]
        content = change(seeds[ending].read_bytes())
    else:
        rng = np.random.default_rng(number)
        endings = sorted(seeds)
        ending = endings[int(rng.integers(len(endings)))]
        others = [seeds[name].read_bytes() for name in endings]
        content = mutate(seeds[ending].read_bytes(), others, rng)
    path = folder / f"file.{ending}"
    path.write_bytes(content)
    return path


def functions(seeds: dict[str, Path], folder: Path) -> dict[str, Callable[[Path], object]]:
    """All that a file goes through, by name."""
    import torch

    from w2l.audio.waveform import load_audio
    from w2l.faces import FixedBox
    from w2l.inference import FaceGenerator, LipSync
    from w2l.models import Expert, Generator
    from w2l.scoring import Evaluator, Protocol, SyncScorer
    from w2l.video import VideoReader, is_image, probe, read_image

    torch.manual_seed(0)
    box = (0, SIZE - 8, 0, SIZE - 8)
    detector = FixedBox(box)
    lipsync = LipSync(FaceGenerator(Generator(1 / 16), "cpu"), detector)
    protocol = Protocol(min_track_frames=5, min_face_size=10)
    evaluator = Evaluator(SyncScorer(expert=Expert(1 / 16)), protocol, detector)
    out = folder / "out.mp4"
    return {
        "probe": probe,
        "decode": lambda path: sum(1 for _ in VideoReader(path, fps=FPS)),
        "audio": load_audio,
        "picture": lambda path: is_image(path) and read_image(path),
        "dub it": lambda path: lipsync.sync(path, seeds["wav"], out),
        "dub by it": lambda path: lipsync.sync(seeds["png"], path, out),
        "score": evaluator.score,
    }


def end_with_parent() -> None:
    """See that the system ends this process with the one that started it, whatever it does then.

    Linux does so; elsewhere it ends with the file that it works on.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def child(folder: Path) -> None:
    """Work on the numbers that come as lines; say before and after each step where we are."""
    end_with_parent()
    # What libraries print is none of it.
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import warnings

    from w2l.errors import UserError

    warnings.simplefilter("ignore")
    seeds = {path.suffix[1:]: path for path in folder.glob("seed.*")}
    with tempfile.TemporaryDirectory(dir=folder) as mine:
        steps = functions(seeds, Path(mine))
        print(json.dumps({"ready": True}), file=channel)
        for line in sys.stdin:
            given = json.loads(line)
            number = given if isinstance(given, str) else (given[0], given[1])
            path = file_of(number, seeds, Path(mine))
            for name, step in steps.items():
                print(json.dumps({"step": name}), file=channel)
                error = None
                try:
                    step(path)
                except UserError:
                    pass
                except Exception:
                    error = traceback.format_exc()
                print(json.dumps({"over": name, "error": error}), file=channel)
            path.unlink()
            print(json.dumps({"finished": True}), file=channel)


@dataclass(frozen=True)
class Finding:
    """Something that must not be.

    Attributes:
        number: of the file.
        step: in which it was.
        kind: crash, hang, memory or exception.
        detail: the signal or exit code, the seconds, the bytes, or the traceback.
    """

    number: Number
    step: str
    kind: str
    detail: str


class Child:
    """A process that works on files, one at a time.

    Args:
        command: starts it; it speaks as `child` does.
        seconds: of the processor that a step may take, by the clock `CLOCK` times as many.
        megabytes: that the process may have.
    """

    def __init__(self, command: Sequence[str], seconds: float, megabytes: float) -> None:
        self.command, self.seconds, self.megabytes = command, seconds, megabytes
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            bufsize=0,
        )  # fmt: skip
        self._unread = b""
        self.step = "start"
        self.is_ready = False

    def check(self, number: Number) -> Iterator[Finding]:
        """What a file does to it; after a crash, a hang or too much memory it is gone."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(number).encode() + b"\n")
        while True:
            message = self._next()
            if isinstance(message, tuple):
                self.close()
                if not self.is_ready:
                    sys.exit(f"the child process does not start ({message[1]}): {self.command}")
                yield Finding(number, self.step, *message)
                return
            self.is_ready = True
            self.step = message.get("step", self.step)
            if message.get("error"):
                yield Finding(number, self.step, "exception", message["error"])
            if "finished" in message:
                self.step = "start"
                return

    def _next(self) -> dict[str, Any] | tuple[str, str]:
        """The next message, or why there is none."""
        assert self.process.stdout is not None
        # Loading the libraries takes its time.
        limit = self.seconds * (20 if self.step == "start" else 1)
        began, before = time.monotonic(), self._seconds()
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self.process.stdout], [], [], POLL_S)
            if ready:
                part = self.process.stdout.read(65536)
                if not part:
                    code = self.process.wait()
                    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                    return "crash", name
                self._unread += part
            elif (size := self._megabytes()) > self.megabytes:
                return "memory", f"{size:.0f} MB"
            elif self._seconds() - before > limit:
                return "hang", f"{limit:g} s of the processor"
            elif time.monotonic() - began > CLOCK * limit:
                return "hang", f"{CLOCK * limit:g} s"
        line, _, self._unread = self._unread.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _megabytes(self) -> float:
        """Its memory; 0 where the system does not say."""
        with suppress(OSError):
            pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20
        return 0.0

    def _seconds(self) -> float:
        """Processor time that it took; 0 where the system does not say."""
        with suppress(OSError):
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return 0.0

    @property
    def is_alive(self) -> bool:
        """Whether it can take another file."""
        return self.process.poll() is None

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


def fuzz(
    numbers: Iterable[Number], command: Sequence[str], seconds: float, megabytes: float
) -> Generator[Finding | None]:
    """Each file's findings, then None."""
    worker, done = None, 0
    try:
        for number in numbers:
            if worker is not None and (done % BATCH == 0 or not worker.is_alive):
                worker.close()
                worker = None
            worker = worker or Child(command, seconds, megabytes)
            yield from worker.check(number)
            done += 1
            yield None
    finally:
        if worker is not None:
            worker.close()


def numbers_of(options: argparse.Namespace) -> Iterator[Number]:
    """The files that are asked for."""
    if options.only:
        seed, _, number = options.only.partition(":")
        yield int(seed), int(number)
        return
    yield from KNOWN
    if options.known:
        return
    end = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    number = 0
    while number < options.files if end is None else time.monotonic() < end:
        yield options.seed, number
        number += 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--files", type=int, default=200, help="mutated files (200)")
    parser.add_argument("--minutes", type=float, help="so long, in place of --files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="SEED:NUMBER, one file again")
    parser.add_argument("--known", action="store_true", help="only those that once broke")
    parser.add_argument(
        "--seconds", type=float, default=20, help="of the processor that a step may take (20)"
    )
    parser.add_argument("--megabytes", type=float, default=1500, help="of a process (1500)")
    parser.add_argument("--keep", type=Path, help="folder for the files that broke something")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child is not None:
        child(options.child)
        return 0
    counts, n_files = Counter[str](), 0
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="w2l-fuzz-"))
        folder = Path(name)
        seeds = make_seeds(folder)
        command = [sys.executable, str(Path(__file__).resolve()), "--child", name]
        found_in = fuzz(numbers_of(options), command, options.seconds, options.megabytes)
        stack.enter_context(closing(found_in))  # the child goes before its folder
        for found in found_in:
            if found is None:
                n_files += 1
                if n_files % TOLD_EVERY == 0:
                    print(f"{n_files} files so far", file=sys.stderr, flush=True)
                continue
            counts[found.kind] += 1
            label = (
                found.number if isinstance(found.number, str) else ":".join(map(str, found.number))
            )
            print(
                f"{found.kind} in {found.step!r}, file {label}: {found.detail.rstrip()}", flush=True
            )
            if options.keep is not None:
                options.keep.mkdir(parents=True, exist_ok=True)
                path = file_of(found.number, seeds, folder)
                shutil.copy(path, options.keep / f"{label.replace(':', '_')}{path.suffix}")
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing found"
    print(f"{n_files} files: {told}")
    return int(bool(counts))


if __name__ == "__main__":
    # An exception, so that child and folder go.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(main())
