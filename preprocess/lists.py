"""The set's lists: manifest, rejections, splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc
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
from preprocess.splits import SPLITS, assign_splits
from w2l.components import Listing
from w2l.filelists import SplitEntry, write_split
from w2l.files import atomic_path

COUNTS = {"n_frames", "n_faces", "width", "height", "face_size", "n_mel", "sync_offset"}
NUMBERS = {
    "start_s", "end_s", "duration_s", "fps", "source_fps", "sync_confidence", "sharpness",
    "brightness", "yaw", "pitch",
}  # fmt: skip
COLUMNS = tuple(dict.fromkeys((*MANIFEST_FIELDS, "split", *REJECTED_FIELDS)))
BLOCK = 4096  # records that are dicts at a time
ROW_GROUP = 2**13  # rows that are written to the Parquet file at once


def _type(name: str) -> pa.DataType:
    return pa.int32() if name in COUNTS else pa.float64() if name in NUMBERS else pa.binary()


def _packed(value: Any) -> Any:
    """A name may hold bytes that are no UTF-8, which Arrow's strings may not."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def _unpacked(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _record(packed: Record) -> Record:
    return {name: _unpacked(value) for name, value in packed.items()}


def _strings(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Packed strings for others to read: bytes that are no UTF-8 become escapes."""
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        names = (name and name.decode("utf-8", "surrogateescape") for name in column.to_pylist())
        readable = (name and name.encode("utf-8", "backslashreplace").decode() for name in names)
        return pa.array(readable, pa.string())


class Rows(Sequence[Record]):
    """Records of the same fields, kept as columns: as dicts those of a large set take gigabytes.

    Args:
        fields: of each; others are not kept.
        records: the first ones.
    """

    def __init__(self, fields: Iterable[str], records: Iterable[Record] = ()) -> None:
        self.fields = tuple(fields)
        self._schema = pa.schema([(name, _type(name)) for name in self.fields])
        self._blocks: list[pa.RecordBatch] = []  # of BLOCK rows each
        self._last: list[Record] = []  # fewer
        for record in records:
            self.append(record)

    def append(self, record: Record) -> None:
        """Keep its fields."""
        self._last.append({name: _packed(record.get(name)) for name in self.fields})
        if len(self._last) == BLOCK:
            self._blocks.append(pa.RecordBatch.from_pylist(self._last, schema=self._schema))
            self._last = []

    def __len__(self) -> int:
        return BLOCK * len(self._blocks) + len(self._last)

    @overload
    def __getitem__(self, number: int) -> Record: ...
    @overload
    def __getitem__(self, number: slice) -> list[Record]: ...
    def __getitem__(self, number: int | slice) -> Record | list[Record]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        block, row = divmod(range(len(self))[number], BLOCK)
        if block == len(self._blocks):
            return _record(self._last[row])
        return _record(self._blocks[block].slice(row, 1).to_pylist()[0])

    def __iter__(self) -> Iterator[Record]:
        for block in self._blocks:
            yield from map(_record, block.to_pylist())
        yield from map(_record, self._last)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def column(self, name: str) -> Iterator[Any]:
        """One field of each record."""
        for block in self._blocks:
            yield from map(_unpacked, block.column(name).to_pylist())
        yield from (_unpacked(record[name]) for record in self._last)

    def with_column(self, name: str, values: Iterable[Any]) -> Rows:
        """The same with one more field."""
        rows = Rows((*self.fields, name))
        packed = map(_packed, values)
        for block in self._blocks:
            part = pa.array(list(islice(packed, BLOCK)), _type(name))
            columns = [*block.columns, part]
            rows._blocks.append(pa.RecordBatch.from_arrays(columns, schema=rows._schema))
        rows._last = [
            record | {name: value} for record, value in zip(self._last, packed, strict=True)
        ]
        return rows

    def table(self, fields: Sequence[str]) -> pa.Table:
        """These fields as they are kept, null where there are none."""
        schema = pa.schema([(name, _type(name)) for name in fields])

        def column(part: pa.RecordBatch, name: str) -> pa.Array:
            there = name in self.fields
            return part.column(name) if there else pa.nulls(len(part), _type(name))

        batches = [
            pa.RecordBatch.from_arrays([column(part, name) for name in fields], schema=schema)
            for part in self._parts()
        ]
        return pa.Table.from_batches(batches, schema)

    def _parts(self) -> list[pa.RecordBatch]:
        return [*self._blocks, pa.RecordBatch.from_pylist(self._last, schema=self._schema)]


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

    accepted: Rows
    rejected: Rows
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
    duplicates = duplicates or {}
    accepted, rejected = Rows(MANIFEST_FIELDS), Rows(REJECTED_FIELDS)
    for clip in listing.clips:
        if clip.key in duplicates:
            rejected.append(duplicate(clip, duplicates[clip.key]))
        elif record := records.finished(clip):
            accepted.append(record)
        elif record := records.rejected(clip):
            rejected.append(record)
    pending = len(listing.clips) - len(accepted) - len(rejected)
    if near and not pending:
        from preprocess.lookalikes import same_clips  # loads OpenCV

        again = same_clips(accepted, records.root)
        for clip in listing.clips:
            if clip.key in again:
                rejected.append(duplicate(clip, again[clip.key]))
        accepted = Rows(MANIFEST_FIELDS, (row for row in accepted if _key(row) not in again))
    for source in listing.others:
        rejected.append(_other(source))
    splits, notes = _splits(listing, accepted)
    accepted = accepted.with_column("split", splits)
    write_jsonl(records.root / "manifest.jsonl", accepted)
    write_jsonl(records.root / "rejected.jsonl", rejected)
    write_table(records.root / "manifest.parquet", accepted, rejected)
    for split in SPLITS:
        rows = zip(*map(accepted.column, ("speaker", "clip", "split")), strict=True)
        entries = (SplitEntry(speaker, clip) for speaker, clip, its in rows if its == split)
        write_split(records.root / f"{split}.txt", entries)
    return Result(accepted, rejected, pending, prepared, notes)


def write_table(path: Path, accepted: Rows, rejected: Rows) -> None:
    """Clips and rejections in one Parquet file; `step` is null for what is in the set."""
    table = pa.concat_tables([accepted.table(COLUMNS), rejected.table(COLUMNS)])
    # Null is where a clip begins with its file.
    starts = pc.fill_null(table["start_s"], 0.0)
    by = pa.table({"source": _strings(table["source"]), "start": starts})
    order = pc.sort_indices(by, [("source", "ascending"), ("start", "ascending")]).to_numpy()
    del by, starts
    schema = pa.schema(
        [
            (field.name, pa.string() if pa.types.is_binary(field.type) else field.type)
            for field in table.schema
        ]
    )
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for start in range(0, len(order), ROW_GROUP):
            rows = _rows_of(table, order[start : start + ROW_GROUP])
            columns = (_strings(c) if pa.types.is_binary(c.type) else c for c in rows.columns)
            writer.write_table(pa.table(list(columns), schema))


def _rows_of(table: pa.Table, numbers: np.ndarray) -> pa.Table:
    """Some rows. `take` would copy all columns first; listed in order, most rows lie in a row."""
    ends = np.flatnonzero(np.diff(numbers) != 1) + 1
    stretches = pairwise([0, *ends.tolist(), len(numbers)])
    return pa.concat_tables(
        [table.slice(int(numbers[a]), b - a) for a, b in stretches]
    ).combine_chunks()


def _other(source: str) -> Record:
    return dict.fromkeys(REJECTED_FIELDS) | {
        "source": source,
        "step": "listing",
        "reason": NOT_A_VIDEO,
        "detail": f"{source} is not called like a video: rename it if it is one.",
    }


def _key(record: Record) -> str:
    return f"{record['speaker']}/{record['clip']}"


def _keys(rows: Rows) -> Iterator[str]:
    return map("/".join, zip(rows.column("speaker"), rows.column("clip"), strict=True))


def _splits(listing: Listing, accepted: Rows) -> tuple[Iterator[str], list[str]]:
    """Split of each clip, from the source where it gives them; and notes."""
    if all(clip.split for clip in listing.clips):
        listed = iter(listing.clips)  # in the same order, and there are others between
        return (
            next(str(clip.split) for clip in listed if clip.key == key) for key in _keys(accepted)
        ), []
    split_of, notes = assign_splits(accepted.column("speaker"), _keys(accepted))
    return map(split_of, _keys(accepted)), notes
