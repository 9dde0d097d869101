"""Names of files may be any bytes: what is written about them is UTF-8 and reads back."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest
from pyarrow import parquet as pq

from preprocess.lists import COLUMNS, Rows, write_table
from preprocess.records import write_json, write_jsonl
from preprocess.sources.names import folder_name, tell_apart
from w2l.cli import hydra_app
from w2l.cli.infer_batch import Outcome, read_status, write_status
from w2l.cli.keys.infer import Infer
from w2l.filelists.reading import is_name
from w2l.paths import readable
from w2l.scoring.report import write_json as write_scores
from w2l.scoring.results import ClipScore
from w2l.scoring.tables import write_tables

NAME = os.fsdecode(b"caf\xe9.mp4")
OTHER = os.fsdecode(b"caf\xe8.mp4")


def test_json_reads_a_name_back(tmp_path: Path) -> None:
    for write in (write_json, lambda path, value: write_scores(value, path)):
        write(tmp_path / "a.json", {"source": NAME, "ü": 1})
        text = (tmp_path / "a.json").read_text("utf-8")
        assert json.loads(text) == {"source": NAME, "ü": 1}
        assert "ü" in text, "other letters are written as they are"
    write_jsonl(tmp_path / "b.jsonl", [{"source": NAME}])
    assert json.loads((tmp_path / "b.jsonl").read_text("utf-8")) == {"source": NAME}


def test_tables_show_the_bytes(tmp_path: Path) -> None:
    write_tables([ClipScore(NAME, error=f"{NAME} is bad")], tmp_path / "s.json")
    row = pq.read_table(tmp_path / "s.parquet").to_pylist()[0]
    assert (row["path"], row["error"]) == ("caf\\udce9.mp4", "caf\\udce9.mp4 is bad")
    assert "caf\\udce9.mp4" in (tmp_path / "s.csv").read_text("utf-8")
    record = dict.fromkeys(COLUMNS) | {"source": NAME, "detail": f"{NAME} is bad"}
    write_table(tmp_path / "m.parquet", Rows(COLUMNS), Rows(COLUMNS, [record]))
    assert pq.read_table(tmp_path / "m.parquet").to_pylist()[0]["source"] == "caf\\udce9.mp4"


def test_the_status_of_a_batch_knows_the_file_again(tmp_path: Path) -> None:
    outcome = Outcome(1, NAME, "a.wav", outfile=NAME, status="done")
    write_status(tmp_path / "status.csv", [outcome])
    assert read_status(tmp_path / "status.csv") == [outcome]


def test_folders_of_a_set_are_utf8_and_apart() -> None:
    names = [folder_name(Path(name).stem) for name in (NAME, OTHER)]
    assert names == ["caf_", "caf_"]
    apart = tell_apart([f"{name}/{name}" for name in names], [NAME, OTHER])
    assert len(set(apart)) == 2
    assert all(is_name(key) and readable(key) == key for key in apart)


def test_a_terminal_gets_the_bytes_as_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", errors="strict")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "argv", ["infer", f"nosuchkey={NAME}"])
    with pytest.raises(SystemExit):
        hydra_app.run(lambda cfg: None, Infer)
    print(NAME, file=sys.stderr, flush=True)
    assert "caf\\udce9.mp4" in raw.getvalue().decode("utf-8")
