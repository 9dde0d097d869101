"""Scores as a row per track: CSV and Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet as pq

from w2l.files import atomic_path
from w2l.paths import readable
from w2l.scoring.results import SCORES, UNPADDED, ClipScore

NUMBERS = {
    name: pa.int32() if name.startswith("offset") else pa.float64()
    for name in (*SCORES, *UNPADDED.values())
}
SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "face": pa.int32(),
        "start_frame": pa.int32(),
        "n_frames": pa.int32(),
        "n_windows": pa.int32(),
        **NUMBERS,
        "implausible": pa.bool_(),
        "syncnet_cosine": pa.float64(),
        "cosine": pa.float64(),
        "cosine_offset": pa.int32(),
        "error": pa.string(),
    }
)


def rows(clips: Iterable[ClipScore]) -> Iterator[dict[str, Any]]:
    """A row per scored or skipped track, and one per failed clip; None where there is no value."""
    for clip in clips:
        tracks = [track.to_dict() for track in clip.tracks]
        for number, track in enumerate(tracks, 1):
            track["cosine"] = track["cosine"] and track["cosine"]["mean"]
            track["syncnet_cosine"] = track["syncnet_cosine"] and track["syncnet_cosine"]["at_0"]
            yield _row(clip.path, face=number, **track)
        for number, skipped in enumerate(clip.skipped, len(tracks) + 1):
            yield _row(
                clip.path, face=number, start_frame=skipped.start_frame,
                n_frames=skipped.n_frames, error=skipped.error,
            )  # fmt: skip
        if clip.error is not None:
            yield _row(clip.path, error=clip.error)


def _row(path: str, **values: Any) -> dict[str, Any]:
    row = {name: values.get(name) for name in SCHEMA.names} | {"path": readable(path)}
    return row if row["error"] is None else row | {"error": readable(row["error"])}


def write_tables(clips: Iterable[ClipScore], output: Path) -> None:
    """Write `<output's stem>.csv` and `.parquet` beside scores.json, whole or not at all."""
    table = list(rows(clips))
    with (
        atomic_path(output.with_suffix(".csv")) as path,
        path.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, SCHEMA.names)
        writer.writeheader()
        writer.writerows(table)
    with atomic_path(output.with_suffix(".parquet")) as path:
        pq.write_table(pa.Table.from_pylist(table, schema=SCHEMA), path)
