"""An avatar: prepared once, streamed to the byte as offline, saved and loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.numpy
import skimage.data
import torch
from torch import Tensor, nn

import w2l
from w2l.errors import UserError
from w2l.faces import CenterFace
from w2l.inference import Avatar, FaceGenerator, FaceOptions, OutputOptions, SyncOptions
from w2l.inference import avatar as avatars
from w2l.models import Generator

BOX = np.array([10, 8, 70, 78])
WIDTH, HEIGHT = 80, 88


class Hears(nn.Module):
    """Every number of the mel window is seen, and so is the face."""

    def __init__(self) -> None:
        super().__init__()
        self.config = {"image_size": 48, "lead_frames": 1}
        self.seen = nn.Linear(80 * 16, 3 * 48 * 48)

    def forward(self, audio: Tensor, face: Tensor) -> Tensor:
        heard = self.seen(audio.flatten(1)).view(-1, 3, 48, 48)
        return torch.sigmoid(heard + face[:, 3:] - 0.5)


@pytest.fixture(scope="module")
def lipsync() -> w2l.LipSync:
    torch.manual_seed(0)
    return w2l.LipSync(FaceGenerator(Hears(), "cpu"), CenterFace())


def images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, HEIGHT, WIDTH, 3), dtype=np.uint8)


def sound(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n).astype(np.float32)


def fixed(**settings) -> SyncOptions:
    return SyncOptions(**{"box": BOX, "batch_size": 3, **settings})


def in_chunks(samples: np.ndarray, sizes: list[int]) -> Iterator[np.ndarray]:
    start = number = 0
    while start < len(samples):
        size = sizes[number % len(sizes)]
        yield samples[start : start + size]
        start, number = start + size, number + 1


def offline(lipsync, face, samples, options, rate=16_000, fps=25) -> np.ndarray:
    frames = lipsync.frames(face, samples, options=options, sample_rate=rate, fps=fps)
    return np.array(list(frames))


@pytest.mark.parametrize(
    ("n_frames", "n_samples", "sizes", "fps", "settings"),
    [
        (0, 9000, [1], 25, {}),  # sample by sample
        (0, 16_000, [0, 777, 320], Fraction(30000, 1001), {"quality": "fast"}),
        (7, 30_003, [641, 0, 5000], 25, {}),  # there and back again
        (7, 12_000, [12_000], 25, {"output": OutputOptions(view="side_by_side", label="AI")}),
        (4, 12_000, [4000], 30, {"extend": "loop", "output": OutputOptions(view="mask")}),
        (0, 1500, [100], 25, {}),  # shorter than a window
        (0, 401, [200], 25, {}),
        (3, 40_000, [640], 25, {"batch_size": 1}),
    ],
)
def test_a_stream_is_the_offline_result_to_the_byte(
    lipsync, n_frames, n_samples, sizes, fps, settings
) -> None:
    face = images(n_frames) if n_frames else images(1)[0]
    options, samples = fixed(**settings), sound(n_samples)
    avatar = lipsync.avatar(face, options=options, fps=fps)
    streamed = np.array(list(avatar.stream(in_chunks(samples, sizes))))
    expected = offline(lipsync, face, samples, options, fps=fps)
    np.testing.assert_array_equal(streamed, expected)
    again = np.array(list(avatar.stream([samples])))
    np.testing.assert_array_equal(again, expected, "the avatar was changed by its stream")
    if n_samples > 3000:
        assert (expected[2] != expected[3]).any()


def test_the_networks_of_wav2lip_too() -> None:
    """A photo goes through their encoder once, and only the lower half is made."""
    torch.manual_seed(0)
    lipsync = w2l.LipSync(FaceGenerator(Generator(0.0625, image_size=48), "cpu"))
    for face in (images(1)[0], images(3)):
        streamed = list(lipsync.avatar(face, options=fixed()).stream([sound(16_000)]))
        np.testing.assert_array_equal(streamed, offline(lipsync, face, sound(16_000), fixed()))


def test_a_detected_face_that_turns_away_and_is_lost(lipsync) -> None:
    """Boxes, strengths, landmarks and reasons are those of the offline plan."""
    face = cv2.resize(skimage.data.astronaut()[:256, 96:352, ::-1], (160, 160))
    film = np.stack([np.roll(face, 2 * i, axis=1) for i in range(8)] + [np.zeros_like(face)] * 12)
    options = SyncOptions(batch_size=3, faces=FaceOptions(detect_every=1))
    samples = sound(20_000)
    avatar = lipsync.avatar(film, options=options)
    assert {0, 19} & set(avatar.plan.reasons) == {19}
    streamed = np.array(list(avatar.stream(in_chunks(samples, [999]))))
    np.testing.assert_array_equal(streamed, offline(lipsync, film, samples, options))


def test_silence_and_int16_and_stereo(lipsync) -> None:
    avatar = lipsync.avatar(images(1)[0], options=fixed())
    for samples in (np.zeros(8000, np.float32), (sound(8000) * 32767).astype(np.int16)):
        streamed = np.array(list(avatar.stream(in_chunks(samples, [640]))))
        expected = offline(lipsync, images(1)[0], samples, fixed())
        np.testing.assert_array_equal(streamed, expected)
    assert list(avatar.stream([])) == list(avatar.stream([np.zeros(0, np.float32)])) == []
    assert len(list(avatar.stream([sound(10)]))) == 1, "too short for a file, but not for live"


def test_other_rates_have_the_same_number_of_frames(lipsync) -> None:
    samples = np.stack([sound(22_050), sound(22_050, 1)], axis=1)
    avatar = lipsync.avatar(images(5), options=fixed())
    streamed = np.array(list(avatar.stream(in_chunks(samples, [441, 0, 1000]), sample_rate=44_100)))
    expected = offline(lipsync, images(5), samples, fixed(), rate=44_100)
    assert streamed.shape == expected.shape
    assert np.abs(streamed.astype(int) - expected).max() <= 1


def test_a_frame_comes_as_soon_as_what_it_hears(lipsync) -> None:
    """With one face at once frame i is there at i / 25 + 0.2 s, less the generator's lead."""
    avatar = lipsync.avatar(images(1)[0], options=fixed(batch_size=1))
    taken = []

    def coming() -> Iterator[np.ndarray]:
        for chunk in in_chunks(sound(16_000), [80]):
            taken.append(len(chunk))
            yield chunk

    at = []
    for _ in avatar.stream(coming()):
        at.append(sum(taken) / 16_000)
    beyond = [there - i / 25 for i, there in enumerate(at)][:18]
    assert max(beyond) <= 0.2125 + 0.005
    assert beyond[10] <= 0.1725 + 0.005


def test_options_that_need_the_end_are_refused(lipsync) -> None:
    for options in (fixed(published=True), fixed(duration="shortest")):
        with pytest.raises(UserError, match=r"live"):
            lipsync.avatar(images(2), options=options)


def test_a_film_that_memory_does_not_hold_is_refused(lipsync, monkeypatch) -> None:
    monkeypatch.setattr(avatars, "MOST_BYTES", 2 * WIDTH * HEIGHT * 3)
    with pytest.raises(UserError, match="more than 2 frames"):
        lipsync.avatar(images(3), options=fixed())


@pytest.mark.parametrize("silence", ["close", "pass"])
def test_the_mouth_rests_in_silence_however_the_chunks_fall(lipsync, silence) -> None:
    """0.4 s of speech, then 1.2 s of quiet noise, then speech."""
    samples = sound(32_000)
    samples[6400:25_600] *= 3e-3
    face, options = images(1)[0], fixed(silence=silence)
    avatar = lipsync.avatar(face, options=options)
    streamed = [
        np.array(list(avatar.stream(in_chunks(samples, sizes)))) for sizes in ([37], [32_000])
    ]
    np.testing.assert_array_equal(*streamed)
    spoken = offline(lipsync, face, samples, replace(options, silence="sync"))
    changed = (streamed[0] != spoken).reshape(50, -1).any(1)
    assert not changed[:17].any(), "0.3 s of quiet belong to the speech"
    assert not changed[40:].any()
    assert changed[22:36].all()
    quiet = streamed[0][22:36]
    assert (quiet == quiet[0]).all()
    if silence == "pass":
        np.testing.assert_array_equal(quiet[0], face)


def test_a_saved_avatar_says_the_same(lipsync, tmp_path) -> None:
    face = cv2.resize(skimage.data.astronaut()[:256, 96:352, ::-1], (160, 160))
    film = np.stack([np.roll(face, 2 * i, axis=1) for i in range(4)])
    asked = []

    def parser(frame, box, landmarks):
        asked.append(1)
        left, top, right, bottom = box
        return np.full((bottom - top, right - left, 1), 0.7, np.float32)

    options = SyncOptions(batch_size=2, parser=parser)
    avatar = lipsync.avatar(film, options=options, fps=Fraction(30000, 1001))
    said = list(avatar.stream([sound(8000)]))
    path = avatar.save(tmp_path / "ann.avatar")
    assert avatars.is_avatar(path)
    assert not avatars.is_avatar(tmp_path / "no")
    no_detector = w2l.LipSync(lipsync.generator)
    asked.clear()
    loaded = Avatar.load(path, no_detector, options)
    np.testing.assert_array_equal(list(loaded.stream([sound(8000)])), said)
    assert (loaded.fps, loaded.size, len(loaded)) == (Fraction(30000, 1001), (160, 160), 4)
    assert not asked, "the parser's answers are in the file"
    assert loaded.save(tmp_path / "again").read_bytes() == path.read_bytes()


def test_what_is_no_avatar_gets_a_sentence(lipsync, tmp_path) -> None:
    path = lipsync.avatar(images(3), options=fixed()).save(tmp_path / "good")
    whole = path.read_bytes()

    def refused(content: bytes | None, words: str) -> None:
        bad = tmp_path / "bad"
        bad.unlink(missing_ok=True)
        if content is not None:
            bad.write_bytes(content)
        with pytest.raises(UserError, match=words):
            list(Avatar.load(bad, lipsync, fixed()).stream([sound(8000)]))

    refused(None, "not there")
    refused(b"", "no avatar")
    refused(b"hello " * 100, "no avatar")
    refused(whole[: len(whole) // 2], "no avatar")
    refused(safetensors.numpy.save({"x": np.zeros(3)}), "no avatar")
    refused(safetensors.numpy.save({"x": np.zeros(3)}, {"w2l.avatar": "{}"}), "version")
    refused(safetensors.numpy.save({"x": np.zeros(3)}, {"w2l.avatar": '{"version": 1}'}), "damaged")
    pixel = whole.find(images(3).tobytes()) + 100
    refused(whole[:pixel] + bytes([whole[pixel] ^ 1]) + whole[pixel + 1 :], "frame 0")
    box = whole.find(BOX.astype(np.int32).tobytes())
    refused(whole[:box] + b"\0" + whole[box + 1 :], "damaged")
    other = w2l.LipSync(FaceGenerator(Hears(), "cpu", pads=(1, 2, 3, 4)))
    face = cv2.resize(skimage.data.astronaut()[:256, 96:352, ::-1], (160, 160))
    found = lipsync.avatar(face).save(tmp_path / "found")
    with pytest.raises(UserError, match=r"pads=\[1, 2, 3, 4\]"):
        Avatar.load(found, other)


def test_the_examples_of_the_docs_run(lipsync, tmp_path, monkeypatch) -> None:
    face = cv2.resize(skimage.data.astronaut()[:256, 96:352, ::-1], (160, 160))
    cv2.imwrite(str(tmp_path / "person.png"), face)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(w2l.LipSync, "from_pretrained", lambda: lipsync)
    text = (Path(__file__).resolve().parents[3] / "docs" / "live.md").read_text()
    names: dict[str, object] = {"speech": sound(16_000)}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    assert names["frame"].number == 10
    assert (tmp_path / "person.avatar").is_file()
