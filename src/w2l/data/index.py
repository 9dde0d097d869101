"""The index of a set's shards: `<root>/shards/<storage>/index.json` (docs/data_format.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from w2l import __version__
from w2l.data.shards import COMPRESSED, FORMAT, JPEG, RAW, has_size
from w2l.errors import UserError

INDEX = "index.json"
STORAGES = (RAW, COMPRESSED, JPEG)  # quickest first


@dataclass(frozen=True)
class ShardEntry:
    """One shard as the index lists it.

    Attributes:
        file: its name, beside the index.
        clips: rows in it.
        frames: faces in all of them.
        bytes: its length.
        sha256: of its content, hexadecimal.
    """

    file: str
    clips: int
    frames: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Index:
    """All shards of a set in one storage.

    Attributes:
        storage: raw, compressed or jpeg.
        image_size: side of the faces in pixels; None for JPEG files, which fit any.
        splits: shards of train, val and test, in the order of the split's list.
        lists: SHA-256 of each split list that was packed: another list, and shards are out of date.
    """

    storage: str
    image_size: int | None
    splits: Mapping[str, Sequence[ShardEntry]]
    lists: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """What the file holds."""
        about = {"format": FORMAT, "w2l": __version__}
        return json.dumps(about | asdict(self), indent=1) + "\n"


def parse_index(text: str | bytes, where: str) -> Index:
    """The index that a file holds.

    Args:
        text: its content.
        where: its path or address, for messages.

    Raises:
        UserError: it is damaged, or of another format.
    """
    try:
        value = json.loads(text)
        if value["format"] != FORMAT:
            raise UserError(
                f"{where} has format {value['format']}, this version reads {FORMAT}: pack the "
                "shards again with `python -m preprocess`, or install the version that made them."
            )
        splits = {
            split: [ShardEntry(**entry) for entry in entries]
            for split, entries in value["splits"].items()
        }
        return Index(value["storage"], value["image_size"], splits, value["lists"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{where} is damaged: pack the shards again with `python -m preprocess`."
        ) from error


def shard_folder(storage: str, image_size: int) -> str:
    """Folder of a storage's shards below the set's root."""
    return f"shards/{storage}-{image_size}" if has_size(storage) else f"shards/{storage}"


def list_digest(names: Sequence[str]) -> str:
    """SHA-256 of a split list, whatever its blank lines and tags."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def packing_command(root: str | Path, storage: str, image_size: int) -> str:
    """What makes the shards of a set that is there as folders."""
    size = f" image_size={image_size}" if has_size(storage) else ""
    where = f"data_root={root} out={root}"
    return f"`python -m preprocess source=prepared {where} storage={storage}{size}`"
