"""A set's means as a paper has them."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from w2l.errors import UserError
from w2l.scoring import results
from w2l.scoring.groups import groups_of
from w2l.scoring.page import _summary
from w2l.scoring.paper import video_values, write_paper_tables
from w2l.scoring.results import ClipScore, mean_of_videos


def test_each_video_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "mean_scores", lambda clips: clips[0].tracks[0].means)
    blank = dict.fromkeys((*results.SCORES, "cosine", "cosine_offset"))
    values = [{"lse_d": 8.0}, {"lse_d": 6.0, "cosine": 0.5}]
    clips: list[Any] = [SimpleNamespace(tracks=[SimpleNamespace(means=blank | v)]) for v in values]
    means = mean_of_videos([*clips, ClipScore("x.mp4", error="none")])
    assert (means["lse_d"], means["cosine"], means["lse_c"]) == (7.0, 0.5, None)


def scores(*lse_d: float, groups: str = "", **more: Any) -> dict[str, Any]:
    """A scores.json; the first video has two faces, at offsets +5 and -5."""
    clips: list[dict[str, Any]] = [
        {"path": f"{i}.mp4", "group": group, "tracks": [{"offset": 0}],
         "video": {"lse_d": value, "lse_c": 5.0, "offset": 0.0, "cosine": 0.5 if i else None}}
        for i, (value, group) in enumerate(zip(lse_d, groups or " " * len(lse_d), strict=True))
    ]  # fmt: skip
    clips[0]["tracks"] = [{"offset": 5}, {"offset": -5}]
    bad = {"path": "bad.mp4", "error": "no sound"}
    return {
        "protocol": "track", "n_tracks": 1 + len(lse_d), "n_scored": len(lse_d), "n_failed": 1,
        "clips": [*clips, bad], "settings": {}, "weights": {}, **more,
    }  # fmt: skip


def test_markdown_latex_and_csv(tmp_path: Path) -> None:
    content = scores(6.0, 7.0, 8.0, groups="aab", weights={"syncnet": {"file": "x", "sha256": "0"}})
    content["pictures"] = {"fid": 12.0, "clips": [{"path": "1.mp4", "identity": 0.9}]}
    write_paper_tables(content, tmp_path / "my_net{1}.json")
    text = (tmp_path / "my_net{1}.md").read_text()
    lines = text.splitlines()
    assert lines[0] == (
        r"| method | group | videos | LSE-D ↓ (Sync-D) | LSE-C ↑ (Sync-C) | \|offset\| ↓ (frames) "
        "| cosine ↑ (judge) | CSIM ↑ | FID ↓ |"
    )
    assert lines[2] == (
        "| my_net{1} | all | 3 | 7.000 ± 0.577 | 5.000 ± 0.000 | 1.67 ± 1.67 "
        "| 0.500 ± 0.000 (n=2) | 0.900 (n=1) | 12.00 |"
    )
    assert lines[3].startswith("| my_net{1} | a | 2 | 6.500 ± 0.500 |")
    assert lines[4].startswith("| my_net{1} | b | 1 | 8.000 | 5.000 | 0.00 | 0.500 | – | – |")
    assert "1 videos have no score" in text
    assert "(4 faces in all)" in text
    assert "other weights than the published SyncNet v2" in text
    tex = (tmp_path / "my_net{1}.tex").read_text()
    assert r"my\_net\{1\} & all & 3 & 7.000 $\pm$ 0.577 & 5.000" in tex
    assert r"LSE-D $\downarrow$" in tex
    with (tmp_path / "my_net{1}_means.csv").open(newline="") as file:
        first, second, _ = csv.DictReader(file)
    assert (first["lse_d"], first["lse_d_n"], first["failed"]) == ("7.0", "3", "1")
    assert float(first["lse_d_se"]) == pytest.approx(3**-0.5)
    assert (second["group"], second["fid"], second["identity_n"]) == ("a", "", "1")


def test_scores_of_ones_own_judges_stand_in_the_table_and_the_page_is_no_wider_than_it_is_long(
    tmp_path: Path,
) -> None:
    content = scores(6.0, 7.0)
    for key, name in (("judge", "lips.onnx"), ("iqa", "face.pt")):
        clips = [{"path": "0.mp4", "score": 2.0}, {"path": "1.mp4", "error": "no audio"}]
        files = [{"file": name, "sha256": "ab" * 32}]
        content[key] = {"name": name, "files": files, "clips": clips}
    write_paper_tables(content, tmp_path / "a.json")
    first, _, line, *notes = (tmp_path / "a.md").read_text().splitlines()
    assert first.endswith("| score (IQA) | score (own judge) |")
    assert line.endswith("| 2.000 (n=1) | 2.000 (n=1) |")
    assert "own judge: lips.onnx, SHA-256 abababababab." in notes
    page = _summary(tmp_path / "a.json", content)
    assert "<td>score (own judge)</td>" in page, "many scores of one row: a line each"
    many = scores(*[6.0] * 9, groups="abcdefghi")
    assert "<td>a</td>" in _summary(tmp_path / "a.json", many), "many groups: a line each"


def test_an_offset_that_the_judge_is_not_sure_of_is_in_no_mean() -> None:
    tracks = [{"cosine_offset": 2, "judged": True}, {"cosine_offset": -15, "judged": False}]
    content = {"clips": [{"path": "a", "tracks": tracks}, {"path": "b", "tracks": tracks[1:]}]}
    found = video_values(content)
    assert found["a"]["cosine_offset_abs"] == 2
    assert "cosine_offset_abs" not in found["b"]


def test_groups_come_from_a_list_or_the_folder(tmp_path: Path) -> None:
    videos = ["data/s1/a.mp4", "data/s2/a.mp4", "data/s2/b.mp4"]
    assert groups_of("folder", videos) == dict(zip(videos, ["s1", "s2", "s2"], strict=True))
    listed = tmp_path / "list.csv"
    listed.write_text("path,speaker,split\ns1/a.mp4,one,x\ns2/a.mp4,two,x\n")
    assert groups_of(str(listed), videos) == {videos[0]: "one", videos[1]: "two"}
    for text, says in (
        ("path,speaker\nc.mp4,x\n", "names none of the 3 videos"),
        ("a,b\n1,2\n", "column `path`"),
    ):
        listed.write_text(text)
        with pytest.raises(UserError, match=says):
            groups_of(str(listed), videos)
    listed.write_text("video,group\ns1/a.mp4,x\ndata/s1/a.mp4,y\n")
    assert groups_of(str(listed), ["/set/data/s1/a.mp4"]) == {"/set/data/s1/a.mp4": "y"}
    with pytest.raises(UserError, match="cannot be read"):
        groups_of(str(tmp_path / "none.csv"), videos)
