"""The scores of a set on one page, with the curves and images that they came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from w2l.files import write_text
from w2l.html import image, page
from w2l.scoring.lips import NAMES as LIP_NAMES
from w2l.scoring.paper import JUDGES, NONE, method_name, rows_of, shown_columns, text_cells
from w2l.scoring.report import voice_names
from w2l.scoring.results import ClipScore, TrackScore, mean_scores
from w2l.scoring.speaker import Speakers, speaker_rows

FEW = 3  # clips whose faces' table is open
SHOWN = 50  # clips with their curves; the tables have all
NAMES = {
    "lse_d": "LSE-D ↓", "lse_c": "LSE-C ↑", "lse_d_at_0": "LSE-D at 0 ↓",
    "lse_c_at_0": "LSE-C at 0 ↑", "lse_d_unpadded": "LSE-D unpadded ↓",
    "lse_c_unpadded": "LSE-C unpadded ↑", "cosine": "cosine of the expert ↑",
    "syncnet_cosine_at_0": "cosine of SyncNet at 0 ↑",
    "syncnet_cosine_at_best": "cosine of SyncNet at the offset ↑",
}  # fmt: skip
IN_ROWS = list(NAMES)[:7]  # of a face; the others stand in the statistics


def for_page(clips: Iterable[ClipScore], n_shown: int = SHOWN) -> Iterator[ClipScore]:
    """The clips, without thumbnails after the first `n_shown` that could be scored.

    Those of a large set would fill the memory, and the page shows no more.
    """
    kept = 0
    for clip in clips:
        if kept >= n_shown:
            clip.tracks = [replace(track, thumbnails=()) for track in clip.tracks]
        kept += clip.error is None
        yield clip


def write_page(clips: Sequence[ClipScore], scores: dict[str, Any], output: Path) -> Path:
    """Write `<output's stem>.html`.

    Args:
        clips: as scored; their plots lie beside `output`.
        scores: the content of scores.json.
        output: scores.json.
    """
    counts = (
        f"Protocol <b>{escape(scores['protocol'])}</b>. "
        f"{scores['n_scored']} clips scored, {scores['n_tracks']} tracks; "
        f"{scores['n_failed']} clips failed, {scores['n_skipped_tracks']} tracks skipped."
    )
    if not scores["n_scored"] + scores["n_failed"]:
        counts = f"{len(clips)} clips, without a network for lip sync."
    settings = ", ".join(f"{key}={value}" for key, value in scores["settings"].items())
    weights = "; ".join(
        f"{name}: {Path(entry['file']).name}, SHA-256 {entry['sha256'][:16]}…"
        for name, entry in scores["weights"].items()
        if entry
    )
    parts = [
        f"<p>{counts}</p>",
        _summary(output, scores),
        *_failures(scores["failures"]),
        *_images(scores.get("pictures")),
        *_lips(scores.get("lips")),
        *(part for key in JUDGES for part in _judged(key, scores.get(key))),
        _folded(f"Over the {scores['n_tracks']} faces", _statistics(scores["statistics"])),
        _folded("Offsets", _offsets(scores["statistics"]["offsets"])),
        _folded("Each face", _clips(clips), is_open=len(clips) <= FEW),
        *_speakers(clips),
        *_figures(clips, output.parent),
        _folded("Settings and weights",
                f'<p class="small">{escape(settings)}<br>{escape(weights)}</p>'),
    ]  # fmt: skip
    target = output.with_suffix(".html")
    write_text(target, page("Lip sync", parts))
    return target


def _summary(output: Path, scores: dict[str, Any]) -> str:
    """The table of the paper: mean ± standard error over videos."""
    rows = rows_of(method_name(output), scores)
    columns = shown_columns(rows)
    heads = [
        f"{column.title} ({column.also})" if column.also else column.title for column in columns
    ]
    body = [
        [row.group or "all videos", str(len(row.videos)), *text_cells(row, columns)] for row in rows
    ]
    table = [["", "videos", *heads], *body]
    if len(columns) > len(rows):  # the longer side goes down, where there is room
        table = [list(row) for row in zip(*table, strict=True)]
    shown = _table(table[0], table[1:])
    return f'<div style="overflow-x: auto; white-space: nowrap">{shown}</div>' + (
        '<p class="small">Mean ± standard error over videos, faces within a video first; offsets '
        "in frames of 1/25 s, their size whatever the sign.</p>"
    )


def _folded(title: str, content: str, *, is_open: bool = False) -> str:
    """A part that opens with a click."""
    mark = " open" if is_open else ""
    return f"<details{mark}><summary>{escape(title)}</summary>{content}</details>" * bool(content)


def _statistics(statistics: dict[str, Any]) -> str:
    rows = [
        [title, *(_number(entry[key]) for key in ("mean", "standard_error", "median")),
         str(entry["count"])]
        for key, title in NAMES.items()
        if (entry := statistics[key])
    ]  # fmt: skip
    return bool(rows) * _table(["", "mean", "standard error", "median", "tracks"], rows)


def _offsets(found: dict[str, int]) -> str:
    if not found:
        return ""
    rows = [[f"{int(offset):+d}", str(count)] for offset, count in found.items()]
    return "<p>In frames at 25 fps, positive where the sound is early.</p>" + _table(
        ["offset", "tracks"], rows
    )


def _failures(failures: dict[str, int]) -> Iterator[str]:
    if failures:
        rows = [[reason, str(count)] for reason, count in failures.items()]
        yield "<h2>Not scored</h2>" + _table(["why", "clips"], rows)


def _clips(clips: Sequence[ClipScore]) -> str:
    """A row per face; the columns are what some face has."""
    tracks = [(clip.path, n, track) for clip in clips for n, track in enumerate(clip.tracks, 1)]
    scores = [_scores(track) for *_, track in tracks]
    keys = [key for key in IN_ROWS if any(row[key] is not None for row in scores)]
    rows = [
        [path, str(number), *(_number(row[key]) for key in keys), _offset(track)]
        for (path, number, track), row in zip(tracks, scores, strict=True)
    ]
    return bool(rows) * _table(["clip", "face", *(NAMES[key] for key in keys), "offset"], rows)


def _scores(track: TrackScore) -> dict[str, float | None]:
    found = track.to_dict()
    cosine = found["cosine"]
    return found | {"cosine": cosine and cosine["mean"]}


def _offset(track: TrackScore) -> str:
    """SyncNet's, or else the expert's."""
    if track.sync is not None:
        return f"{track.sync.lse.offset:+d}"
    if track.judged is False:
        return "not judged"
    return "" if track.cosine is None else f"{track.cosine.offset:+d} (expert)"


def _speakers(clips: Sequence[ClipScore]) -> Iterator[str]:
    asked = [(clip, clip.speakers) for clip in clips if clip.speakers]
    if asked:
        yield (
            "<h2>Who speaks</h2><p>The expert's similarity at the best offset, and that offset; "
            "bold: the voice that a face was given.</p>"
        )
    for clip, speakers in asked:
        names = voice_names(speakers)
        head = "".join(f"<th>{escape(cell)}</th>" for cell in ["face", "speaks", *names])
        body = "".join(
            f"<tr>{''.join(_speaker_cells(clip, speakers, face, row))}</tr>"
            for face, row in enumerate(speaker_rows(speakers, names))
        )
        # Voices are files, of any number and length of name.
        yield (
            f"<p>{escape(clip.path)}</p>"
            f'<div style="overflow-x: auto"><table><tr>{head}</tr>{body}</table></div>'
        )


def _speaker_cells(
    clip: ClipScore, speakers: Speakers, face: int, row: Sequence[str]
) -> Iterator[str]:
    # Where a face could not be scored, tracks are fewer than faces and none is sure to be this one.
    shown = clip.tracks[face].thumbnails if not clip.skipped else ()
    label = f"{face + 1}, from frame {speakers.starts[face]}"
    seen = image(_jpeg(shown[len(shown) // 2]), label, "image/jpeg") if len(shown) else label
    yield f'<td style="min-width: 7rem">{seen}</td>'
    yield f'<td style="min-width: 6rem"><b>{escape(row[0])}</b></td>'
    for voice, cell in enumerate(row[1:]):
        is_given = voice == speakers.voice_of[face] and speakers.belongs(face, voice) is not False
        mark = "b" if is_given else "span"
        yield f'<td class="number" style="min-width: 6rem"><{mark}>{escape(cell)}</{mark}></td>'


def _images(compared: dict[str, Any] | None) -> Iterator[str]:
    if not compared:
        return
    names = list(compared["mean"])
    yield f"<h2>Images, {escape(compared['setting'])}</h2>"
    rows = [
        [clip["path"], *(_number(clip.get(name)) for name in names), clip.get("error", "")]
        for clip in compared["clips"]
    ]
    mean = ["mean", *(_number(compared["mean"][name]) for name in names), ""]
    count = ["clips", *(str(compared["count"][name]) for name in names), ""]
    yield _table(["clip", *names, ""], [*rows, mean, count])
    for key, value in compared.items():
        if key.startswith(("fid", "frechet")):
            yield f"<p>{escape(key)}: {_number(value)}</p>"
    yield f'<p class="small">{escape(compared["protocol"])}</p>'


def _lips(found: dict[str, Any] | None) -> Iterator[str]:
    """Lips against sound, beside real video."""
    if not found:
        return
    rows = []
    for clip in found["clips"]:
        offset = (
            "unsure" if clip.get("lip_believed") is False else f"{clip.get('lip_offset', 0):+d}"
        )
        offset = NONE if "error" in clip else "silent" if clip["is_silent"] else offset
        numbers = [clip.get(key) for key in ("lip_confidence", *LIP_NAMES)]
        rows.append([clip["path"], offset, *map(_number, numbers), clip.get("error", "")])
    shared = found["shared_offset"] or {}
    told = f"{shared['offset']:+d}" if shared.get("believed") else "unsure" if shared else NONE
    mean = [_number(found["mean"][key]) for key in LIP_NAMES]
    real = [_number(found["real_video"][key]) for key in LIP_NAMES]
    rows += [["all together", told, _number(shared.get("confidence")), *mean, ""],
             ["real video", "", "", *real, ""]]  # fmt: skip
    yield "<h2>Lips against sound</h2>"
    yield _table(["clip", "offset", "confidence", *LIP_NAMES.values(), ""], rows)
    yield f'<p class="small">{escape(found["protocol"])}</p>'


def _judged(key: str, found: dict[str, Any] | None) -> Iterator[str]:
    """What a network of the user's says of each clip."""
    if not found:
        return
    names = list(found["mean"])
    rows = [
        [clip["path"], *(_number(clip.get(name)) for name in names), clip.get("error", "")]
        for clip in found["clips"]
    ]
    rows.append(["mean", *(_number(found["mean"][name]) for name in names), ""])
    yield f"<h2>{escape(key)}={escape(found['name'])}</h2>" + _table(["clip", *names, ""], rows)
    files = [f"{file['file']}, SHA-256 {file['sha256']}" for file in found["files"]]
    yield f'<p class="small">{escape(" ".join([found["protocol"], *files]))}</p>'


def _figures(clips: Sequence[ClipScore], folder: Path) -> Iterator[str]:
    """A fold for each clip: what was scored, and its curves; a lone clip's is open."""
    shown = [clip for clip in clips if clip.plot and (folder / clip.plot).is_file()]
    for clip in shown[:SHOWN]:
        is_open = " open" if len(shown) == 1 else ""
        yield f"<details{is_open}><summary>{escape(_headline(clip))}</summary>"
        for number, track in enumerate(clip.tracks, 1):
            if len(track.thumbnails):
                yield image(_strip(track), f"face {number}, what was scored", "image/jpeg")
        assert clip.plot is not None
        yield image((folder / clip.plot).read_bytes(), clip.path) + "</details>"
    if len(shown) > SHOWN:
        yield f'<p class="small">{len(shown) - SHOWN} more have their plots beside this page.</p>'


def _headline(clip: ClipScore) -> str:
    """A clip's name and its numbers in one line."""
    means = mean_scores([clip])
    offset = means["cosine_offset"] if means["offset"] is None else means["offset"]
    named = {"LSE-D": means["lse_d"], "LSE-C": means["lse_c"], "judge's cosine": means["cosine"]}
    told = [f"{name} {value:.3f}" for name, value in named.items() if value is not None]
    is_unsure = means["offset"] is None and all(track.judged is False for track in clip.tracks)
    told += [] if offset is None else ["offset unsure" if is_unsure else f"offset {offset:+g}"]
    faces = "" if len(clip.tracks) == 1 else f" ({len(clip.tracks)} faces)"
    return f"{Path(clip.path).name}{faces}: {', '.join(told)}"


def _strip(track: TrackScore) -> bytes:
    return _jpeg(np.hstack(list(track.thumbnails)))


def _jpeg(shown: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", shown)[1].tobytes()


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th style="overflow-wrap: normal">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f"<tr><td>{escape(row[0])}</td>"
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
