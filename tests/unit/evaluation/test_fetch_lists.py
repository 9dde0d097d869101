"""Published lists: what is fetched is the list, or nothing is there and a sentence says why."""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from evaluation.filelists.fetch import fetch
from evaluation.filelists.published import PublishedList, check, doubts, published_lists
from tests.published_lists import ListServer, made_up
from tests.unit.weights.server import HTML
from tests.waiting import FOR_EVER
from w2l.errors import UserError
from w2l.filelists import read_pairs

get = partial(fetch, console=Console(quiet=True), pause_s=0.0, timeout_s=FOR_EVER)
LRS2 = made_up("lrs2")


@pytest.fixture(scope="module")
def server() -> Iterator[ListServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")
        running = ListServer()
        yield running
        running.http.shutdown()
        running.http.server_close()


@pytest.fixture
def entry(server: ListServer) -> Callable[..., PublishedList]:
    """LRS2's entry, with addresses that behave as named."""
    server.requests.clear()

    def make(*behaviours: str, **changes: object) -> PublishedList:
        urls = tuple(f"{server.address}/{behaviour}/lrs2.txt" for behaviour in behaviours)
        return replace(published_lists()["lrs2"], urls=urls, **changes)

    return make


def test_registry_names_a_home_a_licence_and_evidence() -> None:
    lists = published_lists()
    assert {name: entry.lines for name, entry in lists.items()} == {
        "lrs2": 14_239, "lrs3": 14_000, "lrw": 28_000,
    }  # fmt: skip
    for entry in lists.values():
        home = "https://raw.githubusercontent.com/Rudrabha/Wav2Lip/"
        assert entry.urls
        assert all(url.startswith(home) and url.endswith(entry.name + ".txt") for url in entry.urls)
        assert "non-commercial" in entry.licence
        assert (entry.sha256 is None) == (entry.evidence == "unknown")
        assert re.fullmatch(entry.pattern, entry.form.replace("WORD", "ABOUT"))


@pytest.mark.parametrize("name", ["lrs2", "lrs3", "lrw"])
def test_a_list_is_fetched_once(name, server, tmp_path) -> None:
    urls = (f"{server.address}/missing/{name}.txt", f"{server.address}/good/{name}.txt")
    published = replace(published_lists()[name], urls=urls)
    got = get(published, tmp_path / "new")
    assert got.path == tmp_path / "new" / f"{name}.txt"
    assert got.path.read_bytes() == server.lists[name]
    assert got.sha256 == hashlib.sha256(server.lists[name]).hexdigest()
    assert got.url == urls[1]
    assert len(read_pairs(got.path)) == published.lines
    seen = len(server.requests)
    assert get(published, tmp_path / "new").url is None
    assert len(server.requests) == seen
    assert [path.name for path in (tmp_path / "new").iterdir() if path.name[0] != "."] == [
        f"{name}.txt"
    ]


def test_a_dropped_connection_is_taken_up_again(entry, server, tmp_path) -> None:
    assert get(entry("drops"), tmp_path).path.read_bytes() == LRS2
    assert [asked for _, asked in server.requests] == [None, "bytes=300000-", "bytes=600000-"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("missing", "HTTP 404"),
        ("page", "HTML page"),
        ("cut_off", "broke off after 0.0 MB of 0.7 MB"),
        ("truncated", "it holds 100 pairs where 14239 were published"),
        ("torn", "line 101: one clip where two are wanted"),
    ],
)
def test_failures_are_named_and_leave_no_list(
    behaviour, reason, entry, server, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        get(entry(behaviour), tmp_path)
    sentence = str(caught.value)
    assert f"lay {server.address}/{behaviour}/lrs2.txt at lrs2.txt" in sentence
    assert len(sentence) <= 300
    assert reason in capsys.readouterr().err  # in full when it happened
    assert "\n" not in sentence
    assert not (tmp_path / "lrs2.txt").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LRS2 + b"1/00001 2/00002\n", "holds 14240 pairs where 14239"),
        (LRS2.replace(b"/00007 ", b"_00007 ", 1), r"pair 8 names '0+7_00007'.*speaker/00001"),
        (made_up("lrw"), r"pair 1 names 'ABOUT_00000'.*speaker/00001"),
        (b"\x00\x01" + LRS2, "UTF-8"),
    ],
)
def test_another_list_in_its_place(
    content, reason, entry, server, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setitem(server.lists, "lrs2", content)
    with pytest.raises(UserError, match="could not be downloaded"):
        get(entry("good"), tmp_path)
    assert re.search(reason, capsys.readouterr().err)
    assert not (tmp_path / "lrs2.txt").exists()


def test_a_known_hash_decides_alone(entry, server, tmp_path, monkeypatch, capsys) -> None:
    sha = hashlib.sha256(b"three words here\n").hexdigest()
    known = entry("good", sha256=sha, evidence="one source")
    with pytest.raises(UserError, match="its SHA-256 is"):
        get(known, tmp_path)
    said = rf"its SHA-256 is [0-9a-f]{{64}}, the published one {sha}"
    assert re.search(said, capsys.readouterr().err)
    assert not (tmp_path / "lrs2.txt").exists()
    monkeypatch.setitem(server.lists, "lrs2", b"three words here\n")
    got = get(known, tmp_path)
    assert got.sha256 == sha
    assert doubts(got.path, known) == []


def test_a_file_laid_by_hand_is_checked_and_left_alone(entry, server, tmp_path) -> None:
    target = tmp_path / "lrs2.txt"
    target.write_bytes(LRS2)
    assert get(entry("missing"), tmp_path).url is None
    for content in (LRS2[:5200], HTML, b""):
        target.write_bytes(content)
        with pytest.raises(UserError, match=r"lrs2\.txt is not the published test list of LRS2"):
            get(entry("good"), tmp_path)
        assert target.read_bytes() == content
    assert server.requests == []


def test_windows_line_ends_are_the_same_list(entry, tmp_path) -> None:
    path = tmp_path / "lrs2.txt"
    path.write_bytes(LRS2.replace(b"\n", b"\r\n"))
    check(path, entry())
    assert len(doubts(path, entry())) == 1  # that no hash is known


def test_what_cannot_be_told_is_said(entry, tmp_path) -> None:
    path = tmp_path / "lrs2.txt"
    path.write_bytes(LRS2)
    (unhashed,) = doubts(path, entry())
    assert "no source gives its SHA-256" in unhashed
    path.write_bytes(LRS2.replace(b"0/00000", b"/00000", 1))
    check(path, entry())
    assert "740427 characters where a copy once had 740428" in doubts(path, entry())[1]


def test_an_unwritable_folder(entry, server, tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Cannot use .*file/lrs2\.txt .*another folder with out="):
        get(entry("good"), tmp_path / "file")
    assert server.requests == []


def test_a_full_disk(entry, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("w2l.weights.download._copy", full)
    with pytest.raises(UserError, match=r"No space left on device.*another folder with out="):
        get(entry("good"), tmp_path)
    assert not (tmp_path / "lrs2.txt").exists()


def test_the_licence_comes_before_the_list(entry, tmp_path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(UserError):
        fetch(entry("missing"), tmp_path, Console(stderr=True, soft_wrap=True))
    told = capsys.readouterr().err
    assert "Licence: copyright of the BBC" in told
    assert str(Path(tmp_path / "lrs2.txt")) in told
