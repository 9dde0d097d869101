"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from torch import get_num_threads, set_num_threads

from tests.writing import write_wav
from w2l.jobs.outcome import available_cores

ROOT = Path(__file__).resolve().parents[1]


# The longest tests, the longest of all first; those of a name share what they set up.
LONG = (
    "test_an_often_stopped_run", "test_readme", "test_training.py", "test_processes",
    "test_extending", "test_demo_report", "test_ray", "test_sweeps.py", "test_tutorials",
    "test_notebook", "test_app", "test_howto", "test_scale",
)  # fmt: skip


def pytest_xdist_auto_num_workers() -> int:
    """Two workers more than cores: a worker often waits, for a process it started or a disk."""
    return available_cores() + 2


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the garbage collector need not walk it any more."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each worker begins with some of the longest tests: one would be busy after the others' end.

    Workers are given equal parts of the list, one after the other.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    groups: dict[str, list[pytest.Item]] = {name: [] for name in (*LONG, "")}
    for item in items:
        groups[next((name for name in LONG if name in item.nodeid), "")].append(item)
    others, size = groups.pop(""), -(-len(items) // workers)
    items.clear()
    for worker in range(workers):
        long = [item for group in list(groups.values())[worker::workers] for item in group]
        n = max(0, size - len(long))
        items += long + others[:n]
        del others[:n]
    items += others


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of outputs of the published code (see tests/golden/README.md)."""
    return ROOT / "tests" / "golden"


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """Real talking clips, which are not part of the project; skips where they are absent."""
    media = ROOT.parent / "shared" / "media"
    if not media.is_dir():
        pytest.skip("the real talking clips (../shared/media) are not part of the project")
    return media


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """No test leaves torch with another number of threads.

    With more of them than cores are free they wait for one another: later tests took 30 times as
    long.
    """
    before = get_num_threads()
    yield
    after = get_num_threads()
    set_num_threads(before)
    assert after == before, "the number of torch's threads was changed for good"


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's number of threads until the test ends."""
    before = get_num_threads()
    yield set_num_threads
    set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def own_face_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's own cache of faces, or depends on what is quick here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("W2L_TRIALS", "0")
        patch.setenv("W2L_MACHINE_DIR", str(tmp_path_factory.mktemp("machine")))
        patch.setenv("W2L_FACES_DIR", str(tmp_path_factory.mktemp("faces")))
        yield


@pytest.fixture(scope="session", autouse=True)
def absl_leaves_captured_streams_open() -> None:
    """Hydra closes all logging handlers, and absl's then closes its stream with it.

    Unless that is the present `sys.stderr`, which under pytest is another one in some tests. (Some
    extras import absl.)
    """
    with suppress(ImportError):
        from absl import logging

        logging.get_absl_handler().python_handler.stream = sys.__stderr__


def write_clip(folder: Path, *, frames: int, seed: int, size: int = 96) -> None:
    """A preprocessed clip in the published layout: a bright bar moves with the sound's level."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    samples = frames * 640
    level = np.repeat(rng.random(frames), 640)
    tone = level * np.sin(np.arange(samples) * 2 * np.pi * 440 / 16000)
    write_wav(folder / "audio.wav", 0.6 * tone)
    for i in range(frames):
        image = np.full((size, size, 3), 40 + 10 * (seed % 5), np.uint8)
        height = int(level[i * 640] * size / 3)
        image[2 * size // 3 : 2 * size // 3 + height, size // 4 : 3 * size // 4] = 220
        cv2.imwrite(str(folder / f"{i}.jpg"), image)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small preprocessed data set: 4 training, 2 validation and 2 test clips of 40 frames."""
    root = tmp_path_factory.mktemp("prepared")
    for split, count in {"train": 4, "val": 2, "test": 2}.items():
        names = [f"{split}{i}/00001" for i in range(count)]
        for i, name in enumerate(names):
            write_clip(root / name, frames=40, seed=10 * len(split) + i)
        (root / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return root
