"""The clips that come with w2l are whole, in sync, and say whose they are."""

from __future__ import annotations

import numpy as np
import pytest

from preprocess.sources.grid import SPLIT_OF, sentence
from w2l import examples
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.video import VideoReader, probe

# Between which frames the corpus's own file is louder than a quarter of its loudest.
VOICE = {"grid_s3_sbia1a": (15, 54), "grid_s4_lwbsza": (17, 53), "grid_s34_bbab9n": (14, 41)}


@pytest.mark.parametrize("example", examples.EXAMPLES, ids=examples.names())
def test_a_clip_is_whole_and_in_sync(example: examples.Example) -> None:
    info = probe(example.path)
    assert (info.width, info.height, info.fps, info.codec) == (360, 288, 25, "h264")
    assert info.start == 0
    frames = list(VideoReader(example.path))
    assert len(frames) == 75
    assert np.std(frames[40]) > 30
    sound = load_audio(example.path)
    assert len(sound) / 16_000 == pytest.approx(2.98, abs=0.01)
    loudness = np.abs(sound[: 74 * 640]).reshape(74, 640).mean(1)
    (voiced,) = np.nonzero(loudness > loudness.max() / 4)
    assert np.abs(sound).max() <= 1
    assert (voiced[0], voiced[-1]) == VOICE[example.name]


@pytest.mark.parametrize("example", examples.EXAMPLES, ids=examples.names())
def test_a_clip_is_small_and_says_whose_it_is(example: examples.Example) -> None:
    assert example.path.stat().st_size <= 150_000
    said = str(probe(example.path).tags)
    for words in ("GRID", "Cooke, Barker, Cunningham and Shao", "CC BY 4.0", "re-encoded"):
        assert words in said
    readme = (examples.FOLDER / "README.md").read_text(encoding="utf-8")
    assert example.path.name in readme
    assert f"| {example.speaker} | {example.words} |" in readme


def test_nobody_in_them_trains() -> None:
    assert [SPLIT_OF[f"s{example.speaker}"] for example in examples.EXAMPLES] == [
        "test", "test", "val",
    ]  # fmt: skip
    for example in examples.EXAMPLES:
        assert sentence(example.name.rpartition("_")[2]) == example.words


def test_every_clip_is_found_by_its_name() -> None:
    lying = {path.stem for path in examples.FOLDER.glob("*.mp4")}
    assert {examples.path(name).stem for name in examples.names()} == lying
    with pytest.raises(UserError, match="'x' is no example: there are grid_s3_sbia1a, "):
        examples.path("x")
