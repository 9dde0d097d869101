"""The small networks that come with the package: trained on GRID, their cards beside them."""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "small"
JUDGE = "judge_small"  # scores; no generator was trained against it
GENERATOR = "wav2lip_small"


def shipped() -> dict[str, Path]:
    """Their files by name, which is that of the experiment that trains each."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}


def judge_threshold() -> float:
    """The confidence of the judge's best offset from which on it is believed.

    It was measured on people that it had not seen, by `evaluate.py calibrate=true`.
    """
    content = json.loads((FOLDER / f"{JUDGE}_calibration.json").read_text(encoding="utf-8"))
    return float(content["curves"]["confidence"]["threshold"])
