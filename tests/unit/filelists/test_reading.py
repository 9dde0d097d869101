"""Lists as Excel writes them are read as they are meant, whichever list it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evaluation.pairs.tasks import _csv_pairs
from preprocess.sources import Csv
from tests.settings import settings_of
from w2l.cli.infer_jobs import read_jobs
from w2l.cli.keys.infer import Infer
from w2l.errors import UserError
from w2l.filelists import read_split
from w2l.filelists.reading import on_disk, read_names, read_table, read_text
from w2l.scoring import find_videos

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_usual_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "l.csv").write_bytes("path,name\r\ncafé.mp4,Ünal\r\n".encode(encoding))
    assert read_text(tmp_path / "l.csv") == "path,name\ncafé.mp4,Ünal\n"
    assert read_table(tmp_path / "l.csv")[1][0].cells == {"path": "café.mp4", "name": "Ünal"}


def test_a_table_as_excel_writes_it(tmp_path: Path) -> None:
    text = (
        'sep=;\r\nface;audio;label;;\r\na.mp4  ; b.wav;"made\r\nwith AI";;\r\n;;;;\r\n'
        '\r\n"c;d.mp4";e.wav\r\n  ;;;;\r\n'
    )
    (tmp_path / "l.csv").write_text(text, newline="")
    header, rows = read_table(tmp_path / "l.csv")
    assert header == ["face", "audio", "label"]
    assert [dict(row.cells) for row in rows] == [
        {"face": "a.mp4", "audio": "b.wav", "label": "made\nwith AI"},
        {"face": "c;d.mp4", "audio": "e.wav", "label": ""},
    ]
    assert rows[1].line == 7
    (tmp_path / "l.csv").write_text(";;\r\n\r\n" + text.partition("\n")[2], newline="")
    assert read_table(tmp_path / "l.csv")[0] == header  # empty rows above it
    (tmp_path / "l.csv").write_text("face,audio,face\na,b,c\n")
    with pytest.raises(UserError, match="two columns called face"):
        read_table(tmp_path / "l.csv")


def test_a_list_of_names(tmp_path: Path) -> None:
    text = 'a.mp4 \t\n\n# note\n"b, ""c"".mp4"\nd\u2028e.mp4\nf\x0cg.mp4\r\n'
    (tmp_path / "l.txt").write_text(text, encoding="utf-8", newline="")
    assert read_names(tmp_path / "l.txt") == ["a.mp4", 'b, "c".mp4', "d\u2028e.mp4", "f\x0cg.mp4"]


def test_what_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    for content in (bytes(range(256)), b"\xff\xfe\x00\xd8x"):
        (tmp_path / "l.txt").write_bytes(content)
        with pytest.raises(UserError, match=r"l\.txt is no (list|text)"):
            read_names(tmp_path / "l.txt")
    (tmp_path / "l.csv").write_text('a,b\n"c\n')
    with pytest.raises(UserError, match="close every quote"):
        read_table(tmp_path / "l.csv")
    (tmp_path / "l.csv").write_text("a,b\nc,d,e\n")
    with pytest.raises(UserError, match=r"line 2: it has 3 values and the header 2; .*','"):
        read_table(tmp_path / "l.csv")


def test_every_list_is_read_by_it(tmp_path: Path) -> None:
    """Latin-1, blanks, and a row of commas, in each of the lists that take a table or names."""
    for name in ("é.mp4", "b.wav"):
        (tmp_path / name).touch()
    jobs = tmp_path / "jobs.csv"
    jobs.write_bytes("face,audio,\né.mp4 ,b.wav,\n,,\n".encode("latin-1"))
    (job,) = read_jobs(settings_of(Infer, batch=str(jobs)), set())
    assert (job.settings.face, job.problem) == (str(tmp_path / "é.mp4"), None)
    jobs.write_bytes("path,start,\né.mp4 ,,\n,,\n".encode("latin-1"))
    assert [clip.path.name for clip in Csv(jobs, tmp_path).listing().clips] == ["é.mp4"]
    jobs.write_bytes("video,audio,\né.mp4 ,b.wav,\n,,\n".encode("latin-1"))
    assert list(_csv_pairs(jobs)) == [("é.mp4", "b.wav")]
    (tmp_path / "l.txt").write_bytes("é.mp4\t\n\t\n".encode("latin-1"))
    assert find_videos(tmp_path / "l.txt") == [tmp_path / "é.mp4"]
    (tmp_path / "l.txt").write_bytes("é/a \n \n".encode("utf-16"))
    assert [entry.name for entry in read_split(tmp_path / "l.txt")] == ["é/a"]


@pytest.mark.skipif(os.name == "nt", reason="names are UTF-16 there")
def test_a_name_of_other_bytes_is_found(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    path.touch()
    assert on_disk(tmp_path / "café.mp4") == path
    (tmp_path / "l.txt").write_bytes(b"caf\xe9.mp4\n")
    assert find_videos(tmp_path / "l.txt") == [path]
    assert on_disk(tmp_path / "none.mp4") == tmp_path / "none.mp4"
