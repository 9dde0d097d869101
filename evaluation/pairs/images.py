"""What a Fréchet distance needs of a pair: features of its images and of those before them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evaluation.pairs.frames import AtFps
from w2l.components import FaceDetector
from w2l.files import atomic_path
from w2l.memory import Shrinking
from w2l.scoring.image_metrics import CropsOfSet
from w2l.scoring.images import ImageScorer, NoFaceError
from w2l.video import VideoReader
from w2l.windows import FPS


class Features(NamedTuple):
    """Of one pair, as its file has them."""

    generated: np.ndarray  # (N, D) float16
    real: np.ndarray  # (N, D) float16, of the images that those were made from
    later: np.ndarray  # (N,) bool: a real image of the clip's second half


class _Kept:
    """What `CropsOfSet` gives crops to: their features are kept, batch by batch."""

    def __init__(self, network: Shrinking[np.ndarray], batch_size: int) -> None:
        self._network, self._batch_size = network, batch_size
        self._waiting: list[tuple[np.ndarray, int]] = []
        self._found: dict[int, list[np.ndarray]] = {0: [], 1: [], 2: []}

    def update(self, images: np.ndarray, *, real: bool, half: int = 0) -> None:
        kind = 1 + half if real else 0
        self._waiting += [(image, kind) for image in images]
        if len(self._waiting) >= self._batch_size:
            self._compute()

    def all_or_nothing(self) -> AbstractContextManager[None]:
        return nullcontext()  # a pair that breaks is not written

    def features(self) -> Features:
        self._compute()
        generated, earlier, later = (self._found[kind] for kind in range(3))
        real = np.array(earlier + later, np.float16)
        is_later = np.array([False] * len(earlier) + [True] * len(later))
        return Features(np.array(generated, np.float16), real, is_later)

    def _compute(self) -> None:
        if self._waiting:
            rows = self._network(np.stack([image for image, _ in self._waiting]))
            for row, (_, kind) in zip(rows, self._waiting, strict=True):
                self._found[kind].append(row)
            self._waiting.clear()


def pair_features(
    video: Path,
    made_from: AtFps,
    count: int,
    detector: FaceDetector,
    network: Shrinking[np.ndarray],
    batch_size: int,
) -> Features:
    """The features of a pair, by the protocol of `w2l.scoring.images`.

    Args:
        video: that was made.
        made_from: its frames before they were synced.
        count: frames of both.
        detector: of the face whose box is cut from both.
        network: uint8 images (N, H, W, 3) to features (N, D).
        batch_size: images in the network at once.

    Raises:
        NoFaceError: there is none in any frame, or in none that counts.
        UserError: the video cannot be read.
        ValueError: features are beyond the range in which they are kept.
    """
    kept = _Kept(network, batch_size)
    scorer = ImageScorer(detector, {"fid": CropsOfSet(kept)})
    generated = AtFps(VideoReader(video).__iter__, made_from.fps)
    with np.errstate(over="ignore"):  # told of below
        scorer.compare(generated, made_from, ceil(count * FPS / made_from.fps))
        found = kept.features()
    if not len(found.generated):
        raise NoFaceError
    if not (np.isfinite(found.generated).all() and np.isfinite(found.real).all()):
        raise ValueError(
            "The network of inception= gives features that are no numbers below 65504."
        )
    return found


def write_features(features: Features, path: Path) -> int:
    """Write them, whole or not at all; gives the file's size in bytes.

    Raises:
        UserError: nothing can be written there.
    """
    with atomic_path(path) as temporary:
        np.savez(temporary, **features._asdict())
    return path.stat().st_size


def read_features(path: Path) -> Features:
    """What `write_features` wrote."""
    with np.load(path) as file:
        return Features(*(file[name] for name in Features._fields))
