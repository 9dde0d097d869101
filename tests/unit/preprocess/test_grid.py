"""The GRID corpus: in folders, in its archives, a part of it."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from preprocess.sources import Grid
from preprocess.sources.grid import SPEAKERS, SPLIT_OF, sentence
from preprocess.sources.transcript import read_transcript
from tests.unit.preprocess.test_sources import keys, touch
from w2l.components import Listing
from w2l.errors import UserError

ALIGNED = "0 23750 sil\n23750 29500 bin\n29500 34000 blue\n34000 35500 sp\n35500 74500 sil\n"


def listed(data_root: Path, said: list[str] | None = None) -> Listing:
    return Grid(data_root, out(data_root)).listing(([] if said is None else said).append)


def out(data_root: Path) -> Path:
    folder = data_root.parent / "set"
    folder.mkdir(exist_ok=True)
    return folder


def zipped(path: Path, **files: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2006, 5, 4, 3, 2, 2)), content)
    return path


def corpus(root: Path) -> Path:
    """Archives as the record has them: one of s5's alignments lies in s6's folder."""
    zipped(
        root / "s5.zip",
        **{
            "s5/bbae8n.mpg": b"video 1", "s5/bbae9s.mpg": b"video 2", "s5/Thumbs.db": b"",
            "__MACOSX/s5/._bbae8n.mpg": b"", "../s5/bbaf1n.mpg": b"",
        },
    )  # fmt: skip
    zipped(root / "s34.zip", **{"s34/lwbsza.mpg": b"video 3"})
    zipped(root / "alignments.zip", **{"alignments/s6/bbae8n.align": ALIGNED.encode()})
    return root


def test_who_trains_validates_and_tests_is_fixed():
    numbers = [number for split in SPEAKERS.values() for number in split]
    assert sorted(numbers) == [number for number in range(1, 35) if number != 21]
    assert SPEAKERS["test"] == (2, 3, 4, 26, 32)
    assert SPEAKERS["val"] == (34,)
    assert {1, 5, 10, 20, 22, 23, 30, 31, 33} < {*SPEAKERS["train"]}


@pytest.mark.parametrize(
    ("folders", "own"),
    [
        ("{s}", "s3"), ("video/{s}", "video/s3"), ("{s}/video/mpg_vcd", "s3"),
        ("{s}.mpg_vcd/{s}", "s3.mpg_vcd"), ("{s}_processed", "s3_processed"),
    ],
)  # fmt: skip
def test_folders(tmp_path, folders, own):
    root = tmp_path / "GRID"
    for speaker in ("s1", "s3", "s34"):
        touch(root, f"{folders.format(s=speaker)}/bbaf2n.mpg")
    touch(root, "s1/audio/bbaf2n.wav", "README.md", "s21/swwp2s.wav")
    listing = listed(root)
    assert {c.key: c.split for c in listing.clips} == {
        "s1/bbaf2n": "train", "s3/bbaf2n": "test", "s34/bbaf2n": "val",
    }  # fmt: skip
    assert listing.others == []
    assert keys(listed(root / own)) == ["s3/bbaf2n"]  # the folder of one speaker


def test_archives_are_unpacked_once(tmp_path):
    said: list[str] = []
    listing = listed(corpus(tmp_path / "GRID"), said)
    assert {c.key: (c.split, c.path.read_bytes()) for c in listing.clips} == {
        "s5/bbae8n": ("train", b"video 1"), "s5/bbae9s": ("train", b"video 2"),
        "s34/lwbsza": ("val", b"video 3"),
    }  # fmt: skip
    assert [read_transcript(c.transcript) for c in listing.clips if c.speaker == "s5"] == [
        "bin blue",  # as the alignment says, from another's folder
        "bin blue at e nine soon",  # as the name says
    ]
    assert len(said) == 3
    unpacked = tmp_path / "set/videos"
    files = {path: path.stat() for path in unpacked.rglob("*") if path.is_file()}
    assert {path.suffix for path in files if not path.name.startswith(".")} == {".mpg", ".align"}
    assert len(files) == 4
    again = listed(tmp_path / "GRID")
    assert [c.source for c in again.clips] == [c.source for c in listing.clips]
    assert all(path.stat().st_ino == status.st_ino for path, status in files.items())
    # What is deleted and unpacked anew has the same time: its clip need not be prepared again.
    clip = listing.clips[0]
    before = clip.path.stat().st_mtime_ns
    clip.path.unlink()
    assert listed(tmp_path / "GRID").clips[0].path.stat().st_mtime_ns == before


def test_archives_of_the_first_home(tmp_path):
    root = tmp_path / "GRID"
    zipped(root / "s4/video/s4.mpg_vcd.zip", **{"s4/lwbsza.mpg": b"video"})
    words = tmp_path / "lwbsza.align"
    words.write_text(ALIGNED)
    (root / "s4/align").mkdir()
    with tarfile.open(root / "s4/align/s4.tar", "w") as archive:
        archive.add(words, "align/lwbsza.align")
    (clip,) = listed(root).clips
    assert (clip.key, clip.split, clip.path.read_bytes()) == ("s4/lwbsza", "test", b"video")
    assert read_transcript(clip.transcript) == "bin blue"


def test_an_archive_beside_its_folder_counts_once(tmp_path):
    root = corpus(tmp_path / "GRID")
    touch(root, "s5/bbae8n.mpg", "s34/mpg_6000/lwbsza.mpg", "s34/mpg_vcd/lwbsza.mpg")
    listing = listed(root)
    assert sorted(c.source for c in listing.clips) == [
        "s34/mpg_6000/lwbsza.mpg", "s5/bbae8n.mpg", "s5/s5/bbae9s.mpg",
    ]  # fmt: skip
    assert any("1 videos lie there more than once" in note for note in listing.notes)


def test_a_part_of_it_says_what_is_missing(tmp_path):
    root = tmp_path / "GRID"
    touch(root, "s1/bbaf2n.mpg", "s1/bbaf3s.mpg", "s2/bbaf1n.mpg", "uA/video_1.mpg")
    listing = listed(root)
    assert {c.key: c.split for c in listing.clips}["uA/video_1"] == "train"
    missing, unknown, words = listing.notes
    assert "holds 3 of GRID's 33000 videos" in missing
    assert "no video of 31 (s5, s6, s7, s8, s9, …), another number of 2 (s1 2, s2 1)" in missing
    assert "1 videos lie in folders that are not called" in unknown
    assert "(uA)" in unknown
    assert "4 of 4 videos have no alignment: the words of 3" in words
    assert "of 1 they are not known" in words


def test_the_whole_needs_no_word(tmp_path, monkeypatch):
    monkeypatch.setattr("preprocess.sources.grid.SENTENCES", 1)
    for speaker in SPLIT_OF:
        touch(tmp_path / "GRID", f"{speaker}/bbaf2n.mpg")
    touch(tmp_path / "GRID", "align/bbaf2n.align")
    assert listed(tmp_path / "GRID").notes == []


@pytest.mark.parametrize("name", ["s5.zip", "s5.tar"])
def test_an_archive_that_is_cut_off(tmp_path, name):
    root = tmp_path / "GRID"
    path = zipped(root / name, **{"s5/bbae8n.mpg": b"video" * 1000})
    if path.suffix == ".tar":
        content = tmp_path / "a"
        content.write_bytes(b"video" * 5000)
        with tarfile.open(path, "w") as archive:
            archive.add(content, "s5/bbae8n.mpg")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UserError, match=rf"{name} is cut off.*fetch it anew"):
        listed(root)


def test_a_damaged_file_of_an_archive_is_counted(tmp_path):
    path = corpus(tmp_path / "GRID") / "s5.zip"
    path.write_bytes(path.read_bytes().replace(b"video 1", b"video 9", 1))
    listing = listed(tmp_path / "GRID")
    assert sorted(keys(listing)) == ["s34/lwbsza", "s5/bbae9s"]
    note = "1 files of archives are damaged and left out (the first: s5.zip: s5/bbae8n.mpg)"
    assert any(note in each for each in listing.notes)


def test_words_of_names():
    assert sentence("bbaf2n") == "bin blue at f two now"
    assert sentence("PGIX6N") == "place green in x six now"
    assert [sentence(name) for name in ("bbaw2n", "bbaf0n", "bbaf2", "video_", "bbaf2n2")] == (
        [None] * 5
    )
