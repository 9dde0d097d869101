"""The page of results: made by a command from tracked result files, never by hand."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from evaluation.report.results import read_results
from evaluation.report.tables import document
from w2l.errors import UserError
from w2l.files import write_text

INTRODUCTION = """\
# Results

Made by `python -m evaluation results={folder}` from the result files in [{name}/]({name}); edit
those, not this page. Each is the `summary.json` of a benchmark ([benchmarks.md](benchmarks.md)), or
its `results.json`, which also has every pair; a file may have a `remark`, which stands above its
tables. Compare only numbers of one protocol, one list and the same weights of SyncNet and expert.
"""


def page(folder: Path) -> str:
    """The page of the result files in `folder`, by their names.

    Raises:
        UserError: no such folder, no file in it, or one that is no result file.
    """
    if not folder.is_dir():
        raise UserError(f"results={folder} is not a folder of result files.")
    files = sorted(folder.glob("*.json"))
    if not files:
        raise UserError(f"results={folder} has no result file: copy a run's summary.json into it.")
    shown = f"{folder.absolute().parent.name}/{folder.name}"
    parts = [INTRODUCTION.format(folder=shown, name=folder.name)]
    for path in files:
        results = read_results(path)
        text = document(results, "##")
        if results.get("remark"):
            title, _, rest = text.partition("\n")
            text = f"{title}\n\n{fill(results['remark'], 100)}\n{rest}"
        parts.append(text)
    return "\n".join(parts)


def write_page(folder: Path) -> Path:
    """Write `<folder>.md` beside the folder, whole or not at all; returns it.

    Raises:
        UserError: as `page`, or it cannot be written.
    """
    target = folder.with_name(f"{folder.name}.md")
    text = page(folder)
    write_text(target, text)
    return target
