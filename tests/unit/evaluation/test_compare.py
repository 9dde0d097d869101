"""Paired comparison of two score files: who is paired, what is refused, how sure it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from evaluation.keys import Evaluation
from evaluation.report.compare import Bootstrap, compare_scores, interval
from evaluation.report.compare_command import compare
from evaluation.report.score_files import read_scores
from tests.settings import settings_of
from w2l.errors import UserError


def settings(files: list[str], out: Path, **given: Any) -> Evaluation:
    return settings_of(Evaluation, compare=files, out=str(out), resamples=999, **given)


def scores(
    path: Path,
    lse_d: dict[str, float],
    *,
    protocol: str = "lrs",
    syncnet: str = "s",
    **settings: Any,
) -> Path:
    """A scores.json of evaluate.py; clips that have no score: NaN."""
    clips = []
    for name, value in lse_d.items():
        if np.isnan(value):
            clips.append({"path": name, "error": "no face"})
            continue
        track = {"lse_d": value, "lse_c": 10 - value, "offset": 1, "n_windows": 7, "n_frames": 12,
                 "implausible": False, "cosine": {"mean": value / 20, "count": 3},
                 "distance_over_offset": [1.0], "lse_reason": None}  # fmt: skip
        clips.append({"path": name, **track, "tracks": [track]})
    weights = {"syncnet": {"file": "s", "sha256": syncnet}, "expert": {"file": "e", "sha256": "e"}}
    content = {"protocol": protocol, "settings": settings, "weights": weights, "clips": clips}
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def two(tmp_path) -> tuple[Path, Path, np.ndarray, np.ndarray]:
    """b is better by about 0.3; the folders differ, a clip is in each alone, one has no score."""
    rng = np.random.default_rng(3)
    a = rng.normal(8, 1, 40)
    b = a - 0.3 + rng.normal(0, 0.4, 40)
    in_a = {f"runs/a/x/{i}.mp4": float(v) for i, v in enumerate(a)}
    in_b = {f"runs/b/x/{i}.mp4": float(v) for i, v in reversed(list(enumerate(b)))}
    one = scores(tmp_path / "one.json", in_a | {"runs/a/alone.mp4": 7.0, "runs/a/f.mp4": np.nan})
    other = scores(tmp_path / "two.json", in_b | {"runs/b/other.mp4": 7.0})
    return one, other, a, b


def test_clips_are_paired_by_path_whatever_the_order(two):
    one, other, a, b = two
    got = compare_scores(read_scores(one), read_scores(other), Bootstrap(resamples=200))
    assert (got.n_pairs, got.only_a, got.only_b, got.a.n_failed) == (40, 1, 1, 1)
    assert [d.name for d in got.differences] == ["lse_d", "lse_c", "cosine"]
    lse_d, lse_c, cosine = got.differences
    assert lse_d.mean == pytest.approx((b - a).mean())
    assert (lse_d.better, lse_c.better, cosine.better) == ("b", "b", "a")
    assert cosine.a.mean() == pytest.approx(a.mean() / 20)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_are_those_of_a_bootstrap_by_hand(method):
    d = np.random.default_rng(5).exponential(1.0, 30) - 0.4
    low, high = interval(d, Bootstrap(resamples=20000, method=method))
    rng = np.random.default_rng(11)
    means = np.sort([d[rng.integers(0, len(d), len(d))].mean() for _ in range(20000)])
    levels = [0.025, 0.975]
    if method == "bca":  # Efron and Tibshirani, chapter 14.3
        from scipy.stats import norm

        z0 = norm.ppf((means < d.mean()).mean())
        jack = np.array([np.delete(d, i).mean() for i in range(len(d))])
        e = jack.mean() - jack
        a = (e**3).sum() / (6 * (e**2).sum() ** 1.5)
        z = norm.ppf(levels)
        levels = norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))
    want = np.quantile(means, levels)
    spread = want[1] - want[0]
    assert [low, high] == pytest.approx(want, abs=0.03 * spread)
    again = interval(d, Bootstrap(resamples=20000, method=method))
    assert again == (low, high)


def test_few_or_equal_differences():
    assert interval(np.array([0.5]), Bootstrap()) is None
    assert interval(np.full(9, 0.5), Bootstrap()) == (0.5, 0.5)


def test_no_difference_is_no_winner(tmp_path):
    rng = np.random.default_rng(0)
    a = dict(zip("abcdefghij", rng.normal(8, 1, 10), strict=True))
    b = {name: value + (0.5 if name in "acegi" else -0.5) for name, value in a.items()}
    files = [scores(tmp_path / f"{n}.json", v) for n, v in (("a", a), ("b", b))]
    got = compare_scores(*map(read_scores, files), Bootstrap(resamples=500))
    assert got.differences[0].better is None


def test_what_is_not_comparable_is_refused_or_left_out(tmp_path):
    a = scores(tmp_path / "a.json", {"1.mp4": 7.0, "2.mp4": 8.0})
    track = scores(tmp_path / "t.json", {"1.mp4": 7.0}, protocol="track")
    with pytest.raises(UserError, match=r"a\.json is scored by protocol=lrs and .*t\.json by"):
        compare_scores(read_scores(a), read_scores(track), Bootstrap())
    far = scores(tmp_path / "far.json", {"x/1.wav": 7.0})
    with pytest.raises(UserError, match="no scored clip in common"):
        compare_scores(read_scores(a), read_scores(far), Bootstrap())
    other = scores(tmp_path / "o.json", {"1.mp4": 7.5, "2.mp4": 8.1}, syncnet="z", jpeg=True)
    got = compare_scores(read_scores(a), read_scores(other), Bootstrap(resamples=200))
    assert [d.name for d in got.differences] == ["cosine"]
    assert "LSE is left out" in got.notes[0]
    content = json.loads(a.read_text())
    for name in ("a", "o"):
        content["weights"]["detector"] = {"file": "s3fd.pth", "sha256": name}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    got = compare_scores(read_scores(a), read_scores(other), Bootstrap(resamples=200))
    assert len(got.differences) == 3
    assert got.notes == ["The faces of a and b were found by detectors of different weights."]
    (tmp_path / "no.json").write_text('{"mean": 3}')
    with pytest.raises(UserError, match="no scores clip by clip"):
        read_scores(tmp_path / "no.json")
    (tmp_path / "cut.json").write_text('{"mean": 3')
    with pytest.raises(UserError, match="is not JSON"):
        read_scores(tmp_path / "cut.json")


def test_faces_of_one_clip_count_once(tmp_path):
    path = scores(tmp_path / "a.json", {"1.mp4": 7.0})
    content = json.loads(path.read_text())
    tracks = content["clips"][0]["tracks"]
    content["clips"][0]["tracks"] = [tracks[0], {**tracks[0], "lse_d": 9.0, "cosine": None}]
    path.write_text(json.dumps(content))
    assert read_scores(path).clips == {"1.mp4": {"lse_d": 8.0, "lse_c": 3.0}}


def test_the_files_that_are_written(two, tmp_path, capsys):
    out = tmp_path / "out"
    one, other, a, b = two
    compare(settings([str(one), str(other)], out), Console(width=120))
    shown = capsys.readouterr().out
    assert "40 clips are scored in both files, 1 in one only, 1 in two only; 1 and 0" in shown
    found = json.loads((out / "compare.json").read_text())
    low, high = found["scores"]["lse_d"]["interval"]
    difference = (b - a).mean()
    assert low < difference < high < 0
    cell = f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]"
    assert (
        f"| LSE-D ↓ | {a.mean():.3f} | {b.mean():.3f} | {cell} | 40 | two |"
        in (out / "compare.md").read_text()
    )
    tex = (out / "compare.tex").read_text()
    assert rf"LSE-D $\downarrow$ & {a.mean():.3f} & {b.mean():.3f} & {cell} & 40 & two \\" in tex
    assert "95 \\%" in tex
    assert (out / "compare.png").stat().st_size > 10_000
    for key, value in (
        ("interval", "normal"), ("resamples", 3), ("resamples", None), ("confidence", 95),
        ("confidence", None), ("seed", None), ("seed", -1), ("seed", 1.5),
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"{key}={'null' if value is None else value}"):
            settings_of(Evaluation, **{key: value})
    with pytest.raises(UserError, match="two files"):
        compare(settings(["a.json"], out), Console(quiet=True))
    with pytest.raises(UserError, match=r"compare=a\.json must be a list"):
        settings_of(Evaluation, compare="a.json")


def test_more_than_two_files_are_each_compared_with_the_first(two, tmp_path: Path) -> None:
    one, other, *_ = two
    names = ["baseline", "larger", "longer"]
    files = [tmp_path / name / "scores.json" for name in names]
    for file, source in zip(files, (one, other, other), strict=True):
        file.parent.mkdir()
        content = json.loads(source.read_text())
        content.pop("name", None)
        file.write_text(json.dumps(content))
    given = settings([*map(str, files)], tmp_path / "out")
    first, second = compare(given, Console(quiet=True))
    assert [each.label for each in (first.a, first.b, second.a, second.b)] == [
        "baseline", "larger", "baseline", "longer"
    ]  # fmt: skip
    found = json.loads((tmp_path / "out" / "compare.json").read_text())["comparisons"]
    assert [each["b"]["name"] for each in found] == ["larger", "longer"]
    text = (tmp_path / "out" / "compare.md").read_text()
    assert text.count("| LSE-D ↓ |") == 2
    assert (tmp_path / "out" / "compare_2.png").is_file()


def test_methods_stand_in_one_table_with_what_is_not_told_apart_in_bold(
    two, tmp_path: Path
) -> None:
    """On the clips that all score; the interval of the paired differences decides."""
    one, other, a, b = two
    near = {f"other/{i}.mp4": float(v + (0.05 if i % 2 else -0.04)) for i, v in enumerate(b)}
    third = scores(tmp_path / "three.json", near)
    groups = tmp_path / "groups.csv"
    groups.write_text("path,group\n" + "".join(f"{i}.mp4,{i % 2}\n" for i in range(39)))
    out = tmp_path / "out"
    files = [str(one), str(other), str(third)]
    given = settings(files, out, names=["base", "new_1", "new_2"], group=str(groups))
    compare(given, Console(quiet=True))
    text = (out / "table.md").read_text()
    rows = {tuple(c.strip() for c in line.split("|")[1:4]): line for line in text.splitlines()}
    error = a.std(ddof=1) / 40**0.5
    assert f"| {a.mean():.3f} ± {error:.3f} |" in rows["base", "all", "40"]
    assert f"| **{b.mean():.3f} ± " in rows["new_1", "all", "40"]
    assert f"| **{np.mean([*near.values()]):.3f} ± " in rows["new_2", "all", "40"]
    assert f"| {a[0:39:2].mean():.3f} ± " in rows["base", "0", "20"]
    assert ("base", "1", "19") in rows, "one clip has no group"
    assert "over the 40 videos that all methods score (left out: 1 of base, 1 of new_1)" in text
    tex = (out / "table.tex").read_text()
    assert rf"new\_1 & all & 40 & \textbf{{{b.mean():.3f} $\pm$" in tex
    assert tex.count(r"\midrule") == 3
    assert (
        (out / "table_means.csv")
        .read_text()
        .startswith("method,group,videos,failed,lse_d,lse_d_se")
    )
    with pytest.raises(UserError, match="each of the 3 files"):
        compare(settings(files, out, names=["a"]), Console(quiet=True))
    elsewhere = scores(tmp_path / "z.json", near, syncnet="z")
    compare(settings([str(one), str(elsewhere)], out), Console(quiet=True))
    assert "LSE" not in (out / "table.md").read_text(), "of two SyncNets"
