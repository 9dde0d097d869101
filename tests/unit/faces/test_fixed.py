"""Boxes that are given: fixed, from a file; and the choice of a detector by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from w2l.components import FacesByIndex
from w2l.errors import UserError
from w2l.faces.fixed import BoxFile, FixedBox, read_boxes, write_boxes
from w2l.faces.search import detect_video

FRAME = np.zeros((288, 360, 3), dtype=np.uint8)
BOXES = np.array([[1, 2, 30, 40], [np.nan] * 4, [5.5, 6, 70, 80]], dtype=np.float32)


def test_fixed_box_is_the_same_in_each_frame() -> None:
    faces = FixedBox([60, 230, 100, 260]).detect([FRAME, FRAME])
    assert [f.boxes.tolist() for f in faces] == [[[100, 60, 260, 230]]] * 2
    assert faces[0].scores.tolist() == [1]
    assert faces[0].landmarks is None


def test_fixed_box_must_fit() -> None:
    FixedBox([0, 288, 0, 360]).detect([FRAME])
    for box in ([0, 289, 0, 360], [0, 288, 0, 361]):
        with pytest.raises(UserError, match=r"does not fit into the 360x288"):
            FixedBox(box).detect([FRAME])


@pytest.mark.parametrize("name", ["boxes.json", "boxes.npz"])
def test_box_file_keeps_boxes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_boxes(path, BOXES)
    np.testing.assert_array_equal(read_boxes(path), BOXES)
    source = BoxFile(path)
    assert isinstance(source, FacesByIndex)
    assert [len(f.boxes) for f in detect_video([FRAME] * 3, source)] == [1, 0, 1]
    assert source.at(2).boxes.tolist() == [[5.5, 6, 70, 80]]


def test_detect_goes_on_where_it_stopped_and_by_number_it_does_not(tmp_path: Path) -> None:
    path = tmp_path / "boxes.npz"
    write_boxes(path, BOXES)
    source = BoxFile(path)
    assert [len(f.boxes) for f in source.detect([FRAME] * 2)] == [1, 0]
    for _ in range(2):  # each pass over the video starts from its first frame
        assert [len(f.boxes) for f in detect_video([FRAME] * 3, source)] == [1, 0, 1]
    assert [len(f.boxes) for f in source.detect([FRAME])] == [1]
    with pytest.raises(UserError, match="boxes for 3 frames"):
        source.detect([FRAME])


def test_json_may_be_a_bare_list(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text("[[1, 2, 30, 40], null]")
    assert [len(f.boxes) for f in BoxFile(path).detect([FRAME, FRAME])] == [1, 0]
    path.write_text("[]")
    assert len(BoxFile(path)) == 0


@pytest.mark.parametrize(
    "content",
    ["", "{", "{}", "5", "[1, 2, 3, 4]", "[[1, 2, 3]]", '[["a", 1, 2, 3]]', '{"boxes": 3}',
     "[[1, 2, NaN, 4]]", "[null, [5, 5, 5, 9]]"],
)  # fmt: skip
def test_bad_box_files_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"mine\.json"):
        BoxFile(path)


def test_bad_npz_and_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    with pytest.raises(UserError, match="no file of boxes"):
        BoxFile(path)
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match=r"mine\.npz is not a file of boxes"):
        BoxFile(path)
    np.savez(path, other=BOXES)
    with pytest.raises(UserError, match=r"mine\.npz is not a file of boxes"):
        BoxFile(path)


def test_a_bomb_is_no_file_of_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "mine.npz", boxes=np.zeros((1000, 4)))
    monkeypatch.setattr("w2l.faces.fixed.MOST_BYTES", 10_000)
    with pytest.raises(UserError, match=r"mine\.npz unfolds to over 0 MB"):
        BoxFile(tmp_path / "mine.npz")
