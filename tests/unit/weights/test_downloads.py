"""Downloads that succeed in the end."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.unit.weights.server import CONTENT, check_cached, fetch
from tests.waiting import FOR_EVER
from w2l.lock import only_writer


def test_download_says_the_licence_first(files, server, tmp_path, capsys) -> None:
    check_cached(
        fetch("net", tmp_path / "new" / "folder", files=files("good")), tmp_path / "new" / "folder"
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert "for tests only" in err
    assert server.requests == [("/good", None)]
    fetch("net", tmp_path / "new" / "folder", files=files("good"))
    assert len(server.requests) == 1  # the second time from the cache
    assert capsys.readouterr().err == ""


def test_default_cache_and_progress_bar(files, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("W2L_WEIGHTS_DIR", str(tmp_path))
    check_cached(fetch("net", files=files("good"), progress=True), tmp_path)
    assert "1.0/1.0 MB" in capsys.readouterr().err


@pytest.mark.parametrize("behaviour", ["moved", "busy"])
def test_redirect_and_busy_server(behaviour, files, tmp_path) -> None:
    check_cached(fetch("net", tmp_path, files=files(behaviour)), tmp_path)


def test_part_file_is_resumed(files, server, tmp_path) -> None:
    (tmp_path / "net.pth.part").write_bytes(CONTENT[:1000])
    check_cached(fetch("net", tmp_path, files=files("good")), tmp_path)
    assert server.requests == [("/good", "bytes=1000-")]


def test_dropped_connection_is_taken_up_again(files, server, tmp_path) -> None:
    check_cached(fetch("net", tmp_path, files=files("drops")), tmp_path)
    ranges = [asked for _, asked in server.requests]
    assert ranges == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


@pytest.mark.parametrize(
    ("behaviour", "ranges"),
    [("ignores_range", ["bytes=1000-"]), ("other_range", ["bytes=1000-", None])],
)
def test_server_that_cannot_resume_starts_again(behaviour, ranges, files, server, tmp_path) -> None:
    (tmp_path / "net.pth.part").write_bytes(CONTENT[:1000])
    check_cached(fetch("net", tmp_path, files=files(behaviour)), tmp_path)
    assert [asked for _, asked in server.requests] == ranges


def test_too_long_part_file_is_not_resumed(files, server, tmp_path) -> None:
    """Once seen in the wild: an overlapping resume that came out 9.6 MB too long."""
    (tmp_path / "net.pth.part").write_bytes(CONTENT + b"overlap")
    check_cached(fetch("net", tmp_path, files=files("good")), tmp_path)
    assert server.requests == [("/good", None)]


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_spoiled_part_file_is_fetched_anew(size, files, tmp_path) -> None:
    """Too long, as from an overlapping resume, or of other content than the file's start."""
    for spoiled in (CONTENT + b"overlap", b"x" * 1000, b"x" * len(CONTENT)):
        (tmp_path / "net.pth.part").write_bytes(spoiled)
        check_cached(fetch("net", tmp_path, files=files("good", size=size)), tmp_path)
        (tmp_path / "net.pth").unlink()


def test_complete_part_file_needs_no_network(files, server, tmp_path) -> None:
    (tmp_path / "net.pth.part").write_bytes(CONTENT)
    check_cached(fetch("net", tmp_path, files=files("missing")), tmp_path)
    assert server.requests == []


@pytest.mark.parametrize(
    "first",
    [
        "missing",
        "page",
        "unlabelled_page",
        "truncated",
        "too_long",
        "wrong",
        "stuck",
        "silent",
        "http://127.0.0.1:9/dead",
    ],
)
def test_second_mirror_is_tried(first, files, server, tmp_path) -> None:
    patience = 1.0 if first == "silent" else FOR_EVER
    check_cached(fetch("net", tmp_path, files=files(first, "good"), timeout_s=patience), tmp_path)
    assert server.requests[-1][0] == "/good"


def test_one_writer_at_a_time(files, server, tmp_path, capsys) -> None:
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(fetch("net", tmp_path, files=files("slow"))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 3
    assert len(server.requests) == 1
    check_cached(paths[0], tmp_path)
    assert "Another process fetches net" in capsys.readouterr().err


def test_lock_left_behind_holds_nobody_up(tmp_path) -> None:
    holder = (
        "import os, sys; from pathlib import Path; from w2l.lock import only_writer\n"
        "with only_writer(Path(sys.argv[1]), lambda: None): os._exit(3)"
    )
    died = subprocess.run([sys.executable, "-c", holder, str(tmp_path / "net.pth")], check=False)
    assert died.returncode == 3
    assert (tmp_path / ".net.pth.lock").exists()
    with only_writer(tmp_path / "net.pth", lambda: pytest.fail("waited for a dead process")):
        pass
