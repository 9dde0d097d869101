"""`hf:owner/name[/file][@revision]`, from a server on localhost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.weights.hub_server import COMMITS, Hub
from w2l.checkpoints import resolve
from w2l.errors import UserError
from w2l.weights import locate
from w2l.weights.hub import Address, from_hub, parse


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    server.files["jane/lips"] = {
        "main": {"README.md": b"#", "model.safetensors": b"new", "old/best.ckpt": b"old"},
        "v1": {"model.safetensors": b"first"},
    }
    server.files["jane/one"] = {"main": {"README.md": b"#", "net.pth": b"one"}}
    server.files["jane/two"] = {"main": {"a.pth": b"a", "b.onnx": b"b"}}
    server.files["jane/none"] = {"main": {"README.md": b"#"}}
    server.gated.add("jane/gated")
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("W2L_OFFLINE", raising=False)
    from_hub.cache_clear()
    yield server
    from_hub.cache_clear()
    server.close()


def test_addresses_are_taken_apart() -> None:
    assert parse("hf:jane/lips") == Address("jane/lips", None, None)
    assert parse("hf:jane/lips@v1.0") == Address("jane/lips", None, "v1.0")
    assert parse("hf:j-a.b/l_1/x/y.pth@main") == Address("j-a.b/l_1", "x/y.pth", "main")
    for wrong in ("hf:", "hf:jane", "hf:jane/", "hf:jane/lips@", "hf:ja ne/lips"):
        with pytest.raises(UserError, match=r"no address on the Hub: write hf:owner/name"):
            parse(wrong)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hf:jane/lips", b"new"),
        ("hf:jane/lips@v1", b"first"),
        (f"hf:jane/lips@{COMMITS['v1']}", b"first"),
        ("hf:jane/lips/old/best.ckpt", b"old"),
        ("hf:jane/one", b"one"),
    ],
)
def test_the_file_that_is_meant(name: str, content: bytes, hub: Hub) -> None:
    assert resolve(name).read_bytes() == content
    assert locate(name).read_bytes() == content


def test_the_commit_is_told_where_none_was_named(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [from_hub("hf:jane/lips/old/best.ckpt") for _ in range(2)]
    assert asked[0] == asked[1]
    told = capsys.readouterr().err
    assert told.count(f"best.ckpt; @{COMMITS['main']} pins this commit") == 1
    from_hub("hf:jane/lips@v1")
    assert "pins" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("hf:jane/nobody", "The Hub has no jane/nobody, or it is private"),
        ("hf:jane/gated", r"to those who accept its terms: do so at http\S+/jane/gated, then"),
        ("hf:jane/lips@v9", r"jane/lips has no revision v9\."),
        ("hf:jane/lips/x.pth", r"has no x\.pth: name one, as hf:jane/lips/model\.safetensors or "),
        ("hf:jane/two", r"several networks: name one, as hf:jane/two/a\.pth or hf:jane/two/b\.on"),
        ("hf:jane/none", "jane/none holds no network"),
        ("hf:jane/..", "no address on the Hub"),
    ],
)
def test_what_is_wrong_is_one_sentence(name: str, sentence: str, hub: Hub) -> None:
    with pytest.raises(UserError, match=sentence) as error:
        resolve(name)
    assert "\n" not in str(error.value)


def test_offline_takes_what_was_fetched_before(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve("hf:jane/lips")
    resolve("hf:jane/one")
    from_hub.cache_clear()
    monkeypatch.setenv("W2L_OFFLINE", "1")
    n = len(hub.requests)
    assert resolve("hf:jane/lips").read_bytes() == b"new"
    assert resolve("hf:jane/one").read_bytes() == b"one"
    for missing in ("hf:jane/lips/old/best.ckpt", "hf:jane/lips@v1", "hf:jane/two"):
        with pytest.raises(UserError, match=r"is not fetched, as W2L_OFFLINE=1 says: run once"):
            resolve(missing)
    assert len(hub.requests) == n, "nobody was asked"


def test_no_server_is_a_sentence_and_a_file_in_the_cache_is_used(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve("hf:jane/lips@v1")
    from_hub.cache_clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda _: None)  # the client tries again and again
    assert resolve("hf:jane/lips@v1").read_bytes() == b"first"
    with pytest.raises(UserError, match=r"cannot be fetched \(.* refused\): try again\."):
        resolve("hf:jane/one")


def test_without_the_extra_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from_hub.cache_clear()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r'needs `pip install "w2l\[hub\]"`'):
        resolve("hf:jane/lips")


def test_a_file_of_that_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hf:x").touch()
    assert resolve("hf:x") == Path("hf:x")
