"""Downloads that fail, each with its own sentence."""

from __future__ import annotations

import pytest

from tests.unit.weights.server import CONTENT, SHA, fetch
from w2l.errors import UserError


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
def test_failure_is_named(behaviour, reason, files, server, tmp_path) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        fetch("net", tmp_path, files=files(behaviour))
    assert f"{server.address}/{behaviour}" in str(caught.value)
    assert str(tmp_path / "net.pth") in str(caught.value)
    assert not (tmp_path / "net.pth").exists()


def test_every_mirror_s_failure_is_told(files, tmp_path) -> None:
    with pytest.raises(UserError, match=r"missing: HTTP 404.*page: it sends an HTML page"):
        fetch("net", tmp_path, files=files("missing", "page"))


def test_cut_off_bytes_are_kept_for_the_next_time(files, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("w2l.weights.download.ATTEMPTS_WITHOUT_PROGRESS", 0)
    with pytest.raises(UserError, match="broke off"):
        fetch("net", tmp_path, files=files("drops"))
    assert (tmp_path / "net.pth.part").read_bytes() == CONTENT[:300_000]


def test_offline_names_address_and_place(files, tmp_path) -> None:
    dead = "http://127.0.0.1:9/a/net.pth", "http://no-such-host.invalid/net.pth"
    with pytest.raises(UserError, match="without a network") as caught:
        fetch("net", tmp_path, files=files(*dead))
    for part in (*dead, str(tmp_path / "net.pth"), "net.pth, 1.0 MB"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


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
