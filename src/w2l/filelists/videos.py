"""Which videos `video=` means: a file, a folder, or a text file that lists them."""

from __future__ import annotations

from pathlib import Path

from w2l.errors import UserError
from w2l.filelists.reading import on_disk, read_names
from w2l.paths import user_path

VIDEO_ENDINGS = frozenset(
    {
        ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
        ".mxf", ".ogv", ".ts", ".webm", ".wmv",
    }
)  # fmt: skip


def find_videos(video: str | Path) -> list[Path]:
    """The videos to score, in a fixed order.

    Args:
        video: a video file; a folder (all files below it that are named like videos, hidden ones
            excepted, sorted); or a `.txt` file with one path per line, relative to the current
            folder or else to the list's own. Empty lines and lines starting with `#` are skipped.

    Raises:
        UserError: it does not exist, names no video, or is no text.
    """
    path = user_path(video)
    if path.is_dir():
        found = sorted(_below(path))
        if not found:
            raise UserError(
                f"There is no video in the folder {path}: it takes files ending in "
                f"{', '.join(sorted(VIDEO_ENDINGS))}."
            )
        return found
    if not path.is_file():
        raise UserError(f"video={video}: there is no such file or folder.")
    if path.suffix.lower() != ".txt":
        return [path]
    names = read_names(path)
    if not names:
        raise UserError(f"The list {path} names no video: it takes one path per line.")
    return [_listed(name, path.parent) for name in names]


def _below(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in VIDEO_ENDINGS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _listed(name: str, folder: Path) -> Path:
    """A path of a list; one that does not exist stays as it is, and fails as a clip."""
    here, beside = on_disk(user_path(name)), on_disk(folder / name)
    return beside if not here.exists() and beside.exists() else here
