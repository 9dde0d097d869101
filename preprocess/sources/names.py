"""Folder names that a split list can hold."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

MAX_LENGTH = 100  # characters; file systems allow 255 bytes, a temporary name needs some of them


def folder_name(text: str) -> str:
    """`text` as one folder name: no blanks (they end a line's entry in split lists), no slashes.

    Letters of any language stay; bytes that are no UTF-8 become `_`. A name that begins with a dot
    would be hidden; it gets a `_`.
    """
    name = re.sub(r"[\s/\\\x00-\x1f\x7f\ud800-\udfff]+", "_", text.strip())
    if len(name) > MAX_LENGTH:
        name = f"{name[:MAX_LENGTH]}-{_digest(text)}"
    return f"_{name}" if not name or name.startswith(".") else name


def tell_apart(keys: Sequence[str], sources: Sequence[str]) -> list[str]:
    """Append a hash of the source to each key that occurs more than once.

    Upper and lower case count as the same, since some file systems do not tell them apart. Every
    member of such a group gets its hash, so that one's name does not hang on the others' order.
    """
    counts = Counter(key.casefold() for key in keys)
    return [
        f"{key}-{_digest(source)}" if counts[key.casefold()] > 1 else key
        for key, source in zip(keys, sources, strict=True)
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
