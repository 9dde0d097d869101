"""What `video=` may be."""

from __future__ import annotations

import pytest

from w2l.errors import UserError
from w2l.filelists import find_videos


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_one_file(tmp_path):
    touch(tmp_path / "it's a clip.mp4")
    assert find_videos(tmp_path / "it's a clip.mp4") == [tmp_path / "it's a clip.mp4"]


def test_folder_is_searched_through_in_order(tmp_path):
    wanted = [tmp_path / "a.mp4", tmp_path / "b" / "c.MKV", tmp_path / "d.avi"]
    touch(*wanted, tmp_path / "notes.md", tmp_path / ".hidden.mp4", tmp_path / ".git" / "x.mp4")
    assert find_videos(str(tmp_path)) == wanted


def test_list_relative_to_here_or_to_itself(tmp_path, monkeypatch):
    here, lists = tmp_path / "here", tmp_path / "lists"
    touch(here / "a.mp4", lists / "b c.mp4", tmp_path / "d.mp4")
    (lists / "list.txt").write_text(f"# mine\na.mp4\n\n b c.mp4 \n{tmp_path / 'd.mp4'}\nnone.mp4\n")
    monkeypatch.chdir(here)
    found = [path.resolve() for path in find_videos("../lists/list.txt")]
    assert found[:3] == [here / "a.mp4", lists / "b c.mp4", tmp_path / "d.mp4"]
    assert found[3] == here / "none.mp4"  # fails later, as one clip of many


@pytest.mark.parametrize(
    ("name", "message"),
    [("gone.mp4", "no such file or folder"), ("", "no video in the folder"), ("l.txt", "names no")],
)
def test_nothing_to_score_is_one_sentence(tmp_path, name, message):
    (tmp_path / "l.txt").write_text("\n# nothing\n")
    with pytest.raises(UserError, match=message):
        find_videos(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_list_may_be_in_any_usual_encoding(tmp_path, encoding):
    touch(tmp_path / "clip ä.mp4")
    (tmp_path / "l.txt").write_text("clip ä.mp4", encoding=encoding)
    assert find_videos(tmp_path / "l.txt") == [tmp_path / "clip ä.mp4"]


def test_a_video_is_no_list(tmp_path):
    (tmp_path / "l.txt").write_bytes(bytes(range(256)))
    with pytest.raises(UserError, match=r"l\.txt is no list"):
        find_videos(tmp_path / "l.txt")
