"""`source=csv`: which clips the rows are, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from preprocess.records import Records
from preprocess.settings import Recipe
from preprocess.sources import Csv
from preprocess.sources.csv_file import seconds
from tests.unit.preprocess.test_sources import keys, touch
from w2l.components import Clip, Listing
from w2l.errors import UserError


def listing(root: Path, text: str) -> Listing:
    touch(root, "a.mp4", "anna/b.mp4")
    (root / "clips.csv").write_text(text, encoding="utf-8")
    return Csv(root / "clips.csv", root / "out").listing()


def test_columns_in_any_order(tmp_path):
    clips = listing(
        tmp_path,
        "\ufeffTranscript, End,path,Speaker,start,split\r\n"
        '"Well, yes",1:02.5,a.mp4,an na,2,val\r\n'
        "\r\n"
        f",,{tmp_path / 'anna/b.mp4'},,,train\r\n",
    ).clips
    first, second = clips
    assert (first.key, first.split, first.transcript) == ("an_na/a_2-62.5", "val", "Well, yes")
    assert (first.start_s, first.end_s, first.url) == (2.0, 62.5, None)
    assert first.path == tmp_path / "a.mp4"
    assert (second.name, second.split, second.transcript) == ("b", "train", None)
    assert (second.start_s, second.end_s, second.path) == (0.0, None, tmp_path / "anna/b.mp4")


def test_rows_without_a_speaker_share_their_files_one(tmp_path):
    found = listing(
        tmp_path, "path,start,end\na.mp4,0,1\na.mp4,1,\n./a.mp4,2.125,3\nanna/b.mp4,,\n"
    )
    assert keys(found) == ["a/a_0-1", "a/a_1-", "a/a_2.125-3", "anna_b/b"]
    assert [clip.source for clip in found.clips] == ["a.mp4"] * 3 + ["anna/b.mp4"]
    assert all(clip.split is None for clip in found.clips)
    assert found.notes == []


def test_addresses(tmp_path):
    rows = [
        "https://example.org/v/talk.mp4,0:10,0:20",
        "https://example.org/v/talk.mp4,1:00,",
        "https://example.org/watch?v=A-b,,",
    ]
    clips = listing(tmp_path, "\n".join(["url,start,end", *rows])).clips
    one, two, other = clips
    assert one.url == one.source == "https://example.org/v/talk.mp4"
    assert one.path == two.path  # fetched once
    assert one.path.parent == tmp_path / "out/downloads"
    assert other.path != one.path
    assert one.key == "example_org_v_talk_mp4/example_org_v_talk_mp4_10-20"
    assert two.speaker == one.speaker != other.speaker
    assert (one.start_s, one.end_s, two.end_s) == (10, 20, None)


def test_notes(tmp_path):
    notes = listing(
        tmp_path,
        "path,speaker,split,fps,topic\na.mp4,anna,train,25,x\nanna/b.mp4,anna,test,25,y\n",
    ).notes
    assert notes[0] == "Columns left alone: fps, topic."
    assert "1 speakers are in more than one split (the first: anna)" in notes[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("12.5", 12.5), ("1:05", 65), ("01:02:03.25", 3723.25), ("100:00:00", 360000)],
)
def test_times(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["-1", "1:60", "1:2:3:4", "nan", "inf", "1e3", "5s", ":30", "1:", "1.5:30", "١"]
)
def test_no_times(text):
    with pytest.raises(UserError, match="is no time"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column path or url"),
        ("file;start\na.mp4;1\n", "no column path or url"),
        ("path,path\na.mp4,a.mp4\n", "two columns called path"),
        ("path\n", "no rows"),
        ("path,transcript\na.mp4,Well, yes\n", "line 2: it has 3 values"),
        ("path\na.mp4\n\nnone.mp4\n", r"line 4: .*none\.mp4 is not a file"),
        ("path,url\n,\na.mp4,\n,x\n", "line 4: x is no address"),
        ("path,url,split\n,,val\n", "line 2: give either path or url"),
        ("path,url\na.mp4,http://a/b\n", "line 2: .*not both"),
        ("url\nfile:///etc/passwd\n", "line 2: .*is no address"),
        ("path,start\na.mp4,soon\n", "line 2: 'soon' is no time"),
        ("path,start,end\na.mp4,2,2\n", "line 2: end=2 must be later than start=2"),
        ("path,end\na.mp4,0\n", "line 2: end=0 must be later than start=0"),
        ("path,split\na.mp4,dev\n", "line 2: split=dev is unknown: use train, val, test"),
        ("path,split\na.mp4,val\nanna/b.mp4,\n", "line 3: split is empty"),
        ("path,speaker\na.mp4,x\nanna/b.mp4,x\na.mp4,X\n", "line 4: .*the clip of line 2 again"),
        ('path\n"a.mp4\n', "no comma-separated text"),
    ],
)
def test_wrong_rows_are_one_sentence(tmp_path, text, words):
    with pytest.raises(UserError, match=words) as caught:
        listing(tmp_path, text)
    sentence = str(caught.value)
    assert "clips.csv" in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(UserError, match=r"data_root=FILE\.csv"):
        Csv(tmp_path, tmp_path).listing()
    (tmp_path / "video.csv").write_bytes(bytes(range(256)))
    with pytest.raises(UserError, match="UTF-8"):
        Csv(tmp_path / "video.csv", tmp_path).listing()


def test_another_cut_is_out_of_date(tmp_path):
    touch(tmp_path, "a.mp4")
    records = Records(tmp_path / "out", Recipe())

    def rejected(start_s: float, end_s: float | None) -> bool:
        clip = Clip(tmp_path, "a.mp4", "a", "a", start_s=start_s, end_s=end_s)
        return records.rejected(clip) is not None

    records.reject(Clip(tmp_path, "a.mp4", "a", "a", end_s=2.0), "probe", "why", "how")
    assert rejected(0.0, 2.0)
    assert not rejected(0.0, 2.5)
    assert not rejected(0.5, 2.0)
    assert not rejected(0.0, None)


def test_a_download_may_be_deleted_when_it_is_prepared(tmp_path):
    touch(tmp_path, "video")
    records = Records(tmp_path / "out", Recipe())
    clip = Clip(tmp_path, "https://a/b", "a", "a", url="https://a/b", file="video")
    records.reject(clip, "probe", "why", "how")
    (tmp_path / "video").unlink()
    assert records.rejected(clip)
