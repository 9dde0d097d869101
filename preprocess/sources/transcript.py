"""Transcripts as LRS2 and LRS3 store them."""

from __future__ import annotations

from pathlib import Path


def read_transcript(path: Path | None) -> str | None:
    """The words after `Text:`; None where there is no file or no such line."""
    if path is None or not path.is_file():
        return None
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("Text:"):
            return line.removeprefix("Text:").strip()
    return None
