"""Two kinds of files with scores clip by clip, read alike: results.json and scores.json."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from evaluation.report.results import KIND, read_json, read_results
from evaluation.report.statistics import scores_of
from w2l.errors import UserError
from w2l.scoring import paper


@dataclass(frozen=True)
class ScoreFile:
    """Scores of a set of clips.

    Attributes:
        path: the file.
        label: what tables call it.
        protocol: lrs or track.
        settings: what else decided the scores.
        weights: role → SHA-256 of the networks that scored.
        clips: a clip's name → its scores, means over its faces.
        n_failed: clips without a score.
        videos: a clip's name → what a paper's table prints of it.
        groups: a clip's name → its group, of those that have one.
        of_set: scores of the whole set, such as FID.
    """

    path: Path
    label: str
    protocol: str
    settings: Mapping[str, Any]
    weights: Mapping[str, str | None]
    clips: Mapping[str, Mapping[str, float]]
    n_failed: int
    videos: Mapping[str, Mapping[str, float]]
    groups: Mapping[str, str]
    of_set: Mapping[str, float]


def read_scores(path: Path, label: str | None = None) -> ScoreFile:
    """A benchmark's results.json, or the scores.json of evaluate.py.

    Args:
        path: the file.
        label: what tables call it; None: by the file's `name`, or its path.

    Raises:
        UserError: it is neither, or has no clips.
    """
    content = read_json(path)
    if isinstance(content, dict) and content.get("kind") == KIND:
        content = read_results(path)
    try:
        clips = content["clips"]
        names = list(_names(clips))
        videos = paper.video_values(content, names)
        scored = {
            name: _mean(clip) if clip.get("tracks") else videos[name]
            for name, clip in zip(names, clips, strict=True)
            if clip.get("error") is None and (clip.get("tracks") or name in videos)
        }
        return ScoreFile(
            path=path,
            label=label or str(content.get("name") or _label(path)),
            protocol=content["protocol"],
            settings=content["settings"],
            weights={
                role: entry and entry["sha256"]
                for role, entry in content["weights"].items()
                if role != "generator"
            },
            clips=scored,
            n_failed=len(clips) - len(scored),
            videos=videos,
            groups={
                name: clip["group"]
                for name, clip in zip(names, clips, strict=True)
                if clip.get("group")
            },
            of_set=paper.of_set(content),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} has no scores clip by clip: take the results.json of a benchmark (not its "
            "summary.json) or the scores.json of evaluate.py."
        ) from error


def _label(path: Path) -> str:
    """A name that is everybody's tells nothing: then its folder's."""
    is_default = path.stem in {"scores", "results"}
    return path.absolute().parent.name or path.stem if is_default else path.stem


def _names(clips: list[Mapping[str, Any]]) -> Iterator[str]:
    """A name for each clip; the second of two alike gets a number."""
    seen: Counter[str] = Counter()
    for clip in clips:
        name = clip["path"] if "path" in clip else f"{clip['set']}: {clip['audio']} {clip['video']}"
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"


def _mean(clip: Mapping[str, Any]) -> dict[str, float]:
    """Each score that all of the clip's faces have, averaged over them."""
    tracks = []
    for track in clip["tracks"]:
        cosine = track.get("cosine")
        plain = cosine["mean"] if isinstance(cosine, dict) else cosine
        tracks.append(scores_of({**track, "cosine": plain}))
    shared = set.intersection(*map(set, tracks))
    return {name: fmean(track[name] for track in tracks) for name in shared}


def below_common_folder(clips: Mapping[str, Any]) -> dict[str, str]:
    """The part of each path below the folder that all of them share → the path."""
    paths = {name: os.path.abspath(name) for name in clips}
    if not paths:
        return {}
    common = os.path.commonpath([os.path.dirname(path) for path in paths.values()])
    return {os.path.relpath(path, common): name for name, path in paths.items()}


def by_file_name(clips: Mapping[str, Any]) -> dict[str, str]:
    """The file name of each path → the path; nothing where two are called the same."""
    short = {os.path.basename(name): name for name in clips}
    return short if len(short) == len(clips) else {}
