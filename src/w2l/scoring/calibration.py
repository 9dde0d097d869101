"""From what score on a voice belongs to a face: measured on clips of which that is known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from w2l.errors import UserError
from w2l.files import atomic_path
from w2l.metrics import Roc, roc
from w2l.scoring.evaluator import Evaluator
from w2l.scoring.speaker import SCORES, Calibration, Face, Pair, pair
from w2l.scoring.voices import embed
from w2l.video import VideoReader
from w2l.windows import FPS


@dataclass(frozen=True)
class Calibrated:
    """What clips in sync say of an expert.

    Attributes:
        curves: of each of `SCORES`.
        own, others: pairs of a face with its own voice, and with the voices of the other clips.
        failures: why clips were left out, and how many.
    """

    curves: dict[str, Roc]
    own: Sequence[Pair]
    others: Sequence[Pair]
    failures: dict[str, int]

    @property
    def best(self) -> Calibration:
        """The score that tells pairs apart best, with its threshold."""
        score = max(SCORES, key=lambda name: self.curves[name].auc)
        return Calibration(score, self.curves[score].threshold)

    def to_dict(self) -> dict[str, Any]:
        """The content of the calibration's file; infinity, the first threshold, is null."""
        curves = {
            name: {
                "auc": curve.auc,
                "eer": curve.eer,
                "threshold": curve.threshold,
                "thresholds": [None, *curve.thresholds[1:].tolist()],
                "false_accepts": curve.false_accepts.tolist(),
                "true_accepts": curve.true_accepts.tolist(),
            }
            for name, curve in self.curves.items()
        }
        return {
            **self.best._asdict(),
            "n_clips": len(self.own),
            "n_other_pairs": len(self.others),
            "failures": self.failures,
            "curves": curves,
        }


def calibrate(evaluator: Evaluator, videos: Iterable[Path]) -> Calibrated:
    """Compare the longest face of each clip with its own sound and with that of each other clip.

    Args:
        evaluator: of the track protocol, its scorer with an expert.
        videos: clips of one talking face each, in sync, that say different things.

    Raises:
        UserError: fewer than two clips can be compared.
    """
    found: list[tuple[Face, Tensor]] = []
    sounds: list[np.ndarray] = []
    failures: Counter[str] = Counter()
    for video in videos:
        try:
            waveform = evaluator.sound_of(video)
            if any(np.array_equal(waveform, other) for other in sounds):
                raise UserError("its sound is that of another clip")
            reader = VideoReader(video, fps=FPS)
            track = max(evaluator.find_tracks(reader), key=lambda track: len(track.frames))
            found.append((embed(evaluator.scorer, reader, track),
                          evaluator.scorer.embed_voice(waveform)))  # fmt: skip
            sounds.append(waveform)
        except UserError as error:
            failures[str(error)] += 1
        except Exception as error:  # of whatever kind: one bad clip must not end a set
            failures[f"{video}: {type(error).__name__}: {error}."] += 1
    own: list[Pair] = []
    others: list[Pair] = []
    for i, (face, _) in enumerate(found):
        for j, (_, voice) in enumerate(found):
            compared = pair(face, voice)
            if compared.offset is not None:
                (own if i == j else others).append(compared)
            elif i == j:
                failures["its face and its sound share no window"] += 1
    if len(own) < 2 or not others:
        reasons = " ".join(failures) or "Name a folder with several."
        raise UserError(f"A calibration needs at least two clips that can be compared. {reasons}")
    curves: dict[str, Roc] = {
        name: roc([getattr(p, name) for p in own], [getattr(p, name) for p in others])
        for name in SCORES
    }
    return Calibrated(curves, own, others, dict(failures))


def load_calibration(path: Path, expert_sha256: str) -> Calibration:
    """What `calibrate=true` of evaluate.py found, from its file.

    Args:
        path: the file.
        expert_sha256: of the expert whose scores it is to decide about.

    Raises:
        UserError: it is not there, not such a file, or measured with another expert.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        score, threshold = content["score"], float(content["threshold"])
        measured_with = content["expert"]["sha256"]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check the path.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not a calibration: make one with evaluate.py calibrate=true video=FOLDER."
        ) from error
    if score not in SCORES:
        raise UserError(f"{path} calibrates {score}, which is not one of {', '.join(SCORES)}.")
    if measured_with != expert_sha256:
        raise UserError(
            f"{path} was measured with another expert: make one with calibrate=true expert=…, or "
            "name the expert that it was made with."
        )
    return Calibration(score, threshold)


def plot_calibration(result: Calibrated, output: Path) -> None:
    """The curves, and the scores that they come from, as a PNG; whole or not at all."""
    figure = Figure(figsize=(4.2 * (1 + len(SCORES)), 3.6), layout="constrained")
    first, *rest = figure.subplots(1, 1 + len(SCORES))
    for name, curve in result.curves.items():
        label = f"{name}: AUC {curve.auc:.3f}, EER {curve.eer:.1%}"
        first.plot(curve.false_accepts, curve.true_accepts, label=label)
    first.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    first.set(xlabel="other pairs accepted", ylabel="true pairs accepted")
    first.legend(fontsize="small", frameon=False, loc="lower right")
    for axes, name in zip(rest, SCORES, strict=True):
        _histogram(axes, result, name)
    with atomic_path(output) as temporary:
        figure.savefig(temporary, dpi=120)


def _histogram(axes: Axes, result: Calibrated, name: str) -> None:
    own, others = ([getattr(p, name) for p in pairs] for pairs in (result.own, result.others))
    bins = np.linspace(min(own + others), max(own + others), 25).tolist()
    axes.hist(others, bins, density=True, alpha=0.6, label=f"other voices ({len(others)})")
    axes.hist(own, bins, density=True, alpha=0.6, label=f"own voice ({len(own)})")
    axes.axvline(result.curves[name].threshold, color="0.3", linestyle="--")
    axes.set_xlabel(f"{name} at the best offset")
    axes.legend(fontsize="small", frameon=False)
