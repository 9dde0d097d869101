"""The Pythons and the versions that pyproject.toml promises are those that were run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.integration.command import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [
    found[1]
    for text in PROJECT["classifiers"]
    if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text))
]


def constraints() -> dict[str, dict[str, Version]]:
    """Python → package → the version of constraints.txt."""
    ran: dict[str, dict[str, Version]] = {python: {} for python in PYTHONS}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            one = Requirement(line)
            (pin,) = one.specifier
            assert pin.operator == "==", line
            assert one.marker is not None, line
            for python in PYTHONS:
                if one.marker.evaluate({"python_version": python}):
                    assert canonicalize_name(one.name) not in ran[python], line
                    ran[python][canonicalize_name(one.name)] = Version(pin.version)
    return ran


def direct() -> Iterator[Requirement]:
    """What is asked for by name, but for what needs a torchvision and is tried by hand."""
    extras = PROJECT["optional-dependencies"]
    for texts in [PROJECT["dependencies"], *(extras[name] for name in extras if name != "restore")]:
        yield from (one for one in map(Requirement, texts) if one.name != "w2l")


@pytest.mark.parametrize("python", PYTHONS)
def test_what_was_run_together_is_within_the_bounds(python):
    ran = constraints()[python]
    for wanted in direct():
        assert ran[canonicalize_name(wanted.name)] in wanted.specifier, wanted


def test_each_cap_is_the_next_after_what_was_run():
    ran = constraints()
    for wanted in direct():
        for bound in wanted.specifier:
            if bound.operator == "<":
                newest = max(ran[python][canonicalize_name(wanted.name)] for python in PYTHONS)
                *same, last = Version(bound.version).release
                assert newest.release[: len(same) + 1] == (*same, last - 1), wanted


def test_each_python_has_a_job_of_its_own():
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    (matrix,) = re.findall(r"python: \[(.*)\]", workflow)
    assert re.findall(r'"([^"]+)"', matrix) == PYTHONS
    assert Version(PYTHONS[0]) == Version(PROJECT["requires-python"].removeprefix(">="))
