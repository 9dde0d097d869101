"""The records of a benchmark as `results.json` (its form: docs/benchmarks.md)."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluation.pairs.records import Record
from evaluation.pairs.settings import Recipe
from evaluation.pairs.tasks import TaskList
from evaluation.report.statistics import statistics_of
from w2l.errors import UserError
from w2l.files import sha256, write_text

KIND = "w2l-benchmark"
FORMAT = 1  # of the file; raise it when a field changes meaning
CLIP_FIELDS = (
    "set", "number", "audio", "video", "error", "detail", "n_frames", "n_untouched",
    "release_skips", "tracks", "pictures_error",
)  # fmt: skip
Results = dict[str, Any]


def to_results(
    benchmark: str,
    name: str,
    lists: Sequence[TaskList],
    recipe: Recipe,
    records: Sequence[Record],
    images: Mapping[str, Any] | None = None,
) -> Results:
    """The content of results.json.

    Args:
        benchmark: lrs2, lrs3, lrw, real, demo.
        name: of the generator, for the tables.
        lists: the sets, with the pairs that were wanted of each.
        recipe: what decided the numbers.
        records: of the pairs that are done, in any order.
        images: of each set, from `frechet_of`.
    """
    weights = recipe.weights.items()
    return {
        "kind": KIND,
        "format": FORMAT,
        "benchmark": benchmark,
        "name": name,
        "protocol": recipe.protocol,
        "settings": json.loads(json.dumps(recipe.settings())),  # lists for tuples, as in the file
        "weights": {
            key: {"file": Path(entry.file).name, "sha256": entry.sha256} if entry else None
            for key, entry in weights
        },
        "sets": {
            each.name: _of_set(each, records, recipe) | {"pictures": (images or {}).get(each.name)}
            for each in lists
        },
        "made_with": _made_with(),
        "clips": [{key: record.get(key) for key in CLIP_FIELDS} for record in records],
    }


def _of_set(wanted: TaskList, records: Sequence[Record], recipe: Recipe) -> dict[str, Any]:
    own = [record for record in records if record["set"] == wanted.name]
    scored = [record for record in own if record["error"] is None]
    # Where boxes are held nobody knows which frames have no face.
    is_known = recipe.missing_face != "hold"
    kept = [record for record in scored if record["release_skips"] is None]
    failed = Counter(record["error"] for record in own if record["error"] is not None)
    is_file = wanted.source.is_file()
    return {
        "source": wanted.source.name,
        "source_sha256": sha256(wanted.source) if is_file else None,
        "n_pairs": len(wanted.tasks),
        "n_scored": len(scored),
        "n_failed": sum(failed.values()),
        "n_pending": len(wanted.tasks) - len(own),
        "failed": dict(failed.most_common()),
        "n_tracks": sum(len(record["tracks"]) for record in scored),
        "n_skipped_tracks": sum(record.get("n_skipped_tracks", 0) for record in scored),
        "n_untouched_frames": sum(record["n_untouched"] for record in scored),
        "n_frames": sum(record["n_frames"] for record in scored),
        "all": statistics_of(_tracks(scored)),
        "survivors": {"n_scored": len(kept), **statistics_of(_tracks(kept))} if is_known else None,
    }


def _tracks(records: Sequence[Record]) -> list[Mapping[str, Any]]:
    return [track for record in records for track in record["tracks"]]


def _made_with() -> dict[str, Any]:
    from w2l.cli.provenance import environment  # brings Lightning

    found = environment()
    # As it was typed: Hydra is given the arguments with more quotes.
    typed = sys.orig_argv[3:] if sys.orig_argv[1:3] == ["-m", "evaluation"] else sys.argv[1:]
    found["command"] = shlex.join(["python", "-m", "evaluation", *typed])
    found["date"] = datetime.now(UTC).strftime("%Y-%m-%d")
    return found


def write_results(results: Results, folder: Path) -> Path:
    """Write results.json, and summary.json, which is the same without the pairs."""
    summary = {key: value for key, value in results.items() if key != "clips"}
    for name, content in (("summary.json", summary), ("results.json", results)):
        text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
        write_text(folder / name, text + "\n")
    return folder / "results.json"


def read_results(path: Path) -> Results:
    """The content of a results.json or summary.json.

    Raises:
        UserError: it is no such file.
    """
    results = read_json(path)
    if not isinstance(results, dict) or results.get("kind") != KIND:
        raise UserError(f"{path} is no results.json or summary.json of a benchmark.")
    if results.get("format") != FORMAT:
        raise UserError(
            f"{path} is of format {results.get('format')}, and this version reads {FORMAT}: run "
            "the benchmark again."
        )
    return results


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"Cannot read {path} ({error.strerror}).") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON: it may be cut off or be another file.") from error
