"""Files appear whole or not at all, whatever they are called."""

from __future__ import annotations

from contextlib import suppress

import pytest

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
