"""Made-up lists of the form and length of the published ones, and a server that gives them."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

from evaluation.filelists.published import published_lists
from tests.unit.weights.server import Server


def made_up(name: str) -> bytes:
    """As many lines as were published, of as many characters where all lines are equally long."""
    lines = published_lists()[name].lines

    def clip(i: int) -> str:
        if name == "lrw":
            return f"{('ABOUT', 'ACCESS')[i % 2]}_{i:05}"
        return f"{i:0{19 if name == 'lrs2' else 11}}/{i % 100:05}"

    return "".join(f"{clip(i)} {clip(i + 1)}\n" for i in range(lines)).encode()


class ListServer(Server):
    """Answers `/behaviour/name.txt`; `lists` may be changed."""

    def __init__(self) -> None:
        super().__init__()
        self.lists = {name: made_up(name) for name in published_lists()}

    def body(self, handler: BaseHTTPRequestHandler) -> bytes:
        return self.lists[handler.path.rpartition("/")[2].removesuffix(".txt")]

    def good(self, handler: BaseHTTPRequestHandler) -> None:
        self.ranged(handler, self.body(handler))

    def drops(self, handler: BaseHTTPRequestHandler) -> None:
        """Breaks off, and goes on where it is asked to."""
        self.ranged(handler, self.body(handler), limit=300_000)

    def cut_off(self, handler: BaseHTTPRequestHandler) -> None:
        """Always the same first part, though all is announced."""
        body = self.body(handler)
        self.send(handler, body[:1000], length=len(body))

    def truncated(self, handler: BaseHTTPRequestHandler) -> None:
        """Ends with a whole line, and says that this is all."""
        self.send(handler, self.body(handler)[:5200])

    def torn(self, handler: BaseHTTPRequestHandler) -> None:
        """Ends within a line, and says that this is all."""
        self.send(handler, self.body(handler)[:5225])
