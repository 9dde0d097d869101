"""The list of published weight files: addresses, sizes, hashes, licences."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from w2l.errors import UserError

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


REGISTRY_FILE = Path(__file__).resolve().parents[1] / "weights_registry.json"


@dataclass(frozen=True)
class WeightFile:
    """One published file.

    Attributes:
        name: what a user types, e.g. `wav2lip_gan`.
        file_name: its name in the cache.
        network: which network it holds, in the words of `w2l.checkpoints`.
        used_for: what it does, in a few words.
        urls: addresses in the order they are tried; empty where no script can fetch it.
        page: a page for a person to fetch it from, if there is no direct address.
        size: in bytes, or None where no source gives it.
        sha256: hexadecimal, or None where no source gives it.
        licence: of the code and of the weights, as far as it is stated.
        evidence: how well the hash is known: "agree" (separate sources give the same),
            "one source" or "unknown".
        note: where the hash was read.
    """

    name: str
    file_name: str
    network: str
    used_for: str
    urls: tuple[str, ...]
    size: int | None
    sha256: str | None
    licence: str
    evidence: str
    note: str
    page: str | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.file_name}{f', {megabytes(self.size)}' if self.size else ''})"


def megabytes(size: int) -> str:
    """A file size for a person, in MB of 10⁶ bytes."""
    return f"{size / 1e6:.1f} MB" if size < 1e7 else f"{size / 1e6:.0f} MB"


@cache
def registry(path: Path = REGISTRY_FILE) -> Mapping[str, WeightFile]:
    """Every known file by name, read from the JSON list that ships with the package."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: WeightFile(name=name, **{**entry, "urls": tuple(entry["urls"])})
        for name, entry in entries.items()
    }


def lookup(name: str, files: Mapping[str, WeightFile]) -> WeightFile:
    """The entry called `name`.

    Raises:
        UserError: there is none; the sentence lists the names.
    """
    if name not in files:
        raise UserError(f"There are no weights called {name!r}{suggestion(name, files)}.")
    return files[name]


def suggestion(name: str, names: Iterable[str]) -> str:
    """Close matches of a mistyped name, then all of them, as the end of a sentence."""
    names = sorted(names)
    close = get_close_matches(name.lower(), names, n=2)
    hint = f"; did you mean {' or '.join(close)}?" if close else ";"
    return f"{hint} the names are {', '.join(names)}"
