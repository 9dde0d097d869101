"""`LipSync` for other programs: files or arrays, one object for all threads."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch

import w2l
from tests.unit.video.made import constant, numbered, write_video
from tests.writing import save_network, write_wav
from w2l.errors import UserError
from w2l.inference import (
    Geometry,
    OutputOptions,
    SyncOptions,
    SyncResult,
    VideoSource,
    load_voice,
    sync_video,
)
from w2l.inference import voice as voices
from w2l.inference.inputs import opened
from w2l.inference.options import calling
from w2l.models import Generator
from w2l.video import VideoReader, VideoWriter

ROOT = Path(__file__).resolve().parents[3]
BOX = np.array([10, 8, 70, 78])
WIDTH, HEIGHT = 80, 88


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    network = Generator(width=0.0625, image_size=48)
    torch.nn.init.normal_(network.output_block[1].weight)
    return save_network(network, "generator", tmp_path_factory.mktemp("api") / "g.ckpt")


@pytest.fixture(scope="module")
def lipsync(checkpoint) -> w2l.LipSync:
    return w2l.LipSync.from_pretrained(checkpoint, device="cpu", detector=None)


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def images(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, HEIGHT, WIDTH, 3), dtype=np.uint8)


def sound(seconds: float, rate: int = 16000, seed: int = 0) -> np.ndarray:
    n = round(seconds * rate)
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n).astype(np.float32)


def astronaut(size: int) -> np.ndarray:
    """A photo with a face."""
    return cv2.resize(skimage.data.astronaut()[:256, 96:352, ::-1], (size, size))


def fixed(**settings) -> SyncOptions:
    return SyncOptions(box=BOX, batch_size=4, output=OutputOptions(codec="ffv1"), **settings)


def test_a_file_holds_the_frames_that_the_iterator_gives(lipsync, tmp_path) -> None:
    given = images(6)
    result = lipsync.sync(
        given, sound(0.4), tmp_path / "out.mkv", options=fixed(), fps=25, sample_rate=16000
    )
    (untrained,) = result.notes
    assert untrained.startswith("The generated mouths hardly look like the face")
    assert result == SyncResult(tmp_path / "out.mkv", Fraction(25), 10, (), result.notes)
    assert (result.n_synced, result.n_passed) == (10, 0)
    frames = list(lipsync.frames(given, sound(0.4), options=fixed(), sample_rate=16000))
    written = list(VideoReader(tmp_path / "out.mkv").read(0, 99))
    np.testing.assert_array_equal(frames, written)
    order = [0, 1, 2, 3, 4, 5, 4, 3, 2, 1]
    middle = (BOX[1] + BOX[3] + 1) // 2
    np.testing.assert_array_equal(np.array(frames)[:, :middle], given[order][:, :middle])
    mouths = np.array(frames)[:, middle : BOX[3], BOX[0] : BOX[2]].astype(int)
    assert np.abs(mouths - given[order][:, middle : BOX[3], BOX[0] : BOX[2]]).mean() > 5


class Told:
    """A callback that keeps what it is told, by stage."""

    def __init__(self) -> None:
        self.stages: dict[str, list[tuple[int, int]]] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.stages.setdefault(stage, []).append((done, total))


def test_a_callback_is_told_of_every_frame(lipsync, tmp_path) -> None:
    heard = {"audio": sound(0.4), "sample_rate": 16000, "options": fixed()}
    told, seen = Told(), Told()
    lipsync.sync(images(6), outfile=tmp_path / "out.mkv", progress=told, **heard)
    assert told.stages == {"syncing": [(n, 10) for n in range(1, 11)]}
    frames = lipsync.frames(images(6), progress=seen, **heard)
    for n, _ in enumerate(frames, 1):
        assert seen.stages["syncing"][-1] == (n, 10)
    assert seen.stages == told.stages


def test_a_callback_is_told_how_far_the_search_is(checkpoint, tmp_path) -> None:
    finder = w2l.LipSync.from_pretrained(checkpoint, device="cpu")
    told, seen = Told(), Told()
    film = [astronaut(160)] * 12
    heard = {"audio": sound(0.4), "sample_rate": 16000}
    finder.sync(film, outfile=tmp_path / "out.mp4", progress=told, **heard)
    assert list(told.stages) == ["finding faces", "syncing"]
    assert told.stages["syncing"][-1] == (10, 10)
    n_searched, total = told.stages["finding faces"][-1]
    assert n_searched == total == len(told.stages["finding faces"])
    next(finder.frames(film, progress=seen, **heard))
    assert seen.stages["finding faces"] == told.stages["finding faces"]


def test_a_callback_that_raises_ends_the_call_and_leaves_nothing(lipsync, tmp_path) -> None:
    def cancel(stage: str, done: int, total: int) -> None:
        if done == 3:
            raise InterruptedError("no more")

    with pytest.raises(InterruptedError):
        lipsync.sync(
            images(6), sound(0.4), tmp_path / "out.mkv", options=fixed(), sample_rate=16000,
            progress=cancel,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_each_thread_has_its_own_progress(lipsync, tmp_path) -> None:
    """One generator, several calls at once: each callback hears of its own call, in its thread."""

    def job(n: int) -> tuple[dict[str, list[tuple[int, int]]], set[int]]:
        told, threads = Told(), set()

        def tell(stage: str, done: int, total: int) -> None:
            threads.add(threading.get_ident())
            told(stage, done, total)

        lipsync.sync(
            images(4), sound(n / 25), tmp_path / f"{n}.mkv", options=fixed(), sample_rate=16000,
            progress=tell,
        )  # fmt: skip
        return told.stages, threads == {threading.get_ident()}

    with ThreadPoolExecutor(4) as pool:
        for n, (stages, is_mine) in zip(range(3, 11), pool.map(job, range(3, 11)), strict=True):
            assert stages == {"syncing": [(i, n) for i in range(1, n + 1)]}
            assert is_mine


def test_an_estimate_that_was_wrong_is_set_right_by_the_end() -> None:
    for expected in (0, 2, 3, 5):
        told = Told()
        assert list(calling(told)("abc", "reading", expected)) == ["a", "b", "c"]
        assert told.stages["reading"][0] == (1, max(1, expected))
        assert told.stages["reading"][-1] == (3, 3)
        assert all(done <= total for done, total in told.stages["reading"])


def test_arrays_files_and_iterators_are_the_same_face(lipsync, tmp_path, temporary) -> None:
    given = images(3)
    for i, image in enumerate(given):
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
    write_wav(tmp_path / "speech.wav", sound(0.2))
    heard = {"audio": tmp_path / "speech.wav", "options": fixed()}
    film = list(lipsync.frames(given, **heard))
    np.testing.assert_array_equal(film, list(lipsync.frames(list(given), **heard)))
    np.testing.assert_array_equal(film, list(lipsync.frames(iter(given), **heard)))
    photo = list(lipsync.frames(given[0], **heard))
    np.testing.assert_array_equal(photo, list(lipsync.frames(tmp_path / "0.png", **heard)))
    assert len(film) == len(photo) == 5
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_sound_of_any_rate_and_shape(rate, tmp_path, temporary) -> None:
    t = np.arange(rate // 2) / rate
    mono = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    for samples in (mono, np.stack([mono, mono], axis=1), (mono * 32767).astype(np.int16)):
        with opened(images(1)[0], samples, Fraction(25), rate, fixed()) as (_, voice):
            assert len(voice.waveform) == 8000
            expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
            assert np.abs(voice.waveform - expected)[200:-200].max() < 0.01
            assert voice.track.sample_rate == rate
            assert list(temporary.iterdir())
    assert list(temporary.iterdir()) == []


def test_the_sound_of_an_array_is_written_without_loss(lipsync, tmp_path) -> None:
    samples = sound(0.2)
    lipsync.sync(images(1)[0], samples, tmp_path / "o.mkv", options=fixed(), sample_rate=16000)
    with opened(images(1)[0], tmp_path / "o.mkv", Fraction(25), None, fixed()) as (_, voice):
        np.testing.assert_array_equal(voice.waveform, samples)


@pytest.mark.parametrize("fps", [Fraction(30), Fraction(24000, 1001), Fraction(60)])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_frames_that_come_once_keep_their_rate(fps, n, temporary) -> None:
    """However few they are: the file's timestamps are whole milliseconds."""
    given = images(n)
    with opened(iter(given), sound(0.2), fps, 16000, fixed()) as (source, _):
        assert source.fps == fps
        np.testing.assert_array_equal(list(source.read(0, 99)), given)


@pytest.mark.parametrize("as_source", [False, True])
def test_a_videos_own_sound_stays_beside_its_images(tmp_path, as_source) -> None:
    """Sound that begins 0.1 s after the first image; in the release it comes early."""
    path = write_video(
        tmp_path / "v.mkv", [numbered(i) for i in range(10)], constant(10, 25),
        tick=Fraction(1, 1000), sound=sound(0.3), sound_start=Fraction(1, 10),
        sound_codec="pcm_s16le",
    )  # fmt: skip
    for options, late in ((fixed(), 1600), (fixed(published=True), 0)):
        face = VideoSource(path, Geometry()) if as_source else path
        with opened(face, path, Fraction(25), None, options) as (_, voice):
            assert len(voice.waveform) == late + 4800
            assert not voice.waveform[:late].any()
            assert voice.waveform[late:].any()


@pytest.mark.parametrize("silence", ["close", "pass"])
def test_where_nobody_speaks(lipsync, monkeypatch, tmp_path, silence) -> None:
    """No voice after 0.18 s, in samples, a file, or a loaded voice."""
    monkeypatch.setattr(voices, "find_speech", lambda waveform: np.array([[0, 0.18]]))
    write_wav(tmp_path / "speech.wav", sound(1.0))
    options, photo = fixed(silence=silence), images(1)[0]
    loaded = load_voice(tmp_path / "speech.wav", speech=True)
    for i, audio in enumerate((sound(1.0), tmp_path / "speech.wav", loaded)):
        result = lipsync.sync(
            photo, audio, tmp_path / f"{i}.mkv", options=options, sample_rate=16000
        )
        assert result.n_frames == 25
        assert result.n_passed == (16 if silence == "pass" else 0)  # from 0.34 s on
    with pytest.raises(UserError, match=f"silence={silence} needs load_voice"):
        next(lipsync.frames(photo, load_voice(tmp_path / "speech.wav"), options=options))


def test_closing_early_cleans_up(lipsync, temporary) -> None:
    frames = lipsync.frames(iter(images(8)), sound(2.0), options=fixed(), sample_rate=16000)
    assert list(temporary.iterdir()) == []  # nothing before the first image
    next(frames)
    assert len(list(temporary.iterdir())) == 2
    frames.close()
    assert list(temporary.iterdir()) == []


def test_four_threads_make_what_one_makes(checkpoint, tmp_path) -> None:
    """With the embedded detector, on a photo with a face."""
    lipsync = w2l.LipSync.from_pretrained(checkpoint, device="cpu")
    photos = [astronaut(128) // (4 + seed) * 4 for seed in range(4)]
    heard = {"audio": sound(0.2), "sample_rate": 16000}

    def frames(seed: int) -> list[np.ndarray]:
        if seed % 2:
            return list(lipsync.frames(photos[seed], **heard))
        path = tmp_path / f"{seed}.mkv"
        options = SyncOptions(output=OutputOptions(codec="ffv1"))
        result = lipsync.sync(photos[seed], outfile=path, options=options, **heard)
        assert result.n_synced == 5
        return list(VideoReader(path).read(0, 9))

    serial = [frames(seed) for seed in range(4)]
    assert len({np.array(each).tobytes() for each in serial}) == 4
    with ThreadPoolExecutor(4) as pool:
        for alone, together in zip(serial, pool.map(frames, range(4)), strict=True):
            np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize(
    ("face", "audio", "settings", "words"),
    [
        (images(1)[0].astype(np.float32), sound(0.2), {}, "uint8"),
        (images(1)[0, :, :, :1], sound(0.2), {}, "uint8"),
        ([], sound(0.2), {}, "none"),
        (iter([]), sound(0.2), {}, "none"),
        ([images(1)[0], images(1)[0, 1:]], sound(0.2), {}, "one size"),
        (iter([images(1)[0], images(1)[0, 1:]]), sound(0.2), {}, "number 1"),
        (images(1)[0], sound(0.2), {"sample_rate": None}, "sample_rate="),
        (images(1)[0], sound(0.2).astype(np.float64), {}, "float64"),
        (images(1)[0], sound(0.2)[None], {}, r"not \(1, 3200\)"),  # as torchaudio has it
        (images(1)[0], sound(0.2), {"fps": 0}, "fps=0 is no frame rate"),
        (images(1)[0], sound(0.2), {"fps": float("nan")}, "fps=nan is no frame rate"),
        (images(1)[0], sound(0.02), {}, "too short"),
        ("nobody.mp4", sound(0.2), {}, "nobody.mp4"),
        (images(1)[0], "silence.wav", {}, "silence.wav"),
        (images(1)[0], sound(0.2), {"options": SyncOptions()}, "no detector"),
        ("nobody.mp4", sound(0.2), {"options": fixed(quality="enhanced")}, "FaceRestoration"),
    ],
)
def test_bad_input_is_one_sentence(lipsync, face, audio, settings, words, temporary) -> None:
    settings = {"options": fixed(), "sample_rate": 16000, **settings}
    with pytest.raises(UserError, match=words):
        next(lipsync.frames(face, audio, **settings))
    assert list(temporary.iterdir()) == []


def test_frames_that_are_passed_on_are_told_with_the_reason(checkpoint, tmp_path) -> None:
    lipsync = w2l.LipSync.from_pretrained(checkpoint, device="cpu")
    face = astronaut(128)
    frames = [face] * 10 + [np.zeros_like(face)] * 15
    result = lipsync.sync(frames, sound(1.0), tmp_path / "out.mp4", sample_rate=16000)
    assert (result.n_frames, result.n_synced, result.n_passed) == (25, 10, 15)
    (stretch,) = result.untouched
    assert (stretch.start, stretch.stop, stretch.reason) == (10, 25, "no face found")


def test_the_examples_of_the_docs_run(checkpoint, tmp_path, monkeypatch, capsys) -> None:
    cv2.imwrite(str(tmp_path / "person.png"), astronaut(320))
    write_wav(tmp_path / "speech.wav", sound(0.2))
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "library.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 7
    names: dict[str, object] = {}
    for block in blocks:
        exec(block.replace('"wav2lip_gan"', repr(str(checkpoint))), names)
    said = capsys.readouterr().out
    assert "5 of 5 frames synced, at 25 frames/s" in said
    assert "syncing: 5 of 5" in said
    assert "nobody.mp4" in said
    assert (tmp_path / "out.mkv").is_file()


def test_a_sync_that_is_broken_off_leaves_nothing(lipsync, tmp_path, monkeypatch) -> None:
    writing, closed_while_writing = threading.Event(), []
    write, leave = VideoWriter.write, VideoWriter.__exit__

    def slow_write(self, image):
        writing.set()
        time.sleep(0.2)
        write(self, image)
        writing.clear()

    def watched_leave(self, *error):
        closed_while_writing.append(writing.is_set())
        leave(self, *error)

    def broken_off(frames, stage, total):
        yield next(iter(frames))
        writing.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(VideoWriter, "write", slow_write)
    monkeypatch.setattr(VideoWriter, "__exit__", watched_leave)
    with (
        opened(images(6), sound(0.4), Fraction(25), 16000, fixed()) as (source, voice),
        pytest.raises(KeyboardInterrupt),
    ):
        sync_video(
            source, voice, tmp_path / "out.mkv", lipsync.generator, None, fixed(),
            progress=broken_off,
        )  # fmt: skip
    assert closed_while_writing == [False]
    assert list(tmp_path.iterdir()) == []
