"""The one exception that a user is meant to read."""

from __future__ import annotations


class UserError(Exception):
    """Bad input: one sentence that names the file or key and the remedy.

    Commands print it and exit with code 1; no traceback is shown.
    """
