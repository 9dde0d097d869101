"""Which file a user means."""

from __future__ import annotations

from pathlib import Path

from w2l import weights
from w2l.errors import UserError
from w2l.paths import user_path
from w2l.weights.catalog import suggestion
from w2l.weights.shipped import GENERATOR, shipped

AUTO = "auto"
RELEASED = "wav2lip_gan"


def chosen_generator(name: str) -> str:
    """The name itself; for "auto" the released generator's where it was fetched before, else that
    of the small one, which is always there.
    """
    if name != AUTO:
        return name
    released = weights.registry()[RELEASED]
    return RELEASED if (weights.cache_folder() / released.file_name).is_file() else GENERATOR


def resolve(path_or_name: str | Path) -> Path:
    """An existing file as it is; a registry name as the fetched file; a small network of ours.

    Raises:
        UserError: neither (the sentence lists the names), or the download failed.
    """
    path = user_path(path_or_name)
    if path.is_file():
        return path
    if str(path_or_name) in (ours := shipped()):
        return ours[str(path_or_name)]
    names = weights.registry()
    if str(path_or_name) in names:
        return weights.fetch(str(path_or_name))
    if path.is_dir():
        raise UserError(f"{path} is a folder: name the checkpoint file in it.")
    raise UserError(
        f"{path_or_name} is neither a file nor the name of weights"
        f"{suggestion(str(path_or_name), [*names, *ours])}."
    )
