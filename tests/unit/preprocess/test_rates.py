"""Lips and sound stay together through a whole preparation, whatever the rate of the video."""

from __future__ import annotations

import math
import wave
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest

from preprocess.settings import Recipe
from preprocess.steps.chain import prepare_clip
from tests.unit.video.made import write_video
from w2l.components import Clip, Faces

SECONDS = 20  # a rate that is off by a thousandth is off by half a frame at the end
START = Fraction(1, 3)  # time stamp of the file's first image
SOUND_RATE = 44_100
LENGTH = 0.1  # seconds of a flash and its beep
RATES = ["24000/1001", "24", "25", "30000/1001", "30", "50", "60", "variable"]


class Everywhere:
    """A face that fills the frame."""

    def detect(self, frames):
        return [Faces.of(np.array([0, 0, 64, 48])) for _ in frames]


def frame_times(rate: str) -> list[Fraction]:
    if rate != "variable":
        return [i / Fraction(rate) for i in range(int(SECONDS * Fraction(rate)))]
    steps = np.random.default_rng(0).integers(20, 100, 2000)  # of a millisecond, as phones have it
    times = np.cumsum(steps) - steps[0]
    return [Fraction(int(time), 1000) for time in times[times < 1000 * SECONDS]]


@pytest.mark.parametrize("rate", RATES)
def test_flash_and_beep_stay_together(tmp_path, rate):
    times = frame_times(rate)
    # A flash begins with the first image after each second, and its beep at that very moment.
    flashes = [min(t for t in times if t >= second) for second in range(1, SECONDS - 1)]
    lit = [any(flash <= time < flash + LENGTH for flash in flashes) for time in times]
    images = [np.full((48, 64, 3), 230 if on else 25, np.uint8) for on in lit]
    sound = np.zeros(SECONDS * SOUND_RATE, np.float32)
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(int(LENGTH * SOUND_RATE)) / SOUND_RATE)
    for flash in flashes:
        at = round(flash * SOUND_RATE)
        sound[at : at + len(tone)] = tone
    source = write_video(
        tmp_path / "in.mp4",
        images,
        [START + time for time in times],
        rate=Fraction(30 if rate == "variable" else rate),
        sound=sound,
        sound_rate=SOUND_RATE,
        sound_start=START,
    )
    folder = tmp_path / "s" / "c"
    prepare_clip(Clip(source.parent, source.name, "s", "c"), folder, Recipe(), Everywhere())

    light = [
        cv2.imread(str(folder / f"{k}.jpg")).mean() for k in range(len(list(folder.glob("*.jpg"))))
    ]
    bright = np.array(light) > 100
    seen = np.flatnonzero(bright[1:] & ~bright[:-1]) + 1
    with wave.open(str(folder / "audio.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    loud = np.abs(samples.astype(int)) > 2000
    before = np.concatenate([[0], np.cumsum(loud)])
    quiet = np.array([before[i] == before[max(0, i - 800)] for i in range(len(loud))])
    heard = np.flatnonzero(loud & quiet) / 16_000

    # Of 25 images a second the first one that shows a flash is the first to which it is nearer
    # than the image before it, so that they come neither too late nor too soon on the whole.
    halves = [(flash - max(t for t in times if t < flash)) / 2 for flash in flashes]
    step = np.mean([float(b - a) for a, b in pairwise(times)])
    assert seen.tolist() == [
        math.floor((flash - min(half, Fraction(step / 2))) * 25) + 1
        for flash, half in zip(flashes, halves, strict=True)
    ]
    np.testing.assert_allclose(heard, np.array(flashes, float), atol=0.01)
