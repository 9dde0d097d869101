"""What mkdocs adds while it builds: README as first page, cards, and the reference from the schema.

Nothing of it is kept in the repository, so it cannot lag behind (hooks in mkdocs.yml).
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from benchmarks.keys import Benchmarks  # noqa: E402
from evaluation.filelists.keys import Filelists  # noqa: E402
from evaluation.keys import Evaluation  # noqa: E402
from preprocess.keys import Preprocess  # noqa: E402
from w2l.bounds import shown  # noqa: E402
from w2l.cli.help import defaults, groups  # noqa: E402
from w2l.cli.keys.app import App  # noqa: E402
from w2l.cli.keys.evaluate import Evaluate  # noqa: E402
from w2l.cli.keys.infer import Infer  # noqa: E402
from w2l.cli.keys.live import Live  # noqa: E402
from w2l.cli.keys.train import Train  # noqa: E402
from w2l.schema import REQUIRED, keys  # noqa: E402

COMMANDS = (Infer, Evaluate, Preprocess, Evaluation, Filelists, App, Live, Train, Benchmarks)
MODULES = {
    "Syncing": "w2l.inference", "Scoring": "w2l.scoring", "Metrics": "w2l.metrics",
    "Networks": "w2l.models", "Losses": "w2l.losses", "Checkpoints": "w2l.checkpoints",
    "Components": "w2l.components", "Examples": "w2l.examples", "Errors": "w2l.errors",
}  # fmt: skip
# Pages that lie elsewhere in the repository, and where the site has them.
ELSEWHERE = {
    "README.md": "index.md",
    **{
        str(path.relative_to(ROOT)): f"repository/{path.relative_to(ROOT)}"
        for path in (
            *sorted((ROOT / "src/w2l/weights/small").glob("*.md")),
            ROOT / "preprocess/demo/README.md",
            ROOT / "CONTRIBUTING.md",
            ROOT / "CHANGELOG.md",
            ROOT / "SECURITY.md",
        )
    },
}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|#)([^()\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for place, text in [*_repository(), *_commands(), *_api()]:
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Let links lead within the site; of what it does not have the name is left."""
    source = next((each for each, at in ELSEWHERE.items() if at == page.file.src_uri), None)
    folder = posixpath.dirname(source or f"docs/{page.file.src_uri}")
    here = posixpath.dirname(page.file.src_uri)

    def led(match: re.Match[str]) -> str:
        mark, text, link = match.groups()
        path, _, anchor = link.partition("#")
        path = posixpath.normpath(posixpath.join(folder, path))
        within = path.startswith("docs/") and bool(posixpath.splitext(path)[1])
        place = ELSEWHERE.get(path) or (path[5:] if within else None)
        if place is None:
            return text
        at = posixpath.relpath(place, here or ".") + (f"#{anchor}" if anchor else "")
        return f"{mark}[{text}]({at})"

    parts = re.split(r"(^ *```.*?^ *```)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(
        part if part.lstrip().startswith("```") else LINK.sub(led, part) for part in parts
    )


def _repository() -> Iterator[tuple[str, str]]:
    for source, place in ELSEWHERE.items():
        wide = "---\nhide: [navigation, toc]\n---\n\n" if place == "index.md" else ""
        yield place, wide + (ROOT / source).read_text("utf-8")


def _commands() -> Iterator[tuple[str, str]]:
    """A page for each command, from its dataclass."""
    for command in COMMANDS:
        about = " ".join((command.__doc__ or "").split())
        lines = [f"# {command.COMMAND}", about, "Examples:"]
        examples = "\n".join(f"{command.COMMAND} {each}".rstrip() for each in command.EXAMPLES)
        lines += [f"```text\n{examples}\n```", *_tables(command)]
        yield f"reference/{command.NAME}.md", "\n\n".join(lines) + "\n"


def _tables(command: type, prefix: str = "") -> Iterator[str]:
    """Markdown tables of the keys, one for each section."""
    chosen = groups(ROOT / "configs" / f"{command.NAME}.yaml") if not prefix else {}  # type: ignore[attr-defined]
    rows: list[str] = []
    title = "Keys"
    for each in keys(command).values():
        if each.section or each.nested:
            yield from _table(title, rows)
            title, rows = each.section or each.name, []
        if each.nested:
            yield from _tables_of(each.nested, f"{each.name}.", each.help)
            continue
        if each.default is MISSING:
            choices = sorted(file.stem for file in (ROOT / "configs" / each.name).glob("*.yaml"))
            default, wanted = chosen.get(each.name), ", ".join(choices)
        else:
            default, wanted = each.default, each.wanted
        rows.append(_row(f"{prefix}{each.name}", default, wanted, each.help))
    yield from _table(title, rows)
    for each in keys(command).values():
        if each.arguments is not None:
            values = defaults(ROOT / "configs", command)[each.name]
            rows = [_row(known.name, values[name], known.wanted, known.help)
                    for name, known in each.known(values).items()]  # fmt: skip
            yield from _table(f"{each.name}={chosen[each.name]}", rows)


def _row(name: str, default: Any, wanted: str, about: str) -> str:
    value = "needed" if default == REQUIRED else f"`{shown(default)}`"
    cells = [f"`{name}`", value, wanted, about]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _tables_of(nested: type, prefix: str, title: str) -> Iterator[str]:
    yield f"## {title[:1].upper()}{title[1:]}"
    for part in _tables(nested, prefix):
        if not part.startswith("## "):
            yield part


def _table(title: str, rows: list[str]) -> Iterator[str]:
    if rows:
        yield f"## {title}"
        yield "\n".join(["| key | default | takes | meaning |", "|---|---|---|---|", *rows])


def _api() -> Iterator[tuple[str, str]]:
    """A page for each package that others use, from its docstrings."""
    for title, module in MODULES.items():
        yield (
            f"reference/api/{module.partition('.')[2]}.md",
            f"# {title}: `{module}`\n\n::: {module}\n",
        )


def on_startup(**_: Any) -> None:
    """Let nothing ask the network."""
    os.environ.setdefault("W2L_OFFLINE", "1")
