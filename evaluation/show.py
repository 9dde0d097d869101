"""`show=[source,result]`: both beside each other, and what the judge says of them."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from evaluation.keys import Evaluation
from evaluation.plots import plot_offsets
from evaluation.strip import MOST_SECONDS, moving_strip
from w2l.building import Component, named_group
from w2l.checkpoints import load_expert
from w2l.errors import UserError
from w2l.files import atomic_path, unused, write_text
from w2l.html import image, page, video
from w2l.inference import pick_device
from w2l.paths import user_path
from w2l.scoring import Evaluator, Protocol, SyncScorer
from w2l.scoring.report import said
from w2l.scoring.results import TrackScore
from w2l.weights.catalog import JUDGE, judge_believes

ROLES = ("source", "result")


def show(settings: Evaluation, console: Console) -> None:
    """Score a source and its result by the small judge, and write one page with both.

    Raises:
        UserError: not two videos are named, or one cannot be scored.
    """
    given = settings.show
    if not isinstance(given, list) or len(given) != len(ROLES):
        raise UserError("show= takes two videos: show=[source.mp4,result.mp4].")
    videos = [user_path(name) for name in given]
    if missing := [path for path in videos if not path.is_file()]:
        raise UserError(f"show={missing[0]} is not a file: check the path.")
    given_out = settings.out
    out = unused(Path("outputs"), "show") if given_out is None else user_path(given_out)
    device = str(pick_device(settings.device))
    detector: Any = Component.of(named_group("detector", "centerface")).build(device=device)
    scorer = SyncScorer(expert=load_expert(settings.judge or JUDGE), device=device)
    believes = judge_believes if settings.judge in {None, JUDGE} else None
    evaluator = Evaluator(scorer, Protocol(), detector, believes=believes)
    tracks = {}
    for role, video_file in zip(ROLES, videos, strict=True):
        judged = [track for track in evaluator.score(video_file).tracks if track.cosine]
        if not judged:
            raise UserError(f"{video_file}: no face in it can be judged: choose another video.")
        tracks[role] = max(judged, key=lambda track: track.n_frames)
        console.print(f"{role}: {said(tracks[role])}", soft_wrap=True)
    both = dict(zip(ROLES, videos, strict=True))
    strip = moving_strip(both, tracks)
    with atomic_path(out / "strip.webp") as path:
        path.write_bytes(strip)
    write_text(out / "index.html", _page(both, tracks, strip))
    console.print(str(out / "index.html"), soft_wrap=True)
    if settings.open and sys.stdout.isatty():
        webbrowser.open((out / "index.html").as_uri())


def _page(videos: Mapping[str, Path], tracks: Mapping[str, TrackScore], strip: bytes) -> str:
    figures = [video(videos[role], f"{role.title()}: {said(tracks[role])}.") for role in ROLES]
    curves = {
        role: track.cosine.by_offset for role, track in tracks.items() if track.cosine is not None
    }
    return page(
        "Source and result",
        [
            f'<div class="wall">{"".join(figures)}</div>',
            image(
                strip,
                f"The first {MOST_SECONDS:g} s of both, and how well lips and audio fit in the "
                "0.2 s around each frame.",
                "image/webp",
            ),
            image(
                plot_offsets(curves),
                "How well they fit when the audio is moved by so many frames of 1/25 s: a peak at "
                "0 is in sync, a flat line is none.",
            ),
        ],
    )
