"""Results as tables for people: rows once, shown on the terminal or as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from evaluation.pairs.records import Record
from evaluation.pairs.settings import PADS
from evaluation.report.results import Results
from evaluation.report.statistics import metric
from w2l.cli.presets import PUBLISHED, Preset

PAPER_FILE = Path(__file__).with_name("paper_numbers.json")
SCORES = {"lse_d": "LSE-D ↓", "lse_c": "LSE-C ↑", "cosine": "cosine ↑", "fid": "FID ↓"}
UNVERIFIED = "†"
NOTE = f"{UNVERIFIED} from memory of the paper, not checked against it."
NONE = "–"


class Grid(NamedTuple):
    """One table."""

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str]


@cache
def paper_numbers() -> Mapping[str, Any]:
    """What the paper and others report (paper_numbers.json)."""
    content: Mapping[str, Any] = json.loads(PAPER_FILE.read_text(encoding="utf-8"))
    return content


def grids(results: Results) -> Iterator[Grid]:
    """A table for each set: this run's rows first, then the published ones."""
    for name, found in results["sets"].items():
        reference = paper_numbers()["sets"].get(name, [])
        rows = [*_own_rows(results["name"], found), *map(_published_row, reference)]
        kept = [i for i, key in enumerate(SCORES) if any(row[1 + i] != NONE for row in rows)]
        kept = [0, *(1 + i for i in kept), len(SCORES) + 1]
        header = ["", *SCORES.values(), "source"]
        notes = [NOTE] if any(UNVERIFIED in cell for row in rows for cell in row) else []
        if not reference:
            notes.append("No published number for this set is at hand.")
        yield Grid(
            f"{name}, protocol {results['protocol']}",
            [header[i] for i in kept],
            [[row[i] for i in kept] for row in rows],
            [*_counts(found), *_images(found.get("pictures")), *notes],
        )


def _own_rows(name: str, found: Mapping[str, Any]) -> Iterator[list[str]]:
    what = "this run" + (f", {found['n_pending']} pairs to come" if found["n_pending"] else "")
    fid = (found.get("pictures") or {}).get("fid")
    scores = found["all"] | ({} if fid is None else {"fid": {"mean": fid, "standard_error": None}})
    yield _own_row(name, scores, f"{what}: all {found['n_scored']} scored pairs")
    survivors = found["survivors"]
    if survivors is not None and survivors["n_scored"] != found["n_scored"]:
        where = f"this run: the {survivors['n_scored']} pairs that the release would score"
        yield _own_row(name, survivors, where)


def _own_row(name: str, scores: Mapping[str, Any], source: str) -> list[str]:
    return [name, *(_mean(scores.get(key)) for key in SCORES), source]


def _mean(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return NONE
    error = entry["standard_error"]
    return f"{entry['mean']:.3f}" + ("" if error is None else f" ± {error:.3f}")


def _published_row(entry: Mapping[str, Any]) -> list[str]:
    cells = [
        NONE if entry.get(key) is None
        else f"{entry[key]:g}" + (f" {UNVERIFIED}" if key in entry["unverified"] else "")
        for key in SCORES
    ]  # fmt: skip
    source = entry["source"]
    told = "paper" if source == "paper" else paper_numbers()["sources"][source]["title"]
    return [entry["method"], *cells, told]


def _counts(found: Mapping[str, Any]) -> Iterator[str]:
    reasons = ", ".join(f"{count} {reason}" for reason, count in found["failed"].items())
    line = f"{found['n_pairs']} pairs: {found['n_scored']} scored, {found['n_failed']} failed"
    line += f" ({reasons})" if reasons else ""
    line += f", {found['n_pending']} not done yet" if found["n_pending"] else ""
    yield f"{line}. ± is the standard error."
    if found["n_tracks"] != found["n_scored"] or found["n_skipped_tracks"]:
        yield (
            f"{found['n_tracks']} faces scored, {found['n_skipped_tracks']} not; means are over "
            "faces."
        )
    if found["n_untouched_frames"]:
        yield f"{found['n_untouched_frames']} of {found['n_frames']} frames are as they came."


def _images(found: Mapping[str, Any] | None) -> Iterator[str]:
    """The set's Fréchet distance, its floor and how it was had."""
    if found is None:
        return
    key = "fid" if "fid" in found else "frechet_distance_stand_in"
    title = "FID" if key == "fid" else "Fréchet distance of stand-in features (no FID)"
    value, floor = (
        NONE if number is None else f"{number:.3f}"
        for number in (found[key], found[f"{key}_real_against_real"])
    )
    few = "" if found["enough_pictures"] else "; too few images for a stable number"
    yield (
        f"{title}: {value} over all {found['n_pairs']} pairs whose images could be compared, "
        f"{found['n_failed']} could not; real against real {floor} ({found['n_generated']} "
        f"generated images, {found['n_real']} real{few})."
    )
    if found["first_error"] is not None:
        yield f"Images that could not be compared, the first: {found['first_error']}"
    yield (
        "The paper does not say what it cut out and how many images it counted: its FID is not "
        f"to be compared with this run's. Protocol of this run: {found['protocol']}"
    )


def other_scores(results: Results) -> Grid | None:
    """The scores that no published table has."""
    names = [
        name for found in results["sets"].values() for name in found["all"] if name not in SCORES
    ]
    names = list(dict.fromkeys(names))
    if not names:
        return None
    rows = [
        [set_name, *(_mean(found["all"].get(name)) for name in names)]
        for set_name, found in results["sets"].items()
    ]
    return Grid("Other scores of this run", ["", *map(arrowed, names)], rows, [])


def arrowed(name: str) -> str:
    """A score's name with an arrow to where it is better."""
    title, lower = metric(name)
    return title if lower is None else f"{title} {'↓' if lower else '↑'}"


def first_failures(records: Sequence[Record]) -> Iterator[str]:
    """For each reason its first pair, with the whole sentence."""
    seen: set[tuple[str, str]] = set()
    for record in records:
        kind = (record["set"], record["error"])
        if record["error"] is not None and kind not in seen:
            seen.add(kind)
            yield (
                f"failed ({record['error']}), the first: {record['set']}/{record['number']}, "
                f"{record['audio']} on {record['video']}: {record['detail']}"
            )


def facts(results: Results) -> list[tuple[str, str]]:
    """With what the numbers were made: what has to stand under a table."""
    made, settings = results["made_with"], results["settings"]
    commit = made["commit"] or "not in a checkout"
    changed = " with uncommitted changes" if made["uncommitted"] else ""
    weights = [
        (f"{key}", f"{entry['file']}, SHA-256 {entry['sha256']}")
        for key, entry in results["weights"].items()
        if entry
    ]
    lists = ", ".join(
        f"{found['source']} ({found['n_pairs']} pairs"
        + (f", SHA-256 {found['source_sha256']})" if found["source_sha256"] else ")")
        for found in results["sets"].values()
    )
    return [
        ("command", made["command"]),
        ("date", made["date"]),
        ("w2l", f"{made['w2l']}, commit {commit}{changed}"),
        ("made on", f"{made['device']}, torch {made['torch']}, Python {made['python']}"),
        *weights,
        ("pairs", lists),
        ("settings", _how(settings)),
    ]


def _how(settings: Mapping[str, Any]) -> str:
    """As published, and in what not; or all that was set."""
    if not settings["published"]:
        told = ", ".join(f"{key}={value}" for key, value in settings.items())
        return f"this project's, not the published ones: {told}"
    pads = list(PADS[settings["protocol"]])
    wanted = {**Preset.named("evaluation", PUBLISHED).values, "box": None, "pads": pads}
    plain = {key: value for key, value in wanted.items() if "." not in key}
    other = [f"{key}={settings[key]}" for key, value in plain.items() if settings[key] != value]
    other += [f"{k}={v}" for k, v in settings.get("detector_arguments", {}).items()]
    return "as published" + (f", except {', '.join(other)}" if other else "")


def markdown(grid: Grid) -> str:
    """A table in Markdown, its notes under it."""
    head = "| " + " | ".join(grid.header) + " |"
    rule = "|" + "---|" * len(grid.header)
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in grid.rows]
    return "\n".join([head, rule, *body]) + "\n" + "".join(f"\n{note}\n" for note in grid.notes)


def terminal(grid: Grid) -> Table:
    """A table for the terminal."""
    shown = Table(title=grid.title, box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for number, name in enumerate(grid.header):
        is_text = number in (0, len(grid.header) - 1)
        width = max(len(word) for row in [grid.header, *grid.rows] for word in row[number].split())
        justify: Literal["left", "right"] = "left" if is_text else "right"
        shown.add_column(name, justify=justify, min_width=min(width, 14))
    for row in grid.rows:
        shown.add_row(*map(escape, row))
    return shown


def document(results: Results, heading: str = "#") -> str:
    """A run's tables and facts in Markdown.

    Args:
        results: of one run.
        heading: the marks of its title; the tables' have one more.
    """
    parts = [f"{heading} {results['name']}: {results['benchmark']}\n"]
    for grid in grids(results):
        parts += [f"{heading}# {grid.title}\n", markdown(grid)]
    other = other_scores(results)
    if other is not None:
        parts += [f"{heading}# {other.title}\n", markdown(other)]
    parts.append(f"{heading}# Made with\n")
    parts.append("".join(f"- {name}: `{value}`\n" for name, value in facts(results)))
    return "\n".join(parts)
