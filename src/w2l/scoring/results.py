"""What scoring a set of clips gives, and its JSON form (`scores.json`)."""

from __future__ import annotations

import math
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from statistics import median, stdev
from typing import Any, Literal

import numpy as np
import torch

from w2l.metrics import implausible, offsets
from w2l.scoring.scorer import CosineResult, SyncResult
from w2l.scoring.speaker import Speakers

SCORES = ("lse_d", "lse_c", "offset", "lse_d_at_0", "lse_c_at_0")
VideoScore = Literal["mean", "first", "best", "longest"]
SYNCNET_COSINES = ("at_0", "at_best")
UNPADDED = {"lse_d": "lse_d_unpadded", "lse_c": "lse_c_unpadded", "offset": "offset_unpadded"}
_PACKAGES = ("w2l", "numpy", "scipy", "opencv-python", "av", "python_speech_features")


@dataclass(frozen=True)
class TrackScore:
    """Scores of one face over a stretch of a clip.

    Attributes:
        start_frame: its first frame, at the rate at which the clip was scored.
        n_frames: its length.
        sync: what SyncNet says, or None with `lse_reason`.
        cosine: what the expert says, or None with `cosine_reason`.
        judged: whether the best offset stands out enough for its expert to be believed; None: from
            where on is not known of it.
        thumbnails: some of the images that were scored, small, uint8 BGR.
    """

    start_frame: int
    n_frames: int
    sync: SyncResult | None = None
    lse_reason: str | None = None
    cosine: CosineResult | None = None
    cosine_reason: str | None = None
    thumbnails: Sequence[np.ndarray] = ()
    judged: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields of one entry of `tracks` in scores.json."""
        sync, cosine = self.sync, self.cosine
        windows = sync.n_windows if sync else len(cosine.curve) if cosine else 0
        return {
            **{name: getattr(sync.lse, name) if sync else None for name in SCORES},
            **{name: getattr(sync.unpadded, of) if sync else None for of, name in UNPADDED.items()},
            "implausible": implausible(sync.lse.lse_d, sync.lse.lse_c) if sync else None,
            "lse_reason": self.lse_reason,
            "n_windows": windows,
            "start_frame": self.start_frame,
            "n_frames": self.n_frames,
            "syncnet_cosine": {"at_0": sync.cosine_at_0, "at_best": sync.cosine_at_best}
            if sync
            else None,
            "cosine": cosine.summary._asdict() if cosine else None,
            "cosine_reason": self.cosine_reason,
            "cosine_offset": cosine.offset if cosine else None,
            "cosine_confidence": cosine.confidence if cosine else None,
            "judged": self.judged,
            "distance_over_offset": _rounded(sync.lse.curve.tolist()) if sync else None,
            "confidence_over_time": _rounded(sync.confidence.tolist()) if sync else None,
            "cosine_over_offset": _rounded(cosine.by_offset.tolist()) if cosine else None,
            "cosine_over_time": _rounded(cosine.curve.tolist()) if cosine else None,
        }


@dataclass(frozen=True)
class SkippedTrack:
    """A face that was followed but could not be scored, e.g. after the sound's end."""

    start_frame: int
    n_frames: int
    error: str


@dataclass
class ClipScore:
    """Scores of one clip, or the reason why it has none.

    Attributes:
        path: as the user named it.
        tracks: at least one, unless `error` is set.
        skipped: faces that could not be scored, beside others that could.
        error: one sentence.
        plot: file name of its plot beside scores.json.
        speakers: who speaks, where that was asked.
    """

    path: str
    tracks: list[TrackScore] = field(default_factory=list)
    skipped: list[SkippedTrack] = field(default_factory=list)
    error: str | None = None
    plot: str | None = None
    speakers: Speakers | None = None

    def to_dict(self) -> dict[str, Any]:
        """One entry of `clips`; a single track's fields stand at this level too."""
        if self.error is not None:
            return {"path": self.path, "error": self.error}
        tracks = [track.to_dict() for track in self.tracks]
        own = tracks[0] if len(tracks) == 1 else {}
        skipped = [asdict(track) for track in self.skipped]
        plot = {"path": self.path, "plot": self.plot}
        speakers = {"speakers": self.speakers.to_dict()} if self.speakers else {}
        return {**plot, **own, "tracks": tracks, "skipped_tracks": skipped, **speakers}


def without_windows(track: TrackScore) -> TrackScore:
    """A track without its windows' distances: most of its bytes, and only its plot shows them."""
    if track.sync is None:
        return track
    return replace(track, sync=replace(track.sync, distances=track.sync.distances[:, :0].copy()))


def statistics_of(clips: Iterable[ClipScore]) -> dict[str, Any]:
    """Mean, standard error, median and count of each score over all tracks that have it.

    And `offsets`: how many tracks have each best offset. The standard error takes tracks as drawn
    independently, which those of one speaker or one video are not.
    """
    tracks = [track.to_dict() for clip in clips for track in clip.tracks]
    names = [name for name in (*SCORES, *UNPADDED.values()) if not name.startswith("offset")]
    values = {name: [t[name] for t in tracks if t[name] is not None] for name in names}
    values["cosine"] = [t["cosine"]["mean"] for t in tracks if t["cosine"]]
    for key in SYNCNET_COSINES:
        values[f"syncnet_cosine_{key}"] = _syncnet_cosines(tracks, key)
    found = Counter(t["offset"] for t in tracks if t["offset"] is not None)
    return {
        **{name: _statistics(numbers) for name, numbers in values.items()},
        "offsets": {str(offset): found[offset] for offset in sorted(found)},
    }


def _statistics(values: Sequence[float]) -> dict[str, Any] | None:
    if not values:
        return None
    error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return {
        "mean": _mean(values), "standard_error": error, "median": median(values),
        "count": len(values),
    }  # fmt: skip


def mean_scores(clips: Iterable[ClipScore]) -> dict[str, Any]:
    """Plain means over all tracks that have the score; None where none has it."""
    tracks = [track.to_dict() for clip in clips for track in clip.tracks]
    with_lse = [track for track in tracks if track["lse_d"] is not None]
    with_cosine = [track for track in tracks if track["cosine"]]
    return {
        **{name: _mean([track[name] for track in with_lse]) for name in SCORES},
        "syncnet_cosine": {key: _mean(_syncnet_cosines(tracks, key)) for key in SYNCNET_COSINES}
        if with_lse
        else None,
        "cosine": _mean([track["cosine"]["mean"] for track in with_cosine]),
        "cosine_offset": _mean([track["cosine_offset"] for track in with_cosine]),
    }


def video_scores(clip: ClipScore, rule: VideoScore = "mean") -> dict[str, Any]:
    """The numbers of one video that has several tracks, as `mean_scores` has them.

    Args:
        clip: with at least one track.
        rule: "mean" of the tracks; that of the "first", or of the "longest", one; "best": the
            lowest LSE-D of any and the highest LSE-C of any, the rest of the latter's.
    """
    if rule == "mean":
        return mean_scores([clip])
    tracks = [track for track in clip.tracks if track.sync] or clip.tracks
    if rule == "first":
        chosen = tracks[0]
    elif rule == "longest":
        chosen = max(tracks, key=lambda track: track.n_frames)
    else:
        chosen = max(tracks, key=lambda track: track.sync.lse.lse_c if track.sync else 0.0)
    scores = mean_scores([replace(clip, tracks=[chosen])])
    if rule == "best" and chosen.sync:
        scores["lse_d"] = min(track.sync.lse.lse_d for track in tracks if track.sync)
    return scores


def mean_of_videos(clips: Iterable[ClipScore], rule: VideoScore = "mean") -> dict[str, Any]:
    """As `mean_scores`, but each video counts once, by `video_scores`."""
    each = [video_scores(clip, rule) for clip in clips if clip.tracks]
    names = (*SCORES, "cosine", "cosine_offset")
    return {
        name: _mean([means[name] for means in each if means[name] is not None]) for name in names
    }


def _syncnet_cosines(tracks: Sequence[dict[str, Any]], key: str) -> list[float]:
    """Of the tracks that have it: a short clip has no window at a far best offset."""
    values = [track["syncnet_cosine"][key] for track in tracks if track["syncnet_cosine"]]
    return [value for value in values if math.isfinite(value)]


def to_json(
    clips: Sequence[ClipScore], protocol: str, settings: dict[str, Any], weights: dict[str, Any]
) -> dict[str, Any]:
    """The whole of scores.json; numbers that are not finite become null.

    Args:
        clips: in the order of the input.
        protocol: "lrs" or "track".
        settings: whatever else decides the scores; `video_score` is the rule of `video_scores`.
        weights: file and hash of each network, of an expert also how many speakers it heard.
    """
    rule = settings.get("video_score", "mean")
    n_failed = sum(clip.error is not None for clip in clips)
    return finite(
        {
            "protocol": protocol,
            "settings": settings,
            "weights": weights,
            "versions": _versions(),
            "offset_unit": "frames at 25 fps, positive where the sound is early",
            "offsets": offsets().tolist(),
            "clips": [_with_video(clip, rule) for clip in clips],
            "mean": mean_scores(clips),
            "mean_of_videos": mean_of_videos(clips, rule),
            "statistics": statistics_of(clips),
            "n_tracks": sum(len(clip.tracks) for clip in clips),
            "n_scored": sum(bool(clip.tracks) for clip in clips),
            "n_failed": n_failed,
            "n_skipped_tracks": sum(len(clip.skipped) for clip in clips),
            "failures": dict(Counter(clip.error for clip in clips if clip.error)),
        }
    )


def _with_video(clip: ClipScore, rule: VideoScore) -> dict[str, Any]:
    """One entry of `clips`, with the video's own numbers."""
    own = {"video": video_scores(clip, rule)} if clip.tracks else {}
    return clip.to_dict() | own


def _versions() -> dict[str, str]:
    # torch names its build, as 2.14.1+cu130, where its package need not.
    versions = {"python": platform.python_version(), "torch": str(torch.__version__)}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # run from a checkout, or another build of OpenCV
            versions[package] = "unknown"
    return versions


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(value, 5) for value in values]


def finite(value: Any) -> Any:
    """`value` with None for NaN and infinity, which JSON lacks."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
