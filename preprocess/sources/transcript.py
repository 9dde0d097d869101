"""Transcripts as LRS2 and LRS3 store them, or as a source gives them."""

from __future__ import annotations

from pathlib import Path


def read_transcript(transcript: Path | str | None) -> str | None:
    """The words themselves, or a file's after `Text:`; None where there is no file or no such line.

    Args:
        transcript: words, or a file of LRS2's form.
    """
    if transcript is None or isinstance(transcript, str):
        return transcript
    if not transcript.is_file():
        return None
    for line in transcript.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("Text:"):
            return line.removeprefix("Text:").strip()
    return None
