"""Which group of a table a video belongs to: a speaker, a language, a set."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from w2l.errors import UserError
from w2l.paths import user_path

FOLDER = "folder"
OF_VIDEO, OF_GROUP = ("path", "video"), ("group", "speaker")


def groups_of(given: str, videos: Sequence[str | Path]) -> dict[str, str]:
    """Each video's group, of those that have one.

    Args:
        given: "folder": the name of the folder that a video lies in; or a .csv with a column
            `path` (or `video`) and a column `group` (or `speaker`). A path is meant as it stands,
            from the list's folder, or by its end, as `s1/a.mp4` of `data/s1/a.mp4`.
        videos: paths.

    Raises:
        UserError: the list cannot be read, names nothing of these, or one end fits two groups.
    """
    if given == FOLDER:
        return {str(video): Path(video).absolute().parent.name for video in videos}
    path = user_path(given)
    listed = _listed(path)
    found = {str(video): group for video in videos if (group := _group(video, path, listed))}
    if not found:
        raise UserError(f"group={path} names none of the {len(videos)} videos: check its paths.")
    return found


def _listed(path: Path) -> dict[str, str]:
    """Path as written → group."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"group={path} cannot be read as CSV: {error}.") from error
    names = list(rows[0]) if rows else []
    keys = [
        next((name for name in wanted if name in names), None) for wanted in (OF_VIDEO, OF_GROUP)
    ]
    if None in keys:
        raise UserError(
            f"group={path} must be group=folder or a .csv whose first line names a column `path` "
            "and a column `group` (or `speaker`)."
        )
    video, group = (str(key) for key in keys)
    return {row[video].strip(): row[group].strip() for row in rows if row[video] and row[group]}


def _group(video: str | Path, path: Path, listed: Mapping[str, str]) -> str | None:
    """The group of the listed path that is the video's, or the longest one that it ends in."""
    own = user_path(video).absolute()
    for name, group in listed.items():
        if own in (user_path(name).absolute(), user_path(name, path.parent).absolute()):
            return group
    ends = {
        name: group for name, group in listed.items() if own.parts[-_n(name) :] == Path(name).parts
    }
    longest = max(map(_n, ends), default=0)
    chosen = {group for name, group in ends.items() if _n(name) == longest}
    if len(chosen) > 1:
        raise UserError(f"group={path} gives {video} two groups: {', '.join(sorted(chosen))}.")
    return chosen.pop() if chosen else None


def _n(name: str) -> int:
    return len(Path(name).parts)
