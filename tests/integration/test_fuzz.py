"""`scripts/fuzz.py`: damaged files find nothing, and what must not be is found and told of."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.waiting import FOR_EVER

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def seeds(fuzz: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return fuzz.make_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.mark.long
def test_a_short_run_finds_nothing() -> None:
    """And none of the files that once broke something does so again."""
    run = subprocess.run(
        [sys.executable, str(SCRIPT), "--files", "24", "--seed", "1", "--seconds", "200"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].endswith(" files: nothing found")


def test_seeds_are_valid_and_of_twelve_formats(fuzz: ModuleType, seeds: dict[str, Path]) -> None:
    """Else nothing but the first check of a file would be tried."""
    from w2l.audio.waveform import load_audio
    from w2l.video import VideoReader, is_image, read_image

    assert len(seeds) == 12
    for ending in ("mp4", "mkv", "mov", "avi", "webm", "ts"):
        assert abs(sum(1 for _ in VideoReader(seeds[ending])) - fuzz.FRAMES) <= 1, ending
    for ending in set(seeds) - {"png", "jpg"}:
        assert np.abs(load_audio(seeds[ending])).max() > 0.1, ending
    for ending in ("png", "jpg"):
        assert is_image(seeds[ending])
        assert read_image(seeds[ending]).shape == (fuzz.SIZE, fuzz.SIZE, 3)


def test_a_number_is_always_the_same_file(
    fuzz: ModuleType, seeds: dict[str, Path], tmp_path: Path
) -> None:
    first = [fuzz.file_of((3, i), seeds, tmp_path).read_bytes() for i in range(40)]
    again = [fuzz.file_of((3, i), seeds, tmp_path).read_bytes() for i in range(40)]
    assert first == again
    whole = {path.read_bytes() for path in seeds.values()}
    assert sum(content in whole for content in first) <= 2  # a change may change nothing
    assert len(set(first)) >= 38
    other = [fuzz.file_of((4, i), seeds, tmp_path).read_bytes() for i in range(5)]
    assert not set(other) & set(first)
    for name, (ending, _) in fuzz.KNOWN.items():
        assert fuzz.file_of(name, seeds, tmp_path).read_bytes() != seeds[ending].read_bytes()


# Stands for the child: breaks in the way that the file's number says.
CHILD = """
import json, os, sys, time
say = lambda **message: print(json.dumps(message), flush=True)
say(ready=True)
for line in sys.stdin:
    number = json.loads(line)[1]
    say(step="decode")
    if number == 1: os.abort()
    if number == 2: time.sleep(1000)
    while number == 7: pass
    if number == 3:
        held = bytearray(300 * 2**20)
        time.sleep(1000)
    if number == 4: sys.exit(7)
    say(over="decode", error="Traceback ..." if number == 5 else None)
    say(finished=True)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs the memory of processes")
def test_each_finding_has_one_culprit(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a child that is gone another one goes on with the next file."""
    command = [sys.executable, "-c", CHILD]
    numbers = [(9, i) for i in (0, 1, 3, 4, 5, 6)]
    found = list(fuzz.fuzz(numbers, command, seconds=600, megabytes=250))
    assert found.count(None) == len(numbers)
    for number, clock in ((7, 600), (2, 3)):  # one works for ever, the other waits
        monkeypatch.setattr(fuzz, "CLOCK", clock)
        found += fuzz.fuzz([(9, number)], command, seconds=1, megabytes=1e9)
    told = {(f.number[1], f.kind): f for f in found if f is not None}
    assert told.keys() == {
        (1, "crash"), (2, "hang"), (3, "memory"), (4, "crash"), (5, "exception"),
        (7, "hang"),
    }  # fmt: skip
    assert {f.step for f in told.values()} == {"decode"}
    assert (told[2, "hang"].detail, told[7, "hang"].detail) == ("3 s", "1 s of the processor")
    assert told[1, "crash"].detail == "SIGABRT"
    assert told[4, "crash"].detail == "exit code 7"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends with its file")
def test_a_child_ends_with_its_parent(fuzz: ModuleType) -> None:
    """Also where it hangs, and the parent cannot clean up."""
    hangs = f"""
import importlib.util, time
spec = importlib.util.spec_from_file_location("fuzz_script", {str(SCRIPT)!r})
script = importlib.util.module_from_spec(spec)
import sys
sys.modules[spec.name] = script
spec.loader.exec_module(script)
script.end_with_parent()
print("ready", flush=True)
time.sleep({FOR_EVER})
"""
    starts = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    parent = subprocess.Popen([sys.executable, "-c", starts, hangs], stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        parent.kill()
        assert parent.stdout.read() == b"", "the child holds the other end as long as it lives"


def test_a_child_that_does_not_start_is_no_finding(fuzz: ModuleType) -> None:
    with pytest.raises(SystemExit, match="does not start"):
        list(fuzz.fuzz([(0, 0)], [sys.executable, "-c", "import nothing_of_that_name"], 9, 999))


@pytest.mark.parametrize(("error", "code"), [(None, 0), ("Traceback ...\nKeyError: 1", 1)])
def test_what_was_found_is_the_exit_code(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, error: str | None, code: int,
) -> None:  # fmt: skip
    def pretended(numbers, command, seconds, megabytes):
        for number in numbers:
            if error and number == (7, 1):
                yield fuzz.Finding(number, "score", "exception", error)
            yield None

    monkeypatch.setattr(fuzz, "fuzz", pretended)
    assert fuzz.main(["--files", "3", "--seed", "7", "--keep", str(tmp_path / "kept")]) == code
    told = capsys.readouterr().out.splitlines()
    n_files = 3 + len(fuzz.KNOWN)
    assert told[-1] == f"{n_files} files: {'1 exception' if error else 'nothing found'}"
    if error:
        assert told[0] == "exception in 'score', file 7:1: Traceback ..."
        assert [path.stem for path in (tmp_path / "kept").iterdir()] == ["7_1"]
