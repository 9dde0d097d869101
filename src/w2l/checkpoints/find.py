"""Which file a user means."""

from __future__ import annotations

from pathlib import Path

from w2l import weights
from w2l.checkpoints import archive
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


def newest_expert(outputs: str | Path) -> Path | None:
    """The newest `*.ckpt` below `outputs` that holds a trained expert, or None.

    Only the small dict of each file is read, not its tensors; files that cannot be read, as one
    that is just being written, are passed over.
    """
    files = [path for path in Path(outputs).rglob("*.ckpt") if path.is_file()]
    for path in sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            ours = archive.load(path).get("w2l")
        except UserError:
            continue
        if isinstance(ours, dict) and ours.get("network") == "expert":
            return path
    return None
