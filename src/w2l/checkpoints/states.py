"""The states of a training that a run folder holds."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from w2l.checkpoints import archive
from w2l.checkpoints.load import refuse_not_finite
from w2l.errors import UserError

_NAMES = ("update-*.ckpt", "last.ckpt", "best.ckpt")


def training_states(folder: str | Path) -> list[Path]:
    """The checkpoints in a run's folder (or its `checkpoints` folder), the newest first.

    Names of the same file are one; `best.ckpt` comes before none that is as new.
    """
    folder = Path(folder)
    inner = folder / "checkpoints"
    inner = inner if inner.is_dir() else folder
    found = [path for name in _NAMES for path in sorted(inner.glob(name), reverse=True)]
    unique = {(path.stat().st_dev, path.stat().st_ino): path for path in reversed(found)}
    rank = {path: place for place, path in enumerate(found)}
    return sorted(unique.values(), key=lambda path: (-path.stat().st_mtime_ns, rank[path]))


def newest_state(folder: str | Path, warn: Callable[[str], None]) -> Path | None:
    """The newest checkpoint in a run's folder that a run can go on from, or None where none is.

    Args:
        folder: a run's folder, or its `checkpoints` folder.
        warn: gets a sentence for each newer one that is damaged, or of a training that had
            diverged, and passed over.

    Raises:
        UserError: there are some, and none can be read.
    """
    candidates = training_states(folder)
    for path in candidates:
        try:
            check_whole(path)
        except UserError as error:
            warn(f"{str(error).partition(':')[0]}; going on from the one before.")
        else:
            return path
    if candidates:
        raise UserError(
            f"None of the {len(candidates)} checkpoints in {candidates[0].parent} can be read: "
            "name another with resume=…, or start anew in another run_dir."
        )
    return None


def check_whole(path: Path) -> None:
    """Read the whole file, against its checksums.

    Raises:
        UserError: it is no checkpoint, damaged, or of a training that had diverged.
    """
    content = archive.load(path)
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as file:
                damaged = file.testzip()
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
            damaged = str(error)
        if damaged is not None:
            raise UserError(f"{path} is damaged or cut off: fetch or copy it again.")
    state = content.get("state_dict")
    refuse_not_finite(path, state if isinstance(state, Mapping) else {})
