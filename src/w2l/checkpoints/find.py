"""Which file a user means."""

from __future__ import annotations

from pathlib import Path

from w2l import weights
from w2l.errors import UserError
from w2l.paths import user_path
from w2l.weights.catalog import suggestion


def resolve(path_or_name: str | Path) -> Path:
    """An existing file as it is; a registry name as the fetched file.

    Raises:
        UserError: neither (the sentence lists the names), or the download failed.
    """
    path = user_path(path_or_name)
    if path.is_file():
        return path
    names = weights.registry()
    if str(path_or_name) in names:
        return weights.fetch(str(path_or_name))
    if path.is_dir():
        raise UserError(f"{path} is a folder: name the checkpoint file in it.")
    raise UserError(
        f"{path_or_name} is neither a file nor the name of published weights"
        f"{suggestion(str(path_or_name), names)}."
    )
