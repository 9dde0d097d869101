"""Read a video's images as they came, or at a constant rate by their timestamps."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, dropwhile, islice, takewhile
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame

from w2l.errors import UserError
from w2l.video.decode import Timed, ToBgr, decode, scaled_size
from w2l.video.image import read_image
from w2l.video.probe import exact_rate, probe

# Timestamps may be rounded by up to a tick (1 ms in Matroska): what differs by no more than that
# from the start, the end or the middle between two images counts as being there.
_LARGEST_TICK = Fraction(1, 1000)


class VideoReader:
    """The images of a video, one at a time: (H, W, 3) uint8 BGR, upright, contiguous.

    With a rate, output k is the image nearest in time to `first timestamp + start_s + k / fps`,
    but none comes sooner before its timestamp than half a step of the file's own rate (at long
    gaps the image before goes on). So a variable or different rate never drifts from the sound,
    and images are as often a little early as late. The last image is held to the stream's end,
    where that is stated, else for one step of the file's own rate. Without a rate every decoded
    image comes as it is. Memory is a few images, whatever the length.

    Args:
        path: A video. A still image is a video of one frame.
        fps: Rate to resample to (29.97 means 30000/1001); None for the images as they came.
        start_s: Seconds after the first image to start at.
        end_s: Seconds after the first image to end at (excluded); None for the end.
        scale: Factor on width and height (truncated), bilinear.
        deinterlace: Make whole images of those that are woven of two fields, as players do.

    Attributes:
        info: What `probe` says of the file.
        fps: Rate of what is read (the file's own nominal or average one without `fps`).
        size: (width, height) of what is read.
        duration_s: Seconds of what is read, by its timestamps.

    Raises:
        UserError: no video, or `start_s` and `end_s` leave nothing of it.

    Example:
        >>> for frame in VideoReader("talk.mp4", fps=25):  # doctest: +SKIP
        ...     frame.shape
    """

    def __init__(
        self,
        path: str | Path,
        fps: Fraction | float | None = None,
        start_s: float = 0.0,
        end_s: float | None = None,
        scale: Fraction | float | None = None,
        *,
        deinterlace: bool = True,
    ) -> None:
        if start_s < 0 or (end_s is not None and end_s <= start_s):
            raise UserError(
                f"start={start_s} and end={end_s} leave nothing of {path}: "
                "give seconds with 0 ≤ start < end."
            )
        self.info = probe(path)
        self._grid = exact_rate(fps) if fps is not None else None
        self.fps = self._grid or self.info.fps
        self._scale = None if scale is None else Fraction(scale).limit_denominator(10_000)
        size = (self.info.width, self.info.height)
        self.size = size if self._scale is None else scaled_size(size, self._scale)
        self.duration_s = min(self.info.duration_s, end_s or self.info.duration_s) - start_s
        self._origin = self.info.start + _seconds(start_s)
        self._end = None if end_s is None else self.info.start + _seconds(end_s)
        self._deinterlace = deinterlace
        self._tolerance = min(self.info.tick, _LARGEST_TICK)
        # Known after one whole pass: when each image that came is shown, and how many
        # there are to read.
        self._times: list[Fraction] | None = None
        self._count: int | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        """All images from the start; each call starts anew."""
        return self.read(0)

    def read(self, start: int, stop: int | None = None) -> Iterator[np.ndarray]:
        """Images `start` to `stop` (excluded; None for all the rest).

        Seeks to a key frame where the container has an index and its timestamps prove the seek
        right, else decodes from the first image. Without a rate, a `start` after 0 needs one
        pass over the whole file, once, to number the images.

        Raises:
            UserError: `start_s` lies after the end of the video.
        """
        if start < 0 or (stop is not None and stop < start):
            raise ValueError(f"no range of images: {start} to {stop}")
        wanted = None if stop is None else stop - start
        n = 0
        for image in islice(self._images(start), wanted):
            yield image
            n += 1
        if n == 0 and start == 0 and wanted != 0:
            raise UserError(
                f"{self.info.path} is over before start={float(self._origin - self.info.start):g}"
                f" s (it lasts {self.info.duration_s:.2f} s): choose an earlier start."
            )
        if n and (wanted is None or n < wanted):
            self._count = start + n

    def first_s(self) -> float:
        """Seconds from the file's first image to the moment that image 0 of this stands for.

        With a rate that is `start_s`; without one it is the image's own time.
        """
        first = self._origin
        if self._grid is None and first > self.info.start:
            times = (timed.time for timed in self._decode(first))
            first = next((time for time in times if time >= first - self._tolerance), first)
        return float(first - self.info.start)

    def count(self) -> int:
        """Exact number of images; the first call may take one pass over the whole file."""
        if self._count is None:
            if self.info.is_image:
                self._count = 1
            elif self._grid is None:
                self._count = len(self._known_times())
            else:
                self._count = sum(1 for _ in self._on_grid(0, self._grid))
        return self._count

    def _images(self, start: int) -> Iterator[np.ndarray]:
        if self.info.is_image:
            if start == 0:
                yield self._still()
            return
        convert = ToBgr((self.info.width, self.info.height), self.info.orientation, self.size)
        for frame in self.decoded(start):
            # An image shown twice is converted twice: the caller owns, and may draw on, each.
            try:
                image = convert(frame)
            except av.error.FFmpegError as error:
                raise UserError(
                    f"{self.info.path} has an image whose colours cannot be read ({error}): it is "
                    "damaged. Convert it again from its source."
                ) from error
            yield image

    def decoded(self, start: int = 0) -> Iterator[VideoFrame]:
        """Images `start` to the end in the decoder's own format, not turned or scaled."""
        if self._grid is None:
            return self._as_they_came(start)
        return self._on_grid(start, self._grid)

    def _still(self) -> np.ndarray:
        image = read_image(self.info.path)
        return image if self._scale is None else cv2.resize(image, self.size)

    def _as_they_came(self, start: int) -> Iterator[VideoFrame]:
        if start:
            times = self._known_times()
            if start < len(times):
                yield from (
                    timed.frame for timed in self._until_end(self._exactly_at(times[start]))
                )
            return
        times = []
        for timed in self._until_end(self._decode(self._origin)):
            if timed.time >= self._origin - self._tolerance:
                times.append(timed.time)
                yield timed.frame
        self._times = times

    def _on_grid(self, start: int, rate: Fraction) -> Iterator[VideoFrame]:
        index, shown = start, None
        due = self._origin + start / rate
        half_step = 1 / (2 * self.info.fps)
        for timed in self._decode(due):
            # An instant that is nearer to the image before this one, or as near, shows that one.
            while shown is not None and due - self._tolerance <= timed.time - min(
                half_step, (timed.time - shown.time) / 2
            ):
                if self._end is not None and due >= self._end:
                    return
                yield shown.frame
                index += 1
                due = self._origin + index / rate
            shown = timed
        if shown is None:
            return
        over = shown.time + shown.duration - self._tolerance
        over = over if self._end is None else min(over, self._end)
        while due < over:
            yield shown.frame
            index += 1
            due = self._origin + index / rate

    def _decode(self, at: Fraction) -> Iterator[Timed]:
        if self._deinterlace and self.info.is_interlaced:
            at -= 2 / self.info.fps  # each image's fields are told from those of its neighbours
        return decode(
            self.info.path,
            self.info.fps,
            at if at > self.info.start else None,
            deinterlace=self._deinterlace,
        )

    def _exactly_at(self, time: Fraction) -> Iterator[Timed]:
        """Images from the one shown at exactly `time` on, from the start if seeking misses it."""
        for at in (time, self.info.start):
            timed = dropwhile(lambda each: each.time < time, self._decode(at))
            first = next(timed, None)
            if first is not None and first.time == time:
                return chain([first], timed)
        return iter(())

    def _until_end(self, images: Iterator[Timed]) -> Iterator[Timed]:
        if self._end is None:
            return images
        end = self._end - self._tolerance
        return takewhile(lambda timed: timed.time < end, images)

    def _known_times(self) -> list[Fraction]:
        if self._times is None:
            for _ in self._as_they_came(0):
                pass
        assert self._times is not None
        return self._times


def _seconds(seconds: float) -> Fraction:
    return Fraction(seconds).limit_denominator(1_000_000)
