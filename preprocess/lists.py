"""The set's lists: manifest, rejections, splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet as pq

from preprocess.duplicates import duplicate
from preprocess.records import (
    MANIFEST_FIELDS,
    REJECTED_FIELDS,
    Record,
    Records,
    write_jsonl,
)
from preprocess.rejection import NOT_A_VIDEO
from preprocess.sources.clip import Listing
from preprocess.splits import SPLITS, assign_splits
from w2l.filelists import SplitEntry, write_split
from w2l.files import atomic_path
from w2l.paths import readable

COUNTS = {"n_frames", "n_faces", "width", "height", "face_size", "n_mel", "sync_offset"}
NUMBERS = {
    "start_s", "end_s", "duration_s", "fps", "source_fps", "sync_confidence", "sharpness",
    "brightness", "yaw", "pitch",
}  # fmt: skip
COLUMNS = dict.fromkeys((*MANIFEST_FIELDS, "split", *REJECTED_FIELDS))
TABLE = pa.schema(
    (name, pa.int32() if name in COUNTS else pa.float64() if name in NUMBERS else pa.string())
    for name in COLUMNS
)


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


def write_lists(
    listing: Listing,
    records: Records,
    *,
    prepared: int,
    duplicates: Mapping[str, str] | None = None,
    near: bool = False,
) -> Result:
    """Write the manifests and train.txt, val.txt, test.txt from what lies in the set.

    Every shard writes all of them, from the records of all clips: the last one has them whole.

    Args:
        listing: all clips.
        records: of the set.
        prepared: how many clips this run worked on.
        duplicates: what some clips repeat, by their keys.
        near: look for more of them among the clips once all are prepared.
    """
    duplicates = dict(duplicates or {})
    accepted: list[Record] = []
    rejected: list[Record] = []
    clips = {clip.key: clip for clip in listing.clips}
    for clip in listing.clips:
        if clip.key in duplicates:
            rejected.append(duplicate(clip, duplicates[clip.key]))
        elif record := records.finished(clip):
            accepted.append(record)
        elif record := records.rejected(clip):
            rejected.append({field: record.get(field) for field in REJECTED_FIELDS})
    pending = len(listing.clips) - len(accepted) - len(rejected)
    if near and not pending:
        from preprocess.lookalikes import same_clips  # loads OpenCV

        again = same_clips(accepted, records.root)
        rejected += [duplicate(clips[key], original) for key, original in again.items()]
        accepted = [record for record in accepted if _key(record) not in again]
    rejected += [_other(source) for source in listing.others]
    splits, notes = _splits(listing, [_key(record) for record in accepted])
    manifest = [
        {field: record.get(field) for field in MANIFEST_FIELDS} | {"split": splits[_key(record)]}
        for record in accepted
    ]
    write_jsonl(records.root / "manifest.jsonl", manifest)
    write_jsonl(records.root / "rejected.jsonl", rejected)
    write_table(records.root / "manifest.parquet", manifest, rejected)
    for split in SPLITS:
        entries = [
            SplitEntry(record["speaker"], record["clip"])
            for record in accepted
            if splits[_key(record)] == split
        ]
        write_split(records.root / f"{split}.txt", entries)
    return Result(manifest, rejected, pending, prepared, notes)


def write_table(path: Path, accepted: list[Record], rejected: list[Record]) -> None:
    """Clips and rejections in one Parquet file; `step` is null for what is in the set."""
    rows = sorted([*accepted, *rejected], key=lambda r: (r["source"], r["start_s"] or 0.0))
    with atomic_path(path) as temporary:
        rows = [
            {
                key: readable(value) if isinstance(value, str) else value
                for key, value in row.items()
            }
            for row in rows
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=TABLE), temporary)


def _other(source: str) -> Record:
    return dict.fromkeys(REJECTED_FIELDS) | {
        "source": source,
        "step": "listing",
        "reason": NOT_A_VIDEO,
        "detail": f"{source} is not called like a video: rename it if it is one.",
    }


def _key(record: Record) -> str:
    return f"{record['speaker']}/{record['clip']}"


def _splits(listing: Listing, keys: list[str]) -> tuple[dict[str, str], list[str]]:
    """Split of each key, from the source where it gives them."""
    given = {clip.key: clip.split for clip in listing.clips}
    if all(given.values()):
        return {key: str(given[key]) for key in keys}, []
    return assign_splits(keys)
