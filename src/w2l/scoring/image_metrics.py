"""Metrics of a generated video beside its reference: `metrics=` of evaluate.py, a class each.

Their contract is `w2l.components.ImageMetric`; docs/extending.md adds one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from statistics import fmean
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import nn

from w2l import boxes as box_ops
from w2l.components import FaceDetector, Faces, LandmarkFinder
from w2l.metrics import images as measures
from w2l.metrics.fid import ENOUGH, FeatureDistance, FrechetDistance
from w2l.scoring.crops import face_crop
from w2l.scoring.identity import FaceIdentity
from w2l.scoring.landmarks import landmarks_of

SIZE = 224  # px, side of the crops that networks compare
EVERY = 5  # frames from one that fid and identity count to the next
FID = (
    f"the crop of every {EVERY}th frame resized to {SIZE} px (area where it shrinks, else "
    "bilinear), bilinear to 299 px in the network; real against real: every other clip against the "
    "rest, or a single clip's halves"
)


class FramePair:
    """A frame of a generated video and the same of its reference.

    Args:
        generated, reference: uint8 (H, W, 3) BGR, of one size.
        box: float (4,) of the reference's largest face: left, top, right, bottom; NaN: none.
        index: of the frame, from 0.
        count: frames of the clip.
        detector: of faces.
        sound: gives what is heard in the clip, float32 (n,) at 16 kHz; None: nothing is known.
    """

    def __init__(
        self, generated: np.ndarray, reference: np.ndarray, box: np.ndarray, index: int,
        count: int, detector: FaceDetector, sound: Callable[[], np.ndarray | None],
    ) -> None:  # fmt: skip
        self.generated, self.reference, self.box = generated, reference, box
        self.index, self.count, self.sound = index, count, sound
        self._detector = detector
        self._landmarks: dict[int, np.ndarray] = {}

    @cached_property
    def crops(self) -> tuple[np.ndarray, np.ndarray] | None:
        """What the box cuts from both, uint8 (h, w, 3) BGR; None: it shows nothing."""
        first, second = face_crop(self.generated, self.box), face_crop(self.reference, self.box)
        return None if first is None or second is None else (first, second)

    @cached_property
    def points(self) -> list[np.ndarray] | None:
        """Five points (5, 2) of both faces, by the detector; None: they are not found in both."""
        found = self._detector.detect([self.generated, self.reference])
        points = [each for faces in found if (each := _points(faces, self.box)) is not None]
        return points if len(points) == 2 else None

    def landmarks(self, finder: LandmarkFinder) -> np.ndarray | None:
        """Landmarks of both faces (2, 68, 2) in pixels, looked for once; None: there is no box."""
        if not np.isfinite(self.box).all():
            return None
        if id(finder) not in self._landmarks:
            frames = [self.generated, self.reference]
            self._landmarks[id(finder)] = landmarks_of(finder, frames, self.box)
        return self._landmarks[id(finder)]


class FrameMean(ABC):
    """A metric that is the mean of one number a frame: subclasses say which."""

    needs_target = True
    protocol = ""

    def __init__(self) -> None:
        self._values: list[float] = []

    @abstractmethod
    def measure(self, pair: FramePair) -> float | None:
        """The number of a frame; None or NaN: it does not count."""

    def reset(self) -> None:
        """Forget all frames."""
        self._values.clear()

    def update(self, pair: FramePair) -> None:
        """Count a frame."""
        value = self.measure(pair)
        if value is not None and not np.isnan(value):
            self._values.append(value)

    def compute(self) -> float:
        """The mean; NaN: no frame counts."""
        return fmean(self._values) if self._values else float("nan")


class Psnr(FrameMean):
    """Peak signal-to-noise ratio, dB."""

    protocol = (
        "the box at its own size, BGR, mean over frames; equal boxes differ by one level in one "
        "value"
    )

    def measure(self, pair: FramePair) -> float | None:
        """See `FrameMean`."""
        return None if pair.crops is None else measures.psnr(*pair.crops)


class Ssim(FrameMean):
    """Structural similarity."""

    protocol = "the box at its own size, BGR, mean over frames"

    def measure(self, pair: FramePair) -> float | None:
        """See `FrameMean`."""
        if pair.crops is None or min(pair.crops[0].shape[:2]) < 11:
            return None
        return measures.ssim(*pair.crops)


class LpipsDistance(FrameMean):
    """Perceptual distance.

    Args:
        lpips: `w2l.models.Lpips`.
    """

    protocol = f"the crop resized to {SIZE} px (area where it shrinks, else bilinear)"

    def __init__(self, lpips: nn.Module) -> None:
        super().__init__()
        self.lpips = lpips

    @torch.inference_mode()
    def measure(self, pair: FramePair) -> float | None:
        """See `FrameMean`."""
        if pair.crops is None:
            return None
        device = next(self.lpips.parameters()).device
        return float(self.lpips(*(_network_input(crop).to(device) for crop in pair.crops)))


class MouthCorners(FrameMean):
    """Distance of the mouth's corners."""

    protocol = (
        "mean distance of the mouth's two corners (the detector's five points, found in both "
        "videos) over the distance of the eyes"
    )

    def measure(self, pair: FramePair) -> float | None:
        """See `FrameMean`."""
        return None if pair.points is None else measures.mouth_corner_distance(*pair.points)


class MouthLandmarks(FrameMean):
    """Distance of the mouth's landmarks (LMD).

    Args:
        landmarks: finds 68 landmarks.
    """

    protocol = (
        "mean distance of the 20 mouth points (48 to 67 of 68, in both videos within the same box) "
        "over that of the outer eye corners, every frame"
    )
    _distance = staticmethod(measures.mouth_distance)

    def __init__(self, landmarks: LandmarkFinder) -> None:
        super().__init__()
        self.landmarks = landmarks

    def measure(self, pair: FramePair) -> float | None:
        """See `FrameMean`."""
        found = pair.landmarks(self.landmarks)
        return None if found is None else self._distance(*found)


class FaceLandmarks(MouthLandmarks):
    """Distance of all landmarks (F-LMD)."""

    protocol = "as lmd, over all 68 points"
    _distance = staticmethod(measures.face_distance)


class Identity(FrameMean):
    """Cosine of both faces' embeddings (CSIM).

    Args:
        identity: compares faces.
    """

    needs_target = False
    protocol = (
        f"cosine of both faces' embeddings, every {EVERY}th frame where the detector finds five "
        "points in both, which lay the faces onto ArcFace's template of 112 px"
    )

    def __init__(self, identity: FaceIdentity) -> None:
        super().__init__()
        self.identity = identity

    def measure(self, pair: FramePair) -> float | None:
        """See `FrameMean`."""
        if pair.index % EVERY or pair.points is None:
            return None
        return self.identity.cosine([pair.generated, pair.reference], pair.points)


class Flicker(FrameMean):
    """How much a face flickers; of the generated video alone."""

    needs_target = False
    protocol = "mean |a - 2b + c| of three frames in a row in the box of the middle one"

    def __init__(self) -> None:
        super().__init__()
        self._before: list[tuple[np.ndarray, np.ndarray]] = []  # two frames, with boxes

    def reset(self) -> None:
        """See `FrameMean`."""
        super().reset()
        self._before.clear()

    def measure(self, pair: FramePair) -> float | None:
        """See `FrameMean`."""
        before, self._before = self._before, [*self._before[-1:], (pair.generated, pair.box)]
        if len(before) < 2:
            return None
        (first, _), (middle, box) = before
        return _within(box, measures.flicker, first, middle, pair.generated)


class Silence:
    """How much a mouth moves where nobody speaks; of the generated video alone."""

    needs_target = False
    protocol = (
        "motion of the box's lower half where no frame has a voice (over -60 dB and at most 35 dB "
        "under the clip's 95th percentile, in the generated video's sound or that of audio=) over "
        "its motion where both have one"
    )

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self._motions: list[float] = []
        self._last: FramePair | None = None

    def update(self, pair: FramePair) -> None:
        """Count a frame."""
        if self._last is not None:
            last = self._last.generated
            motion = _within(self._last.box, _mouth_motion, last, pair.generated)
            self._motions.append(motion)
        self._last = pair

    def compute(self) -> float:
        """The ratio; NaN: nothing is heard."""
        sound = None if self._last is None else self._last.sound()
        if sound is None:
            return float("nan")
        voice = measures.voiced(sound, len(self._motions) + 1)
        return measures.motion_in_silence(np.array(self._motions), voice)


class TakesImages(Protocol):
    """What becomes of the crops that sets are compared by: `FrechetDistance`, or a store."""

    def update(self, images: np.ndarray, *, real: bool, half: int = 0) -> None:
        """Images (N, SIZE, SIZE, 3) uint8 BGR; `half` is the side of a real one in the floor."""
        ...

    def all_or_nothing(self) -> AbstractContextManager[None]:
        """Within it an error takes back what was added."""
        ...


class CropsOfSet:
    """Gives the crops of every fifth frame to what compares sets of images.

    Args:
        into: that.
        n_pairs: how many will be scored. For the distance of real images from real ones every
            other clip is one half; of a single one, its first half.
    """

    needs_target = False
    protocol = FID

    def __init__(self, into: TakesImages, n_pairs: int = 1) -> None:
        self.into, self.n_pairs = into, n_pairs
        self._clips = 0

    def reset(self) -> None:
        """Nothing is of one clip."""

    def update(self, pair: FramePair) -> None:
        """Give both crops."""
        if pair.index % EVERY or pair.crops is None:
            return
        middle = pair.count // 2 if self.n_pairs == 1 else pair.count * (1 - self._clips % 2)
        mine, theirs = pair.crops
        self.into.update(resized(mine)[None], real=False)
        self.into.update(resized(theirs)[None], real=True, half=int(pair.index >= middle))

    def compute(self) -> float:
        """The clip is done; there is no number of one."""
        self._clips += 1
        return float("nan")

    def all_or_nothing(self) -> AbstractContextManager[None]:
        """Within it, a clip that breaks leaves nothing."""
        return self.into.all_or_nothing()


class Fid(CropsOfSet):
    """Fréchet distance of all generated faces from all real ones.

    Args:
        inception: uint8 images (N, 3, H, W) → features (N, D).
        is_published: it has the weights of the published FID; otherwise the number is none.
        n_pairs: see `CropsOfSet`.
    """

    def __init__(self, inception: nn.Module, is_published: bool = False, n_pairs: int = 1) -> None:
        self.frechet = FrechetDistance(inception)
        super().__init__(self.frechet, n_pairs)
        self.is_published = is_published

    def of_set(self) -> tuple[dict[str, Any], str]:
        """See `w2l.components.SetMetric`."""
        found = fid_scores(self.frechet, self.is_published)
        name = "fid" if self.is_published else "frechet_distance_stand_in"
        title = "FID" if self.is_published else "Fréchet distance of stand-in features (no FID)"
        few = "" if found["enough_pictures"] else "; too few images for a stable number"
        return found, (
            f"{title}: {found[name]:.3f}; real against real "
            f"{found[f'{name}_real_against_real']:.3f} "
            f"({found['n_generated']} generated, {found['n_real']} real{few})"
        )


def fid_scores(frechet: FeatureDistance, published: bool) -> dict[str, Any]:
    """The set's Fréchet distance under the name that it may have.

    Args:
        frechet: of all pairs.
        published: its network has the published weights; otherwise the number is no FID.
    """
    name = "fid" if published else "frechet_distance_stand_in"
    return {
        name: frechet.distance(),
        f"{name}_real_against_real": frechet.floor(),
        "n_generated": frechet.n_generated,
        "n_real": frechet.n_real,
        "enough_pictures": min(frechet.n_generated, frechet.n_real) >= ENOUGH,
    }


def resized(crop: np.ndarray) -> np.ndarray:
    """A crop as the networks are given it, (SIZE, SIZE, 3) uint8."""
    shrinks = min(crop.shape[:2]) > SIZE
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(crop, (SIZE, SIZE), interpolation=method)


def _network_input(crop: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(resized(crop)).permute(2, 0, 1)[None].float() / 255


def _within(box: np.ndarray, of: Callable[..., float], *frames: np.ndarray) -> float:
    crops = [face_crop(frame, box) for frame in frames]
    return float("nan") if any(crop is None for crop in crops) else of(*crops)


def _mouth_motion(before: np.ndarray, now: np.ndarray) -> float:
    middle = len(now) // 2
    return measures.motion(before[middle:], now[middle:])


def _points(faces: Faces, box: np.ndarray) -> np.ndarray | None:
    """The five points of the face that lies in `box`."""
    overlap = box_ops.iou(faces.boxes, box[None])[:, 0]
    if faces.landmarks is None or not len(overlap) or overlap.max() == 0:
        return None
    return faces.landmarks[overlap.argmax()]
