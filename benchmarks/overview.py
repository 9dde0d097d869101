"""All that is compared with the published way, in one run: a file of results each, and one table.

Each is a command of its own, so that its memory is its own. The files hold what the machine can do
at most, measured just before.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.keys import Benchmarks
from benchmarks.limits import machine
from benchmarks.turns import spread
from w2l.errors import UserError
from w2l.files import write_text
from w2l.paths import user_path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- table: python -m benchmarks name=table -->", "<!-- end of table -->"
HEAD = "| work | published | ours like for like | ours | share of limit | memory |"


def measure(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """Run what `overview.runs` names, one after another.

    Raises:
        UserError: there is none of a name in `overview.only`, or one could not be measured.
    """
    out = user_path(cfg.overview.out)
    only = [cfg.overview.only] if isinstance(cfg.overview.only, str) else cfg.overview.only
    if unknown := set(only or ()) - set(cfg.overview.runs):
        known = ", ".join(cfg.overview.runs)
        raise UserError(f"overview.only: there is no {min(unknown)}; there are {known}.")
    found = {}
    for name, keys in cfg.overview.runs.items():
        if only is not None and name not in only:
            continue
        console.print(f"{name}: {' '.join(keys)}", markup=False)
        command = [sys.executable, "-m", "benchmarks", *keys]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise UserError(f"{name} ended with code {done.returncode}: see what it says above.")
        result = json.loads(done.stdout.splitlines()[-1])
        about = {
            "command": " ".join(["python -m benchmarks", *keys]),
            "date": datetime.date.today().isoformat(),
            "machine": machine(int(result.get("threads", torch.get_num_threads()))),
        }
        write_text(out / f"{name}.json", json.dumps(about | result, indent=1) + "\n")
        found[name] = result["ratio"]
    table = [HEAD, "|---|---|---|---|---|---|", *lines(read(out, cfg.overview.runs))]
    console.print("\n".join(table), markup=False)
    return {"ratio": min(found.values(), default=None), "of": "the least", "ratios": found}


def write_table(cfg: Benchmarks, console: Console) -> dict[str, Any]:
    """Put the table of the files in `overview.out` into `overview.page`, between its marks."""
    page, out = user_path(cfg.overview.page), user_path(cfg.overview.out)
    results = read(out, cfg.overview.runs)
    write_text(page, with_table(page.read_text(encoding="utf-8"), results))
    rows = sum(len(result["rows"]) for result in results)
    console.print(f"{page}: {rows} rows")
    return {"ratio": rows, "of": "rows of the table"}


def read(folder: Path, names: Iterable[str]) -> list[dict[str, Any]]:
    """The results that are there, in this order."""
    files = [folder / f"{name}.json" for name in names]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]


def with_table(text: str, results: list[dict[str, Any]]) -> str:
    """The page's text with these rows between its marks, and what was measured on.

    Raises:
        UserError: it has no marks.
    """
    before, mark, rest = text.partition(BEGIN)
    if not mark or END not in rest:
        raise UserError(f"The page has no place for the table: write {BEGIN} and {END} into it.")
    rows = [HEAD, "|---|---|---|---|---|---|", *lines(results)]
    made = "\n".join(["", *rows, "", f"Measured on: {machines(results)}.", ""])
    return f"{before}{BEGIN}{made}{END}{rest.partition(END)[2]}"


def machines(results: list[dict[str, Any]]) -> str:
    """The processors, how quick each was at products of matrices, and on which days."""
    found: dict[str, list[dict[str, float]]] = {}
    for about in (result["machine"] for result in results):
        where = f"{about['processor']}, {about['threads']} thread(s)"
        found.setdefault(where, []).append(about["gflop_per_s"])
    days = sorted({result["date"] for result in results})
    return (
        "; ".join(
            f"{where}: "
            + ", ".join(
                f"{told(spread([r[kind] for r in rates]))} GFLOP/s {kind}" for kind in rates[0]
            )
            for where, rates in found.items()
        )
        + f" ({' to '.join(days[:: max(1, len(days) - 1)])})"
    )


def lines(results: list[dict[str, Any]]) -> list[str]:
    """The table's rows: medians, with least and most in brackets."""
    made = []
    for each in (row for result in results for row in result["rows"]):
        base = each["published"]["median"]
        same, ours = (
            f"{told(each[way])}, **{each[way]['median'] / base:.2f} ×**" for way in ("same", "ours")
        )
        share = each["share_of_limit"]
        memory = each["memory_gb"]
        cells = [
            f"{each['work']}, {each['unit']}", told(each["published"]), same,
            f"{ours} ({each['ours_is']})",
            "" if share is None else f"{100 * share:.0f} %",
            "" if memory is None else f"{memory:.2f} GB",
        ]  # fmt: skip
        made.append(f"| {' | '.join(cells)} |")
    return made


def told(values: dict[str, float]) -> str:
    """Median, least and most, of three digits or all before the point."""
    shown = (values[name] for name in ("median", "least", "most"))
    median, least, most = (f"{v:.0f}" if v >= 1000 else f"{v:.3g}" for v in shown)
    return f"{median} ({least}–{most})"
