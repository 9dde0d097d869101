"""The one exception that a user is meant to read."""

from __future__ import annotations

from collections.abc import Sequence


class UserError(Exception):
    """Bad input: one sentence that names the file or key and the remedy.

    Commands print it and exit with code 1; no traceback is shown.
    """


def either(choices: Sequence[str]) -> str:
    """The choices that a sentence leaves its reader.

    >>> either(["pass", "hold", "error"])
    'pass, hold or error'
    """
    return " or ".join(part for part in (", ".join(choices[:-1]), choices[-1]) if part)
