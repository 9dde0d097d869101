"""Break the code on purpose, one line at a time, and see that the test that guards it turns red.

    python scripts/mutants.py                 # all of scripts/mistakes.py, or: make mutants
    python scripts/mutants.py --only tracker  # those with this word in their names
    python scripts/mutants.py --list

It works on a copy of the checkout in a temporary folder, with the tests of `make test`. The exit
code is 1 where a mistake was not noticed (SURVIVED), could not be made (VOID), or its test is not
green without it.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import os
import py_compile
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.breaking import PACKAGES, Broken, DoesNotApplyError, Tree
from scripts.mistakes import MISTAKES, Mistake

ROOT = Path(__file__).resolve().parents[1]
# What tests import of others: loaded once, before each of them gets a process of its own.
LOADED = (
    "numpy", "torch", "torch.distributed", "pytorch_lightning", "cv2", "scipy.stats", "hydra",
    "omegaconf", "torchmetrics", "matplotlib.pyplot", "rich.console", "av", "skimage.metrics",
    "pyarrow.parquet", "python_speech_features", "pytest",
)  # fmt: skip
FACTOR, PATIENCE_S = 10, 120  # a test that takes so many times as long, and more, counts as hung
LEFT_OUT = {".git", ".venv", "outputs", "data", "wandb", "dist", "build"}  # of the root
CACHES = shutil.ignore_patterns("__pycache__", ".*_cache", "*.egg-info")


@dataclass(frozen=True)
class Outcome:
    """What became of a test.

    Attributes:
        passed, failed: how many of its cases; one that could not begin has failed too.
        why: of the first that failed, or why nothing ran.
        seconds: that it took.
    """

    passed: int = 0
    failed: int = 0
    why: str = ""
    seconds: float = 0.0

    @property
    def is_green(self) -> bool:
        """All of it passed, and there was something to pass."""
        return self.passed > 0 and not self.failed and not self.why


@dataclass(frozen=True)
class Task:
    """Tests to run, on the code as it is or one of them with a mistake in it."""

    tests: Sequence[str]
    limit_s: float
    mistake: Mistake | None = None
    broken: Broken | None = None


@dataclass(frozen=True)
class Child:
    """A task at work in a process of its own, which leads a group.

    Attributes:
        copy: of the checkout, which is whole again by `mend`.
    """

    task: Task
    copy: Path
    whole: str | None  # what the broken file held
    scratch: Path
    pid: int
    begun: float

    def outcomes(self) -> dict[str, Outcome] | None:
        """Of each test; None while they run. They are ended where they take too long."""
        if not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() - self.begun < self.task.limit_s:
                return None
            self.end()
            return dict.fromkeys(self.task.tests, Outcome(failed=1, why="it went on for ever"))
        with suppress(ProcessLookupError):  # of what it has started, nothing is left
            os.killpg(self.pid, signal.SIGKILL)
        try:
            cases = json.loads((self.scratch / "found").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            log = (self.scratch / "log").read_text(encoding="utf-8", errors="replace")
            return dict.fromkeys(self.task.tests, Outcome(why=f"it did not run: {log[-300:]}"))
        return {test: outcome_of(test, cases) for test in self.task.tests}

    def mend(self) -> None:
        """Take the mistake out of the copy."""
        if self.task.broken is not None and self.whole is not None:
            file = self.copy / self.task.broken.path.relative_to(ROOT)
            file.write_text(self.whole, encoding="utf-8")

    def end(self) -> None:
        """End it and what it has started."""
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def outcome_of(test: str, cases: dict[str, list[Any]]) -> Outcome:
    """What its cases say, each of them whether it passed, why not, and seconds."""
    own = [case for name, case in cases.items() if name.partition("[")[0] == test or name == test]
    return Outcome(
        sum(passed for passed, *_ in own),
        sum(not passed for passed, *_ in own),
        next((why for _, why, _ in own if why), ""),
        sum(seconds for *_, seconds in own),
    )


def run(queue: list[Task], copies: Sequence[Path]) -> Iterator[tuple[Task, dict[str, Outcome]]]:
    """Take tasks from the queue, as many at once as there are copies, until it is empty.

    Whoever is given an outcome may put more into it. Copies are whole again after each task.
    """
    free, children = list(copies), list[Child]()
    try:
        while queue or children:
            while queue and free:
                children.append(_start(queue.pop(0), free.pop()))
            time.sleep(0.02)
            for child in children.copy():
                if (outcomes := child.outcomes()) is not None:
                    children.remove(child)
                    child.mend()
                    free.append(child.copy)
                    yield child.task, outcomes
    finally:
        for child in children:
            child.end()


def _start(task: Task, copy: Path) -> Child:
    whole = None
    if task.broken is not None:
        file = copy / task.broken.path.relative_to(ROOT)
        whole = file.read_text(encoding="utf-8")
        file.write_text(task.broken.content, encoding="utf-8")
    scratch = Path(tempfile.mkdtemp(prefix="test_", dir=copy.parent))
    begun, pid = time.monotonic(), os.fork()
    if pid == 0:
        _in_child(copy, task.tests, scratch)
    with suppress(OSError):  # unless the child was quicker
        os.setpgid(pid, pid)
    return Child(task, copy, whole, scratch, pid, begun)


def copied(folder: Path) -> Path:
    """A copy of the checkout, compiled so that edits are seen by content, not by time and size."""

    def left_out(parent: str, names: list[str]) -> set[str]:
        return CACHES(parent, names) | (LEFT_OUT if Path(parent) == ROOT else set())

    copy = Path(shutil.copytree(ROOT, folder / "w2l", ignore=left_out))
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    for package, base in PACKAGES.items():
        compileall.compile_dir(copy / base / package, quiet=2, invalidation_mode=mode)
    return copy


def _in_child(copy: Path, tests: Sequence[str], scratch: Path) -> None:
    """Run the tests and write down what they said; never returns."""
    try:
        os.setpgid(0, 0)
        log = os.open(scratch / "log", os.O_WRONLY | os.O_CREAT)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, stream in enumerate((null, log, log)):
            os.dup2(stream, number)
        os.chdir(copy)
        own = [str(copy / "src"), str(copy)]
        # The venv's w2l may be installed from the checkout, and so may be the script's own path.
        sys.path[:] = own + [path for path in sys.path if path and Path(path) != ROOT]
        os.environ["PYTHONPATH"] = os.pathsep.join(own)
        os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
        sys.dont_write_bytecode = True
        for name in [name for name in sys.modules if name.split(".")[0] in {"scripts", "tests"}]:
            del sys.modules[name]
        sys.modules["__main__"] = ModuleType("__main__")  # what tests start need not load this one
        import pytest

        watch = Watch()
        options = ["--rootdir", str(copy), "-c", str(copy / "pyproject.toml"), "--tb=line"]
        # Hydra, which is loaded already, is a plugin too.
        options += ["-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        options += ["-m", "not long", *(f"tests/{test}" for test in tests)]
        code = pytest.main(options, [watch])
        if code not in (0, 1):
            raise RuntimeError(watch.unread or f"pytest ended with {code!r}")
        for name in PACKAGES.keys() & sys.modules.keys():
            assert str(copy) in str(sys.modules[name].__path__), f"{name} is not the copy's"
        (scratch / "found").write_text(json.dumps(watch.cases), encoding="utf-8")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


class Watch:
    """A plugin of pytest that keeps what became of each case, by its name below tests/.

    Attributes:
        cases: whether it passed, why not, and the seconds that it took.
        unread: why a file of tests could not be read.
    """

    def __init__(self) -> None:
        self.cases: dict[str, list[Any]] = {}
        self.unread = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count a case once it has run, or could not begin; one that was skipped says nothing."""
        if report.when != "call" and not report.failed:
            return
        name = report.nodeid.removeprefix("tests/")
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = crash.message if crash else str(report.longrepr)
            self.cases[name] = [False, why, report.duration]
        elif report.passed:
            self.cases[name] = [True, "", report.duration]

    def pytest_collectreport(self, report: Any) -> None:
        """A test that cannot be read is not run."""
        if report.failed:
            self.unread = str(report.longrepr)


def verdicts(mistakes: Sequence[Mistake], jobs: int) -> Iterator[tuple[Mistake, str, str]]:
    """Make each mistake; yields what became of it, and why."""
    tree = Tree(ROOT)
    broken: dict[str, list[tuple[Mistake, Broken]]] = {}  # by their tests
    for mistake in mistakes:
        try:
            made = tree.broken(mistake.place, mistake.edit)
            broken.setdefault(mistake.test, []).append((mistake, made))
        except DoesNotApplyError as error:
            yield mistake, "VOID", str(error)
    with tempfile.TemporaryDirectory(prefix="mutants_") as folder:
        copies = [copied(Path(folder))]
        for number in range(1, jobs):
            copies.append(Path(shutil.copytree(copies[0], Path(folder) / str(number) / "w2l")))
        tests = list(broken)
        parts = [tests[number::jobs] for number in range(jobs)]
        queue = [Task(part, FACTOR * PATIENCE_S * len(tests)) for part in parts if part]
        for task, outcomes in run(queue, copies):
            ran = any(outcome.passed or outcome.failed for outcome in outcomes.values())
            if len(task.tests) > 1 and not ran:  # one of them spoils it for all
                queue += [Task([test], FACTOR * PATIENCE_S) for test in task.tests]
                continue
            for test, outcome in outcomes.items():
                if task.mistake is not None:
                    yield task.mistake, word_for(outcome), outcome.why
                elif outcome.is_green:
                    limit_s = FACTOR * outcome.seconds + PATIENCE_S
                    queue += [Task([test], limit_s, *both) for both in broken[test]]
                else:
                    for mistake, _ in broken[test]:
                        yield mistake, "NOT GREEN", outcome.why or "no case of it ran"


def word_for(after: Outcome) -> str:
    """What became of a mistake."""
    # A name that the mistake needs is called otherwise by now: that proves nothing.
    if "NameError" in after.why or "UnboundLocalError" in after.why:
        return "VOID"
    if after.failed:
        return "killed"
    return "DID NOT RUN" if after.why else "SURVIVED"


def row(mistake: Mistake, *cells: str) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join((mistake.name, *cells, f'`{mistake.test}`'))} |"


def main() -> int:
    """Entry point; returns the exit code."""
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--only", nargs="+", default=[""], help="those with one of these words")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    parser.add_argument("--jobs", type=int, default=cores, help="how many at once")
    parser.add_argument("--list", action="store_true", help="say which there are")
    parser.add_argument("--why", action="store_true", help="say what each test complained of")
    options = parser.parse_args()
    chosen = [m for m in MISTAKES if any(word in m.name for word in options.only)]
    if not chosen:
        print(f"No mistake is called like {' or '.join(options.only)}.")
        return 1
    if options.list:
        print("| mistake | test that turns red |\n|---|---|")
        print("\n".join(row(mistake) for mistake in chosen))
        return 0
    os.environ["OMP_NUM_THREADS"] = "1"  # threads do not live through a fork
    for name in LOADED:
        importlib.import_module(name)
    red = 0
    print("| mistake | outcome | test |\n|---|---|---|", flush=True)
    for mistake, outcome, why in verdicts(chosen, max(1, options.jobs)):
        print(row(mistake, outcome), flush=True)
        red += outcome != "killed"
        if why and (options.why or outcome != "killed"):
            print(f"    {' '.join(why.split())[:300]}", flush=True)
    print(f"{len(chosen)} mistakes, {len(chosen) - red} noticed, {red} not.")
    return int(red > 0)


if __name__ == "__main__":
    sys.exit(main())
