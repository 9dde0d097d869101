"""What the docs promise of themselves: links lead somewhere, code runs, paragraphs are short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.command import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
# The pages whose fenced commands and code a test runs, block by block.
RUN = {
    "README.md": "tests/integration/test_readme.py",
    "docs/cookbook.md": "tests/integration/test_cookbook.py",
    "docs/extending.md": "tests/integration/test_extending.py",
    "docs/howto.md": "tests/integration/test_howto.py",
    "docs/library.md": "tests/unit/inference/test_api.py",
    "docs/live.md": "tests/unit/inference/test_avatar.py",
    "docs/page.md": "tests/integration/test_app.py",
    **{
        f"docs/tutorials/{name}.md": "tests/integration/test_tutorials.py"
        for name in ("component", "dub", "score", "train")
    },
}
TUTORIALS = [
    *sorted((DOCS / "tutorials").glob("*.md")),
    *(DOCS / f"{name}.md" for name in ("grid", "live", "lrs2")),
]
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:python|make|w2l|docker|torchrun|sbatch|pip|curl|hf) ", re.MULTILINE)
MOST_WORDS = 120  # of a paragraph, or of a point of a list
IMAGES = DOCS / "images"


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_code_is_run_or_says_what_it_needs(path: Path) -> None:
    name = name_of(path)
    for language, rest, code in FENCE.findall(path.read_text()):
        if language in {"bash", "python"} and 'title="needs ' not in rest:
            test = (ROOT / RUN[name]).read_text() if name in RUN else ""
            assert path.name in test or path.parent.name in test, f"{name} is not run:\n{code}"
        elif not language:
            assert not COMMAND.search(code), f"{name}: is this bash?\n{code}"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_paragraphs_are_short(path: Path) -> None:
    text = re.sub(r"<!--.*?-->\n", "", FENCE.sub("", path.read_text()))
    parts = re.split(r"\n\s*\n|\n(?= *(?:[-*]|\d+\.) )", text)
    prose = [part for part in parts if not part.lstrip().startswith("|")]
    long = [part for part in prose if len(part.split()) > MOST_WORDS]
    assert not long, [f"{len(part.split())} words: {part.strip()[:60]}" for part in long]


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", FENCE.sub("", path.read_text())):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{name_of(path)}: {link}"
        assert not anchor or anchor in anchors(target), f"{name_of(path)}: {link}"


def test_the_readme_is_a_screen_and_a_half() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize("path", TUTORIALS, ids=name_of)
def test_a_tutorial_begins_with_what_one_will_have(path: Path) -> None:
    title, image, end = re.split(r"\n\n", path.read_text())[:3]
    assert title.startswith("# ")
    assert re.match(r"!\[[^\]]{20,}\]\((?:\.\./)?images/", image), image
    assert end.startswith("In the end you have "), end


def test_images_say_how_they_were_made_and_are_small() -> None:
    files = {path.name for path in IMAGES.iterdir()} - {"README.md"}
    rows = re.findall(r"^\| `([\w.]+)` \| .*`.+`.* \|", (IMAGES / "README.md").read_text(), re.M)
    assert set(rows) == files
    used = "".join(path.read_text() for path in PAGES if path.parent != IMAGES)
    assert all(f"images/{name}" in used for name in files)
    assert sum((IMAGES / name).stat().st_size for name in files) < 2_000_000


def test_each_decision_stands_in_the_list() -> None:
    pages = {path.name for path in (DOCS / "decisions").glob("*.md")} - {"index.md"}
    index = (DOCS / "decisions" / "index.md").read_text()
    listed = re.findall(r"^\| \[[^\]]+\]\((\w+\.md)\)", index, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == pages
    assert len((DOCS / "design.md").read_text().splitlines()) <= 80, "design is one page"
