"""The images that are given a new voice: a video or a still, read as often as needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from w2l.errors import UserError
from w2l.inference.folder import FolderSource
from w2l.inference.geometry import Geometry
from w2l.inference.timeline import Extend, Run, runs
from w2l.video import Look, VideoReader, is_image, probe, read_image

CHUNK_BYTES = 96 * 2**20  # images held at once where a video is shown backwards
TAIL = 10  # frames by which a container may be wrong about its video's length


class SourceFrame(NamedTuple):
    """One output frame's image and the source frame that it is."""

    number: int
    frame: np.ndarray  # uint8 (H, W, 3) BGR, may be changed
    given: np.ndarray | None = None  # as it came, where that is to be shown beside it
    # Boxes of faces, and how much of each pixel in them was changed: float32 (h, w, 1) in [0, 1].
    marks: tuple[tuple[np.ndarray, np.ndarray], ...] = ()


class VideoSource:
    """A video's images, resized, rotated and cropped.

    Args:
        path: the video.
        geometry: applied to every image.
        start_s, end_s: seconds of the video to use.
        constant_rate: resample to a constant grid, so that a variable rate does not drift from
            the sound. False takes every image as it came, as published.
        fps: of that grid; None: the video's own rate, where it varies that of the moving parts.
        deinterlace: make whole images of those that are woven of two fields.

    Attributes:
        fps: rate of the images.
        height, width: of each, in pixels.
        look: its colour tags and the shape of its pixels.
        n_frames_estimate: about how many there are, by the timestamps: for progress only.
        is_deinterlaced: whether whole images are made of woven ones.

    Raises:
        UserError: no video, or nothing of it between `start_s` and `end_s`.
    """

    def __init__(
        self,
        path: str | Path,
        geometry: Geometry,
        start_s: float = 0.0,
        end_s: float | None = None,
        *,
        constant_rate: bool = True,
        fps: Fraction | None = None,
        deinterlace: bool = True,
    ) -> None:
        info = probe(path)
        grid = (fps or info.fps) if constant_rate else None
        reader = VideoReader(path, grid, start_s, end_s, deinterlace=deinterlace)
        self.path = Path(path)
        self.fps: Fraction = reader.fps
        seconds = info.duration_s if constant_rate else float(info.n_frames_estimate / info.fps)
        used = min(seconds, seconds if end_s is None else end_s) - start_s
        self.n_frames_estimate = max(1, round(used * reader.fps))
        self.is_deinterlaced = deinterlace and info.is_interlaced
        look = reader.info.look
        self.look = look.turned() if geometry.rotate in (90, 270) else look
        self._reader = reader
        self._geometry = geometry
        self.height, self.width = next(self.read(0, 1)).shape[:2]

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Images start … stop - 1, as many of them as there are."""
        return map(self._geometry, self._reader.read(start, stop))


class StillSource:
    """One image, shown for as long as the sound lasts.

    Args:
        frame: uint8 (H, W, 3) BGR.
        geometry: applied to it.
        fps: frames a second of the output.
        path: where it came from, for messages.
        look: of the video that it is an image of.
    """

    def __init__(
        self,
        frame: np.ndarray,
        geometry: Geometry,
        fps: Fraction,
        path: Path,
        look: Look | None = None,
    ) -> None:
        self.path = path
        self.look = look or Look()
        self.fps = fps
        self.n_frames_estimate = 1
        self._frame = geometry(frame)
        self.height, self.width = self._frame.shape[:2]

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """The image, once, where the range holds frame 0."""
        return (self._frame.copy() for _ in range(max(start, 0), min(stop, 1)))


class ArraySource:
    """Images that are in memory already.

    Args:
        frames: (N, H, W, 3) uint8 BGR, or a sequence of images of one size; not changed.
        fps: frames a second.

    Raises:
        UserError: there are none, or they are of another kind.
    """

    path = Path("frames")
    look = Look()

    def __init__(self, frames: np.ndarray | Sequence[np.ndarray], fps: Fraction) -> None:
        self.fps = fps
        self.n_frames_estimate = len(frames)
        shapes = {(frame.shape, str(frame.dtype)) for frame in frames}
        if len(shapes) != 1 or not is_frame(frames[0]):
            raise UserError(f"face={NOT_IMAGES}, but they are {sorted(shapes) or 'none'}.")
        self.height, self.width = frames[0].shape[:2]
        self._frames = frames

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Images start … stop - 1, as many of them as there are, which may be changed."""
        return (self._frames[i].copy() for i in range(start, min(stop, len(self._frames))))


NOT_IMAGES = "… takes arrays (height, width, 3) of uint8, all of one size"


def is_frame(array: np.ndarray) -> bool:
    """Whether an array is one BGR image, uint8 (H, W, 3), with anything in it."""
    return array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size > 0


Source = VideoSource | StillSource | FolderSource | ArraySource


def open_source(
    path: str | Path,
    geometry: Geometry,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    still_fps: Fraction = Fraction(25),
    static: bool = False,
    constant_rate: bool = True,
    fps: Fraction | None = None,
    deinterlace: bool = True,
) -> Source:
    """Open a photo (told by its content, not its name), a video or a folder of images.

    Args:
        path, geometry, start_s, end_s, constant_rate, fps, deinterlace: as `VideoSource`.
        still_fps: frames a second of a photo, or of a folder's images.
        static: use only the video's first image, at the video's rate.

    Raises:
        UserError: missing, no image that can be read, or nothing between start and end.
    """
    path = Path(path)
    if is_image(path):
        return StillSource(read_image(path), geometry, still_fps, path)
    video: VideoSource | FolderSource
    if path.is_dir():
        video = FolderSource(path, geometry, still_fps, start_s, end_s)
    else:
        video = VideoSource(
            path, geometry, start_s, end_s,
            constant_rate=constant_rate, fps=fps, deinterlace=deinterlace,
        )  # fmt: skip
    if static:
        return StillSource(next(video.read(0, 1)), Geometry(), video.fps, path, video.look)
    return video


def count(source: Source) -> int:
    """Exact number of images, by decoding the last few, or all where the container is wrong."""
    start = max(0, source.n_frames_estimate - TAIL)
    rest = sum(1 for _ in source.read(start, sys.maxsize))
    return start + rest if rest else sum(1 for _ in source.read(0, sys.maxsize))


def images(source: Source, n_frames: int, extend: Extend) -> Iterator[SourceFrame]:
    """The images of `n_frames` output frames.

    Where the video ends before the sound it goes on by `extend`; backwards it is read in chunks
    of bounded size, so memory does not grow with its length.
    """
    n_source = 0
    for frame in source.read(0, n_frames):
        yield SourceFrame(n_source, frame)
        n_source += 1
    # Only now is it known how many images there are: counting would be a pass of its own.
    for run in islice(runs(n_frames, n_source, extend), 1, None):
        yield from _shown(source, run)


def _shown(source: Source, run: Run) -> Iterator[SourceFrame]:
    if run.step == 0:
        frame = next(source.read(run.start, run.start + 1))
        yield from (SourceFrame(run.start, frame.copy()) for _ in range(run.length))
    elif run.step == 1:
        stop = run.start + run.length
        yield from map(SourceFrame, range(run.start, stop), source.read(run.start, stop))
    else:
        chunk = max(1, CHUNK_BYTES // (source.height * source.width * 3))
        last = run.start - run.length + 1
        for top in range(run.start + 1, last, -chunk):
            bottom = max(last, top - chunk)
            frames = list(source.read(bottom, top))
            while frames:  # popped, so that each is freed when it has been shown
                yield SourceFrame(bottom + len(frames) - 1, frames.pop())
