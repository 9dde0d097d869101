"""Scores for people and scripts: JSON, a table for the terminal, plots against the offset."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from w2l.files import atomic_path, write_text
from w2l.metrics import VSHIFT, offsets
from w2l.paths import readable
from w2l.scoring.results import (
    ClipScore,
    TrackScore,
    VideoScore,
    mean_of_videos,
    video_scores,
)
from w2l.scoring.speaker import Speakers
from w2l.scoring.voices import OWN
from w2l.windows import FPS

_SYNCNET_COLUMNS = ("LSE-D ↓", "LSE-C ↑", "offset")
_EXPERT_COLUMNS = ("judge ↑", "its offset")
NAME_WIDTH = 20  # columns of the terminal
NONE = "–"


def write_json(scores: dict[str, Any], output: Path) -> None:
    """Write scores.json, whole or not at all."""
    text = json.dumps(scores, indent=1, allow_nan=False, ensure_ascii=False)
    write_text(output, text + "\n")


def score_table(clips: Sequence[ClipScore], protocol: str, rule: VideoScore = "mean") -> Table:
    """One line a clip within 80 columns, a lone clip's faces one each, and the means over videos.

    Arrows point to better. What has no room here, as the scores at offset 0, stands on the page.
    """
    columns = _columns([track for clip in clips for track in clip.tracks])
    table = Table(
        title=f"Lip sync, protocol {protocol}",
        box=SIMPLE_HEAD,
        show_footer=True,
        pad_edge=False,
        padding=(0, 1, 0, 0),  # narrow enough for 80 columns
    )
    footer = _cells(mean_of_videos(clips, rule), columns)
    table.add_column("clip", footer="mean", no_wrap=True, overflow="ellipsis")
    for name, mean in zip(("windows", *columns), ("", *footer), strict=True):
        table.add_column(name, justify="right", footer=mean, no_wrap=True)
    for clip, name in zip(clips, short_names([clip.path for clip in clips]), strict=True):
        for label, windows, scores in _lines(clip, name, alone=len(clips) == 1, rule=rule):
            cells = [NONE] * len(columns) if scores is None else _cells(scores, columns)
            table.add_row(escape(label), windows, *cells)
    return table


def _lines(
    clip: ClipScore, name: str, *, alone: bool, rule: VideoScore
) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    """Label, windows and scores (None: there are none) of each line of a clip."""
    tracks = [track.to_dict() for track in clip.tracks]
    if clip.error is not None:
        yield shortened(name), "failed", None
    elif alone or len(tracks) == 1:
        for number, scores in enumerate(tracks, 1):
            face = "" if len(tracks) == 1 else f" face {number}"
            yield shortened(name, face), str(scores["n_windows"]), scores
    else:
        windows = sum(scores["n_windows"] for scores in tracks)
        yield shortened(name, f", {len(tracks)} faces"), str(windows), video_scores(clip, rule)


def shortened(name: str, rest: str = "") -> str:
    """A name that fits, its middle left out, with the rest whole.

    >>> shortened("a_very_long_name_of_a_clip_0001.mp4", " face 2")
    'a_ver…1.mp4 face 2'
    """
    room = NAME_WIDTH - len(rest)
    if len(name) > room:
        head = (room - 1) // 2
        name = f"{name[:head]}…{name[len(name) - (room - 1 - head) :]}"
    return name + rest


def short_names(files: Sequence[str]) -> list[str]:
    """File names, with the folders that tell them apart where two are the same."""
    paths = [os.path.abspath(file) for file in files]
    names = [os.path.basename(path) for path in paths]
    if len(set(names)) == len(names):
        return names
    common = os.path.commonpath([os.path.dirname(path) for path in paths])
    return [os.path.relpath(path, common) for path in paths]


def voice_names(speakers: Speakers) -> list[str]:
    """Short names of the voices that were compared."""
    return list(speakers.voices) if speakers.voices == (OWN,) else short_names(speakers.voices)


def counted_faces(n: int) -> str:
    """How many faces, in words.

    >>> counted_faces(1), counted_faces(4)
    ('1 face', '4 faces')
    """
    return f"{n} face{'' if n == 1 else 's'}"


def summary_line(clips: Sequence[ClipScore], rule: VideoScore = "mean") -> str:
    """How many clips and faces were scored, and what the numbers are."""
    n_failed = sum(clip.error is not None for clip in clips)
    n_tracks = sum(len(clip.tracks) for clip in clips)
    by = "faces within a video first" if rule == "mean" else f"each by video_score={rule}"
    return (
        f"{len(clips) - n_failed} scored ({counted_faces(n_tracks)}), {n_failed} failed. Offset in "
        "frames at 25 fps, positive where the sound is early; judge: the expert's cosine at "
        f"offset 0; mean: over videos, {by}."
    )


def _columns(tracks: Sequence[TrackScore]) -> tuple[str, ...]:
    """The columns that have anything in them; all of them fit into 80 characters."""
    columns = _SYNCNET_COLUMNS if any(track.sync for track in tracks) else ()
    return columns + (_EXPERT_COLUMNS if any(track.cosine for track in tracks) else ())


def _cells(scores: dict[str, Any], columns: Sequence[str]) -> list[str]:
    """One row, from a face's or a video's fields or from the means."""
    cosine = scores["cosine"]
    cells = {
        "LSE-D ↓": _number(scores["lse_d"]),
        "LSE-C ↑": _number(scores["lse_c"]),
        "offset": _offset(scores["offset"]),
        "judge ↑": _number(cosine["mean"] if isinstance(cosine, dict) else cosine),
        "its offset": _judged(scores),
    }
    return [cells[name] for name in columns]


def _judged(scores: dict[str, Any]) -> str:
    """The judge's offset, with its confidence where that is not enough."""
    if scores.get("judged") is False:
        return f"unsure {scores['cosine_confidence']:.2f}"
    return _offset(scores["cosine_offset"])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _offset(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:+d}" if isinstance(value, int) else f"{value:+.2f}"


def said(track: TrackScore) -> str:
    """Say in words what the judge says of a face."""
    assert track.cosine is not None
    offset, confidence = track.cosine.offset, track.cosine.confidence
    if track.judged is False:
        return f"the judge is not sure: offset {offset:+d} frames, confidence {confidence:.2f}"
    where = "in sync"
    if offset:
        where = f"the audio is {abs(offset) * 40} ms {'early' if offset > 0 else 'late'}"
    return f"{where}: offset {offset:+d} frames, confidence {confidence:.2f}"


def plot_clip(clip: ClipScore, output: Path) -> None:
    """Draw distance (SyncNet) and similarity (expert) against the offset as a PNG.

    Args:
        clip: with at least one track.
        output: where to; appears whole or not at all.
    """
    with_sync = [track for track in clip.tracks if track.sync]
    with_cosine = [track for track in clip.tracks if track.cosine]
    panels = [draw for tracks, draw in ((with_sync, _distances), (with_cosine, _cosines)) if tracks]
    heights = [3.9 + 0.2 * len(clip.tracks), *[2.6] * len(with_sync)]
    figure = Figure(figsize=(5 * len(panels), sum(heights)), layout="constrained")
    rows = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, draw in zip(rows[0].subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        draw(axes, clip.tracks)
        axes.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        axes.set_xlabel("offset in frames (positive: the sound is early)")
        # Under the axis: wherever it stands within, some curve runs through it.
        axes.legend(fontsize="small", frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    for row, track in zip(rows[1:], with_sync, strict=True):
        above, below = row.subplots(2, 1, sharex=True, height_ratios=[1.6, 1])
        _heat_map(above, track)
        _confidence(below, track)
    rows[0].suptitle(readable(Path(clip.path).name), fontsize="medium", parse_math=False)
    with atomic_path(output) as temporary:
        figure.savefig(temporary, dpi=120)


def _heat_map(axes: Axes, track: TrackScore) -> None:
    """Distance of each window at each offset; dark where lips and sound fit."""
    assert track.sync is not None
    distances = track.sync.distances
    end = (track.start_frame + distances.shape[1]) / FPS
    extent = (track.start_frame / FPS, end, -VSHIFT - 0.5, VSHIFT + 0.5)
    # The beginning and the end, where zero vectors stand for sound, need not show: by percentiles.
    low, high = np.percentile(distances, (1, 95))
    image = axes.imshow(
        distances, aspect="auto", extent=extent, cmap="magma", vmin=low, vmax=high,
        interpolation="nearest",
    )  # fmt: skip
    axes.axhline(0, color="w", linewidth=0.6, linestyle=":")
    axes.set_ylabel("offset")
    axes.figure.colorbar(image, ax=axes, label="distance")


def _confidence(axes: Axes, track: TrackScore) -> None:
    assert track.sync is not None
    confidence = track.sync.confidence
    axes.plot((track.start_frame + np.arange(len(confidence))) / FPS, confidence)
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.set(xlabel="seconds", ylabel="confidence")


def _distances(axes: Axes, tracks: Sequence[TrackScore]) -> None:
    for number, track in enumerate(tracks, start=1):
        if track.sync is None:
            continue
        scores = track.sync.lse
        label = (
            f"LSE-D {scores.lse_d:.3f} at {scores.offset:+d}, LSE-C {scores.lse_c:.3f}\n"
            f"at 0: {scores.lse_d_at_0:.3f}, {scores.lse_c_at_0:.3f}"
        )
        _curve(axes, scores.curve, scores.offset, _label(number, tracks, label))
    axes.set_ylabel("mean distance of SyncNet ↓")


def _cosines(axes: Axes, tracks: Sequence[TrackScore]) -> None:
    for number, track in enumerate(tracks, start=1):
        if track.cosine is None:
            continue
        result = track.cosine
        best = float(result.by_offset[offsets() == result.offset].item())
        label = f"{result.summary.mean:.3f} at 0, {best:.3f} at {result.offset:+d}"
        _curve(axes, result.by_offset, result.offset, _label(number, tracks, label))
    axes.set_ylabel("mean cosine of the expert ↑")


def _curve(axes: Axes, values: Any, best: int, label: str) -> None:
    """A line over the offsets with a dot at the best one."""
    (line,) = axes.plot(offsets(), values, marker=".", label=label)
    axes.plot(best, values[offsets().tolist().index(best)], "o", color=line.get_color())


def _label(number: int, tracks: Sequence[TrackScore], label: str) -> str:
    if len(tracks) == 1:
        return label
    return f"face {number}, from frame {tracks[number - 1].start_frame}: {label}"
