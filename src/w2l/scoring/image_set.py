"""Pairs of videos, one after another: their references, their rows, what is of the whole set."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from w2l.errors import UserError
from w2l.paths import shown_path
from w2l.scoring.images import ImageScorer

logger = logging.getLogger(__name__)


def compare_pairs(
    scorer: ImageScorer, pairs: Iterable[tuple[Path, Path]]
) -> Iterator[dict[str, Any]]:
    """A row for each generated video and its reference: the paths, and scores or an `error`."""
    for video, reference in pairs:
        row: dict[str, Any] = {"path": shown_path(video), "reference": shown_path(reference)}
        try:
            row |= scorer.score(video, reference)
        except UserError as error:
            row["error"] = str(error)
        except Exception as error:  # of whatever kind: one bad pair must not end a set
            logger.exception("%s could not be compared", video)
            row["error"] = f"{type(error).__name__}: {error}"
        yield row


def references(videos: Sequence[Path], reference: Path) -> Iterator[tuple[Path, Path]]:
    """Each video with its reference: the file, or the file of its name in the folder.

    Raises:
        UserError: there is none.
    """
    if reference.is_dir():
        for video in videos:
            beside = reference / video.name
            if not beside.is_file():
                raise UserError(f"reference={reference} has no {video.name}: name files alike.")
            yield video, beside
    elif not reference.is_file():
        raise UserError(f"reference={reference} is neither a file nor a folder: check the path.")
    elif len(videos) > 1:
        raise UserError(f"reference={reference} is one file and there are {len(videos)} videos: "
                        "name a folder.")  # fmt: skip
    else:
        yield videos[0], reference
