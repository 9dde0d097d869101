"""An avatar in real time: what is said now is seen a little later, whatever the machine can do."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from math import ceil
from statistics import median
from threading import Condition
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from w2l.audio import SAMPLE_RATE
from w2l.audio.live import LiveResampler
from w2l.audio.mel import HOP_LENGTH, N_FFT
from w2l.inference.live import IDLE_DB, LiveFrames
from w2l.windows import MEL_COLUMNS

if TYPE_CHECKING:
    from w2l.inference.avatar import Avatar

JITTER_S = 0.06  # by which speech may come late before silence is put in its place
SPARE_S = 0.1  # in which a batch is to be made
QUEUE_S = 10.0  # of speech that waits
MOST_BEHIND_S = 1.0  # by which the player may be late before its clock is set anew
LAST = 5  # batches by which the time of the next is judged
LOOK_S = 0.005  # seconds from one look at the clock to the next
LOOK_AHEAD_S = ((MEL_COLUMNS - 1) * HOP_LENGTH + N_FFT // 2) / SAMPLE_RATE  # that a frame hears


class LiveFrame(NamedTuple):
    """One frame's time of a player: what is seen and what is heard in it.

    Attributes:
        number: of the frame, from 0 on; it begins number / fps seconds after the start.
        image: uint8 (H, W, 3) BGR; where `is_new` is False the one before.
        audio: of the frame's time, float32 (n,), 16 kHz mono.
        is_new: False: this frame was dropped, the image before stays.
        image_number: of the frame whose image it is; less than `number` where it came late.
        late_s: seconds by which it is yielded after it was due.
    """

    number: int
    image: np.ndarray
    audio: np.ndarray
    is_new: bool
    image_number: int
    late_s: float


class LivePlayer:
    """Plays an avatar by the clock: what is said is seen and heard `delay_s` later, in sync.

    One thread iterates over `play()`; any other calls `say`, `interrupt` and `stop`. Images are
    made in a thread of their own.

    **What is late.** No speech is left out, stretched or moved: each frame's audio comes when it is
    due. Images are made in batches. A batch begins with the first frame that will be made in time,
    as the last batches took; the frames before it are dropped: they are not made, and the image
    before stays. Where none would be in time, the batch is of the last frames that were heard, and
    their images come late; of several that are there at once the last is seen. If the player itself
    is late by more than a second (the machine slept, or nobody asked for frames), its clock is set
    anew: all goes on from where it was, and nothing is skipped.

    **Silence.** Where nothing is said the avatar hears silence. Speech that comes bit by bit may be
    60 ms late before that.

    Args:
        avatar: who speaks.
        sample_rate: of what is said, Hz.
        queue_s: seconds of speech that may wait.
        idle_db: as for `Avatar.stream`.
        spare_s: seconds in which a batch is to be made, of which `delay_s` is a part.
        clock: seconds, rising.
        sleep: waits for some seconds; None: as long, or until something is said.
        submit: begins a batch, and says what comes of it; None: in a thread.

    Attributes:
        delay_s: from the time that a sample is said to that at which it is seen and heard.
        n_dropped: frames that were dropped.
        n_resets: times that the clock was set anew.
    """

    def __init__(
        self,
        avatar: Avatar,
        *,
        sample_rate: int = SAMPLE_RATE,
        queue_s: float = QUEUE_S,
        idle_db: float = IDLE_DB,
        spare_s: float = SPARE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        submit: Callable[..., Future[list[np.ndarray]]] | None = None,
    ) -> None:
        self._avatar, self._rate, self._idle_db = avatar, sample_rate, idle_db
        wait_s = float((avatar.options.batch_size - 1) / avatar.fps)
        self.delay_s = LOOK_AHEAD_S + wait_s + JITTER_S + spare_s
        self.n_dropped = self.n_resets = 0
        self._room = round(queue_s * SAMPLE_RATE)
        self._changed = Condition()
        self._resampler = LiveResampler(sample_rate)
        self._queue: deque[np.ndarray] = deque()  # 16 kHz mono
        self._n_queued = 0
        self._n_interruptions = 0
        self._stopped, self._is_silent = False, True
        self._clock, self._sleep, self._submit = clock, sleep, submit

    @property
    def queued_s(self) -> float:
        """Seconds of speech that wait."""
        return self._n_queued / SAMPLE_RATE

    def say(self, samples: np.ndarray, *, wait: bool = True) -> None:
        """Let the avatar say this, after all that was said before.

        Args:
            samples: as chunks of `Avatar.stream`.
            wait: while the queue is full: True: wait for room, as for a file or a synthetic voice.
                False: the oldest speech that waits is left out, as for a microphone, which does
                not wait.

        Raises:
            UserError: samples of another kind.
        """
        with self._changed:
            new, said = self._resampler.push(samples), self._n_interruptions
        for start in range(0, len(new), SAMPLE_RATE // 10):
            part = new[start : start + SAMPLE_RATE // 10]
            with self._changed:
                while wait and self._n_queued >= self._room and self._is_wanted(said):
                    self._changed.wait(LOOK_S)
                if not self._is_wanted(said):
                    return
                self._queue.append(part)
                self._n_queued += len(part)
                while not wait and self._n_queued > self._room:
                    self._n_queued -= len(self._queue.popleft())
                self._changed.notify_all()

    def interrupt(self) -> None:
        """Drop all that was said and is not seen yet: from the next frame on there is silence."""
        with self._changed:
            self._queue.clear()
            self._n_queued = 0
            self._resampler = LiveResampler(self._rate)
            self._n_interruptions += 1
            self._changed.notify_all()

    def stop(self) -> None:
        """End `play()`."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def play(self) -> Iterator[LiveFrame]:
        """Frames without end, each when it is due; one thread may do so, once."""
        with ThreadPoolExecutor(1, "avatar") as pool:
            yield from self._play(self._submit or pool.submit)

    def _play(self, submit: Callable[..., Future[list[np.ndarray]]]) -> Iterator[LiveFrame]:
        fps = self._avatar.fps
        frames = LiveFrames(self._avatar, self._idle_db)
        batches = Batches(frames, self._avatar.options.batch_size, submit)
        shown = interruptions = 0  # frames that were yielded; interruptions that were heeded
        image, image_number = self._avatar.still(), -1
        start = self._clock()
        while not self._stopped:
            now = self._clock() - start
            if (behind := now - self.delay_s - float(shown / fps)) > MOST_BEHIND_S:
                start += behind
                now -= behind
                self.n_resets += 1
            if interruptions != self._n_interruptions:
                interruptions = self._n_interruptions
                frames.cut(shown, _sample_of(shown, fps))
                batches.forget()
            self._fill(frames, now)
            batches.look(now)
            batches.begin(now, (now - self.delay_s) * float(fps), float(fps))
            due = self.delay_s + float(shown / fps)
            if now < due:
                self._rest(due - now)
                continue
            made = batches.newest(shown)
            if made is None:
                self.n_dropped += 1
            else:
                image_number, image = made
            audio = frames.mel.samples(_sample_of(shown, fps), _sample_of(shown + 1, fps))
            yield LiveFrame(shown, image, audio, made is not None, image_number, now - due)
            shown += 1

    def _is_wanted(self, said: int) -> bool:
        """Whether what was begun to be said after so many interruptions is still to be heard."""
        return not self._stopped and said == self._n_interruptions

    def _fill(self, frames: LiveFrames, now: float) -> None:
        """Give the avatar what was said up to now, and silence where nothing was."""
        wanted = round(now * SAMPLE_RATE) - frames.mel.n_samples
        while wanted > 0 and (part := self._next(wanted)) is not None:
            frames.take(part)
            wanted -= len(part)
            self._is_silent = False
        # In silence no time is lost; what follows speech may still be on its way.
        if wanted > (0 if self._is_silent else JITTER_S * SAMPLE_RATE):
            frames.take(np.zeros(wanted, np.float32))
            self._is_silent = True

    def _next(self, most: int) -> np.ndarray | None:
        """Samples of the queue, `most` of them at most."""
        with self._changed:
            if not self._queue:
                return None
            part = self._queue.popleft()
            if len(part) > most:
                self._queue.appendleft(part[most:])
                part = part[:most]
            self._n_queued -= len(part)
            self._changed.notify_all()
            return part

    def _rest(self, seconds: float) -> None:
        seconds = min(LOOK_S, max(0.0, seconds))
        if self._sleep is not None:
            self._sleep(seconds)
            return
        with self._changed:
            if not self._stopped:
                self._changed.wait(seconds)


class Batches:
    """The images of a player, one batch after the other.

    Args:
        frames: makes them.
        size: of a batch.
        submit: begins one.
    """

    def __init__(
        self, frames: LiveFrames, size: int, submit: Callable[..., Future[list[np.ndarray]]]
    ) -> None:
        self._frames, self._size, self._submit = frames, size, submit
        self._made: deque[tuple[int, np.ndarray]] = deque()
        self._running: Future[list[np.ndarray]] | None = None
        self._first, self._begun, self._is_wanted = 0, 0.0, True
        self._taken: deque[float] = deque([0.0], LAST)  # seconds of the last ones

    def begin(self, now: float, present: float, fps: float) -> None:
        """Begin the next batch, if its speech has come and none is running.

        Args:
            now: seconds of the player's clock.
            present: number of the frame that is due now, with its fraction.
            fps: frames a second.
        """
        if self._running is not None or not self._frames.is_ready():
            return
        in_time = ceil(present + fps * median(self._taken))
        skipped = 0
        while self._frames.next_frame + skipped < in_time and self._frames.is_ready(
            self._size + skipped + 1
        ):
            skipped += 1
        if skipped:
            self._frames.skip(skipped)
        self._first, self._begun, self._is_wanted = self._frames.next_frame, now, True
        self._running = self._submit(self._frames.work, self._frames.gather(self._size))

    def look(self, now: float) -> None:
        """Take what was made.

        Raises:
            Exception: what went wrong in the making.
        """
        if self._running is None or not self._running.done():
            return
        images = self._running.result()
        self._running = None
        self._taken.append(now - self._begun)
        if self._is_wanted:
            self._made.extend(enumerate(images, self._first))

    def newest(self, number: int) -> tuple[int, np.ndarray] | None:
        """The newest image of frames up to `number`, and its frame; None: there is none."""
        found = None
        while self._made and self._made[0][0] <= number:
            found = self._made.popleft()
        return found

    def forget(self) -> None:
        """Drop all that was made and is being made."""
        self._made.clear()
        self._is_wanted = False


def _sample_of(index: int, fps: Fraction) -> int:
    """The sample at which a frame begins."""
    return round(Fraction(index) / fps * SAMPLE_RATE)
