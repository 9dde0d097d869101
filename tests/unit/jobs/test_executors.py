"""Executors: each item gets one outcome, whatever happens to its worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tests.waiting import wait_until
from w2l.errors import UserError
from w2l.jobs import ProcessExecutor, RayExecutor, SerialExecutor, build_executor
from w2l.jobs.outcome import available_cores

RAY = pytest.param("ray", marks=pytest.mark.long)
SOURCE = Path(__file__).resolve().parents[3] / "src"


def work(item: int | str) -> object:
    """Doubles numbers; words make it misbehave in the ways that real files do."""
    if item == "fail":
        raise ValueError("a broken\nfile")
    if item == "crash":
        os._exit(9)
    if item == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "unpicklable":
        return threading.Lock()
    return item * 2


def wait_for(item: Path | None) -> Path | None:
    """Ends at once, or when the file is there."""
    while item is not None and not item.exists():
        time.sleep(0.01)
    return item


def refuse() -> None:
    raise UserError("the detector's weights are missing")


def die() -> None:
    os._exit(1)


def mark(folder: Path) -> None:
    (folder / f"{os.getpid()}").touch()


def threads_seen(_: int) -> tuple[int, int, str]:
    import cv2
    import torch

    return torch.get_num_threads(), cv2.getNumThreads(), os.environ["OMP_NUM_THREADS"]


def running_actors() -> list[Path]:
    """The processes of Ray workers on this machine, where it has a /proc."""
    return [
        path
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if gone(int(path.parent.name)) is False and b"ray::RayWorker" in path.read_bytes()
    ]


@pytest.fixture(params=["process", RAY])
def engine(request) -> str:
    """An engine of several processes; Ray's are on a cluster of two nodes."""
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return request.param


@pytest.fixture
def executor(engine):
    return build_executor(engine, workers=2)


@pytest.mark.parametrize("engine", ["serial", "process", RAY], indirect=True)
def test_an_error_costs_its_item_only(executor):
    outcomes = list(executor.map(work, [1, "fail", 3]))
    assert {o.item: o.value for o in outcomes} == {1: 2, "fail": None, 3: 6}
    failed = next(o for o in outcomes if not o.ok)
    assert failed.error == "ValueError: a broken file"
    assert "in work" in failed.trace
    assert not failed.crashed


def test_a_dying_worker_costs_its_item_only(executor):
    items = [1, "crash", 2, "killed", 3, "unpicklable", 4, 5]
    outcomes = {o.item: o for o in executor.map(work, items)}
    assert sorted(map(str, outcomes)) == sorted(map(str, items))
    assert {i for i, o in outcomes.items() if o.crashed} == {"crash", "killed"}
    assert {i for i, o in outcomes.items() if not o.ok} == {"crash", "killed", "unpicklable"}
    assert all(outcomes[i].value == 2 * i for i in (1, 2, 3, 4, 5))


def die_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os._exit(9)
    return "done"


@pytest.mark.long
def test_an_item_is_tried_again_when_its_worker_died(tmp_path):
    """Its neighbour may have eaten the memory, or somebody killed the process."""
    (outcome,) = ProcessExecutor(1).map(die_once, [tmp_path / "marker"])
    assert (outcome.value, outcome.error, outcome.crashed) == ("done", None, False)


def test_outcomes_come_as_they_finish(executor, tmp_path):
    found = []
    for outcome in executor.map(wait_for, [tmp_path / "go", None]):
        found.append(outcome.item)
        (tmp_path / "go").touch()  # the first item ends after the second has come
    assert found == [None, tmp_path / "go"]


def test_items_are_taken_as_workers_get_free(executor):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    outcomes = executor.map(work, items())
    next(outcomes)
    outcomes.close()
    assert len(taken) <= 4
    wait_until(lambda: not multiprocessing.active_children())
    wait_until(lambda: not running_actors())


def test_initializer_runs_once_in_each_worker(executor, tmp_path):
    list(executor.map(work, range(6), initializer=partial(mark, tmp_path)))
    assert 1 <= len(list(tmp_path.iterdir())) <= 2
    assert str(os.getpid()) not in {p.name for p in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("initializer", "message"), [(refuse, "weights are missing"), (die, "smaller number")]
)
def test_a_failing_initializer_ends_the_run(engine, initializer, message):
    with pytest.raises(UserError, match=message):
        list(build_executor(engine, workers=1).map(work, [1, 2], initializer=initializer))


def test_workers_share_the_cores(executor, engine):
    threads = max(1, available_cores() // 2) if engine == "process" else 1  # of the cluster's two
    outcomes = list(executor.map(threads_seen, [0]))
    # cv2.getNumThreads reads OPENCV_FOR_THREADS_NUM when OpenCV is loaded after the limit.
    assert outcomes[0].value == (threads, threads, str(threads))


def test_executors_by_name():
    assert isinstance(build_executor("serial"), SerialExecutor)
    process = build_executor("process", workers=3)
    assert isinstance(process, ProcessExecutor)
    assert process.workers == 3
    assert isinstance(build_executor("ray"), RayExecutor)
    with pytest.raises(UserError, match="unknown"):
        build_executor("threads")
    with pytest.raises(UserError, match="at least 1"):
        build_executor("process", workers=0)


SCRIPT = """
import os, signal, sys, threading
sys.path.insert(0, {source!r})
from pathlib import Path
from w2l.jobs import build_executor
FOLDER = Path({folder!r})

def work(item):
    marker = FOLDER / f"{{os.getpid()}}.running"
    marker.touch()
    try:
        threading.Event().wait()
    except SystemExit:
        if item == "stubborn":
            threading.Event().wait()
    finally:
        marker.unlink()

if __name__ == "__main__":
    # A shell that runs the tests in its background has them ignore this signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    list(build_executor(sys.argv[1], workers=2).map(work, sys.argv[2:]))
"""


@pytest.fixture
def busy_script(tmp_path, request):
    """A real process with two busy workers; their process ids."""
    items = getattr(request, "param", ["process", "a", "b", "c", "d"])
    script = tmp_path / "script.py"
    folder = tmp_path / "markers"
    folder.mkdir()
    script.write_text(textwrap.dedent(SCRIPT.format(source=str(SOURCE), folder=str(folder))))
    process = subprocess.Popen(
        [sys.executable, script, *items], stderr=subprocess.PIPE, start_new_session=True
    )

    def is_busy() -> bool:
        if process.poll() is not None:  # or it would be waited for in vain
            pytest.fail(process.stderr.read().decode())
        return len(list(folder.iterdir())) == 2

    wait_until(is_busy)
    pids = [int(marker.stem) for marker in folder.iterdir()]
    yield process, pids, folder
    process.kill()
    process.stderr.close()
    process.wait()


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


@needs_proc
def test_interrupt_stops_workers_and_lets_them_clean_up(busy_script):
    process, pids, folder = busy_script
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    wait_until(lambda: all(map(gone, pids)))
    assert not list(folder.iterdir())
    assert errors.count(b"Traceback") == 1  # the parent's own, none from the workers


@needs_proc
@pytest.mark.parametrize("busy_script", [["process", "stubborn", "stubborn"]], indirect=True)
def test_a_worker_that_does_not_listen_is_ended(busy_script):
    process, pids, _ = busy_script
    process.send_signal(signal.SIGINT)
    process.communicate()
    wait_until(lambda: all(map(gone, pids)))


@needs_proc
@pytest.mark.long
@pytest.mark.parametrize("busy_script", [["ray", "a", "b", "c"]], indirect=True)
def test_interrupt_stops_actors(busy_script):
    process, pids, _ = busy_script
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    _, errors = process.communicate()
    wait_until(lambda: all(map(gone, pids)))
    assert errors.count(b"Traceback") == 1


@needs_proc
@pytest.mark.parametrize(
    "busy_script",
    [["process", "a", "b"], pytest.param(["ray", "a", "b"], marks=pytest.mark.long)],
    indirect=True,
)
def test_workers_die_with_a_killed_parent(busy_script):
    process, pids, _ = busy_script
    process.kill()
    wait_until(lambda: all(map(gone, pids)))
