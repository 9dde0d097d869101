"""The registry, and downloads from a server on localhost that fails in every way we know of."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from w2l.errors import UserError
from w2l.weights import WeightFile, cache_folder, catalog, registry
from w2l.weights import fetch as fetch_any
from w2l.weights.lock import only_writer

CONTENT = b"PK" + bytes(range(256)) * 4000  # 1.0 MB: several chunks
HTML = b"<!DOCTYPE html><html><body>Sign in to download</body></html>"
SHA = hashlib.sha256(CONTENT).hexdigest()

fetch = partial(fetch_any, progress=False, pause_s=0.0, timeout_s=5.0)


class Server:
    """Answers each path with a behaviour; remembers every request's path and Range."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers.get("Range")))
                getattr(outer, self.path.strip("/").split("/")[0])(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_: None  # a client that hangs up is part of the test
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @staticmethod
    def send(
        handler: BaseHTTPRequestHandler,
        body: bytes,
        *,
        status: int = 200,
        length: int | None = None,
        kind: str = "application/octet-stream",
        content_range: str | None = None,
    ) -> None:
        """A response whose stated length may be a lie; the connection is then closed."""
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        if length != -1:
            handler.send_header("Content-Length", str(len(body) if length is None else length))
        if content_range:
            handler.send_header("Content-Range", content_range)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    def asked_from(self, handler: BaseHTTPRequestHandler) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        return int(match[1]) if match else 0

    def ranged(
        self, handler: BaseHTTPRequestHandler, body: bytes, limit: int | None = None
    ) -> None:
        start = self.asked_from(handler)
        if not start:
            self.send(handler, body[:limit], length=len(body))
        elif start >= len(body):
            self.send(handler, b"", status=416, content_range=f"bytes */{len(body)}")
        else:
            stated = f"bytes {start}-{len(body) - 1}/{len(body)}"
            end = None if limit is None else start + limit
            rest = len(body) - start
            self.send(handler, body[start:end], status=206, length=rest, content_range=stated)

    def good(self, handler: BaseHTTPRequestHandler) -> None:
        self.ranged(handler, CONTENT)

    def slow(self, handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        self.ranged(handler, CONTENT)

    def wrong(self, handler: BaseHTTPRequestHandler) -> None:
        self.ranged(handler, CONTENT[::-1])

    def missing(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_error(404)

    def busy(self, handler: BaseHTTPRequestHandler) -> None:
        seen = sum(path == handler.path for path, _ in self.requests)
        self.good(handler) if seen == 3 else handler.send_error(503)

    def page(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, HTML, kind="text/html; charset=utf-8")

    def unlabelled_page(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, b"\n  " + HTML, length=-1)

    def truncated(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, CONTENT[:-1000])

    def too_long(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, CONTENT + b"more", length=-1)

    def ignores_range(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, CONTENT)

    def other_range(self, handler: BaseHTTPRequestHandler) -> None:
        """Resumes 100 bytes too early once asked to resume: an overlap."""
        start = self.asked_from(handler)
        if start == 0:
            self.send(handler, CONTENT)
        else:
            stated = f"bytes {start - 100}-{len(CONTENT) - 1}/{len(CONTENT)}"
            self.send(handler, CONTENT[start - 100 :], status=206, content_range=stated)

    def drops(self, handler: BaseHTTPRequestHandler) -> None:
        self.ranged(handler, CONTENT, limit=300_000)

    def stuck(self, handler: BaseHTTPRequestHandler) -> None:
        """The same first bytes again and again, whatever is asked."""
        self.send(handler, CONTENT[:1000], length=len(CONTENT))

    def silent(self, handler: BaseHTTPRequestHandler) -> None:
        self.send(handler, CONTENT[:1000], length=len(CONTENT))
        time.sleep(0.5)

    def moved(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"{self.address}/good")
        handler.send_header("Content-Length", "0")
        handler.end_headers()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("W2L_ACCEPT_UNVERIFIED", raising=False)
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture
def files(server: Server) -> Callable[..., dict[str, WeightFile]]:
    """A registry of one file, `net`, whose addresses behave as named."""

    def make(*behaviours: str, **changes: object) -> dict[str, WeightFile]:
        entry = WeightFile(
            name="net",
            file_name="net.pth",
            network="generator",
            used_for="tests",
            urls=tuple(b if b.startswith("http") else f"{server.address}/{b}" for b in behaviours),
            size=len(CONTENT),
            sha256=SHA,
            licence="for tests only",
            evidence="agree",
            note="computed here",
        )
        return {"net": replace(entry, **changes)}

    return make


def check_cached(path: Path, folder: Path) -> None:
    assert path == folder / "net.pth"
    assert path.read_bytes() == CONTENT
    assert not (folder / "net.pth.part").exists()


# The registry


def test_registry_is_complete_and_well_formed() -> None:
    files = registry()
    assert {
        *("syncnet_v2", "s3fd", "sfd_face", "wav2lip", "wav2lip_gan", "wav2lip_sd_gan"),
        *("lipsync_expert", "visual_quality_disc", "gfpgan", "codeformer", "realesrgan_x2"),
        *("realesrgan_x4", "parsing_bisenet", "fid_inception", "alexnet"),
    } <= set(files)
    for name, entry in files.items():
        assert entry.name == name
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert (entry.sha256 is None) == (entry.evidence == "unknown")
        assert entry.evidence in {"agree", "one source", "unknown"}
        assert entry.size is None or entry.size > 1e6
        assert entry.urls or entry.page
        assert all(re.match(r"https?://[\w.]+/\S+$", url) for url in entry.urls)
        assert len(set(entry.urls)) == len(entry.urls)
        assert entry.licence
        assert entry.note
    assert len({entry.file_name for entry in files.values()}) == len(files)
    # Where an author's file name carries the first digits of the hash, they agree.
    named = {
        e: m[1] for e in files.values() if (m := re.search(r"-([0-9a-f]{8,10})\.", e.file_name))
    }
    assert len(named) == 3
    assert all(entry.sha256.startswith(digits) for entry, digits in named.items())


def test_registry_names_licences_and_first_addresses() -> None:
    files = registry()
    assert files["syncnet_v2"].size == 54573114
    assert files["syncnet_v2"].urls[0].startswith("https://www.robots.ox.ac.uk/")
    assert files["s3fd"].file_name == "s3fd-619a316812.pth"
    assert files["s3fd"].sha256 != files["sfd_face"].sha256
    assert "no commercial use" in files["wav2lip_gan"].licence
    assert "no commercial use" in files["codeformer"].licence
    assert files["visual_quality_disc"].evidence == "one source"


def test_unknown_name_lists_the_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"wav2lip_gna.*did you mean wav2lip_gan.*syncnet_v2"):
        fetch("wav2lip_gna", tmp_path)


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("W2L_WEIGHTS_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "w2l" / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "w2l" / "weights"
    monkeypatch.setenv("W2L_WEIGHTS_DIR", "~/mine")
    assert cache_folder() == tmp_path / "mine"


# Downloads that succeed in the end


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
    check_cached(fetch("net", tmp_path, files=files(first, "good"), timeout_s=0.2), tmp_path)
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
        "import os, sys; from pathlib import Path; from w2l.weights.lock import only_writer\n"
        "with only_writer(Path(sys.argv[1]), lambda: None): os._exit(3)"
    )
    died = subprocess.run([sys.executable, "-c", holder, str(tmp_path / "net.pth")], check=False)
    assert died.returncode == 3
    assert (tmp_path / ".net.pth.lock").exists()
    with only_writer(tmp_path / "net.pth", lambda: pytest.fail("waited for a dead process")):
        pass


# Downloads that fail, each with its own sentence


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


def test_one_source_mismatch_reports_both(files, tmp_path) -> None:
    other = hashlib.sha256(CONTENT[::-1]).hexdigest()
    with pytest.raises(UserError, match=rf"{other}.*{SHA} \(read in one source only.*report both"):
        fetch("net", tmp_path, files=files("wrong", evidence="one source"))


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


def test_shipped_list_is_found_beside_the_package() -> None:
    assert catalog.REGISTRY_FILE.is_file()
