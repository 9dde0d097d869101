"""What lies in the cache is what was published, or it is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from functools import partial

import pytest

from tests.unit.weights.server import CONTENT, HTML, SHA, check_cached, fetch
from w2l.errors import UserError


def test_file_laid_by_hand_is_verified(files, server, tmp_path) -> None:
    target = tmp_path / "net.pth"
    target.write_bytes(CONTENT)
    check_cached(fetch("net", tmp_path, files=files("missing")), tmp_path)
    assert server.requests == []
    for content, reason in (
        (CONTENT[:-1], "truncated"),
        (HTML, "HTML page"),
        (b"", "empty"),
        (CONTENT + b"x", "too long"),
        (CONTENT[::-1], f"the published one {SHA}"),
    ):
        target.write_bytes(content)
        with pytest.raises(UserError, match=reason) as caught:
            fetch("net", tmp_path, files=files("good"))
        assert str(target) in str(caught.value)
        assert target.read_bytes() == content  # a file that a person put there is left alone


def test_verified_file_is_not_hashed_again(files, tmp_path, monkeypatch) -> None:
    fetch("net", tmp_path, files=files("good"))
    monkeypatch.setattr("w2l.weights.cache.sha256", lambda _: pytest.fail("hashed again"))
    fetch("net", tmp_path, files=files("good"))
    later = time.time() + 5
    os.utime(tmp_path / "net.pth", (later, later))
    with pytest.raises(pytest.fail.Exception, match="hashed again"):
        fetch("net", tmp_path, files=files("good"))


def test_one_source_mismatch_reports_both(files, tmp_path, capsys) -> None:
    other = hashlib.sha256(CONTENT[::-1]).hexdigest()
    with pytest.raises(UserError, match="another file"):
        fetch("net", tmp_path, files=files("wrong", evidence="one source"))
    told = rf"{other}.*{SHA} \(read in one source only.*report both"
    assert re.search(told, capsys.readouterr().err)


def test_unknown_hash_needs_opt_in_and_is_remembered(files, server, tmp_path, capsys) -> None:
    unknown = partial(files, sha256=None, size=None, evidence="unknown")
    with pytest.raises(UserError, match="W2L_ACCEPT_UNVERIFIED=1"):
        fetch("net", tmp_path, files=unknown("good"))
    assert server.requests == []
    check_cached(fetch("net", tmp_path, files=unknown("good"), accept_unverified=True), tmp_path)
    assert SHA in capsys.readouterr().err
    # From now on it is known: no opt-in, also for a new download, and a change is noticed.
    fetch("net", tmp_path, files=unknown("missing"))
    (tmp_path / "net.pth").unlink()
    fetch("net", tmp_path, files=unknown("good"))
    (tmp_path / "net.pth").write_bytes(CONTENT[::-1])
    with pytest.raises(UserError, match=f"{SHA} was accepted before"):
        fetch("net", tmp_path, files=unknown("good"), accept_unverified=True)


def test_unknown_hash_of_a_file_laid_by_hand(files, tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "net.pth").write_bytes(CONTENT)
    unknown = files("good", sha256=None, size=None, evidence="unknown")
    with pytest.raises(UserError, match=f"has {SHA}.*W2L_ACCEPT_UNVERIFIED=1"):
        fetch("net", tmp_path, files=unknown)
    monkeypatch.setenv("W2L_ACCEPT_UNVERIFIED", "1")
    fetch("net", tmp_path, files=unknown)
    assert SHA in capsys.readouterr().err
    assert json.loads((tmp_path / "net.pth.verified.json").read_text())["sha256"] == SHA
