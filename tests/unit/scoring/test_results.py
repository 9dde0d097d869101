"""scores.json, the table and the plot."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from pyarrow import parquet
from rich.console import Console

from w2l.cli.evaluate_output import write_plots
from w2l.cli.evaluate_show import show
from w2l.metrics import confidence_over_time, lse, summarize, unpadded_lse
from w2l.scoring import ClipScore, CosineResult, Protocol, SyncResult, TrackScore, to_json
from w2l.scoring.page import for_page, write_page
from w2l.scoring.report import plot_clip, score_table, short_names, summary_line, write_json
from w2l.scoring.results import SkippedTrack, video_scores
from w2l.scoring.speaker import Calibration, Pair, Speakers
from w2l.scoring.tables import write_tables

SCORES = {"lse_d", "lse_c", "offset", "lse_d_at_0", "lse_c_at_0", "n_windows", "start_frame",
          "cosine", "syncnet_cosine"}  # fmt: skip


def sync_result(best: int = 3, lowest: float = 5.0) -> SyncResult:
    distances = torch.full((31, 60), 10.0)
    distances[15 - best] = lowest
    distances[15] += 1
    return SyncResult(
        lse(distances),
        unpadded_lse(distances),
        distances.numpy(),
        confidence_over_time(distances).numpy(),
        n_windows=60,
        cosine_at_0=0.1,
        cosine_at_best=0.8,
    )


def cosine_result(values=(0.5, 0.7, 0.9)) -> CosineResult:
    curve = torch.tensor(values)
    by_offset = np.full(31, np.nan, np.float32)
    by_offset[14:17] = 0.2, 0.6, 0.4
    return CosineResult(curve.numpy(), summarize(curve), by_offset, 0, 0.4)


def clips() -> list[ClipScore]:
    return [
        ClipScore("a/one.mp4", [TrackScore(0, 65, sync_result(), None, cosine_result())]),
        ClipScore(
            "a/two [x].mp4",
            [
                TrackScore(10, 65, sync_result(-1, 7.0), None, None, "no expert"),
                TrackScore(90, 40, None, "no SyncNet", cosine_result((0.1,))),
            ],
            [SkippedTrack(140, 30, "the sound is over")],
        ),
        ClipScore("bad.mp4", error="bad.mp4 has no sound."),
    ]


def scores(of: list[ClipScore]) -> dict:
    return json.loads(json.dumps(to_json(of, "track", {}, {}), allow_nan=False))


def test_fields_and_counts():
    got = scores(clips())
    assert got["protocol"] == "track"
    assert {"w2l", "python"} <= got["versions"].keys()
    assert got["versions"]["torch"] == torch.__version__  # its build, too
    assert (got["n_scored"], got["n_failed"], got["n_tracks"]) == (2, 1, 3)
    assert all(track.keys() >= SCORES for clip in got["clips"][:2] for track in clip["tracks"])
    track = got["clips"][0]["tracks"][0]
    assert (track["lse_d"], track["lse_c"], track["offset"]) == (5, 5, 3)
    assert (track["lse_d_at_0"], track["lse_c_at_0"]) == (11, -1)
    assert track["n_windows"] == 60
    assert track["syncnet_cosine"] == {"at_0": 0.1, "at_best": 0.8}
    assert track["cosine"].keys() == {"count", "min", "max", "mean", "variance", "skewness",
                                      "kurtosis"}  # fmt: skip
    assert got["offsets"][track["distance_over_offset"].index(5)] == 3
    assert got["clips"][2] == {"path": "bad.mp4", "error": "bad.mp4 has no sound."}


def test_scores_without_padding_stand_beside_those_with_it():
    both = replace(sync_result(3, 5.0), unpadded=sync_result(-2, 4.0).unpadded)
    track = TrackScore(0, 65, both).to_dict()
    assert (track["lse_d"], track["lse_c"], track["offset"]) == (5, 5, 3)
    names = ("lse_d_unpadded", "lse_c_unpadded", "offset_unpadded")
    assert tuple(track[name] for name in names) == (4, 6, -2)


def test_a_single_track_stands_at_the_clips_level_too():
    one, two, _ = scores(clips())["clips"]
    assert {key: one[key] for key in SCORES} == {key: one["tracks"][0][key] for key in SCORES}
    assert not SCORES & two.keys()
    assert two["skipped_tracks"] == [
        {"start_frame": 140, "n_frames": 30, "error": "the sound is over"}
    ]


def test_what_is_missing_is_null_with_its_reason():
    first, second = scores(clips())["clips"][1]["tracks"]
    assert first["cosine"] is None
    assert first["cosine_reason"] == "no expert"
    assert second["lse_d"] is None
    assert second["syncnet_cosine"] is None
    assert second["lse_reason"] == "no SyncNet"
    assert second["cosine"]["variance"] is None  # of one window: NaN is not JSON
    assert second["n_windows"] == 1


def test_means_are_over_the_tracks_that_have_the_score():
    mean = scores(clips())["mean"]
    assert mean["lse_d"] == pytest.approx(6)
    assert mean["offset"] == pytest.approx(1)
    assert mean["cosine"] == pytest.approx((0.7 + 0.1) / 2)
    assert mean["syncnet_cosine"] == {"at_0": pytest.approx(0.1), "at_best": pytest.approx(0.8)}
    nothing = scores(clips()[2:])["mean"]
    assert set(nothing.values()) == {None}


@pytest.mark.parametrize("width", [80, 160])
def test_the_terminal_has_a_line_a_clip(width):
    given = clips()
    given[0].path = f"a/{'long_' * 9}one.mp4"
    given.append(
        ClipScore("u.mp4", [TrackScore(0, 65, sync_result(), None, cosine_result(), judged=False)])
    )
    console = Console(width=width, record=True, highlight=False)
    with console.capture() as captured:
        console.print(score_table(given, "track"))
    lines = [" ".join(line.split()) for line in captured.get().splitlines()]
    assert "clip windows LSE-D ↓ LSE-C ↑ offset judge ↑ its offset" in lines
    assert "long_long…ng_one.mp4 60 5.000 5.000 +3 0.700 +0" in lines
    assert "two [x].mp4, 2 faces 61 7.000 3.000 -1.00 0.100 +0.00" in lines
    assert "bad.mp4 failed – – – – –" in lines
    assert "u.mp4 60 5.000 5.000 +3 0.700 unsure 0.40" in lines
    assert "mean 5.667 4.333 +1.67 0.500 +0.00" in lines, "over videos"
    assert "3 scored (4 faces), 1 failed" in summary_line(given)
    with console.capture() as captured:
        console.print(score_table(given[1:2], "track"))
    assert "two [x].mp4 face 2" in captured.get(), "a lone clip's faces have a line each"


@pytest.mark.parametrize(
    ("rule", "lse_d", "lse_c", "offset"),
    [
        ("mean", 6.0, 4.0, 1.0),
        ("first", 7.0, 3.0, -1),
        ("longest", 6.0, 4.0, 1),
        ("best", 5.0, 5.0, 3),
    ],
)
def test_a_videos_number_follows_the_rule(rule, lse_d, lse_c, offset):
    tracks = [
        TrackScore(0, 65, sync_result(-1, 7.0)),
        TrackScore(70, 80, sync_result(1, 6.0)),
        TrackScore(160, 20, sync_result(3, 5.0)),
        TrackScore(200, 90, None, "no SyncNet"),
    ]
    clip = ClipScore("a.mp4", tracks)
    got = to_json([clip], "track", {"video_score": rule}, {"syncnet": None})
    video = got["clips"][0]["video"]
    assert (video["lse_d"], video["lse_c"], video["offset"]) == (lse_d, lse_c, offset)
    assert got["mean_of_videos"]["lse_d"] == lse_d
    assert got["mean"]["lse_d"] == 6.0, "the mean over tracks follows none"
    assert ("video_score=" in summary_line([clip], rule)) is (rule != "mean")


def test_the_lowest_distance_may_be_another_tracks():
    faint, clear = sync_result(3, 5.0), sync_result(-2, 6.0)
    clear = replace(clear, lse=clear.lse._replace(lse_c=9.0))
    video = video_scores(
        ClipScore("a.mp4", [TrackScore(0, 65, faint), TrackScore(0, 65, clear)]), "best"
    )
    assert (video["lse_d"], video["lse_c"], video["offset"]) == (5.0, 9.0, -2)


def test_table_leaves_out_what_nobody_has():
    only_expert = [ClipScore("a.mp4", [TrackScore(0, 65, None, "", cosine_result())])]
    headers = [str(column.header) for column in score_table(only_expert, "lrs").columns]
    assert not any("LSE" in header for header in headers)
    assert any("judge" in header for header in headers)


@pytest.mark.parametrize(("index", "panels"), [(0, 2), (1, 2)])
def test_plot_is_a_image_with_a_panel_per_network(tmp_path, index, panels):
    plot_clip(clips()[index], tmp_path / "plot.png")
    image = cv2.imread(str(tmp_path / "plot.png"))
    assert image.shape[1] == panels * 600
    assert image.std() > 10
    assert [path.name for path in tmp_path.iterdir()] == ["plot.png"]


def test_json_is_written_whole_or_not_at_all(tmp_path):
    output = tmp_path / "new" / "scores.json"
    write_json({"a": "ü"}, output)
    assert json.loads(output.read_text(encoding="utf-8")) == {"a": "ü"}
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": float("nan")}, output)
    assert json.loads(output.read_text(encoding="utf-8")) == {"a": "ü"}
    assert [path.name for path in output.parent.iterdir()] == ["scores.json"]


def test_clips_of_the_same_name_are_told_apart() -> None:
    def names(*paths: str) -> list[str]:
        return short_names(paths)

    assert names("set/a/1.mp4", "set/b/2.mp4") == ["1.mp4", "2.mp4"]
    assert names("set/a/1.mp4", "set/b/1.mp4", "set/b/c/2.mp4") == [
        "a/1.mp4",
        "b/1.mp4",
        "b/c/2.mp4",
    ]
    assert names("1.mp4", "b/1.mp4") == ["1.mp4", "b/1.mp4"]


def test_a_clip_without_a_cosine_at_its_offset_takes_it_from_no_other():
    """Too short for its best offset, it has none there; the mean is of those that have."""
    short = replace(sync_result(), cosine_at_best=float("nan"))
    got = scores([*clips(), ClipScore("short.mp4", [TrackScore(0, 10, short)])])
    assert got["clips"][-1]["syncnet_cosine"]["at_best"] is None
    assert got["mean"]["syncnet_cosine"] == {"at_0": pytest.approx(0.1), "at_best": 0.8}
    assert got["statistics"]["syncnet_cosine_at_0"]["count"] == 3
    assert got["statistics"]["syncnet_cosine_at_best"]["count"] == 2


def test_a_set_has_spread_and_a_histogram_of_offsets():
    got = scores([*clips(), ClipScore("c.mp4", [TrackScore(0, 65, sync_result(3, 6.0))])])
    statistics = got["statistics"]
    values = [5.0, 7.0, 6.0]
    assert statistics["lse_d"]["mean"] == pytest.approx(np.mean(values))
    assert statistics["lse_d"]["median"] == 6
    error = np.std(values, ddof=1) / np.sqrt(3)
    assert statistics["lse_d"]["standard_error"] == pytest.approx(error)
    assert statistics["lse_d"]["count"] == 3
    assert statistics["cosine"]["count"] == 2
    assert statistics["offsets"] == {"-1": 1, "3": 2}
    assert got["n_skipped_tracks"] == 1
    assert got["failures"] == {"bad.mp4 has no sound.": 1}
    alone = scores(clips()[:1])["statistics"]
    assert alone["lse_d"]["standard_error"] is None
    assert scores(clips()[2:])["statistics"]["lse_d"] is None


def test_tables_have_a_row_per_face_and_per_failure(tmp_path):
    write_tables(clips(), tmp_path / "scores.json")
    with (tmp_path / "scores.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    table = parquet.read_table(tmp_path / "scores.parquet").to_pylist()
    assert [row["path"] for row in read] == [row["path"] for row in table]
    assert [row["path"] for row in read] == ["a/one.mp4", *["a/two [x].mp4"] * 3, "bad.mp4"]
    assert [row["face"] for row in table] == [1, 1, 2, 3, None]
    assert [row["lse_d"] for row in table] == [5, 7, None, None, None]
    assert [row["offset"] for row in table] == [3, -1, None, None, None]
    assert table[0]["cosine"] == pytest.approx(0.7)
    assert table[3]["error"] == "the sound is over"
    assert read[4]["error"] == "bad.mp4 has no sound."
    assert read[4]["lse_d"] == ""


def test_the_page_has_every_clip_and_needs_nothing_else(tmp_path):
    given = clips()
    given[0].tracks[0] = replace(given[0].tracks[0], thumbnails=[np.zeros((96, 80, 3), np.uint8)])
    given[0].plot = "one.png"
    plot_clip(given[0], tmp_path / "one.png")
    content = to_json(given, "track", {"jpeg": False}, {"syncnet": None})
    text = write_page(given, content, tmp_path / "scores.json").read_text()
    assert (tmp_path / "scores.html").is_file()
    for words in ("Protocol <b>track</b>", "jpeg=False", "a/two [x].mp4", "bad.mp4 has no sound.",
                  "LSE-D unpadded", "standard error", "1 tracks skipped", "+3",
                  "<summary>one.mp4: LSE-D 5.000"):  # fmt: skip
        assert words in text, words
    assert text.count("<img") == 2
    assert 'src="http' not in text
    content["pictures"] = {
        "setting": "cross", "protocol": "p", "clips": [{"path": "a", "flicker": 1.5}],
        "mean": {"flicker": 1.5}, "count": {"flicker": 7},
    }  # fmt: skip
    text = write_page(given, content, tmp_path / "scores.json").read_text()
    assert '<tr><td>clips</td><td class="number">7</td>' in text


def test_names_and_reasons_are_text_on_the_page(tmp_path):
    given = [ClipScore("<i>one.mp4", [TrackScore(0, 9)]), ClipScore("two.mp4", error="<i>no face")]
    content = to_json(given, "track", {"syncnet": "<i>"}, {})
    text = write_page(given, content, tmp_path / "scores.json").read_text()
    assert "<i>" not in text
    assert "&lt;i&gt;one.mp4" in text
    assert "&lt;i&gt;no face" in text


def test_who_speaks_is_seen_at_once_on_the_page(tmp_path):
    """Beside each face its image and its voice, before voices of any number and length."""
    small = [np.full((96, 80, 3), level, np.uint8) for level in (10, 20, 30)]
    voices = (f"/sounds/{'long' * 30}.wav", "/sounds/b.wav")
    pairs = ((Pair(0.8, 0.3, 1), Pair(0.1, 0.0, -2)), (Pair(0.2, 0.1, 0), Pair(0.3, 0.1, 3)))
    speakers = Speakers(voices, (0, 7), pairs, (0, 1), Calibration("similarity", 0.5))
    given = [ClipScore("two.mp4", [TrackScore(0, 9, thumbnails=small), TrackScore(7, 9)])]
    given[0].speakers = speakers
    content = to_json(given, "track", {}, {})
    text = write_page(given, content, tmp_path / "scores.json").read_text()
    table = text[text.index("Who speaks") :]
    header = [cell.split("</th>")[0] for cell in table.split("<th>")[1:]]
    assert header == ["face", "speaks", f"{'long' * 30}.wav", "b.wav"]
    first, second = (row.split("</tr>")[0] for row in table.split("<tr>")[2:4])
    assert "<img" in first
    assert "1, from frame 0" in first
    assert f"<b>{'long' * 30}.wav</b>" in first
    assert "<b>0.800 at +1 yes</b>" in first
    assert "<span>0.100 at -2 no</span>" in first
    assert "2, from frame 7" in second
    assert "<b>none of these</b>" in second  # the best that was left is refused
    assert "<span>0.300 at +3 no</span>" in second
    assert "overflow-x: auto" in table
    assert "LSE-D" not in text  # nobody has one
    given[0].skipped.append(SkippedTrack(3, 9, "the sound is over"))
    text = write_page(given, content, tmp_path / "scores.json").read_text()
    assert "<img" not in text[text.index("Who speaks") :]


def test_only_shown_clips_keep_their_thumbnails():
    """An error takes no place on the page."""
    small = [np.zeros((96, 80, 3), np.uint8)]
    given = [ClipScore("bad.mp4", error="no")]
    given += [ClipScore(name, [TrackScore(0, 9, thumbnails=small)] * 2) for name in "abc"]
    kept = [[len(track.thumbnails) for track in clip.tracks] for clip in for_page(given, 2)]
    assert kept == [[], [1, 1], [1, 1], [0, 0]]


def test_no_plot_overwrites_another(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "w2l.cli.evaluate_output.plot_clip", lambda clip, path: drawn.append(path.name)
    )
    names = ["x/a.mp4", "z/a_2.mp4", "y/a.mp4", "w/A.mp4"]
    given = [ClipScore(name, [TrackScore(0, 9)]) for name in names]
    used = set()
    for clip in given:  # as each is scored
        write_plots([clip], tmp_path / "s.json", used)
    assert drawn == ["s_a.png", "s_a_2.png", "s_a_3.png", "s_A_4.png"]
    assert [clip.plot for clip in given] == drawn


@pytest.mark.parametrize(("lowest", "said"), [(9.8, True), (5.0, False)])
def test_scores_as_random_weights_give_them_are_told_of(tmp_path, capsys, lowest, said):
    """A distance that real video has, but no offset that stands out."""
    clip = ClipScore("a.mp4", [TrackScore(0, 65, sync_result(0, lowest - 1))])
    assert clip.tracks[0].to_dict()["implausible"] is False
    evaluator = SimpleNamespace(protocol=Protocol())
    show([clip], evaluator, tmp_path / "scores.json", Console(width=80))
    assert ("no offset stands out" in capsys.readouterr().out) is said
