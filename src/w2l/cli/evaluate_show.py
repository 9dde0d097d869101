"""What `evaluate.py` says in the end: the table, each failure, and scores that cannot be right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console

from w2l.cli.evaluate_speaker import speaker_table
from w2l.errors import UserError
from w2l.scoring import ClipScore, Evaluator
from w2l.scoring.report import counted_faces, score_table, summary_line
from w2l.scoring.results import VideoScore

FAINT = 0.5  # a choice: far under the 10.0 and 4.5 that SyncNet publishes of its two examples


def show(
    clips: Sequence[ClipScore],
    evaluator: Evaluator,
    output: Path,
    console: Console,
    rule: VideoScore = "mean",
    *,
    has_page: bool = False,
) -> None:
    """Print the table, then each failure of a set with its reason, and where the results lie."""
    if any(clip.tracks for clip in clips):
        console.print(score_table(clips, evaluator.protocol.name, rule))
        console.print(summary_line(clips, rule))
    for clip in clips:
        if clip.speakers:
            console.print(speaker_table(clip.speakers, Path(clip.path).name))
    for clip in clips:
        # A lone clip's error is what the command ends with.
        problems = [("failed", clip.error)] if clip.error is not None and len(clips) > 1 else []
        problems += [("skipped", f"frame {s.start_frame} on: {s.error}") for s in clip.skipped]
        for what, error in problems:
            path = "" if clip.path in error else f"{clip.path}: "
            console.print(f"{what}: {path}{error}", soft_wrap=True, markup=False)
    unsure = [track for clip in clips for track in clip.tracks if track.judged is False]
    if unsure:
        console.print(
            f"not judged: {counted_faces(len(unsure))}. At no offset do lips and sound fit clearly "
            "better than at others (docs/metrics.md): another sound, lips that hardly move, too "
            "short a clip, or a face unlike those that this expert knows.",
            soft_wrap=True,
        )
    scored = [(clip.path, track.to_dict()) for clip in clips for track in clip.tracks]
    if odd := [(path, track) for path, track in scored if track["implausible"]]:
        path, first = odd[0]
        console.print(
            f"warning: no real video is known to score like {path} (LSE-D {first['lse_d']:.1f}, "
            f"LSE-C {first['lse_c']:.1f}; {len(odd)} of {len(scored)} faces): check the weights "
            f"(syncnet=), colours and frame rate.",
            soft_wrap=True, markup=False,
        )  # fmt: skip
    confident = [track["lse_c"] for _, track in scored if track["lse_c"] is not None]
    if confident and fmean(confident) < FAINT and not odd:
        console.print(
            f"warning: no offset stands out (LSE-C is {fmean(confident):.2f} in the mean): random "
            "weights of SyncNet look like that, and sound of something else than the images.",
            soft_wrap=True,
        )
    if has_page:
        console.print(f"page: {output.with_suffix('.html')}", soft_wrap=True, markup=False)
    console.print(str(output), soft_wrap=True, markup=False)


def raise_failures(
    clips: Sequence[ClipScore],
    compared: dict[str, Any] | None,
    beside: Sequence[dict[str, Any]],
    strict: bool,
    *,
    has_network: bool,
) -> None:
    """End with an error where nothing was scored, or anything failed and `strict`.

    Args:
        clips: as scored.
        compared: the field `pictures` of scores.json; None: there was no reference.
        beside: the fields `lips`, `judge` and `iqa`, as far as they are there.
        strict: one clip, face or pair that failed is enough.
        has_network: whether sync was scored.

    Raises:
        UserError: so.
    """
    errors = [clip.error for clip in clips if clip.error is not None]
    skipped = sum(len(clip.skipped) for clip in clips)
    if has_network:
        lost, nothing = errors, len(errors) == len(clips)
    else:  # what cannot be compared with a reference is told by `raise_if_none`
        lost = [row["error"] for each in beside for row in each["clips"] if "error" in row]
        some = compared is not None or any(each["n_scored"] for each in beside)
        nothing = bool(lost) and not some
    if nothing:
        number = "" if len(clips) == 1 else f"None of {len(clips)} videos could be scored. "
        raise UserError(number + lost[0])
    not_compared = 0 if compared is None else compared["n_failed"]
    if (errors or skipped or not_compared) and strict:
        failed = [f"{len(errors)} of {len(clips)} videos failed", f"{skipped} faces were skipped"]
        if compared is not None:
            failed.append(f"{not_compared} of {len(clips)} pairs were not compared")
        told = " and ".join([", ".join(failed[:-1]), failed[-1]])
        raise UserError(f"{told} (strict=true): see above.")
