"""Downloads that fail, each with its own sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.weights.server import CONTENT, SHA, fetch
from w2l.download import check_yt_dlp
from w2l.errors import UserError
from w2l.weights import registry
from w2l.weights.download import DownloadError
from w2l.weights.mirrors import Wanted, _not_downloaded


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("missing", "HTTP 404"),
        ("page", "HTML page"),
        ("unlabelled_page", "HTML page"),
        ("truncated", rf"truncated file: {len(CONTENT) - 1000} bytes where {len(CONTENT)}"),
        ("too_long", "more than"),
        ("stuck", r"broke off after 0.0 MB of 1.0 MB"),
        ("wrong", rf"its SHA-256 is [0-9a-f]{{64}}, the published one {SHA}"),
    ],
)
def test_failure_is_named(behaviour, reason, files, server, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        fetch("net", tmp_path, files=files(behaviour))
    said = str(caught.value)
    short = "another file" if behaviour == "wrong" else reason
    assert re.search(short, said), "why it failed"
    assert f"{server.address}/{behaviour}" in said
    assert said.endswith(" at net.pth.")
    assert len(said) <= 300
    assert re.search(reason, capsys.readouterr().err), "in full when it happened"
    assert not (tmp_path / "net.pth").exists()


def test_every_mirror_s_failure_is_told(files, tmp_path, capsys) -> None:
    with pytest.raises(UserError, match=r"HTTP 404.*; it sends an HTML page"):
        fetch("net", tmp_path, files=files("missing", "page"))
    assert re.search(r"missing: HTTP 404.*\n.*page: it sends", capsys.readouterr().err)


def test_cut_off_bytes_are_kept_for_the_next_time(files, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("w2l.weights.download.ATTEMPTS_WITHOUT_PROGRESS", 0)
    with pytest.raises(UserError, match="broke off"):
        fetch("net", tmp_path, files=files("drops"))
    assert (tmp_path / "net.pth.part").read_bytes() == CONTENT[:300_000]


def test_offline_names_address_and_place(files, tmp_path, capsys) -> None:
    dead = "http://127.0.0.1:9/a/net.pth", "http://no-such-host.invalid/net.pth"
    with pytest.raises(UserError, match="without a network") as caught:
        fetch("net", tmp_path, files=files(*dead))
    for part in (dead[0], str(tmp_path / "net.pth"), "net.pth, 1.0 MB"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    told = capsys.readouterr().err
    assert not any(address in told for address in dead), "the sentence says it all"
    with pytest.raises(UserError, match="HTTP 404"):
        fetch("net", tmp_path, files=files(*dead, "missing"))
    told = capsys.readouterr().err
    assert all(address in told for address in dead)


def test_nothing_is_fetched_where_the_environment_says_so(files, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("W2L_OFFLINE", "1")
    words = rf"is not fetched, as W2L_OFFLINE=1 says: lay it at {tmp_path / 'net.pth'}"
    with pytest.raises(UserError, match=words):
        fetch("net", tmp_path, files=files("good"))
    with pytest.raises(UserError, match="W2L_OFFLINE=1 says: name a file"):
        check_yt_dlp("https://videos.invalid/1")
    monkeypatch.setenv("W2L_OFFLINE", "0")
    fetch("net", tmp_path, files=files("good"))


def test_no_address_names_the_page(files, tmp_path) -> None:
    with pytest.raises(UserError, match=r"https://example\.org/folder and lay it at .*net\.pth"):
        fetch("net", tmp_path, files=files(page="https://example.org/folder"))


def test_unusable_cache_is_one_sentence(files, tmp_path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"Cannot use .*W2L_WEIGHTS_DIR"):
        fetch("net", tmp_path / "file", files=files("good"))


def test_full_disk_is_told_before(files, server, tmp_path) -> None:
    with pytest.raises(UserError, match=r"free and net .* needs"):
        fetch("net", tmp_path, files=files("good", size=10**18))
    assert server.requests == []


def test_no_failure_is_a_long_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody-with-a-name")
    reason = DownloadError(f"its SHA-256 is {SHA}, the published one {SHA}")
    for entry in registry().values():
        target = Path.home() / ".cache" / "w2l" / "weights" / entry.file_name
        wanted = Wanted(str(entry), entry.urls, entry.size, target, str, "")
        failures = [(url, reason) for url in entry.urls]
        if failures:
            assert len(_not_downloaded(wanted, failures)) <= 300, entry.name
