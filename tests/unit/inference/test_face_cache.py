"""What was found in a video is known the next time, and only if it is the same video."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from w2l.components import Faces
from w2l.faces.search import Detections, load, save
from w2l.inference import FaceOptions, SyncOptions, face_cache
from w2l.inference.face_cache import FaceCache
from w2l.inference.finding import find_all, plan_faces

N = 43


class Film:
    """Images that hold their number, of two scenes."""

    fps, width, height, path, n_frames_estimate = Fraction(25), 120, 100, Path("a.mp4"), N

    def read(self, start, stop):
        for i in range(start, min(stop, N)):
            frame = np.full((100, 120, 3), (20, 40, 160) if i < 22 else (200, 90, 30), np.uint8)
            frame[0, 0] = i
            yield frame


class Walker:
    """A face that wanders, with landmarks, and none in a few frames; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, frames):
        self.calls += 1
        return [self._found(int(frame[0, 0, 0])) for frame in frames]

    def _found(self, i):
        if 30 <= i < 33:
            return Faces(np.empty((0, 4), np.float32), np.empty(0, np.float32),
                         np.empty((0, 5, 2), np.float32))  # fmt: skip
        box = np.array([[20 + i % 7, 10, 70 + i % 7, 80]], np.float32)
        return Faces(box, np.array([0.9], np.float32), np.full((1, 5, 2), i, np.float32))


def same(a: Detections, b: Detections) -> bool:
    pairs = zip(a.faces, b.faces, strict=True)
    return a.shots == b.shots and all(
        np.array_equal(x, y) for f, g in pairs for x, y in zip(f, g, strict=True)
    )


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"film")
    return path


def options(video: Path, said: list[str] | None = None, **settings) -> SyncOptions:
    told = (lambda _: None) if said is None else said.append
    cache = FaceCache(video, {"detect_every": 5, **settings}, video.parent / "cache", told)
    return SyncOptions(faces=FaceOptions(cache=cache, max_turn=None))


def test_a_second_run_looks_for_nothing(video: Path) -> None:
    said: list[str] = []
    first, second = Walker(), Walker()
    found = find_all(Film(), N, first, options(video), lambda frames, *_: frames)
    again = find_all(Film(), N, second, options(video, said))
    assert first.calls > 0
    assert second.calls == 0
    assert same(found, again)
    assert found.shots == [0, 22]
    assert len(said) == 1
    plans = [plan_faces(Film(), N, Walker(), o) for o in (options(video), SyncOptions(
        faces=FaceOptions(max_turn=None)))]  # fmt: skip
    np.testing.assert_array_equal(plans[0].boxes, plans[1].boxes)
    assert plans[0].reasons == plans[1].reasons


@pytest.mark.parametrize("n", [1, 2, 7, 21, 22, 25, 31, 42])
def test_a_part_of_it_is_the_same_as_looked_for_alone(video: Path, n: int) -> None:
    find_all(Film(), N, Walker(), options(video))
    walker = Walker()
    part = find_all(Film(), n, walker, options(video))
    alone = find_all(Film(), n, Walker(), SyncOptions())
    assert walker.calls == 0
    assert len(part.faces) == n
    assert same(part, alone)


def test_more_than_was_looked_at_is_looked_for(video: Path) -> None:
    find_all(Film(), 11, Walker(), options(video))
    walker = Walker()
    assert len(find_all(Film(), 30, walker, options(video)).faces) == 30
    assert walker.calls > 0
    # The whole film is enough for any wish.
    find_all(Film(), 1000, Walker(), options(video))
    walker = Walker()
    assert len(find_all(Film(), 5000, walker, options(video)).faces) == N
    assert walker.calls == 0


def test_another_file_or_setting_is_not_taken_for_it(video: Path) -> None:
    find_all(Film(), N, Walker(), options(video))
    for other in (options(video, start=1.0), options(video, detector="s3fd")):
        walker = Walker()
        find_all(Film(), N, walker, other)
        assert walker.calls > 0
    renamed = video.with_name("b.mp4")
    renamed.write_bytes(video.read_bytes())
    walker = Walker()
    find_all(Film(), N, walker, options(renamed))
    assert walker.calls == 0
    video.write_bytes(b"Film")
    find_all(Film(), N, walker, options(video))
    assert walker.calls > 0


@pytest.mark.parametrize("damage", [b"", b"not a zip", None])
def test_a_damaged_entry_is_made_again(video: Path, damage: bytes | None) -> None:
    find_all(Film(), N, Walker(), options(video))
    (entry,) = (video.parent / "cache").glob("*.npz")
    entry.write_bytes(entry.read_bytes()[:-60] if damage is None else damage)
    walker = Walker()
    find_all(Film(), N, walker, options(video))
    assert walker.calls > 0
    assert load(entry) is not None


def test_no_damaged_byte_ends_the_run(video: Path) -> None:
    find_all(Film(), N, Walker(), options(video))
    (entry,) = (video.parent / "cache").glob("*.npz")
    whole = entry.read_bytes()
    for i in range(0, len(whole), 5):
        entry.write_bytes(whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :])
        found = load(entry)
        assert found is None or len(found.faces) == N


def test_a_cache_that_cannot_be_written_does_no_harm(video: Path) -> None:
    (video.parent / "cache").write_text("a file in the way")
    assert len(find_all(Film(), N, Walker(), options(video)).faces) == N


def test_published_neither_reads_nor_writes(video: Path) -> None:
    wanted = options(video)
    wanted = replace(wanted, faces=replace(wanted.faces, published=True))
    find_all(Film(), N, Walker(), wanted)
    assert not (video.parent / "cache").exists()


def test_the_longest_unused_goes_first(video: Path, monkeypatch) -> None:
    find_all(Film(), N, Walker(), options(video, start=0))
    (entry,) = (video.parent / "cache").glob("*.npz")
    monkeypatch.setattr(face_cache, "LARGEST_BYTES", int(2.5 * entry.stat().st_size))
    find_all(Film(), N, Walker(), options(video, start=1))
    find_all(Film(), N, Walker(), options(video, start=0))  # used again
    find_all(Film(), N, Walker(), options(video, start=2))
    assert [options(video, start=s).faces.cache.path.exists() for s in (0, 1, 2)] == [
        True, False, True
    ]  # fmt: skip


def test_faces_without_landmarks_and_none_at_all_survive(tmp_path: Path) -> None:
    box = np.array([[1, 2, 3, 4], [5, 6, 7, 8.5]], np.float32)
    for faces in ([Faces.of(box), Faces.none(), Faces.of(box[:1])], [Faces.none()], []):
        save(tmp_path / "a.npz", Detections(faces, [0], whole=True))
        back = load(tmp_path / "a.npz")
        assert back is not None
        assert back.whole
        assert [f.boxes.tolist() for f in back.faces] == [f.boxes.tolist() for f in faces]
        assert all(f.landmarks is None for f in back.faces)
