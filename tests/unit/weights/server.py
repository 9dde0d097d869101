"""A server on localhost that fails in every way we know of."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.waiting import FOR_EVER
from w2l.weights import fetch as fetch_any

CONTENT = b"PK" + bytes(range(256)) * 4000  # 1.0 MB: several chunks
HTML = b"<!DOCTYPE html><html><body>Sign in to download</body></html>"
SHA = hashlib.sha256(CONTENT).hexdigest()

fetch = partial(fetch_any, progress=False, pause_s=0.0, timeout_s=FOR_EVER)


class Server:
    """Answers each path with a behaviour; remembers every request's path and Range."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None]] = []
        self.left = threading.Event()  # set when nobody is served any more
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
        self.left.wait()

    def moved(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"{self.address}/good")
        handler.send_header("Content-Length", "0")
        handler.end_headers()


def check_cached(path: Path, folder: Path) -> None:
    assert path == folder / "net.pth"
    assert path.read_bytes() == CONTENT
    assert not (folder / "net.pth.part").exists()
