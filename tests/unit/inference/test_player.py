"""An avatar in real time, by a clock that the test holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import islice, pairwise

import numpy as np
import pytest

from tests.unit.inference.test_avatar import fixed, images, lipsync, sound  # noqa: F401
from tests.waiting import FOR_EVER
from w2l.inference import Avatar, LiveFrame, LivePlayer


class Clock:
    """Time that passes only while somebody sleeps, or where the test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.batch_s = 0.03  # what a batch takes, in a thread that the clock does not wait for

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 1e-4)

    def submit(self, work, batch) -> Later:
        return Later(self, work(batch))


class Later(Future):
    """What was made, there when its time has passed."""

    def __init__(self, clock: Clock, images: list[np.ndarray]) -> None:
        super().__init__()
        self.set_result(images)
        self._there = clock.now + clock.batch_s
        self._clock = clock

    def done(self) -> bool:
        return self._clock.now >= self._there


@pytest.fixture
def avatar(lipsync) -> Avatar:  # noqa: F811
    return lipsync.avatar(images(5), options=fixed(batch_size=2))


def playing(avatar: Avatar, **settings) -> tuple[Clock, LivePlayer, Iterator[LiveFrame]]:
    clock = Clock()
    player = avatar.player(clock=clock, sleep=clock.sleep, submit=clock.submit, **settings)
    return clock, player, player.play()


def test_what_is_said_is_seen_and_heard_after_the_delay_and_in_sync(avatar) -> None:
    clock, player, frames = playing(avatar)
    samples = sound(32_000)
    player.say(samples)
    assert player.delay_s < 0.2125 + 0.25
    got = []
    for i, frame in enumerate(islice(frames, 60)):
        due = 100 + player.delay_s + i / 25
        assert due <= clock.now < due + 0.006
        got.append(frame)
    assert [frame.number for frame in got] == list(range(60))
    assert all(frame.is_new for frame in got)
    heard = np.concatenate([frame.audio for frame in got])
    np.testing.assert_array_equal(heard[:32_000], samples)
    assert not heard[32_000:].any(), "silence after it"
    padded = np.concatenate([samples, np.zeros(16_000, np.float32)])
    expected = list(islice(avatar.stream([padded]), 60))
    np.testing.assert_array_equal([frame.image for frame in got], expected)
    assert player.n_dropped == player.n_resets == 0


@pytest.mark.parametrize(("batch_s", "share", "late"), [(0.11, 0.3, 0), (0.3, 0.9, 3)])
def test_a_machine_that_is_too_slow_drops_frames_and_no_speech(
    avatar, batch_s, share, late
) -> None:
    """Two frames take 80 ms to be seen; each image is of its own time, or near to it."""
    clock, player, frames = playing(avatar)
    clock.batch_s = batch_s
    samples = sound(160_000)
    player.say(samples)
    got = list(islice(frames, 200))
    assert [frame.number for frame in got] == list(range(200))
    assert max(frame.late_s for frame in got) < 0.006, "the audio is never late"
    np.testing.assert_array_equal(np.concatenate([f.audio for f in got]), samples[: 200 * 640])
    dropped = [not frame.is_new for frame in got]
    assert player.n_dropped == sum(dropped)
    assert share - 0.05 <= np.mean(dropped[50:]) <= share + 0.05
    assert max(f.number - f.image_number for f in got[20:] if f.is_new) == late
    expected = list(islice(avatar.stream([samples]), 200))
    for before, frame in pairwise(got):
        held = expected[frame.image_number] if frame.is_new else before.image
        # In batches that begin elsewhere: within a level.
        assert np.abs(frame.image.astype(int) - held).max() <= 1
    assert player.n_resets == 0
    clock.batch_s = 0.03
    assert all(frame.is_new for frame in islice(frames, 20, 60)), "as before when there is time"


def test_a_batch_that_takes_long_once_costs_its_own_frames_alone(avatar) -> None:
    clock, player, frames = playing(avatar)
    player.say(sound(80_000))
    list(islice(frames, 20))
    clock.batch_s = 0.5
    next(frames)
    next(frames)
    clock.batch_s = 0.03
    got = list(islice(frames, 60))
    assert 8 <= player.n_dropped <= 14
    assert all(frame.is_new and frame.image_number == frame.number for frame in got[20:])


def test_who_does_not_ask_for_frames_loses_none_of_the_speech(avatar) -> None:
    clock, player, frames = playing(avatar)
    samples = sound(80_000)
    player.say(samples)
    got = list(islice(frames, 10))
    clock.now += 3600
    got += islice(frames, 115)
    np.testing.assert_array_equal(np.concatenate([frame.audio for frame in got]), samples)
    assert player.n_resets == 1
    assert sum(not frame.is_new for frame in got) <= 26, "no more than the second that is made up"
    assert got[-1].late_s < 0.01


def test_interrupted_the_avatar_is_silent_with_the_next_frame(avatar) -> None:
    _, player, frames = playing(avatar)
    first, second = sound(64_000), sound(16_000, 1)
    player.say(first)
    list(islice(frames, 20))
    player.interrupt()
    assert player.queued_s == 0
    silent = list(islice(frames, 10))
    assert not np.concatenate([frame.audio for frame in silent]).any()
    assert [frame.number for frame in silent] == list(range(20, 30)), "the video goes on"
    player.say(second)
    after = list(islice(frames, 50))
    heard = np.concatenate([frame.audio for frame in after])
    start = int(np.flatnonzero(heard)[0])
    np.testing.assert_array_equal(heard[start : start + 16_000], second)
    assert start / 16_000 <= player.delay_s
    # To the mouth too it is as if the first had ended there.
    whole = np.concatenate([first[: 20 * 640], np.zeros(10 * 640, np.float32), heard])
    expected = list(islice(avatar.stream([whole]), 20, 70))
    for frame, image in zip(silent + after, expected, strict=False):
        if frame.is_new:
            assert frame.number == frame.image_number
            assert np.abs(frame.image.astype(int) - image).max() <= 1, frame.number
    held = [frame.number for frame in silent + after if not frame.is_new]
    assert set(held) <= {20, 21}, "while the first batch after it is made"


@pytest.mark.parametrize("pause", [25, 26, 27])
def test_speech_that_comes_60_ms_late_gets_no_silence(avatar, pause) -> None:
    """Packets of 20 ms, each 10 to 60 ms after it was spoken; half a second's pause in between."""
    clock, player, frames = playing(avatar)
    samples = sound(32_000)
    spoken = [0.02 * (n + 1 + (pause if n >= 50 else 0)) for n in range(100)]
    coming = [at + (0.01, 0.06, 0.03)[n % 3] for n, at in enumerate(spoken)]
    sent = 0

    def sleep(seconds: float) -> None:
        nonlocal sent
        clock.sleep(seconds)
        while sent < 100 and clock.now - 100 >= coming[sent]:
            player.say(samples[320 * sent : 320 * (sent + 1)], wait=False)
            sent += 1

    player._sleep = sleep
    heard = np.concatenate([frame.audio for frame in islice(frames, 80)])
    first = int(np.flatnonzero(heard)[0])
    np.testing.assert_array_equal(heard[first : first + 16_000], samples[:16_000])
    second = first + 16_000 + int(np.flatnonzero(heard[first + 16_000 :])[0])
    np.testing.assert_array_equal(heard[second : second + 16_000], samples[16_000:])
    assert 0.4 < (second - first - 16_000) / 16_000 < 0.6, "the pause stays as long"


def test_the_queue_is_bounded_however_much_is_said(avatar) -> None:
    _, player, frames = playing(avatar, queue_s=0.5)
    samples = sound(80_000)
    for n in range(50):  # a microphone does not wait: the oldest goes
        player.say(samples[1600 * n : 1600 * (n + 1)], wait=False)
        assert player.queued_s <= 0.5
    heard = np.concatenate([frame.audio for frame in islice(frames, 30)])
    np.testing.assert_array_equal(heard[:8000], samples[-8000:])
    player.interrupt()
    speaker = threading.Thread(target=player.say, args=(samples,))  # a file waits for room
    speaker.start()
    got = []
    while speaker.is_alive():
        got.append(next(frames).audio)
        assert player.queued_s <= 0.6
    speaker.join(FOR_EVER)
    while player.queued_s:
        got.append(next(frames).audio)
    got += [frame.audio for frame in islice(frames, 20)]
    heard = np.concatenate(got)
    spoken = heard[np.flatnonzero(heard)]
    assert len(spoken) >= 79_000, "all of it, but for what is zero"


def test_interrupted_who_waits_for_room_says_no_more(avatar) -> None:
    _, player, frames = playing(avatar, queue_s=0.1)
    speaker = threading.Thread(target=player.say, args=(sound(160_000),))
    speaker.start()
    next(frames)
    player.interrupt()
    speaker.join(FOR_EVER)
    assert not speaker.is_alive()
    assert player.queued_s == 0


def test_stopped_it_ends_and_nobody_waits_for_room(avatar) -> None:
    _, player, frames = playing(avatar, queue_s=0.1)
    speaker = threading.Thread(target=player.say, args=(sound(160_000),))
    speaker.start()
    next(frames)
    player.stop()
    assert list(frames) == []
    speaker.join(FOR_EVER)
    assert not speaker.is_alive()
