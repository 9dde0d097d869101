"""Transcripts as LRS2, LRS3 and GRID store them, or as a source gives them."""

from __future__ import annotations

from pathlib import Path

SILENT = ("sil", "sp")  # what GRID's alignments call the time before, between and after words


def read_transcript(transcript: Path | str | None) -> str | None:
    """The words themselves, or a file's; None where there is no file or it holds none.

    Args:
        transcript: words, a file of LRS2's form, whose words come after `Text:`, or one of GRID's,
            `*.align`, with a line for each word: where it begins, where it ends, the word.
    """
    if transcript is None or isinstance(transcript, str):
        return transcript
    if not transcript.is_file():
        return None
    lines = transcript.read_text(encoding="utf-8", errors="replace").splitlines()
    if transcript.suffix.lower() == ".align":
        cells = [line.split() for line in lines]
        words = [row[2] for row in cells if len(row) == 3 and row[2].lower() not in SILENT]
        return " ".join(words) or None
    for line in lines:
        if line.startswith("Text:"):
            return line.removeprefix("Text:").strip()
    return None
