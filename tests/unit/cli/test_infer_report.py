"""What infer.py says in the end, and when it is no success."""

from __future__ import annotations

from fractions import Fraction
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from w2l.cli.infer_report import check_synced, show_judged
from w2l.errors import UserError
from w2l.inference import SyncReport
from w2l.inference.fade import TURNED
from w2l.inference.plan import NOT_CHOSEN
from w2l.inference.silence import NO_VOICE
from w2l.weights.catalog import JUDGE


def report(*reasons: str | None) -> SyncReport:
    made = SyncReport(Path("out.mp4"), Fraction(25))
    for reason in reasons:
        made.count(reason)
    return made


def test_a_result_without_a_synced_frame_is_no_success() -> None:
    with pytest.raises(UserError, match=r"No frame of out\.mp4 was synced .*max_turn=null") as told:
        check_synced(report(TURNED, NOT_CHOSEN))
    assert "person=tracks lists all" in str(told.value)
    assert "min_score" not in str(told.value)


@pytest.mark.parametrize("reasons", [(TURNED, None), (NO_VOICE, NO_VOICE), ()])
def test_a_frame_is_enough_and_silence_is_no_failure(reasons: tuple[str | None, ...]) -> None:
    check_synced(report(*reasons))


@pytest.mark.parametrize(
    ("offset", "confidence", "words"),
    [
        (0, 0.9, "lips and sound: offset +0"),
        (12, 0.08, "warning: the judge is not sure that lips and sound fit (offset +12 frames"),
        (5, 0.9, "warning: lips and sound fit best when moved: offset +5"),
    ],
)
def test_the_judge_says_what_the_count_of_frames_does_not(
    offset: int, confidence: float, words: str
) -> None:
    """A blob in place of a mouth is a synced frame, and fits no sound."""
    found: Any = SimpleNamespace(
        offset=offset, confidence=confidence, summary=SimpleNamespace(count=75)
    )
    said = StringIO()
    show_judged(found, JUDGE, Console(file=said, width=200))
    assert said.getvalue().startswith(words)
