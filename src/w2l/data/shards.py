"""Shards: many clips in one memory-mapped Arrow file, one row per clip (docs/data_format.md).

Nothing is read before it is asked for: a window of 5 faces is one slice of the mapped file (raw),
five or ten packed halves (compressed), or five JPEG files (jpeg), its mel another slice.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike
from pyarrow import ipc

from w2l import __version__
from w2l.audio.mel import N_MELS
from w2l.audio.waveform import to_int16
from w2l.data.clips import BAD_SHARD, BadClipError
from w2l.data.shard_clips import BoundClip, CompressedClip, JpegClip, RawClip, encode_half
from w2l.errors import UserError

JPEG, COMPRESSED, RAW = "jpeg", "compressed", "raw"
INDEX = "index.json"
STORAGES = (RAW, COMPRESSED, JPEG)  # quickest first
FORMAT = 2  # raise it when the columns change meaning


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


def has_size(storage: str) -> bool:
    """Whether shards are of one image size; JPEG files fit any."""
    return storage != JPEG


def schema(storage: str, image_size: int) -> pa.Schema:
    """Columns of a shard: name, frames, faces, mel, sound.

    Args:
        storage: `jpeg` (faces are JPEG files), `compressed` (two halves of each without loss,
            `w2l.data.shard_clips`), or `raw` (planar BGR pixels).
        image_size: side of faces in pixels; JPEG files have any.
    """
    face = pa.binary(3 * image_size**2) if storage == RAW else pa.large_binary()
    about = {
        "w2l.format": FORMAT,
        "w2l.storage": storage,
        "w2l.image_size": image_size if has_size(storage) else "",
        "w2l.version": __version__,
    }
    return pa.schema(
        {
            "name": pa.string(),  # speaker/clip
            "frames": pa.list_(pa.int32()),  # sorted frame numbers at 25 frames/s
            "faces": pa.list_(face),  # one per frame; compressed: upper half, lower half
            "mel": pa.list_(pa.list_(pa.float32(), N_MELS)),  # time first: 80 columns a second
            "sound": pa.list_(pa.int16()),  # 16 kHz, for reports; empty where a clip has only mel
        },
        metadata={key: str(value) for key, value in about.items()},
    )


class ShardWriter:
    """Appends clips to an open shard."""

    def __init__(self, writer: ipc.RecordBatchFileWriter, columns: pa.Schema) -> None:
        self._writer, self._schema = writer, columns
        self.storage = columns.metadata[b"w2l.storage"].decode()
        self.clips = self.frames = 0

    def add(
        self,
        name: str,
        frames: np.ndarray,
        faces: Sequence[bytes] | np.ndarray,
        mel: np.ndarray,
        sound: np.ndarray | None = None,
    ) -> None:
        """Write a clip as the next row.

        Args:
            name: speaker/clip.
            frames: sorted frame numbers, (n,).
            faces: n JPEG files (jpeg), or uint8 (n, 3, S, S) BGR.
            mel: float32 (80, M).
            sound: float32 (m,) in [-1, 1], 16 kHz; None: not known.
        """
        columns = self._schema
        face = columns.field("faces").type.value_type
        if isinstance(faces, np.ndarray) and self.storage == COMPRESSED:
            middle = faces.shape[2] // 2
            halves = (
                encode_half(h) for face in faces for h in (face[:, :middle], face[:, middle:])
            )
            stored = pa.array(list(halves), face)
        elif isinstance(faces, np.ndarray):
            pixels = pa.py_buffer(np.ascontiguousarray(faces))
            stored = pa.FixedSizeBinaryArray.from_buffers(face, len(faces), [None, pixels])
        else:
            stored = pa.array(faces, face)
        steps = pa.array(np.ascontiguousarray(mel.T, np.float32).ravel())
        lists = {
            "frames": pa.array(frames, pa.int32()),
            "faces": stored,
            "mel": pa.FixedSizeListArray.from_arrays(steps, N_MELS),
            "sound": pa.array(np.zeros(0, np.int16) if sound is None else to_int16(sound)),
        }
        row = [pa.array([name])]
        for column in lists.values():
            row.append(pa.ListArray.from_arrays(pa.array([0, len(column)], pa.int32()), column))
        self._writer.write_batch(pa.record_batch(row, schema=columns))
        self.clips, self.frames = self.clips + 1, self.frames + len(frames)


@contextmanager
def write_shard(path: Path, storage: str, image_size: int) -> Iterator[ShardWriter]:
    """A writer of a new shard at `path`, which is whole once the block has ended."""
    columns = schema(storage, image_size)
    with pa.OSFile(str(path), "wb") as file, ipc.new_file(file, columns) as writer:
        yield ShardWriter(writer, columns)


class Shard(Sequence[BoundClip]):
    """A shard that is mapped into memory; its clips are made when they are asked for.

    Of each there is only where its columns lie in the file: a set has millions, and every loading
    process has its own.

    Args:
        path: the shard.
        image_size: side of the faces that are wanted, in pixels.
        keep: keep decoded faces in memory.
        size: its length in bytes as the index has it; None: not compared.

    Raises:
        BadClipError: the file is missing, cut off, damaged, or of another format or image size.
    """

    def __init__(
        self, path: Path, *, image_size: int, keep: bool = False, size: int | None = None
    ) -> None:
        self.path, self.image_size, self.keep = path, image_size, keep
        self._kept: dict[int, BoundClip] = {}
        try:
            if size is not None and os.path.getsize(path) != size:
                raise pa.ArrowInvalid(f"{os.path.getsize(path)} bytes in place of {size}")
            with pa.memory_map(str(path)) as file:
                self._content = file.read_buffer()
            reader = ipc.open_file(pa.BufferReader(self._content))
            about = reader.schema.metadata or {}
            if about.get(b"w2l.format") != str(FORMAT).encode():
                raise pa.ArrowInvalid(f"not a shard of format {FORMAT}")
            self.storage = about[b"w2l.storage"].decode()
            if has_size(self.storage) and about[b"w2l.image_size"] != str(image_size).encode():
                raise ValueError(f"its faces are not {image_size} pixels wide")
            batches = map(reader.get_batch, range(reader.num_record_batches))
            spans = [_spans(batch, self._content.address, self.storage) for batch in batches]
            self._spans = np.array(spans, np.int64).reshape(-1, 2 * len(_Spans._fields))
            for number in range(len(self)):
                self._make(number)  # whatever lies outside of the file is told of now
        except (OSError, pa.ArrowException, ValueError, KeyError, IndexError) as error:
            raise BadClipError(BAD_SHARD, f"{path}: {error}") from error

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, number: int) -> BoundClip: ...
    @overload
    def __getitem__(self, number: slice) -> list[BoundClip]: ...
    def __getitem__(self, number: int | slice) -> BoundClip | list[BoundClip]:
        """A clip, whose faces and mel stay on the disk."""
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        if number in self._kept:
            return self._kept[number]
        clip = self._make(number)
        if self.keep:
            self._kept[number] = clip
        return clip

    def _make(self, number: int) -> BoundClip:
        """The clip of a row; its arrays are views of the file.

        Raises:
            ValueError: a column lies outside of the file.
        """
        spans = self._spans[number].tolist()
        row = _Spans(*zip(spans[::2], spans[1::2], strict=True))

        def view(span: tuple[int, int], dtype: DTypeLike) -> np.ndarray:
            start, count = span
            return (
                np.frombuffer(self._content, dtype, count, start) if count else np.zeros(0, dtype)
            )

        name = view(row.name, np.uint8).tobytes().decode()
        frames = view(row.frames, np.int32).astype(int)
        mel = view(row.mel, np.float32).reshape(-1, N_MELS).T
        about = (name, f"{self.path} ({name})", frames, mel, view(row.sound, np.int16))
        faces, size = view(row.faces, np.uint8), self.image_size
        if self.storage == RAW:
            return RawClip(*about, faces.reshape(-1, 3, size, size))
        offsets = view(row.begins, np.int64)
        if self.storage == COMPRESSED:
            return CompressedClip(*about, files=faces, offsets=offsets, image_size=size)
        return JpegClip(*about, files=faces, offsets=offsets, image_size=size, keep=self.keep)


class _Spans(NamedTuple):
    """Where the columns of a clip lie in a shard: first byte, and how many values."""

    name: tuple[int, int]
    frames: tuple[int, int]
    mel: tuple[int, int]
    sound: tuple[int, int]
    faces: tuple[int, int]  # bytes
    begins: tuple[int, int]  # of each face and the last one's end; none in raw shards


def _spans(row: pa.RecordBatch, base: int, storage: str) -> list[int]:
    """`_Spans` of a clip, flat.

    Raises:
        ValueError: its columns do not fit together.
    """

    def span(array: pa.Array) -> tuple[int, int]:
        values = array.buffers()[-1]
        return (values.address - base, len(array)) if len(array) else (0, 0)

    names = row.column("name")
    _, ends, text = names.buffers()
    begin, end = np.frombuffer(ends, np.int32, 2).tolist()
    frames, faces = row.column("frames").values, row.column("faces").values
    expected = (2 if storage == COMPRESSED else 1) * len(frames)
    if len(faces) != expected:
        raise ValueError(f"{names[0].as_py()} has {len(faces)} faces in place of {expected}")
    content = faces.buffers()[-1]
    columns = _Spans(
        name=(text.address - base + begin, end - begin),
        frames=span(frames),
        mel=span(row.column("mel").values.values),
        sound=span(row.column("sound").values),
        faces=(content.address - base, content.size) if len(faces) else (0, 0),
        begins=(0, 0)
        if storage == RAW or not len(faces)
        else (faces.buffers()[1].address - base, len(faces) + 1),
    )
    return [number for pair in columns for number in pair]
