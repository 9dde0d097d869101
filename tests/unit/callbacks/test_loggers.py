"""W&B: without a network a training goes on offline, and says how its curves are uploaded."""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb

from w2l.callbacks import wandb_logger
from w2l.callbacks.loggers import unreachable
from w2l.errors import UserError


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `wandb.init` is called with; somebody is logged in, and nothing is started."""
    calls: list[dict[str, Any]] = []

    def init(**values: Any) -> SimpleNamespace:
        calls.append(dict(values))
        return SimpleNamespace(settings=SimpleNamespace(sync_dir="wandb/offline-run-1"))

    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setattr(wandb, "login", lambda **_: True)
    monkeypatch.setattr(
        wandb, "setup", lambda: SimpleNamespace(settings=SimpleNamespace(base_url="http://x.test"))
    )
    return calls


def test_where_no_server_is_the_run_is_offline_and_says_so_once(
    started: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "w2l.callbacks.loggers")
    monkeypatch.setattr("w2l.callbacks.loggers.unreachable", lambda _: "no route")
    logger = wandb_logger(tmp_path)
    with pytest.warns(UserWarning, match=r"cannot be reached \(no route\)") as told:
        assert logger.experiment is logger.experiment
    assert len(told) == 1
    assert [each.getMessage() for each in caplog.records] == [
        "W&B: offline, in wandb/offline-run-1 (`wandb sync wandb/offline-run-1` uploads it)"
    ]
    assert started[0]["settings"].silent, "W&B's own lines of advice"
    assert [call["mode"] for call in started] == ["offline"]
    assert "anonymous" not in started[0]


def test_a_server_that_breaks_off_is_no_end_either(
    started: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = wandb.init

    def init(**values: Any) -> Any:
        if values.get("mode") != "offline":
            asked.append(values["settings"].init_timeout)
            raise wandb.errors.CommError("timed out\nConsider …")
        return fine(**values)

    asked = []
    monkeypatch.setattr("w2l.callbacks.loggers.unreachable", lambda _: None)
    monkeypatch.setattr(wandb, "init", init)
    with pytest.warns(UserWarning, match=r"\(timed out\)"):
        assert wandb_logger(tmp_path).experiment is not None
    assert [call["mode"] for call in started] == ["offline"]
    (patience,) = asked
    assert patience <= 30, "of a server that answers and begins no run"


def test_a_refused_key_is_one_sentence(
    started: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: Any) -> Any:
        raise wandb.errors.AuthenticationError("401")

    monkeypatch.setattr("w2l.callbacks.loggers.unreachable", lambda _: None)
    monkeypatch.setattr(wandb, "init", init)
    with pytest.raises(UserError, match=r"W&B refuses this login \(401\)"):
        _ = wandb_logger(tmp_path).experiment


def test_online_needs_a_login(
    started: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb, "login", lambda **_: False)
    assert wandb_logger(tmp_path).experiment is not None  # nobody asked for online
    assert [call["mode"] for call in started] == ["offline"]
    with pytest.raises(UserError, match=r"logger\.wandb\.offline=false needs a login"):
        wandb_logger(tmp_path, offline=False)
    monkeypatch.setattr(wandb, "login", lambda **_: True)
    monkeypatch.setenv("W2L_OFFLINE", "1")
    assert wandb_logger(tmp_path).experiment is not None
    assert [call["mode"] for call in started] == ["offline", "offline"]
    monkeypatch.setattr(wandb, "login", lambda **_: False)
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(UserError, match="WANDB_MODE=online needs a login"):
        wandb_logger(tmp_path)


def test_any_answer_is_a_server() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert "refused" in str(unreachable(address))
        server.listen()

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert unreachable(address) is None
        thread.join()
