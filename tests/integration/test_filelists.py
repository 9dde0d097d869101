"""`python -m evaluation.filelists`, against a server on this machine."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.command import ROOT, call, refused
from tests.published_lists import ListServer
from w2l.filelists import read_pairs

COMMAND = "-m evaluation.filelists"


@pytest.fixture(scope="module")
def server() -> Iterator[ListServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")  # the command's environment is this one's
        running = ListServer()
        yield running
        running.http.shutdown()
        running.http.server_close()


def test_all_lists_are_fetched(server, tmp_path):
    home = f"home={server.address}/good"
    result = call(COMMAND, "fetch=all", home, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for name, content in server.lists.items():
        assert (tmp_path / "filelists" / f"{name}.txt").read_bytes() == content
        assert hashlib.sha256(content).hexdigest() in result.stdout
        assert f"from {server.address}/good/{name}.txt" in result.stdout
    assert result.stdout.count("only the form and number of its lines were checked") == 3
    assert "by applicants who have an agreement with the BBC" in result.stdout
    assert "Licence: copyright of the BBC" in result.stderr  # before the download
    assert "https://github.com/Rudrabha/Wav2Lip" in result.stdout
    again = call(COMMAND, "fetch=lrs2", f"home={server.address}/missing", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "was there already" in again.stdout


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["fetch=lrs2", "home={}/missing"], "HTTP 404"),
        (["fetch=lrs2", "home={}/truncated"], "100 pairs where 14239 were published"),
        (["fetch=lrs2", "home={}/good", "out=file/here"], "Cannot use file/here/lrs2.txt"),
        (["fetch=lrs4", "home={}/good"], "fetch=lrs4; did you mean"),
        (["fetch=lrs2", "home=ftp://example.org"], "home=ftp://example.org is no http"),
        ([], "Nothing to do"),
        (["pairs=p.txt", "count=3"], "needs data_root=…"),
        (["pairs=p.txt", "data_root=set"], "needs count=…"),
        (["pairs=p.txt", "data_root=set", "count=2.5"], "count=2.5 must be a whole number"),
        (["pairs=p.txt", "data_root=set", "count=999"], "only "),
        (["pairs=p.txt", "data_root=gone", "count=1"], "data_root=gone is not a folder"),
        (["pairs=file/p.txt", "data_root=set", "count=1"], "Cannot write file/p.txt"),
    ],
)
def test_refusals_are_one_sentence(values, reason, server, prepared, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "set").symlink_to(prepared)
    values = [value.format(server.address) for value in values]
    assert reason in refused(call(COMMAND, *values, cwd=tmp_path))
    assert not (tmp_path / "p.txt").exists()
    assert not list(tmp_path.glob("filelists/*.txt"))


def test_without_a_network_it_says_where_to_lay_the_list(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    said = refused(call(COMMAND, "fetch=lrw", "home=http://127.0.0.1:9", cwd=tmp_path))
    assert "cannot be downloaded without a network" in said
    assert "lay http://127.0.0.1:9/lrw.txt at filelists/lrw.txt" in said


def test_cross_pairs_of_a_set(prepared, tmp_path):
    root = shutil.copytree(prepared, tmp_path / "it's a set")
    values = [f"data_root={root.name}", "split=train", "different_speakers=true", "count=5"]
    result = call(COMMAND, "pairs=lists/mine.txt", *values, "seed=3", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    content = (tmp_path / "lists/mine.txt").read_bytes()
    assert f"5 pairs of 4 clips; SHA-256 {hashlib.sha256(content).hexdigest()}" in result.stdout
    pairs = read_pairs(tmp_path / "lists/mine.txt")
    assert len(set(pairs)) == 5
    for pair in pairs:
        assert not pair.is_reconstruction
        assert (root / pair.audio).is_dir()
        assert (root / pair.video).is_dir()
    again = call(COMMAND, "pairs=again.txt", *values, "seed=3", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.txt").read_bytes() == content


@pytest.mark.parametrize("name", ["lrs2.txt", "lrs2.txt.part", ".lrs2.txt.lock", "README.md"])
def test_fetched_lists_are_never_committed(name):
    run = ["git", "check-ignore", "--no-index", "-q", f"filelists/{name}"]
    code = subprocess.run(run, cwd=ROOT, capture_output=True).returncode
    if code == 128:
        pytest.skip("this is no git checkout")
    assert (code == 0) == (name != "README.md")
    tracked = subprocess.run(
        ["git", "ls-files", "filelists"], cwd=ROOT, capture_output=True, text=True
    )
    assert [Path(path).name for path in tracked.stdout.splitlines()] == ["README.md"]
