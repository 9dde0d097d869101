"""A moving strip of a source and its result: both play, and beside them runs how well lips fit."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import matplotlib as mpl
import numpy as np

from w2l.scoring.results import TrackScore
from w2l.video import VideoReader
from w2l.windows import FPS, WINDOW_FRAMES

mpl.use("Agg")
import cv2
from matplotlib import pyplot as plt
from PIL import Image

MOST_SECONDS = 4.0  # of both: a strip is looked at in a moment
HEIGHT = 240  # pixels of a frame
TITLE = 24  # of the line above it
CURVES = 330  # width of the curves
QUALITY = 60
DPI = 100
FAINT = 0.2  # what is still to come
BELOW = 40  # pixels for the axis of time


def moving_strip(videos: Mapping[str, Path], tracks: Mapping[str, TrackScore]) -> bytes:
    """Draw both videos' first seconds beside each other, and the curves running, as animated WebP.

    Args:
        videos: title → file.
        tracks: title → what the judge says of it, with its cosine.
    """
    readers = [VideoReader(path, fps=FPS) for path in videos.values()]
    widths = [round(HEIGHT * reader.size[0] / reader.size[1]) for reader in readers]
    n_frames = min(round(MOST_SECONDS * FPS), max(reader.count() for reader in readers))
    over_time = {title: _by_frame(track, n_frames) for title, track in tracks.items()}
    (to_come, now), columns = _drawn(over_time, widths)
    strip: list[Image.Image] = []
    for column, *frames in zip_longest(columns, *(reader.read(0, n_frames) for reader in readers)):
        if column is None or all(frame is None for frame in frames):
            break  # how many there are was an estimate
        canvas = to_come.copy()
        canvas[:, :column] = now[:, :column]
        canvas[TITLE:-BELOW, column] = 96
        left = 0
        for frame, width in zip(frames, widths, strict=True):
            if frame is not None:  # else this one is over
                small = cv2.resize(frame, (width, HEIGHT), interpolation=cv2.INTER_AREA)
                canvas[TITLE : TITLE + HEIGHT, left : left + width] = small[..., ::-1]
            left += width
        strip.append(Image.fromarray(canvas))
    file = io.BytesIO()
    strip[0].save(file, "WEBP", save_all=True, append_images=strip[1:], duration=round(1000 / FPS),
                  loop=0, quality=QUALITY)  # fmt: skip
    return file.getvalue()


def _by_frame(track: TrackScore, n_frames: int) -> np.ndarray:
    """The similarity of the window around each frame of the video; NaN where there is none."""
    values = np.full(n_frames, np.nan)
    if track.cosine is not None:
        first = track.start_frame + WINDOW_FRAMES // 2
        curve = track.cosine.curve[: max(0, n_frames - first)]
        values[first : first + len(curve)] = curve
    return values


def _drawn(
    over_time: Mapping[str, np.ndarray], widths: Sequence[int]
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """All but the frames, uint8 RGB, with faint and with full curves; the column of each frame."""
    size = (sum(widths) + CURVES, TITLE + HEIGHT)
    middles = np.cumsum(widths) - np.asarray(widths) / 2
    canvases = []
    for strength in (FAINT, 1.0):
        figure = plt.figure(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI)
        for title, middle in zip(over_time, middles, strict=True):
            figure.text(middle / size[0], 1 - TITLE / 2 / size[1], title, ha="center",
                        va="center", fontsize=9)  # fmt: skip
        left, bottom = (sum(widths) + 40) / size[0], BELOW / size[1]
        ax = figure.add_axes((left, bottom, (CURVES - 52) / size[0], HEIGHT / size[1] - bottom))
        for title, values in over_time.items():
            ax.plot(np.arange(len(values)) / FPS, values, alpha=strength)
            ax.plot([], [], color=ax.lines[-1].get_color(), label=title)  # the same in both
        ax.set_title("lips and audio: similarity (judge)", fontsize=9, pad=7)
        ax.set_xlabel("seconds", fontsize=8)
        ax.tick_params(labelsize=7)
        ax.set(xlim=(0, len(values) / FPS), ylim=(-0.5, 1))
        ax.legend(fontsize=7, loc="lower right", ncols=2)
        ax.grid(alpha=0.3)
        figure.canvas.draw()
        canvases.append(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())  # type: ignore[attr-defined]
        n_frames = len(next(iter(over_time.values())))
        moments = np.column_stack([np.arange(n_frames) / FPS, np.zeros(n_frames)])
        columns = ax.transData.transform(moments)[:, 0].round().astype(int)
        plt.close(figure)
    return (canvases[0], canvases[1]), columns
