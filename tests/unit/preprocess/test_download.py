"""Downloads by yt-dlp from a server on this machine."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import w2l.download
from preprocess.download import check_downloader, download
from preprocess.rejection import RejectedError
from tests.unit.preprocess.server import Site, serving
from w2l.components import Clip
from w2l.download import NotDownloadedError
from w2l.errors import UserError

pytest.importorskip("yt_dlp")


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(os.urandom(3_000_000))
    with serving(folder) as served:
        yield served


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "out/downloads/a"


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir() if path.suffix != ".lock")


def test_it_is_fetched_once(site, target):
    download(f"{site.url}/a.mp4", target)
    assert target.read_bytes() == (site.folder / "a.mp4").read_bytes()
    assert left(target) == ["a"]
    (site.folder / "a.mp4").unlink()
    download(f"{site.url}/a.mp4", target)


def test_the_folder_may_be_called_anything(site, tmp_path):
    target = tmp_path / "takes$HOME 100%(title)s ~ %d" / "a"
    download(f"{site.url}/a.mp4", target)
    assert target.stat().st_size == 3_000_000
    assert [path for path in tmp_path.iterdir() if path.name.startswith("takes")] == [target.parent]
    assert left(target) == ["a"]


def test_two_at_once_fetch_it_once(site, target):
    threads = [
        threading.Thread(target=download, args=(f"{site.url}/a.mp4", target)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.stat().st_size == 3_000_000
    assert len(site.asked["a.mp4"]) == 2  # what is it, and then all of it


def test_what_was_fetched_before_is_not_fetched_again(site, target):
    site.cut["a.mp4"] = 2_000_000
    with pytest.raises(RejectedError):
        download(f"{site.url}/a.mp4", target)
    assert not target.exists()
    site.cut.clear()
    site.asked.clear()
    download(f"{site.url}/a.mp4", target)
    assert target.read_bytes() == (site.folder / "a.mp4").read_bytes()
    assert left(target) == ["a"]
    looked_at, fetched = site.asked["a.mp4"]
    assert (looked_at, fetched > 1_000_000) == (0, True)  # yt-dlp writes about 1 MB at a time


@pytest.mark.parametrize(
    ("name", "words"), [("none.mp4", "HTTP Error 404"), ("page.html", "Unsupported URL")]
)
def test_what_cannot_be_had_is_rejected(site, target, name, words):
    (site.folder / "page.html").write_text("<html><body>no video</body></html>")
    with pytest.raises(RejectedError, match=words) as caught:
        download(f"{site.url}/{name}", target)
    assert (caught.value.step, caught.value.reason) == ("download", "not downloaded")
    assert f"{site.url}/{name}" in caught.value.detail
    assert "\n" not in caught.value.detail
    assert left(target) == []


def test_a_refused_connection_is_closed(site, target):
    with pytest.raises(NotDownloadedError) as caught:
        w2l.download.download(f"{site.url}/none.mp4", target)
    assert caught.value.__cause__.exc_info[1].response.closed  # of the HTTPError


def test_no_server(target):
    with pytest.raises(RejectedError, match="refused"):
        download("http://127.0.0.1:1/a.mp4", target)


def test_a_place_that_is_no_folder(site, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        download(f"{site.url}/a.mp4", tmp_path / "file/a")


def test_without_yt_dlp(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "yt_dlp", None)  # as Python marks what is not there
    (tmp_path / "there").touch()
    local = Clip(tmp_path, "missing", "a", "b")
    check_downloader([local, Clip(tmp_path, "u", "a", "b", url="https://a/b", file="there")])
    with pytest.raises(UserError, match=r'pip install "w2l\[download\]"'):
        check_downloader([Clip(tmp_path, "u", "a", "b", url="https://a/b", file="missing")])
