"""LRS3, LRW, and what is said when a set is laid out as another."""

from __future__ import annotations

from functools import partial
from itertools import permutations
from pathlib import Path

import pytest

from preprocess.sources import Grid, Lrs2, Lrs3, Lrw, lrs3, lrw
from preprocess.sources.transcript import read_transcript
from tests.unit.preprocess.test_sources import keys, touch
from tests.unit.preprocess.test_sources import lrs2 as lrs2_tree
from w2l.components import Clip
from w2l.errors import UserError


def lrs3_tree(root: Path) -> Path:
    for i in range(40):
        touch(root, f"trainval/talk{i}/50001.mp4", f"pretrain/talk{i}/00001.mp4")
    touch(root, "trainval/talk0/50002.mp4", "test/tested/00001.mp4", "pretrain/tested/00001.mp4")
    (root / "test/tested/00001.txt").write_text("Text:  SO HERE WE ARE\nConf:  4\n")
    return root


def lrw_tree(root: Path) -> Path:
    for word in ("ABOUT", "ZEBRA"):
        for split in ("train", "val", "test"):
            touch(root, f"{word}/{split}/{word}_00001.mp4", f"{word}/{split}/{word}_00001.txt")
    touch(root, "ABOUT/train/ABOUT_00002.mp4")
    return root


def grid_tree(root: Path) -> Path:
    touch(root, "s1/bbaf2n.mpg", "s34/lwbsza.mpg")
    return root


class TestLrs3:
    @pytest.mark.parametrize("data_root", ["", "trainval", "test"])
    def test_a_part_of_trainval_validates(self, tmp_path, data_root):
        clips = Lrs3(lrs3_tree(tmp_path) / data_root).listing().clips
        splits: dict[str, set[str | None]] = {}
        for clip in clips:
            splits.setdefault(clip.speaker, set()).add(clip.split)
        assert all(len(found) == 1 for found in splits.values())
        assert splits["tested"] == {"test"}
        trainval = [splits[f"talk{i}"] for i in range(40)]
        assert 1 <= trainval.count({"val"}) <= 6
        assert trainval.count({"train"}) + trainval.count({"val"}) == 40
        assert len(clips) == 42
        assert clips[0].source == "trainval/talk0/50001.mp4"

    def test_transcripts(self, tmp_path):
        clip = Lrs3(lrs3_tree(tmp_path)).listing().clips[-1]
        assert read_transcript(clip.transcript) == "SO HERE WE ARE"

    def test_pretrain_only_trains_and_only_where_asked(self, tmp_path):
        lrs3_tree(tmp_path)
        held_out = {c.speaker for c in Lrs3(tmp_path).listing().clips if c.split != "train"}
        listing = Lrs3(tmp_path, pretrain=True).listing()
        more = [clip for clip in listing.clips if clip.source.startswith("pretrain/")]
        assert {clip.split for clip in more} == {"train"}
        assert len(more) == 41 - len(held_out)
        assert not held_out & {clip.speaker for clip in more}
        assert f"{len(held_out)} clips of pretrain are left out" in listing.notes[-1]
        assert len(set(keys(listing))) == len(listing.clips)

    def test_counts(self, tmp_path, monkeypatch):
        notes = Lrs3(lrs3_tree(tmp_path)).listing().notes
        assert "trainval holds 41 clips; LRS3's has 31982" in notes[0]
        assert "test holds 1 clips; LRS3's has 1321" in notes[1]
        assert lrs3.PUBLISHED_COUNTS["pretrain"] == 118516
        monkeypatch.setattr(lrs3, "PUBLISHED_COUNTS", {"trainval": 41, "test": 1})
        assert Lrs3(tmp_path).listing().notes == []

    def test_a_speaker_on_both_sides(self, tmp_path):
        touch(lrs3_tree(tmp_path), "test/talk7/00001.mp4")
        with pytest.raises(UserError, match="talk7 is in trainval and in test"):
            Lrs3(tmp_path).listing()

    def test_an_empty_trainval(self, tmp_path):
        (tmp_path / "trainval").mkdir()
        with pytest.raises(UserError, match=r"trainval holds no <speaker>/<clip>\.mp4"):
            Lrs3(tmp_path).listing()


class TestLrw:
    @pytest.mark.parametrize("data_root", ["", "lipread_mp4"])
    def test_words_take_the_speakers_place(self, tmp_path, data_root):
        lrw_tree(tmp_path / "lipread_mp4")
        listing = Lrw(tmp_path / data_root).listing()
        assert [(c.key, c.split) for c in listing.clips][:4] == [
            ("ABOUT/train_ABOUT_00001", "train"), ("ABOUT/train_ABOUT_00002", "train"),
            ("ABOUT/val_ABOUT_00001", "val"), ("ABOUT/test_ABOUT_00001", "test"),
        ]  # fmt: skip
        assert len(set(keys(listing))) == len(listing.clips) == 7
        assert listing.clips[2].source == "ABOUT/val/ABOUT_00001.mp4"
        assert read_transcript(listing.clips[2].transcript) == "ABOUT"

    def test_it_is_said_that_splits_are_not_by_person(self, tmp_path, monkeypatch):
        notes = Lrw(lrw_tree(tmp_path)).listing().notes
        assert "by programme date and not by person" in notes[0]
        assert "holds 3 clips of train; LRW has 488766" in notes[1]
        assert "holds 2 words; LRW has 500" in notes[-1]
        assert lrw.PUBLISHED_COUNTS == {"train": 488766, "val": 25000, "test": 25000}
        monkeypatch.setattr(lrw, "PUBLISHED_COUNTS", {"train": 3, "val": 2, "test": 2})
        monkeypatch.setattr(lrw, "PUBLISHED_WORDS", 2)
        assert len(Lrw(tmp_path).listing().notes) == 1


TREES = {"lrs2": lrs2_tree, "lrs3": lrs3_tree, "lrw": lrw_tree, "grid": grid_tree}


def listed(source: str, data_root: Path) -> list[Clip]:
    sources = {"lrs2": Lrs2, "lrs3": Lrs3, "lrw": Lrw, "grid": partial(Grid, out=data_root / "out")}
    return sources[source](data_root).listing().clips


@pytest.mark.parametrize(("source", "other"), list(permutations(TREES, 2)))
def test_another_known_layout(tmp_path, source, other):
    TREES[other](tmp_path)
    with pytest.raises(UserError) as caught:
        listed(source, tmp_path)
    sentence = str(caught.value)
    assert f"is not {source.upper()}'s layout: expected " in sentence
    assert f"found {other.upper()}'s; use source={other}." in sentence
    assert listed(other, tmp_path)  # the advice is good


def test_a_part_of_lrs3_is_not_taken_for_lrs2(tmp_path):
    lrs3_tree(tmp_path)
    with pytest.raises(UserError, match="use source=lrs3"):
        listed("lrs2", tmp_path / "trainval")


@pytest.mark.parametrize("source", TREES)
class TestUnknownLayouts:
    def test_other_videos(self, tmp_path, source):
        touch(tmp_path, "speaker/video.mp4", "notes.txt")
        with pytest.raises(UserError, match=r"found notes\.txt, speaker; .*source=folder"):
            listed(source, tmp_path)

    def test_a_prepared_set(self, tmp_path, source):
        touch(tmp_path, "ann/1/0.jpg", "ann/1/audio.wav")
        with pytest.raises(UserError, match="use source=prepared"):
            listed(source, tmp_path)

    def test_a_file(self, tmp_path, source):
        touch(tmp_path, "a.mp4")
        with pytest.raises(UserError, match="is not a folder: expected"):
            listed(source, tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("source", "archive", "command"),
    [
        ("lrs2", "lrs2_v1_partaa", "cat lrs2_v1_parta"),
        ("lrs3", "lrs3_trainval.zip", "unzip"),
        ("lrw", "lrw-v1-partaa", "cat lrw-v1-parta"),
        ("grid", "3625687.zip", "unzip"),
    ],
)
def test_archives(tmp_path, source, archive, command):
    touch(tmp_path, archive)
    with pytest.raises(UserError, match="holds the archive") as caught:
        listed(source, tmp_path)
    assert command in str(caught.value)
