"""Tables of results: the paper's cells with their marks, and a page that is made, not written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.report.page import page, write_page
from evaluation.report.results import KIND
from evaluation.report.tables import document, grids, paper_numbers
from w2l.errors import UserError

ROOT = Path(__file__).resolve().parents[3]


def results(**changed) -> dict:
    score = {"mean": 7.1, "standard_error": 0.02, "median": 7.0, "count": 90}
    fewer = {"mean": 7.4, "standard_error": None, "median": 7.4, "count": 80}
    found = {
        "source": "lrs2.txt", "source_sha256": "abc", "n_pairs": 100, "n_scored": 90,
        "n_failed": 8, "n_pending": 2, "failed": {"no face": 5, "video unreadable": 3},
        "n_tracks": 90, "n_skipped_tracks": 0, "n_untouched_frames": 4, "n_frames": 900,
        "all": {"lse_d": score, "lse_d_at_0": score}, "survivors": {"n_scored": 80, "lse_d": fewer},
    }  # fmt: skip
    settings = {"published": True, "protocol": "lrs", "detector": "centerface", "detect_every": 1,
                "box": None, "pads": [0, 0, 0, 0], "person": "first", "missing_face": "error",
                "extend": "loop", "quality": "fast", "batch_size": 8}  # fmt: skip
    made = {
        "w2l": "0.1", "commit": "c0ffee", "uncommitted": True, "device": "cpu", "torch": "2",
        "python": "3", "command": "python -m evaluation benchmark=lrs2", "date": "2026-01-02",
    }  # fmt: skip
    return {
        "kind": KIND, "format": 1, "benchmark": "lrs2", "name": "mine", "protocol": "lrs",
        "settings": settings, "weights": {"generator": {"file": "g.ckpt", "sha256": "f00"}},
        "sets": {"lrs2": found}, "made_with": made, **changed,
    }  # fmt: skip


def test_our_rows_stand_beside_the_papers():
    (grid,) = grids(results())
    rows = {(row[0], row[-1]): row for row in grid.rows}
    assert rows["mine", "this run, 2 pairs to come: all 90 scored pairs"][1] == "7.100 ± 0.020"
    assert rows["mine", "this run: the 80 pairs that the release would score"][1] == "7.400"
    assert grid.header[1:4] == ["LSE-D ↓", "LSE-C ↑", "FID ↓"]
    assert rows["Wav2Lip", "paper"][1:4] == ["6.386", "7.789 †", "4.887"]
    assert rows["real videos", "paper"][1:4] == ["6.736 †", "7.838 †", "–"]
    users = paper_numbers()["sources"]["users"]["title"]
    assert rows["Wav2Lip", users][1:3] == ["7.15", "6.77"]
    assert "issue 445" in users
    notes = " ".join(grid.notes)
    assert "100 pairs: 90 scored, 8 failed (5 no face, 3 video unreadable), 2 not done" in notes
    assert "† from memory of the paper" in notes
    assert "4 of 900 frames are as they came" in notes
    found = results()
    found["sets"]["lrs2"]["survivors"] = None  # boxes were held
    (grid,) = grids(found)
    assert [row[-1] for row in grid.rows if row[0] == "mine"] == [
        "this run, 2 pairs to come: all 90 scored pairs"
    ]


def test_every_published_number_has_a_source_and_its_marks():
    content = paper_numbers()
    verified = [
        (name, row["method"], key)
        for name, rows in content["sets"].items()
        for row in rows
        for key in ("lse_d", "lse_c", "fid")
        if row["source"] == "paper" and row[key] is not None and key not in row["unverified"]
    ]
    assert verified == [
        ("lrs2", method, key) for method in ("Wav2Lip", "Wav2Lip+GAN") for key in ("lse_d", "fid")
    ]
    assert {row["source"] for rows in content["sets"].values() for row in rows} <= set(
        content["sources"]
    )


def test_what_it_was_made_with_stands_under_the_table():
    text = document(results())
    for part in (
        "`python -m evaluation benchmark=lrs2`", "0.1, commit c0ffee with uncommitted changes",
        "- generator: `g.ckpt, SHA-256 f00`", "lrs2.txt (100 pairs, SHA-256 abc)",
        "`as published, except detector=centerface`", "| lrs2 | 7.100 ± 0.020 |",
    ):  # fmt: skip
        assert part in text, part


def test_the_page_in_docs_is_what_the_command_writes():
    folder = ROOT / "docs" / "results"
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == page(folder), (
        "run `python -m evaluation results=docs/results`"
    )


def test_a_page_is_made_of_the_files_of_a_folder(tmp_path):
    folder = tmp_path / "numbers"
    with pytest.raises(UserError, match="is not a folder"):
        write_page(folder)
    folder.mkdir()
    with pytest.raises(UserError, match="has no result file"):
        write_page(folder)
    (folder / "b.json").write_text(json.dumps(results(name="second", remark="Only a trial.")))
    (folder / "a.json").write_text(json.dumps(results(name="first")))
    text = write_page(folder).read_text()
    assert (tmp_path / "numbers.md").read_text() == text
    assert text.index("## first: lrs2") < text.index("## second: lrs2\n\nOnly a trial.")
    (folder / "c.json").write_text('{"protocol": "lrs"}')
    with pytest.raises(UserError, match=r"c\.json is no results\.json"):
        write_page(folder)
    (folder / "c.json").write_text(json.dumps(results(format=99)))
    with pytest.raises(UserError, match="format 99"):
        write_page(folder)
