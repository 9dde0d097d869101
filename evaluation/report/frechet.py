"""The Fréchet distance of a set, from the features that its pairs left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from evaluation.pairs.images import Features, read_features
from evaluation.pairs.records import Record, Records
from evaluation.pairs.tasks import TaskList
from w2l.metrics.fid import FeatureDistance
from w2l.scoring.image_metrics import FID, fid_scores
from w2l.scoring.images import CUT
from w2l.scoring.results import finite
from w2l.weights import registry


def frechet_of(
    wanted: TaskList, records: Sequence[Record], files: Records, device: str
) -> dict[str, Any] | None:
    """What `results.json` has of a set's images; None: no `inception=`, or no pair is scored.

    Real images count once for each pair that shows them, as generated ones do. For the distance
    of real images from real ones every other *video* is one half, whichever pairs it is in: a
    clip in both would make the two alike. Of a single video it is the first half.

    Args:
        wanted: the set.
        records: of the pairs that are done, in the order of the set.
        files: where their features lie.
        device: for the sums.
    """
    done = {record["number"]: record for record in records if record["set"] == wanted.name}
    scored = [t for t in wanted.tasks if done.get(t.number, {"error": ""})["error"] is None]
    inception = files.recipe.inception
    if inception is None or not scored:
        return None
    compared = [task for task in scored if "features_bytes" in done[task.number]]
    errors = [e for task in scored if (e := done[task.number].get("pictures_error")) is not None]
    videos = list(dict.fromkeys(task.video for task in compared))
    sides = {video: number % 2 for number, video in enumerate(videos)}
    distance: FeatureDistance | None = None
    for task in compared:
        found = read_features(files.features(task))
        distance = distance or FeatureDistance(found.generated.shape[1], device)
        _add(found, distance, sides[task.video] if len(videos) > 1 else None)
    published = inception.sha256 == registry()["fid_inception"].sha256
    scores = fid_scores(distance or FeatureDistance(1), published)  # of nothing: no number
    return finite(scores) | {
        "n_pairs": len(compared),
        "n_failed": len(errors),
        "first_error": errors[0] if errors else None,
        "protocol": f"{CUT}fid: {FID}. The reference is the video that a pair was made from; "
        "each of its images counts once for each pair, and a video is in one half of the real "
        "ones.",
    }


def _add(found: Features, distance: FeatureDistance, side: int | None) -> None:
    """Add a pair's features, the real ones to one side or, None, to that of their own half."""
    distance.add(torch.from_numpy(found.generated).float(), real=False)
    for later in (False, True):
        part = torch.from_numpy(found.real[found.later == later]).float()
        if len(part):
            distance.add(part, real=True, half=int(later) if side is None else side)
