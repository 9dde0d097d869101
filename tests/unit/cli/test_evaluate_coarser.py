"""What `precision=bfloat16` says of itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from w2l.cli import evaluate
from w2l.models import SyncNetV2


def test_the_change_of_the_scores_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Scorer:
        def __init__(self, syncnet: object, device: str, precision: str) -> None:
            self.lse_d = {"float32": 7.25, "bfloat16": 7.2525}[precision]

        def lse(self, frames: Any, sound: Any) -> Any:
            assert (len(list(frames)), sound.ndim) == (75, 1)
            return SimpleNamespace(lse=SimpleNamespace(lse_d=self.lse_d, lse_c=3.0))

    monkeypatch.setattr(evaluate, "SyncScorer", Scorer)
    assert evaluate.show_coarser(SyncNetV2.__new__(SyncNetV2), "cpu") == (
        "precision=bfloat16: of the clip grid_s3_sbia1a, LSE-D 7.2500 becomes 7.2525 (+0.0025), "
        "LSE-C 3.0000 becomes 3.0000 (+0.0000)"
    )
