"""What infer.py says in the end, and when it is no success."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from w2l.cli.infer_report import check_synced
from w2l.errors import UserError
from w2l.inference import SyncReport
from w2l.inference.fade import TURNED
from w2l.inference.plan import NOT_CHOSEN
from w2l.inference.silence import NO_VOICE


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
