"""Two files of scores, clip by clip: paired differences and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from evaluation.report.score_files import ScoreFile, below_common_folder, by_file_name
from evaluation.report.statistics import METRICS, metric
from w2l.errors import UserError

METHODS = {"bca": "BCa", "percentile": "percentile"}
AT_ONCE = 2**23  # numbers of resampled clips in memory
FROM_SYNCNET = ("lse_", "syncnet")


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        resamples: of the pairs.
        method: bca or percentile.
        confidence: that the interval holds the mean.
        seed: of the resampling.
    """

    resamples: int = 9999
    method: str = "bca"
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Difference:
    """One score on the pairs that both files have.

    Attributes:
        name: of the score.
        a, b: its values, (n,) each, pair by pair.
        interval: of the mean of b - a; None: one pair has none.
    """

    name: str
    a: np.ndarray
    b: np.ndarray
    interval: tuple[float, float] | None

    @property
    def mean(self) -> float:
        """Of b - a."""
        return float((self.b - self.a).mean())

    @property
    def better(self) -> str | None:
        """`a` or `b`, where the interval leaves out 0; None: the pairs do not tell."""
        lower = metric(self.name).lower_is_better
        if lower is None or self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return None
        return "b" if (self.mean < 0) == lower else "a"


@dataclass(frozen=True)
class Comparison:
    """What two files have in common.

    Attributes:
        a, b: the files.
        n_pairs: clips that both have scored.
        only_a, only_b: clips that one alone has scored.
        differences: a score each.
        notes: sentences for whoever reads the table.
    """

    a: ScoreFile
    b: ScoreFile
    n_pairs: int
    only_a: int
    only_b: int
    differences: list[Difference]
    notes: list[str]


def compare_scores(a: ScoreFile, b: ScoreFile, bootstrap: Bootstrap) -> Comparison:
    """Pair the clips of two files by their names and compare each score that both have.

    Paths are the same, or the same below the folder that all paths of a file share, or the names
    of the files are, where no two of one set are.

    Raises:
        UserError: the protocols differ, or no clip or score is shared.
    """
    if a.protocol != b.protocol:
        raise UserError(
            f"{a.path} is scored by protocol={a.protocol} and {b.path} by protocol={b.protocol}, "
            "whose scores are not comparable: score both by one."
        )
    pairs = pair_names(a, b)
    if not pairs:
        raise UserError(f"{a.path} and {b.path} have no scored clip in common.")
    barred, notes = doubts(a, b)
    scored_a, scored_b = (
        [f.clips[n] for n in ns] for f, ns in zip((a, b), zip(*pairs, strict=True), strict=True)
    )
    names = {name for clip in scored_a for name in clip} & {
        name for clip in scored_b for name in clip
    }
    names = {name for name in names if not name.startswith(barred or ("-",))}
    if not names:
        raise UserError(" ".join([f"{a.path} and {b.path} have no score in common.", *notes]))
    order = [*(name for name in METRICS if name in names), *sorted(names - set(METRICS))]
    differences = []
    for name in order:
        both = [
            (x[name], y[name])
            for x, y in zip(scored_a, scored_b, strict=True)
            if name in x and name in y
        ]
        if both:
            left, right = np.array(both).T
            differences.append(Difference(name, left, right, interval(right - left, bootstrap)))
    n = len(pairs)
    return Comparison(a, b, n, len(a.clips) - n, len(b.clips) - n, differences, notes)


def pair_names(a: ScoreFile, b: ScoreFile) -> list[tuple[str, str]]:
    """The clips that both files have: by path, the path below the common folder, or file name."""
    shared = [(name, name) for name in a.clips if name in b.clips]
    if shared:
        return shared
    for shorten in (below_common_folder, by_file_name):
        short_a, short_b = shorten(a.clips), shorten(b.clips)
        found = [(name, short_b[short]) for short, name in short_a.items() if short in short_b]
        if found:
            return found
    return []


def doubts(a: ScoreFile, b: ScoreFile) -> tuple[tuple[str, ...], list[str]]:
    """The beginnings of scores that are left out, and what a reader should know."""
    barred: list[str] = []
    notes = []
    for role, names, title in (("syncnet", FROM_SYNCNET, "LSE"), ("expert", ("cosine",), "cosine")):
        ours, theirs = a.weights.get(role), b.weights.get(role)
        if ours and theirs and ours != theirs:
            barred += names
            notes.append(f"{title} is left out: the files were scored by two different networks.")
    ours, theirs = a.weights.get("detector"), b.weights.get("detector")
    if ours and theirs and ours != theirs:
        notes.append("The faces of a and b were found by detectors of different weights.")
    keys = [
        key
        for key in a.settings
        if key in b.settings and a.settings[key] != b.settings[key] and key != "batch_size"
    ]
    if keys:
        said = ", ".join(f"{key}={a.settings[key]} and {b.settings[key]}" for key in keys)
        notes.append(f"The settings of a and b differ: {said}.")
    return tuple(barred), notes


def interval(differences: np.ndarray, bootstrap: Bootstrap) -> tuple[float, float] | None:
    """Bootstrap interval of the mean of (n,) differences; None for a single one.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, by `scipy.stats.bootstrap`.
    """
    n = len(differences)
    if n < 2:
        return None
    if np.ptp(differences) == 0:  # nothing to resample; BCa would divide by zero
        return float(differences[0]), float(differences[0])
    found = stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=bootstrap.resamples,
        batch=max(1, AT_ONCE // n),
        confidence_level=bootstrap.confidence,
        method=METHODS[bootstrap.method],
        vectorized=True,
        axis=-1,
        rng=np.random.default_rng(bootstrap.seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def to_json(comparison: Comparison, bootstrap: Bootstrap) -> Mapping[str, object]:
    """The content of compare.json."""
    return {
        "a": {"file": comparison.a.path.name, "name": comparison.a.label},
        "b": {"file": comparison.b.path.name, "name": comparison.b.label},
        "protocol": comparison.a.protocol,
        "n_pairs": comparison.n_pairs,
        "only_a": comparison.only_a,
        "only_b": comparison.only_b,
        "failed": [comparison.a.n_failed, comparison.b.n_failed],
        "bootstrap": vars(bootstrap),
        "scores": {
            each.name: {
                "n": len(each.a),
                "mean_a": float(each.a.mean()),
                "mean_b": float(each.b.mean()),
                "difference": each.mean,
                "interval": each.interval,
                "better": each.better,
            }
            for each in comparison.differences
        },
        "notes": comparison.notes,
    }
