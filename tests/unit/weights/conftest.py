"""Fixtures of the weights' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.unit.weights.server import CONTENT, SHA, Server
from w2l.weights import WeightFile


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("W2L_ACCEPT_UNVERIFIED", raising=False)
    running = Server()
    yield running
    running.left.set()
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
