"""`W2L_OFFLINE=1`: nothing is fetched, and nobody is asked whether there is a network."""

from __future__ import annotations

import os

from w2l.errors import UserError

VARIABLE = "W2L_OFFLINE"


def is_offline() -> bool:
    """Whether the environment says so."""
    return os.environ.get(VARIABLE, "") not in {"", "0"}


def require_network(what: str, remedy: str) -> None:
    """Refuse to fetch where the environment says so.

    Args:
        what: that would be fetched.
        remedy: what to do without a network.

    Raises:
        UserError: it says so.
    """
    if is_offline():
        raise UserError(f"{what} is not fetched, as {VARIABLE}=1 says: {remedy}.")
