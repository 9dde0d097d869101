"""Lists are read as they are written, and a wrong line is named by file and number."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2l.errors import UserError
from w2l.filelists import (
    Pair,
    SplitEntry,
    clip_file,
    read_pairs,
    read_split,
    write_pairs,
    write_split,
)


def listing(folder: Path, content: str | bytes) -> Path:
    path = folder / "list.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class TestSplits:
    def test_tags_blank_lines_and_foreign_line_ends(self, tmp_path):
        path = listing(tmp_path, b"\xef\xbb\xbf63/00011 NF\r\n64/00027 MV\r\n\r\n5/1.mp4\r\n")
        assert read_split(path) == [
            SplitEntry("63", "00011", "NF"),
            SplitEntry("64", "00027", "MV"),
            SplitEntry("5", "1"),
        ]
        assert [entry.name for entry in read_split(path)] == ["63/00011", "64/00027", "5/1"]

    @pytest.mark.parametrize("line", ["one", "a/b/c", "../etc", "/abs", "a/", "a/..", "a\\b/c"])
    def test_a_line_of_another_form(self, tmp_path, line):
        path = listing(tmp_path, f"a/1\n\n{line}\n")
        with pytest.raises(UserError, match=r"line 3: .* not of the form speaker/clip") as caught:
            read_split(path)
        assert str(path) in str(caught.value)

    def test_pairs_are_told_from_splits(self, tmp_path):
        path = listing(tmp_path, "a/1 b/1\n")
        with pytest.raises(UserError, match=r"line 1: two clips in a line.*pairs"):
            read_split(path)

    def test_written_lists_are_read_back(self, tmp_path):
        entries = [SplitEntry("анна", "x_1"), SplitEntry("b", "2", "NF")]
        write_split(tmp_path / "new" / "test.txt", entries)
        assert (tmp_path / "new/test.txt").read_bytes() == "анна/x_1\nb/2 NF\n".encode()
        assert read_split(tmp_path / "new/test.txt") == entries

    def test_an_empty_split_is_a_split(self, tmp_path):
        write_split(tmp_path / "val.txt", [])
        assert read_split(tmp_path / "val.txt") == []


class TestPairs:
    def test_the_sound_comes_first(self, tmp_path):
        path = listing(tmp_path, "a/1 b/2\n\nABOUT_00001 ACCESS_00002\r\nc/1.mp4 c/1\n")
        pairs = read_pairs(path)
        assert pairs == [
            Pair(audio="a/1", video="b/2"),
            Pair(audio="ABOUT_00001", video="ACCESS_00002"),
            Pair(audio="c/1", video="c/1"),
        ]
        assert [pair.is_reconstruction for pair in pairs] == [False, False, True]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("a/1", "one clip where two are wanted"),
            ("a/1 NF", "one clip where two are wanted.*split list"),
            ("a/1 b/1 c/1", "3 words where two are wanted"),
            ("a/1 ../b/1", "'../b/1' is no path below"),
            ("/etc/passwd b/1", "'/etc/passwd' is no path below"),
            ("a//1 b/1", "'a//1' is no path below"),
        ],
    )
    def test_a_line_of_another_form(self, tmp_path, line, reason):
        path = listing(tmp_path, f"a/1 b/1\n{line}\n")
        with pytest.raises(UserError, match=f"line 2: .*{reason}") as caught:
            read_pairs(path)
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize("content", ["", "\n \n"])
    def test_no_pair_at_all(self, tmp_path, content):
        with pytest.raises(UserError, match="holds no pair"):
            read_pairs(listing(tmp_path, content))

    def test_written_lists_are_read_back(self, tmp_path):
        pairs = [Pair("a/1", "b/1"), Pair("c", "c")]
        write_pairs(tmp_path / "p.txt", iter(pairs))
        assert (tmp_path / "p.txt").read_bytes() == b"a/1 b/1\nc c\n"
        assert read_pairs(tmp_path / "p.txt") == pairs

    def test_a_name_that_would_be_read_as_two(self, tmp_path):
        (tmp_path / "p.txt").write_text("before")
        with pytest.raises(UserError, match="'my clip' cannot stand in a list"):
            write_pairs(tmp_path / "p.txt", [Pair("a/1", "b/1"), Pair("a/1", "my clip")])
        assert (tmp_path / "p.txt").read_text() == "before"

    def test_the_file_of_a_name(self, tmp_path):
        (tmp_path / "a").mkdir()
        for name in ("1.mp4", "v1.2.mp4", "3.mpg"):
            (tmp_path / "a" / name).touch()
        assert clip_file(tmp_path, "a/1") == tmp_path / "a/1.mp4"
        assert clip_file(tmp_path, "a/v1.2") == tmp_path / "a/v1.2.mp4"
        assert clip_file(tmp_path, "a/3.mpg") == tmp_path / "a/3.mpg"


@pytest.mark.parametrize("read", [read_split, read_pairs])
def test_what_is_no_list(tmp_path, read):
    with pytest.raises(UserError, match=r"gone\.txt \(No such file"):
        read(tmp_path / "gone.txt")
    with pytest.raises(UserError, match=r"Cannot read the list .* \(Is a directory"):
        read(tmp_path)
    with pytest.raises(UserError, match=r"list\.txt is no list"):
        read(listing(tmp_path, b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"))


def test_an_unwritable_place_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Cannot write"):
        write_pairs(tmp_path / "file" / "p.txt", [Pair("a/1", "b/1")])
