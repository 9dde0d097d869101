"""What of the Hub's HTTP interface its client asks for, on localhost."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMITS = {"main": "a" * 40, "v1": "b" * 40}


class Hub:
    """Repositories by name: file → content at `main`, and at the tag `v1`.

    Attributes:
        files: repository → revision → file → content.
        gated: repositories whose terms nobody has accepted.
        requests: paths that were asked for.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, dict[str, bytes]]] = {}
        self.gated: set[str] = set()
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            do_HEAD = do_GET  # noqa: N815, the standard library's name

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(handler.path).path)
        self.requests.append(path)
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(handler, *match.groups())
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
            repository, revision = match.groups()
            tree = self._tree(handler, repository, revision)
            if tree is not None:
                entries = [{"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                           for name, content in tree.items()]  # fmt: skip
                send(handler, json.dumps(entries).encode(), {"Content-Type": "application/json"})
        else:
            fail(handler, "EntryNotFound")

    def _tree(
        self, handler: BaseHTTPRequestHandler, repository: str, revision: str
    ) -> dict[str, bytes] | None:
        if repository in self.gated:
            fail(handler, "GatedRepo", status=403)
        elif repository not in self.files:
            fail(handler, "RepoNotFound", status=401)
        else:
            names = {commit: name for name, commit in COMMITS.items()}
            tree = self.files[repository].get(names.get(revision, revision))
            if tree is not None:
                return tree
            fail(handler, "RevisionNotFound")
        return None

    def _file(
        self, handler: BaseHTTPRequestHandler, repository: str, revision: str, name: str
    ) -> None:
        tree = self._tree(handler, repository, revision)
        if tree is None:
            return
        if name not in tree:
            fail(handler, "EntryNotFound")
            return
        digest = hashlib.sha256(tree[name]).hexdigest()
        commit = COMMITS.get(revision, revision)
        send(handler, tree[name], {"ETag": f'"{digest}"', "X-Repo-Commit": commit})


def send(handler: BaseHTTPRequestHandler, body: bytes, headers: dict[str, str]) -> None:
    handler.send_response(200)
    for name, value in (headers | {"Content-Length": str(len(body))}).items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command == "GET":
        handler.wfile.write(body)


def fail(handler: BaseHTTPRequestHandler, code: str, status: int = 404) -> None:
    handler.send_response(status)
    handler.send_header("X-Error-Code", code)
    handler.send_header("X-Error-Message", code)
    handler.send_header("Content-Length", "0")
    handler.end_headers()
