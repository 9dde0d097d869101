"""Whether a run of evaluate.py ends with an error."""

from __future__ import annotations

from typing import Any

import pytest

from w2l.cli.evaluate_show import raise_failures
from w2l.errors import UserError
from w2l.scoring.results import ClipScore

SILENT, RUBBISH = ClipScore("a.mp4"), ClipScore("r.mp4", error="r.mp4 is no video.")


def lips(*errors: str | None) -> dict[str, Any]:
    """The field `lips` of scores.json; None: scored."""
    rows = [{"error": each} if each else {"offset": 0} for each in errors]
    return {"clips": rows, "n_scored": sum(each is None for each in errors)}


def test_without_a_network_what_was_not_scored_by_anything_is_an_error() -> None:
    nothing = lips("a.mp4 has no sound.", "r.mp4 is no video.")
    with pytest.raises(UserError, match=r"None of 2 videos could be scored\. a\.mp4 has no sound"):
        raise_failures([SILENT, RUBBISH], None, [nothing], strict=False, has_network=False)
    some = lips(None, "r.mp4 is no video.")
    raise_failures([SILENT, RUBBISH], None, [some], strict=False, has_network=False)
    raise_failures([SILENT], {"n_failed": 0}, [nothing], strict=False, has_network=False)


def test_with_a_network_videos_that_all_failed_are_an_error() -> None:
    scored = ClipScore("a.mp4")
    raise_failures([scored, RUBBISH], None, [], strict=False, has_network=True)
    with pytest.raises(UserError, match=r"^r\.mp4 is no video"):
        raise_failures([RUBBISH], None, [], strict=False, has_network=True)
    with pytest.raises(UserError, match="1 of 2 videos failed and 0 faces were skipped"):
        raise_failures([scored, RUBBISH], None, [], strict=True, has_network=True)
