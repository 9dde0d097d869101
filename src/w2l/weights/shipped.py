"""The small networks that come with the package: trained on GRID, their cards beside them."""

from __future__ import annotations

import json
import math
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "small"
JUDGE = "judge_small"  # scores; no generator was trained against it
GENERATOR = "wav2lip_small"


def shipped() -> dict[str, Path]:
    """Their files by name, which is that of the experiment that trains each."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}


WINDOWS = 70  # of the clips of 3 s on which it was calibrated


def judge_believes(confidence: float, n_windows: int) -> bool:
    """Whether the judge's best offset stands out enough to be believed.

    From where on was measured by `evaluate.py calibrate=true` on clips of a person that it had not
    seen, against the sounds of that person's other clips: the equal error rate. Means over more
    windows stand out less by chance, as the root of their number.

    Args:
        confidence: highest mean cosine minus the median over the offsets.
        n_windows: of the clip.
    """
    content = json.loads((FOLDER / f"{JUDGE}_calibration.json").read_text(encoding="utf-8"))
    threshold = float(content["curves"]["confidence"]["threshold"])
    return confidence * math.sqrt(n_windows / WINDOWS) >= threshold
