"""The set's lists: manifest, rejections, splits."""

from __future__ import annotations

from dataclasses import dataclass

from preprocess.records import (
    MANIFEST_FIELDS,
    REJECTED_FIELDS,
    Record,
    Records,
    write_jsonl,
    write_lines,
)
from preprocess.sources.clip import Listing
from preprocess.splits import SPLITS, assign_splits


@dataclass(frozen=True)
class Result:
    """A set after a run.

    Attributes:
        accepted: lines of manifest.jsonl.
        rejected: lines of rejected.jsonl.
        pending: how many clips are neither yet, the other shards'.
        prepared: how many clips this run worked on.
        notes: sentences for the user.
    """

    accepted: list[Record]
    rejected: list[Record]
    pending: int
    prepared: int
    notes: list[str]


def write_lists(listing: Listing, records: Records, *, prepared: int) -> Result:
    """Write manifest.jsonl, rejected.jsonl, train.txt, val.txt, test.txt from what lies in the set.

    Every shard writes all of them, from the records of all clips: the last one has them whole.
    """
    accepted: list[Record] = []
    rejected: list[Record] = []
    for clip in listing.clips:
        if record := records.finished(clip):
            accepted.append(record)
        elif record := records.rejected(clip):
            rejected.append({field: record[field] for field in REJECTED_FIELDS})
    splits, notes = _splits(listing, [_key(record) for record in accepted])
    manifest = [
        {field: record[field] for field in MANIFEST_FIELDS} | {"split": splits[_key(record)]}
        for record in accepted
    ]
    write_jsonl(records.root / "manifest.jsonl", manifest)
    write_jsonl(records.root / "rejected.jsonl", rejected)
    for split in SPLITS:
        keys = [_key(record) for record in manifest if record["split"] == split]
        write_lines(records.root / f"{split}.txt", keys)
    pending = len(listing.clips) - len(accepted) - len(rejected)
    return Result(manifest, rejected, pending, prepared, notes)


def _key(record: Record) -> str:
    return f"{record['speaker']}/{record['clip']}"


def _splits(listing: Listing, keys: list[str]) -> tuple[dict[str, str], list[str]]:
    """Split of each key, from the source where it gives them."""
    given = {clip.key: clip.split for clip in listing.clips}
    if all(given.values()):
        return {key: str(given[key]) for key in keys}, []
    return assign_splits(keys)
