"""Files appear whole or not at all, whatever they are called."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from contextlib import suppress

import pytest
import torch
from safetensors import SafetensorError

from w2l import files
from w2l.errors import UserError
from w2l.files import atomic_path, check_writable, left_behind


@pytest.mark.parametrize("name", ["a" * 196 + ".mp4", "a" * 251 + ".mp4", "唇" * 83 + ".mp4"])
def test_long_names_are_kept(tmp_path, name):
    path = tmp_path / name
    for content in ("first", "second"):
        with atomic_path(path) as temporary:
            assert temporary != path
            assert temporary.name.startswith(".")
            assert temporary.suffix == ".mp4"
            temporary.write_text(content)
        assert path.read_text() == content
    with suppress(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_no_file_may_have_are_told_at_once(tmp_path):
    path = tmp_path / "to be made" / f"{'a' * 260}.mp4"
    with pytest.raises(UserError, match="too long"):
        check_writable(path)
    with pytest.raises(UserError, match="too long"), atomic_path(path) as temporary:
        temporary.write_text("all")


def test_what_a_killed_process_left_is_found_by_its_name(tmp_path):
    with atomic_path(tmp_path / "a.mp4") as temporary:
        temporary.touch()
        (tmp_path / ".note").touch()
        assert list(left_behind(tmp_path, {"a.mp4", "b.mp4"})) == [temporary]
        assert list(left_behind(tmp_path, {"b.mp4"})) == []
    assert list(left_behind(tmp_path / "none", {"a.mp4"})) == []


def left_by(process: int, name: str, host: str = files._HOST) -> str:
    return f".w2l-{host}-{process:x}-0123abcd.{name}"


def test_what_dead_processes_left_is_removed_once(tmp_path, monkeypatch):
    """Also their folders; not what somebody is at work on, here or on another machine."""
    monkeypatch.setattr(files, "_is_alive", lambda process: process == 2)
    monkeypatch.setattr(files, "_looked_through", set())
    gone = [left_by(1, "a.mp4"), left_by(1, "b"), left_by(1, "old.mp4", "abcdef")]
    kept = [left_by(2, "a.mp4"), left_by(1, "a.mp4", "abcdef"), ".w2l-notes.txt", ".a.mp4"]
    for name in [gone[0], *gone[2:], *kept]:
        (tmp_path / name).touch()
    (tmp_path / gone[1]).mkdir()
    (tmp_path / gone[1] / "0.jpg").touch()
    os.utime(tmp_path / gone[2], (1, 1))
    with atomic_path(tmp_path / "new") as temporary:
        temporary.touch()
        with atomic_path(tmp_path / "other") as other:
            other.touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "new", "other"])
    (tmp_path / gone[0]).touch()
    with atomic_path(tmp_path / "new") as temporary:
        temporary.touch()
    assert (tmp_path / gone[0]).exists(), "a folder is looked through once"


def test_a_folder_of_ones_own_goes_and_so_do_dead_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = tmp_path / f"page-w2l-{files._HOST}-fffffff0-0123abcd"
    dead.mkdir()
    with files.own_folder("page") as folder:
        (folder / "a").touch()
        with files.own_folder("page") as other:
            assert other != folder
        assert list(tmp_path.iterdir()) == [folder]
    assert not list(tmp_path.iterdir())


def test_this_process_is_not_the_one_before_it():
    assert not files._is_alive(os.getpid())
    assert not files._is_alive(2**31 - 7)
    assert files._is_alive(os.getppid())


class Full(io.BytesIO):
    def write(self, _):
        raise OSError(errno.ENOSPC, "No space left on device")


def _safetensors(_):
    raise SafetensorError("Error while serializing: No space left on device (os error 28)")


@pytest.mark.parametrize("write", [lambda file: torch.save({}, file), _safetensors])
def test_a_full_disk_is_named_whoever_writes(write, tmp_path):
    def fill():
        with atomic_path(tmp_path / "out.pth") as path:
            path.touch()
            write(Full())

    with pytest.raises(UserError, match=r"No space is left for .*out\.pth: free some"):
        fill()
    assert list(tmp_path.iterdir()) == []
