"""What Ray adds to an executor: nodes that are lost, attempts, GPUs, clusters to join."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.waiting import wait_until
from w2l.errors import UserError
from w2l.jobs import RayExecutor, RaySettings, build_executor
from w2l.jobs.ray import RayWorker, Surroundings, room

ROOT = Path(__file__).resolve().parents[3]


def note_and_wait(item: tuple[Path, int, bool]) -> int:
    """Notes down who works on what; held items end when the killing is done."""
    folder, number, held = item
    (folder / f"{number}-{os.getpid()}").touch()
    while held and not done(folder).exists():
        time.sleep(0.01)
    return number


def done(folder: Path) -> Path:
    """The file that says that the killing is done."""
    return folder.with_suffix(".done")


def die_twice(item: tuple[Path, int]) -> int:
    """Takes its worker down at the first two attempts."""
    folder, number = item
    attempt = len(list(folder.glob(f"{number}-*")))
    (folder / f"{number}-{attempt}").touch()
    if number == 0 and attempt < 2:
        os._exit(1)
    return number


def devices(_: int) -> str:
    return os.environ["CUDA_VISIBLE_DEVICES"]


def folder_of(_: int) -> str:
    return os.getcwd()


def killed_amid(executor, folder, count, workers, kill):
    """Every item has its outcome, though `kill()` comes while one or more are held."""
    items = [(folder, number, number >= count) for number in range(4 * workers)]
    found = []
    for outcome in executor.map(note_and_wait, items):
        found.append(outcome)
        if len(found) == count:
            wait_until(lambda: len(list(folder.iterdir())) > count)
            kill()
            done(folder).touch()
    assert all(outcome.ok for outcome in found)
    assert sorted(outcome.value for outcome in found) == list(range(4 * workers))


@pytest.mark.long
def test_a_killed_actor_costs_its_item_an_attempt_only(ray_cluster, tmp_path):
    def kill_a_holder():
        # times of files are too coarse to say which is the newest
        begun = [path.name.split("-") for path in tmp_path.iterdir()]
        os.kill(next(int(pid) for number, pid in begun if int(number) >= 2), signal.SIGKILL)

    killed_amid(RayExecutor(2), tmp_path, 2, 2, kill_a_holder)
    tries = Counter(path.name.split("-")[0] for path in tmp_path.iterdir())
    assert sorted(tries.values()) == [1] * 7 + [2]


@pytest.mark.long
@pytest.mark.parametrize(("attempts", "crashed"), [(2, True), (3, False)])
def test_an_item_has_so_many_attempts(ray_cluster, tmp_path, attempts, crashed):
    executor = build_executor("ray", workers=2, ray=RaySettings(attempts=attempts))
    found = list(executor.map(die_twice, [(tmp_path, number) for number in range(4)]))
    assert {outcome.item[1]: outcome.crashed for outcome in found} == {
        0: crashed, 1: False, 2: False, 3: False,
    }  # fmt: skip
    assert len(found) == 4


@pytest.mark.long
def test_workers_see_the_gpus_that_they_ask_for(ray_cluster):
    shares = RaySettings(gpus_per_worker=0.5)
    assert [o.value for o in RayExecutor(2, shares).map(devices, range(2))] == ["0", "0"]
    assert [o.value for o in RayExecutor(1).map(devices, [0])] == [""]
    with pytest.raises(UserError, match="gpus_per_worker=2"):
        list(RayExecutor(1, RaySettings(gpus_per_worker=2)).map(devices, [0]))


@pytest.mark.long
def test_room_counts_whole_shares(ray_cluster):
    import ray

    assert [room(ray, gpus) for gpus in (0, 0.3, 1)] == [2, 2, 2]


@pytest.mark.long
def test_relative_paths_mean_the_same_in_workers(ray_cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [o.value for o in RayExecutor(1).map(folder_of, [0])] == [str(tmp_path)]


def test_a_node_without_the_folder_says_so(tmp_path):
    elsewhere = Surroundings(str(tmp_path / "gone"), [], threads=1, gpus=True)
    with pytest.raises(UserError, match=f"gone is not there on node {platform.node()}"):
        RayWorker().start(elsewhere, b"")


@pytest.mark.long
def test_more_workers_than_there_is_room_for_do_not_stop_the_others(ray_cluster):
    outcomes = list(RayExecutor(4).map(abs, range(6)))
    assert sorted(outcome.value for outcome in outcomes) == list(range(6))


@pytest.mark.long
def test_a_lost_node_costs_an_attempt_only(ray_cluster, tmp_path):
    lost = ray_cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)

    def kill_node():
        ray_cluster.remove_node(lost, allow_graceful=False)

    killed_amid(RayExecutor(3), tmp_path, 4, 3, kill_node)
    assert 12 <= len(list(tmp_path.iterdir())) <= 13  # at most one item was begun twice


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gpus_per_worker": 1.5}, "whole number"),
        ({"gpus_per_worker": -1}, "whole number"),
        ({"attempts": 0}, "ray_attempts=0"),
    ],
)
def test_settings_that_make_no_sense(settings, words):
    with pytest.raises(UserError, match=words):
        RaySettings(**settings)


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n"
         + code],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_without_ray_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not there
    with pytest.raises(UserError, match=r'engine=ray needs Ray: pip install "w2l\[ray\]"'):
        build_executor("ray")


@pytest.mark.long
@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "nonsense"])
def test_an_address_without_a_cluster(address):
    done = python(
        "from w2l.jobs import RayExecutor, RaySettings\n"
        f"list(RayExecutor(1, RaySettings({address!r})).map(abs, [1]))"
    )
    assert f"UserError: ray_address={address} cannot be joined" in done.stderr


@pytest.mark.long
def test_a_local_ray_is_quiet_and_gone_afterwards():
    done = python(
        "import os\n"
        "from w2l.jobs import RayExecutor\n"
        "found = list(RayExecutor(1).map(os._exit, [0]))\n"
        "import ray\n"
        "print(found[0].crashed, ray.is_initialized(), os.environ['RAY_USAGE_STATS_ENABLED'])"
    )
    assert done.stdout == "True False 0\n"
    assert done.stderr == ""
