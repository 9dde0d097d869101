"""The same video twice: it would count double, and could train and test at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from preprocess.records import Record
from preprocess.rejection import DUPLICATE
from w2l.components import Clip
from w2l.files import sha256


def same_files(clips: Sequence[Clip]) -> dict[str, str]:
    """Files with the bytes, and clips with the times, of one that is listed earlier.

    Only files of one size are read.

    Returns:
        The earlier clip's key by the later one's.
    """
    by_size: dict[object, list[Clip]] = defaultdict(list)
    for clip in clips:
        if clip.url is not None:
            by_size[clip.url].append(clip)
        elif clip.path.is_file() and (size := clip.path.stat().st_size):  # an empty one is broken
            by_size[size].append(clip)
    hashes: dict[Path, str] = {}
    found = {}
    for alike in by_size.values():
        earlier: dict[object, Clip] = {}
        for clip in alike if len(alike) > 1 else ():
            content = clip.url
            if content is None:
                if clip.path not in hashes:
                    try:
                        hashes[clip.path] = sha256(clip.path)
                    except OSError:  # said of the clip when it is prepared
                        hashes[clip.path] = str(clip.path)
                content = hashes[clip.path]
            first = earlier.setdefault((content, clip.start_s, clip.end_s), clip)
            if first is not clip:
                found[clip.key] = first.key
    return found


def duplicate(clip: Clip, original: str) -> Record:
    """The record of a clip that is left out.

    Args:
        clip: it.
        original: the key of the clip that it repeats.
    """
    return {
        "speaker": clip.speaker,
        "clip": clip.name,
        "source": clip.source,
        "start_s": clip.start_s or None,
        "end_s": clip.end_s,
        "step": "duplicates",
        "reason": DUPLICATE,
        "detail": f"{clip.key} is the same as {original}.",
    }
