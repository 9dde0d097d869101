"""Which files a source lists, under which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from preprocess.sources import Folder, Lrs2
from preprocess.sources.lrs2 import PUBLISHED_COUNTS
from preprocess.sources.names import folder_name, tell_apart
from preprocess.sources.transcript import read_transcript
from w2l.errors import UserError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def keys(listing) -> list[str]:
    return [clip.key for clip in listing.clips]


class TestFolder:
    def test_speaker_is_the_first_folder_or_the_file_itself(self, tmp_path):
        touch(tmp_path, "anna/a.mp4", "anna/b.MOV", "id1/video/00001.mp4", "alone.webm")
        listing = Folder(tmp_path).listing()
        assert keys(listing) == ["alone/alone", "anna/a", "anna/b", "id1/video_00001"]
        assert [c.source for c in listing.clips][3] == "id1/video/00001.mp4"
        assert all(c.split is None for c in listing.clips)
        assert not listing.notes

    def test_other_files_are_named(self, tmp_path):
        touch(tmp_path, "a.mp4", "a.txt", "b.txt", "README", ".hidden.mp4", ".git/x.mp4")
        listing = Folder(tmp_path).listing()
        assert keys(listing) == ["a/a"]
        assert listing.others == ["README", "a.txt", "b.txt"]

    def test_names_that_a_split_list_cannot_hold(self, tmp_path):
        touch(tmp_path, "an na/it's a (1).mp4", "ünïcode/é.mp4")
        assert keys(Folder(tmp_path).listing()) == ["an_na/it's_a_(1)", "ünïcode/é"]

    def test_names_that_collide_get_a_hash_each(self, tmp_path):
        touch(tmp_path, "p/a.mp4", "p/a.avi", "p/a b.mp4", "p/a_b.mp4", "p/c.mp4")
        found = keys(Folder(tmp_path).listing())
        assert len(set(found)) == 5
        assert "p/c" in found
        assert not {"p/a", "p/a_b"} & set(found)
        touch(tmp_path, "p/0.mp4")  # a new file does not rename the others
        assert set(found) < set(keys(Folder(tmp_path).listing()))

    def test_the_set_inside_the_folder_is_no_source(self, tmp_path):
        touch(tmp_path, "a.mp4", "out/videos/b.mp4")
        assert keys(Folder(tmp_path, tmp_path / "out").listing()) == ["a/a"]

    def test_voxceleb_is_found_below_its_parts(self, tmp_path):
        touch(
            tmp_path,
            "dev/mp4/id00012/vid-A/00001.mp4",
            "dev/mp4/id00012/vid-B/00001.mp4",
            "test/mp4/id00017/vid-C/00001.mp4",
        )
        expected = ["id00012/vid-A_00001", "id00012/vid-B_00001", "id00017/vid-C_00001"]
        assert keys(Folder(tmp_path).listing()) == expected
        assert keys(Folder(tmp_path / "dev").listing()) == expected[:2]
        assert keys(Folder(tmp_path / "dev/mp4").listing()) == expected[:2]

    def test_flat_files_of_one_person_as_hdtf_calls_them(self, tmp_path):
        touch(
            tmp_path,
            "WDA_BarackObama_000.mp4", "WDA_BarackObama_001.mp4", "RD_Radio11_000.mp4",
            "RD_Radio1_000_2.mp4", "talk-2.mp4", "_000.mp4", "2021.mp4",
        )  # fmt: skip
        assert keys(Folder(tmp_path).listing()) == [
            "2021/2021", "RD_Radio11/RD_Radio11_000", "RD_Radio1/RD_Radio1_000_2",
            "WDA_BarackObama/WDA_BarackObama_000", "WDA_BarackObama/WDA_BarackObama_001",
            "_000/_000", "talk-2/talk-2",
        ]  # fmt: skip

    def test_links_are_followed_once(self, tmp_path):
        touch(tmp_path, "root/p/a.mp4", "elsewhere/b.mp4")
        (tmp_path / "root/q").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "root/p/circle").symlink_to(tmp_path / "root")
        assert keys(Folder(tmp_path / "root").listing()) == ["p/a", "q/b"]

    @pytest.mark.parametrize(
        ("files", "words"), [((), "empty"), (("a.txt", "b.wav"), "none of its 2")]
    )
    def test_nothing_there(self, tmp_path, files, words):
        touch(tmp_path, *files)
        with pytest.raises(UserError, match=words):
            Folder(tmp_path).listing()

    def test_missing(self, tmp_path):
        with pytest.raises(UserError, match="nowhere"):
            Folder(tmp_path / "nowhere").listing()


def test_folder_names():
    assert folder_name(" a\tb/c ") == "a_b_c"
    assert folder_name("..") == "_.."
    assert folder_name("") == "_"
    long = [folder_name("x" * 150 + end) for end in "ab"]
    assert long[0] != long[1]
    assert all(len(name) < 120 for name in long)


def test_upper_case_collides_too():
    assert len({key.casefold() for key in tell_apart(["a/B", "a/b"], ["1", "2"])}) == 2


def lrs2(root: Path, *, lists: Path | None = None, tags: bool = True) -> Path:
    """A small tree of LRS2's layout; returns `mvlrs_v1`."""
    data = root / "mvlrs_v1"
    splits = {
        "train": ["10/00001", "10/00002", "11/00001"],
        "val": ["12/00001"],
        "test": ["13/00001"],
    }
    for split, entries in splits.items():
        for entry in entries:
            touch(data, f"main/{entry}.mp4")
        place = lists or root
        place.mkdir(parents=True, exist_ok=True)
        tag = [" NF", " MV", ""] if tags and split == "test" else [""]
        lines = [f"{entry}{tag[i % len(tag)]}" for i, entry in enumerate(entries)]
        (place / f"{split}.txt").write_text("\n".join(lines) + "\n")
    (data / "main/10/00001.txt").write_text("Text:  IT'S TIME\nConf: 4\n")
    touch(data, "main/14/00009.mp4", "pretrain/10/00001.mp4")  # in no list
    return data


class TestLrs2:
    @pytest.mark.parametrize("data_root", ["", "mvlrs_v1", "mvlrs_v1/main"])
    @pytest.mark.parametrize("lists", ["", "mvlrs_v1", "filelists", "mvlrs_v1/main"])
    def test_roots_and_lists(self, tmp_path, data_root, lists):
        lrs2(tmp_path, lists=tmp_path / lists)
        listing = Lrs2(tmp_path / data_root).listing()
        assert [(c.key, c.split) for c in listing.clips] == [
            ("10/00001", "train"), ("10/00002", "train"), ("11/00001", "train"),
            ("12/00001", "val"), ("13/00001", "test"),
        ]  # fmt: skip
        assert listing.clips[0].source == "main/10/00001.mp4"

    def test_counts_other_than_published_are_noted(self, tmp_path):
        notes = Lrs2(lrs2(tmp_path)).listing().notes
        assert len(notes) == 3
        assert "names 3 clips; LRS2's has 45839" in notes[0]
        assert PUBLISHED_COUNTS == {"train": 45839, "val": 1082, "test": 1243}

    def test_published_counts_are_not_noted(self, tmp_path, monkeypatch):
        monkeypatch.setitem(PUBLISHED_COUNTS, "train", 3)
        monkeypatch.setitem(PUBLISHED_COUNTS, "val", 1)
        monkeypatch.setitem(PUBLISHED_COUNTS, "test", 1)
        assert Lrs2(lrs2(tmp_path)).listing().notes == []

    def test_listed_clips_without_a_file_are_noted(self, tmp_path):
        data = lrs2(tmp_path)
        (data / "main/11/00001.mp4").unlink()
        listing = Lrs2(data).listing()
        assert "11/00001" not in keys(listing)
        assert "1 of 5" in listing.notes[-1]
        assert "11/00001.mp4" in listing.notes[-1]

    def test_a_clip_in_two_lists(self, tmp_path):
        data = lrs2(tmp_path)
        (tmp_path / "val.txt").write_text("10/00001\n")
        with pytest.raises(UserError, match=r"in train\.txt and again in val\.txt"):
            Lrs2(data).listing()

    def test_another_layout_says_what_was_found(self, tmp_path):
        touch(tmp_path, "speaker/video.mp4", "notes.txt")
        with pytest.raises(UserError, match=r"expected mvlrs_v1/main.*found notes.txt, speaker"):
            Lrs2(tmp_path).listing()

    def test_archive_parts(self, tmp_path):
        touch(tmp_path, "lrs2_v1_partaa", "lrs2_v1_partab")
        with pytest.raises(UserError, match="unpack"):
            Lrs2(tmp_path).listing()

    def test_lists_missing(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        data = lrs2(tmp_path)
        (tmp_path / "val.txt").unlink()
        with pytest.raises(UserError, match="filelists=FOLDER"):
            Lrs2(data).listing()

    def test_lists_of_other_videos(self, tmp_path):
        data = lrs2(tmp_path)
        for split in ("train", "val", "test"):
            (tmp_path / f"{split}.txt").write_text(f"99/{split}\n")
        with pytest.raises(UserError, match="lists and videos differ"):
            Lrs2(data).listing()

    def test_transcript(self, tmp_path):
        clip = Lrs2(lrs2(tmp_path)).listing().clips[0]
        assert read_transcript(clip.transcript) == "IT'S TIME"
        assert read_transcript(tmp_path / "none.txt") is None
        assert read_transcript(None) is None
