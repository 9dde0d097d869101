"""Inputs from addresses, from a server on this machine."""

from __future__ import annotations

import sys

import pytest
from rich.console import Console

from tests.integration.infer_job import settings
from tests.unit.preprocess.server import serving
from w2l.cli.infer_input import DOWNLOADS, check_given, find_input, name_of
from w2l.errors import UserError

QUIET = Console(quiet=True)


def test_an_address_is_fetched_once(tmp_path, monkeypatch):
    pytest.importorskip("yt_dlp")
    monkeypatch.chdir(tmp_path)
    site_folder = tmp_path / "site"
    site_folder.mkdir()
    (site_folder / "a.mp4").write_bytes(b"x" * 100_000)
    with serving(site_folder) as site:
        path = find_input("face", f"{site.url}/a.mp4", QUIET)
        assert path.parent == DOWNLOADS
        assert path.read_bytes() == (site_folder / "a.mp4").read_bytes()
    assert find_input("face", f"{site.url}/a.mp4", QUIET) == path  # without the server


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.mp4", "HTTPS://127.0.0.1:1/watch?v=x"])
def test_an_address_that_cannot_be_had(tmp_path, monkeypatch, url):
    pytest.importorskip("yt_dlp")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        find_input("audio", url, QUIET)
    assert url.lower()[:20] in str(caught.value).lower()
    assert "\n" not in str(caught.value)


def test_without_yt_dlp(monkeypatch):
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    with pytest.raises(UserError, match=r'pip install "w2l\[download\]"'):
        find_input("face", "https://example.org/v", QUIET)


def test_names_of_addresses_differ_and_can_be_read():
    names = {name_of(f"https://example.org/watch?v={v}") for v in ("a", "b", "ü/")}
    assert len(names) == 3
    assert all("/" not in name and not name.startswith(("-", ".")) for name in names)
    assert name_of("https://example.org/talk.mp4").startswith("talk.mp4_")
    assert len(name_of("https://example.org/" + "x" * 500)) < 80


def test_what_is_missing_is_named():
    with pytest.raises(UserError, match=r"Missing: audio=…, face=…\."):
        check_given(settings())
    with pytest.raises(UserError, match="folder, not a file"):
        find_input("audio", "/tmp", QUIET)
