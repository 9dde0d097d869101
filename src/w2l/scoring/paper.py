"""Scores as a table for a paper: a row per method or group, in Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from w2l.files import atomic_path, write_text
from w2l.weights import registry

ESCAPES = {
    "↓": r"$\downarrow$", "↑": r"$\uparrow$", "–": "--", "−": "$-$", "±": r"$\pm$", "%": r"\%",
    "_": r"\_", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "|": r"$|$", "<": "$<$", ">": "$>$",
}  # fmt: skip
NONE = "–"


class Column(NamedTuple):
    """A score as papers print it.

    Attributes:
        key: of the score in a video's values.
        title: with an arrow to what is better.
        also: its other name.
        digits: after the point.
        lower_is_better: None: neither.
    """

    key: str
    title: str
    also: str = ""
    digits: int = 3
    lower_is_better: bool | None = True


COLUMNS = (
    Column("lse_d", "LSE-D ↓", "Sync-D"),
    Column("lse_c", "LSE-C ↑", "Sync-C", lower_is_better=False),
    Column("offset_abs", "|offset| ↓", "frames", 2),
    Column("cosine", "cosine ↑", "judge", lower_is_better=False),
    Column("cosine_offset_abs", "|offset| ↓", "judge", 2),
    Column("identity", "CSIM ↑", lower_is_better=False),
    Column("fid", "FID ↓", digits=2),
    Column("lpips", "LPIPS ↓"),
    Column("psnr", "PSNR ↑", digits=2, lower_is_better=False),
    Column("ssim", "SSIM ↑", lower_is_better=False),
    Column("lmd", "LMD ↓", "M-LMD"),
    Column("face_lmd", "F-LMD ↓"),
    Column("lip_offset_abs", "|offset| ↓", "lips", 2),
    Column("lip_sync", "Lip-Sync ↓", "THEval", lower_is_better=None),  # finds late video better
    Column("silent_stability", "Stability", "THEval", lower_is_better=None),
    Column("lip_dynamics", "Dynamics", "THEval", lower_is_better=None),
    Column("lip_leak", "LipLeak ↓"),
)
# Fields of scores.json whose scores are a network's of the user's, and what tables call it.
JUDGES = {"judge": "own judge", "iqa": "IQA"}
SIGNED = ("offset", "cosine_offset")
# What says how much was scored, not how well.
NOT_SCORES = {"start_frame", "n_frames", "n_windows", "face"}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: of the method.
        videos: the scores of each video; each counts once, whatever its faces.
        group: of videos; "": all.
        n_failed: videos that have no score.
        of_set: scores that a set has and a video has not, such as FID.
        best: scores that are set in bold.
    """

    name: str
    videos: Sequence[Mapping[str, float]]
    group: str = ""
    n_failed: int = 0
    of_set: Mapping[str, float] = field(default_factory=dict)
    best: Collection[str] = ()

    def values(self, key: str) -> list[float]:
        """A score of the videos that have it."""
        return [video[key] for video in self.videos if key in video]


class Cell(NamedTuple):
    """Mean, standard error of the mean (None: of one), and of how many videos."""

    mean: float
    error: float | None
    n: int


def cell(row: Row, key: str) -> Cell | None:
    """A row's number; None: no video has it."""
    if key in row.of_set:
        return Cell(row.of_set[key], None, len(row.videos))
    values = row.values(key)
    if not values:
        return None
    error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return Cell(fmean(values), error, len(values))


def video_values(
    content: Mapping[str, Any], names: Sequence[str] | None = None
) -> dict[str, dict[str, float]]:
    """The scores of each video of a scores.json that has some, faces within a video first.

    Args:
        content: of the file; a benchmark's results.json is read alike.
        names: of its clips; None: their paths.
    """
    names = [clip["path"] for clip in content["clips"]] if names is None else names
    rule = content.get("settings", {}).get("video_score", "mean")
    beside: dict[str, dict[str, Any]] = {}  # what is scored apart from sync
    for part in ("pictures", "lips", *JUDGES):
        prefix = f"{part}_" if part in JUDGES else ""
        for row in (content.get(part) or {}).get("clips", ()):
            if row.get("error") is None:
                named = {f"{prefix}{key}": value for key, value in row.items()}
                beside.setdefault(row["path"], {}).update(named)
    found = {}
    for name, clip in zip(names, content["clips"], strict=True):
        tracks = clip.get("tracks") or [] if clip.get("error") is None else []
        own = clip.get("video") or _mean_of(tracks)
        values = {**own, **beside.get(clip.get("path", ""), {})}
        numbers = {key: float(value) for key, value in values.items() if _is_score(key, value)}
        for key in SIGNED:  # +5 and -5 are no 0
            of_faces = [
                abs(track[key])
                for track in tracks
                if track.get(key) is not None
                and not (key == "cosine_offset" and track.get("judged") is False)
            ]
            if rule != "mean":
                of_faces = [abs(numbers[key])] if key in numbers else []
            if of_faces:
                numbers[f"{key}_abs"] = fmean(of_faces)
        if not values.get("lip_believed", True):
            numbers.pop("lip_offset", None)
        if not values.get("is_silent", True):  # a still mouth would be the best of all
            numbers.pop("lip_leak", None)
        if "lip_offset" in numbers:
            numbers["lip_offset_abs"] = abs(numbers["lip_offset"])
        if numbers:
            found[name] = numbers
    return found


def _mean_of(tracks: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Each score that all faces have, averaged over them."""
    each = []
    for track in tracks:
        cosine = track.get("cosine")
        plain = cosine["mean"] if isinstance(cosine, dict) else cosine
        each.append({k: v for k, v in {**track, "cosine": plain}.items() if _is_score(k, v)})
    shared = set.intersection(*map(set, each)) if each else ()
    return {key: fmean(track[key] for track in each) for key in shared}


def _is_score(key: str, value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and key not in NOT_SCORES


def of_set(content: Mapping[str, Any]) -> dict[str, float]:
    """The scores that a scores.json has of the whole set."""
    images = content.get("pictures") or {}
    return {key: images[key] for key in ("fid",) if images.get(key) is not None}


def rows_of(name: str, content: Mapping[str, Any]) -> list[Row]:
    """The rows of one scores.json: all videos, then each group that the file names."""
    videos = video_values(content)
    clips = content["clips"]
    failed = [clip for clip in clips if clip["path"] not in videos]
    rows = [Row(name, list(videos.values()), n_failed=len(failed), of_set=of_set(content))]
    groups = {clip["path"]: clip.get("group") for clip in clips}
    if len(set(groups.values())) < 2:  # all videos once more
        return rows
    for group in dict.fromkeys(filter(None, groups.values())):
        inside = [values for path, values in videos.items() if groups[path] == group]
        n = sum(clip.get("group") == group for clip in failed)
        rows.append(Row(name, inside, group, n))
    return rows


def write_paper_tables(scores: Mapping[str, Any], output: Path) -> None:
    """Write `<output's stem>.md`, `.tex` and `_means.csv` beside scores.json.

    Args:
        scores: the content of scores.json.
        output: its path.
    """
    rule = scores.get("settings", {}).get("video_score", "mean")
    by = "mean of its faces" if rule == "mean" else f"face(s) of video_score={rule}"
    faces = f", each by the {by} ({scores['n_tracks']} faces in all)" if scores["n_tracks"] else ""
    notes = [
        f"Protocol {scores['protocol']}; {scores['n_failed']} videos have no score. Mean ± "
        f"standard error over videos{faces}; offsets in frames of 1/25 s, their size whatever the "
        "sign."
    ]
    rows = rows_of(method_name(output), scores)
    notes += doubts(scores.get("weights") or {}, rows)
    for part, title in JUDGES.items():
        if part in scores:
            hashes = [f"SHA-256 {file['sha256'][:12]}" for file in scores[part]["files"]]
            notes.append(f"{title}: {', '.join([scores[part]['name'], *hashes])}.")
    write_rows(rows, notes, output.with_suffix(""))


def method_name(output: Path) -> str:
    """What a table calls the videos of a scores.json: its stem, or its folder's name."""
    return output.absolute().parent.name if output.stem == "scores" else output.stem


def doubts(weights: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """What a reader has to know of the networks that scored; the values are files with hashes."""
    notes = []
    syncnet, expert = weights.get("syncnet"), weights.get("expert")
    shown = {column.key for column in shown_columns(rows)}
    if "lse_d" in shown and syncnet and syncnet["sha256"] != registry()["syncnet_v2"].sha256:
        notes.append(
            "LSE by other weights than the published SyncNet v2: no published ones compare."
        )
    if "cosine" in shown and expert:
        name = Path(expert.get("file") or "expert").stem
        named = f"{name}, SHA-256 {expert['sha256'][:12]}"
        notes.append(f"Judge: {named}; cosines of two judges do not compare.")
    return notes


def write_rows(rows: Sequence[Row], notes: Sequence[str], stem: Path) -> None:
    """Write `<stem>.md`, `.tex` and `_means.csv`, each whole or not at all."""
    write_text(Path(f"{stem}.md"), markdown(rows, notes))
    write_text(Path(f"{stem}.tex"), latex_table(rows, notes))
    with (
        atomic_path(Path(f"{stem}_means.csv")) as path,
        path.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerows(csv_rows(rows))


def shown_columns(rows: Sequence[Row]) -> list[Column]:
    """The columns in which some row has a number; the judge's offset where SyncNet has none."""
    known = {key for row in rows for video in row.videos for key in video}
    # Whether more or less of a network of the user's is better, it alone knows.
    own = [
        Column(key, name.replace("_", " "), JUDGES[part], lower_is_better=None)
        for key in sorted(known)
        for part, _, name in [key.partition("_")]
        if part in JUDGES and name
    ]
    found = [column for column in [*COLUMNS, *own] if any(cell(row, column.key) for row in rows)]
    if any(column.key == "offset_abs" for column in found):
        found = [column for column in found if column.key != "cosine_offset_abs"]
    return found


def text_cells(row: Row, columns: Sequence[Column]) -> Iterator[str]:
    """The numbers of a row: mean ± standard error, and of how many where that is not all."""
    for column in columns:
        found = cell(row, column.key)
        if found is None:
            yield NONE
            continue
        text = f"{found.mean:.{column.digits}f}".replace("-", "−")
        if found.error is not None:
            text += f" ± {found.error:.{column.digits}f}"
        yield text if found.n == len(row.videos) else f"{text} (n={found.n})"


def _heads(rows: Sequence[Row]) -> tuple[list[str], bool]:
    has_groups = any(row.group for row in rows)
    return ["method", *(["group"] if has_groups else []), "videos"], has_groups


def _leading(row: Row, has_groups: bool) -> list[str]:
    return [row.name, *([row.group or "all"] if has_groups else []), str(len(row.videos))]


def markdown(rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """The table in Markdown, its notes under it."""
    columns = shown_columns(rows)
    heads, has_groups = _heads(rows)
    titles = [f"{c.title} ({c.also})" if c.also else c.title for c in columns]
    lines = [[*heads, *titles], ["---"] * (len(heads) + len(columns))]
    for row in rows:
        texts = zip(columns, text_cells(row, columns), strict=True)
        cells = [f"**{text}**" if column.key in row.best else text for column, text in texts]
        lines.append([*_leading(row, has_groups), *cells])
    # A bar would end the cell.
    body = "".join(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in li)} |\n" for li in lines)
    return body + "".join(f"\n{note}\n" for note in notes)


def latex_table(rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """The table with booktabs; other names stand under the titles, the notes are comments."""
    columns = shown_columns(rows)
    heads, has_groups = _heads(rows)
    n_text = len(heads) - 1
    below = [f"({column.also})" if column.also else "" for column in columns]
    header = [latex_row([*heads, *(column.title for column in columns)])]
    if any(below):
        header.append(latex_row([*[""] * len(heads), *below]))
    body = []
    for row, before in zip(rows, [None, *rows], strict=False):
        # A rule between groups where each has several methods.
        if before is not None and before.group != row.group and before.name != row.name:
            body.append(r"\midrule")
        texts = zip(columns, text_cells(row, columns), strict=True)
        cells = [
            rf"\textbf{{{escaped(text)}}}" if column.key in row.best else escaped(text)
            for column, text in texts
        ]
        body.append(" & ".join([*map(escaped, _leading(row, has_groups)), *cells]) + r" \\")
    return _tabular(f"{'l' * n_text}r{'r' * len(columns)}", header, body, notes)


def csv_rows(rows: Sequence[Row]) -> Iterator[list[Any]]:
    """All scores, printed or not: for each its mean, its standard error and its count."""
    named = {key for row in rows for key in [*row.of_set, *(k for v in row.videos for k in v)]}
    order = [column.key for column in COLUMNS if column.key in named]
    order += sorted(named - set(order))
    parts = [f"{key}{ending}" for key in order for ending in ("", "_se", "_n")]
    yield ["method", "group", "videos", "failed", *parts]
    for row in rows:
        cells = [cell(row, key) or Cell(math.nan, None, 0) for key in order]
        numbers = [
            "" if part is None or (isinstance(part, float) and math.isnan(part)) else part
            for found in cells
            for part in found
        ]
        yield [row.name, row.group or "all", len(row.videos), row.n_failed, *numbers]


def latex(header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """A table with booktabs, its first column text; the notes are comments."""
    columns = f"l{'r' * (len(header) - 1)}"
    return _tabular(columns, [latex_row(header)], list(map(latex_row, rows)), notes)


def _tabular(columns: str, header: Iterable[str], body: Iterable[str], notes: Sequence[str]) -> str:
    comments = [f"% {' '.join(note.split())}" for note in notes]
    lines = [r"% \usepackage{booktabs}", *comments, rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [*header, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def latex_row(cells: Sequence[str]) -> str:
    """Cells with what LaTeX would take for its own escaped."""
    return " & ".join(map(escaped, cells)) + r" \\"


def escaped(text: str) -> str:
    """A text as LaTeX prints it."""
    return "".join(ESCAPES.get(c, c) for c in text)
