"""Which path a user means by what was typed, and how a path is shown."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def user_path(text: object, folder: Path = Path()) -> Path:
    """A path in `folder`, as it stands where that is there, else with `~` as the home folder.

    A file may be called `~talk.mp4`, which is nobody's home.
    """
    path = folder / str(text)
    return path if os.path.exists(path) else folder / os.path.expanduser(str(text))


def readable(text: object) -> str:
    """A text that holds names of files, fit for everything that takes UTF-8.

    A name may be any bytes: those that are no UTF-8 come as surrogates, and are shown as escapes.

    >>> readable("caf\\udce9.mp4")
    'caf\\\\udce9.mp4'
    """
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def told_path(path: str | Path) -> str:
    """A path as messages name it: relative to the present folder or, as `~`, to the home folder.

    Elsewhere it is whole, so that it can be gone to.
    """
    if os.path.isabs(path):
        for base, sign in ((Path.cwd(), Path()), (Path.home(), Path("~"))):
            with suppress(ValueError):
                return str(sign / Path(path).relative_to(base))
    return str(path)


def shown_path(path: str | Path) -> str:
    """A path as results name it: who hands them on does not tell whose machine it was.

    As `told_path`, and relative to the present folder elsewhere, too.
    """
    told = told_path(path)
    if os.path.isabs(told):
        with suppress(ValueError):  # of another drive
            return os.path.relpath(told)
    return told
