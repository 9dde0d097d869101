"""Boxes that are given instead of found: one for all frames, or a file of them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from w2l import boxes as box_ops
from w2l.components import Faces
from w2l.errors import UserError
from w2l.files import atomic_path

MOST_BYTES = 2**30  # of boxes, unpacked: those of a month of video


class FixedBox:
    """The same box in each frame.

    Args:
        box: [top, bottom, left, right] pixels, bottom and right excluded.

    Raises:
        UserError: not a box; in `detect`, it does not fit into a frame.
    """

    takes_parts = False

    def __init__(self, box: Sequence[float]) -> None:
        self._box = box_ops.from_tblr(box)
        self._given = [int(v) if float(v).is_integer() else float(v) for v in box]

    def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
        """The box, with score 1, for each frame (H, W, 3)."""
        for frame in frames:
            height, width = frame.shape[:2]
            if self._box[2] > width or self._box[3] > height:
                raise UserError(
                    f"box={self._given} ([top, bottom, left, right]) does not fit into the "
                    f"{width}x{height} image."
                )
        return [Faces.of(self._box) for _ in frames]


class BoxFile:
    """One box (or none) for each frame, from a file.

    The file says which box belongs to which frame, so it is best asked by frame number, `at`;
    `detect_video` does so. `detect` cannot know where its frames come from and simply goes on
    where it stopped, from frame 0.

    Args:
        path: `.json`: a list, or an object with a list `boxes`, of [left, top, right, bottom] or
            null; or `.npz` with an array `boxes` (N, 4), NaN where there is none.

    Raises:
        UserError: no such file, or not in this form; in use, it has too few entries.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.boxes = read_boxes(path)
        self._next = 0

    def __len__(self) -> int:
        return len(self.boxes)

    def at(self, index: int) -> Faces:
        """Faces of frame `index`: one, with score 1, or none."""
        if index >= len(self):
            raise UserError(
                f"{self.path} has boxes for {len(self)} frames and the video has more: write one "
                "entry for each frame, null where there is no face."
            )
        return Faces.of(self.boxes[index])

    def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
        """Faces of the next `len(frames)` frames."""
        first, self._next = self._next, self._next + len(frames)
        return [self.at(i) for i in range(first, self._next)]


def read_boxes(path: str | Path) -> np.ndarray:
    """Boxes (N, 4) float32, NaN where there is none, of a file as `BoxFile` takes it."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file of boxes {path}: check the path.")
    try:
        if path.suffix == ".npz":
            # Opened here, because np.load leaves open a file that it cannot read.
            _check_unpacked(path)
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                boxes = np.array(file["boxes"], dtype=np.float32)
        else:
            content = json.loads(path.read_text(encoding="utf-8"))
            rows = content["boxes"] if isinstance(content, dict) else content
            boxes = np.array([[np.nan] * 4 if row is None else row for row in rows], np.float32)
        boxes = boxes.reshape(-1, 4) if boxes.size == 0 else boxes
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(_form(path)) from error
    present = box_ops.valid(boxes)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isnan(boxes[~present]).all():
        raise UserError(_form(path))
    if (box_ops.area(boxes[present]) <= 0).any():
        bad = int(np.flatnonzero(present)[np.argmax(box_ops.area(boxes[present]) <= 0)])
        raise UserError(
            f"{path}: the box of frame {bad} holds nothing: [left, top, right, bottom] needs "
            "left < right and top < bottom."
        )
    return boxes


def _check_unpacked(path: Path) -> None:
    """Refuse an archive that unfolds to more than any video has boxes, before it does."""
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
            raise UserError(
                f"{path} unfolds to over {MOST_BYTES / 1e6:.0f} MB, which no file of boxes does."
            )


def write_boxes(path: str | Path, boxes: np.ndarray) -> None:
    """Write boxes (N, 4), NaN where missing, as `.json` or `.npz`, to be read by `BoxFile`."""
    path = Path(path)
    boxes = np.asarray(boxes, dtype=np.float32)
    with atomic_path(path) as temporary:
        if path.suffix == ".npz":
            np.savez_compressed(temporary, boxes=boxes)
        else:
            rows = [
                row.tolist() if there else None
                for row, there in zip(boxes, box_ops.valid(boxes), strict=True)
            ]
            temporary.write_text(json.dumps({"boxes": rows}), encoding="utf-8")


def _form(path: Path) -> str:
    return (
        f"{path} is not a file of boxes: expected JSON (a list of [left, top, right, bottom] or "
        "null, one for each frame) or an .npz with an array `boxes` (N, 4)."
    )
