"""A web server on this machine that serves a folder, byte ranges included."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Site:
    """What is served.

    Attributes:
        url: address of the folder, without a slash at its end.
        asked: from which byte on each file was asked for, one by one, by name.
        cut: files whose connection breaks after that many bytes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.asked: dict[str, list[int]] = {}
        self.cut: dict[str, int] = {}


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, *args, site: Site) -> None:
        self.site = site
        super().__init__(*args)

    def do_GET(self) -> None:
        name = self.path.strip("/")
        path = self.site.folder / name
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        kind = "text/html" if path.suffix == ".html" else "video/mp4"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.site.asked.setdefault(name, []).append(start)
        with suppress(OSError):  # yt-dlp looks at the first bytes and hangs up
            self.wfile.write(data[start : self.site.cut.get(name)])

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """Serve `folder` on a free port of this machine."""
    site = Site(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, site=site))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
