"""Generated videos beside their references: images, mouths, flicker. One fixed protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Literal, Protocol

import cv2
import numpy as np
import torch

from w2l import boxes as box_ops
from w2l.audio.waveform import load_audio
from w2l.components import FaceDetector, Faces
from w2l.errors import UserError
from w2l.faces.search import all_faces, detect_video
from w2l.faces.track import link, select
from w2l.metrics import pictures as measures
from w2l.models import Lpips
from w2l.scoring.crops import face_crop
from w2l.scoring.identity import FaceIdentity
from w2l.scoring.landmarks import DlibLandmarks, Landmarks
from w2l.video import VideoReader
from w2l.windows import FPS

SIZE = 224  # px, side of the crops that networks compare
EVERY = 5  # frames from one that fid and identity count to the next
AGAINST_TARGET = ("psnr", "ssim", "lpips", "mouth", "lmd", "face_lmd")
METRICS = (*AGAINST_TARGET, "fid", "identity", "silence", "flicker")
CUT = (
    "25 fps; the largest face of the reference, its box from the detector in every frame, no pads; "
    "the same box is cut from both videos, frame by frame, up to the shorter one's end. "
)
FID = (
    f"fid: the crop of every {EVERY}th frame resized to {SIZE} px (area where it shrinks, else "
    "bilinear), bilinear to 299 px in the network; real against real: every other clip against the "
    "rest, or a single clip's halves. "
)
PROTOCOL = (
    f"{CUT}psnr, ssim: the box at its own size, BGR, mean over frames; in psnr equal boxes differ "
    f"by one level in one value. lpips: the crop resized to {SIZE} px, as fid's. {FID}"
    "mouth: mean distance of the mouth's two corners (the detector's five points, found in both "
    "videos) over the distance of the eyes. "
    "lmd: mean distance of the 20 mouth points (48 to 67 of 68, in both videos within the "
    "same box) over that of the outer eye corners, every frame; face_lmd: the same over all 68. "
    f"identity: cosine of both faces' embeddings, every {EVERY}th frame where the detector finds "
    "five points in both, which lay the faces onto ArcFace's template of 112 px. "
    "silence: motion of the box's lower half where no frame has a voice (over -60 dB and at most "
    "35 dB under the clip's 95th percentile, in the generated video's sound or that of audio=) "
    "over its motion where both have one. "
    "flicker: mean |a - 2b + c| of three frames in a row in the box of the middle one."
)
Setting = Literal["reconstruction", "cross"]


class TakesPictures(Protocol):
    """What becomes of the crops that "fid" compares: `FrechetDistance`, or what keeps features."""

    def update(self, pictures: np.ndarray, *, real: bool, half: int = 0) -> None:
        """Pictures (N, SIZE, SIZE, 3) uint8 BGR; `half` is the side of a real one in the floor."""
        ...

    def all_or_nothing(self) -> AbstractContextManager[None]:
        """Within it an error takes back what was added."""
        ...


class Frames(Protocol):
    """Pictures (H, W, 3) uint8 BGR that can be gone through more than once."""

    def __iter__(self) -> Iterator[np.ndarray]:
        """From the first one on."""
        ...


class NoFaceError(Exception):
    """The reference shows no face in any frame."""


@dataclass
class PictureScorer:
    """Scores pairs of videos; keeps what the Fréchet distance needs of all of them.

    Attributes:
        detector: of faces.
        metrics: some of `METRICS`.
        setting: "reconstruction": the generated video says what its reference says, so frame i is
            to look like frame i; "cross": it says something else, and only what needs no target
            can be measured. "identity" is one of these: frame i shows the same person.
        lpips: for "lpips".
        frechet: for "fid".
        landmarks: for "lmd" and "face_lmd".
        identity: for "identity".
        n_pairs: how many will be scored. For the distance of real images from real ones every
            other clip is one half; of a single one, its first half.
        audio: for "silence", what all videos say; None: each one's own sound.
    """

    detector: FaceDetector
    metrics: Sequence[str]
    setting: Setting
    lpips: Lpips | None = None
    frechet: TakesPictures | None = None
    landmarks: Landmarks | DlibLandmarks | None = None
    identity: FaceIdentity | None = None
    n_pairs: int = 1
    audio: Path | None = None
    _clips: int = field(default=0, init=False)

    def score(self, generated: Path, reference: Path) -> dict[str, float | int]:
        """The metrics of one pair; NaN where a number cannot be had of this clip.

        Raises:
            UserError: a file cannot be read, the sizes differ, or the reference shows no face.
                The pair then leaves nothing in `frechet`, as with any other error.
        """
        readers = [VideoReader(path, fps=FPS) for path in (generated, reference)]
        if readers[0].size != readers[1].size:
            raise UserError(
                f"{generated} is {readers[0].size[0]}x{readers[0].size[1]} and its reference "
                f"{reference} {readers[1].size[0]}x{readers[1].size[1]}: they must be of one size."
            )
        sound = self._sound(readers[0])
        try:
            return self.compare(readers[0], readers[1], readers[0].count(), sound)
        except NoFaceError as error:
            raise UserError(
                f"{reference} shows no face to compare: choose another detector or box=."
            ) from error

    def compare(
        self, generated: Frames, reference: Frames, count: int, sound: np.ndarray | None = None
    ) -> dict[str, float | int]:
        """As `score`, of images.

        Args:
            generated, reference: of one size, at 25 fps.
            count: frames of the generated one.
            sound: by which silence is told.

        Raises:
            NoFaceError: the reference shows none.
        """
        faces = all_faces(detect_video(reference, self.detector, 1))
        width = next(iter(reference)).shape[1]
        boxes = select(link(faces), "largest", len(faces), width)
        if not np.isfinite(boxes).any():
            raise NoFaceError
        count = min(count, len(boxes))
        middle = count // 2 if self.n_pairs == 1 else count * (1 - self._clips % 2)
        clip = _Clip(self, middle)
        with nullcontext() if self.frechet is None else self.frechet.all_or_nothing():
            for mine, theirs, box in zip(generated, reference, boxes, strict=False):
                clip.add(mine, theirs, box)
        self._clips += 1
        return clip.result(sound)

    def _sound(self, generated: VideoReader) -> np.ndarray | None:
        """The sound by which silence is told; None: nobody asks, or the video has none."""
        if "silence" not in self.metrics:
            return None
        if self.audio is not None:
            return load_audio(self.audio)
        info = generated.info
        return load_audio(info.path, origin="video") if info.has_audio else None


class _Clip:
    """Numbers of one pair of videos, frame by frame."""

    def __init__(self, scorer: PictureScorer, middle: int) -> None:
        self.scorer, self.middle = scorer, middle  # frames before it are of the floor's one half
        self.values: dict[str, list[float]] = {name: [] for name in scorer.metrics}
        self.motions: list[float] = []
        self.before: list[tuple[np.ndarray, np.ndarray]] = []  # the two frames before, with boxes
        self.n = 0

    def add(self, mine: np.ndarray, theirs: np.ndarray, box: np.ndarray) -> None:
        first, second = face_crop(mine, box), face_crop(theirs, box)
        if first is not None and second is not None:
            self._compare(first, second)
        self._find_points(mine, theirs, box)
        self._move(mine, box)
        self.n += 1

    def _compare(self, first: np.ndarray, second: np.ndarray) -> None:
        values = self.values
        if "psnr" in values:
            values["psnr"].append(measures.psnr(first, second))
        if "ssim" in values and min(first.shape[:2]) >= 11:
            values["ssim"].append(measures.ssim(first, second))
        if self.scorer.lpips is not None:
            device = next(self.scorer.lpips.parameters()).device
            pair = [_network_input(crop).to(device) for crop in (first, second)]
            with torch.inference_mode():
                values["lpips"].append(float(self.scorer.lpips(pair[0], pair[1])))
        if self.scorer.frechet is not None and self.n % EVERY == 0:
            self.scorer.frechet.update(resized(first)[None], real=False)
            half = int(self.n >= self.middle)
            self.scorer.frechet.update(resized(second)[None], real=True, half=half)

    def _find_points(self, mine: np.ndarray, theirs: np.ndarray, box: np.ndarray) -> None:
        """What is measured between points of both faces, or on faces that they align."""
        values, scorer, frames = self.values, self.scorer, [mine, theirs]
        if scorer.landmarks is not None and np.isfinite(box).all():
            found_points = scorer.landmarks(frames, box)
            if "lmd" in values:
                values["lmd"].append(measures.mouth_distance(*found_points))
            if "face_lmd" in values:
                values["face_lmd"].append(measures.face_distance(*found_points))
        due = scorer.identity is not None and self.n % EVERY == 0
        if not due and "mouth" not in values:
            return
        found = [_landmarks(faces, box) for faces in scorer.detector.detect(frames)]
        points = [each for each in found if each is not None]
        if len(points) < 2:
            return
        if "mouth" in values:
            values["mouth"].append(measures.mouth_corner_distance(*points))
        if due and scorer.identity is not None:
            values["identity"].append(scorer.identity.cosine(frames, points))

    def _move(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Motion and flicker, in the box of the earlier and of the middle frame."""
        if "silence" in self.values and self.before:
            last, last_box = self.before[-1]
            self.motions.append(_within(last_box, _mouth_motion, last, frame))
        if "flicker" in self.values and len(self.before) == 2:
            (first, _), (middle, middle_box) = self.before
            value = _within(middle_box, measures.flicker, first, middle, frame)
            self.values["flicker"].append(value)
        self.before = [*self.before[-1:], (frame, box)]

    def result(self, sound: np.ndarray | None) -> dict[str, float | int]:
        scores: dict[str, float | int] = {"n_frames": self.n}
        for name, values in self.values.items():
            known = [value for value in values if not np.isnan(value)]
            scores[name] = fmean(known) if known else float("nan")
        if sound is not None:
            voice = measures.voiced(sound, self.n)
            scores["silence"] = measures.motion_in_silence(np.array(self.motions), voice)
        scores.pop("fid", None)  # of the whole set
        return scores


def _within(box: np.ndarray, of: Callable[..., float], *frames: np.ndarray) -> float:
    crops = [face_crop(frame, box) for frame in frames]
    return float("nan") if any(crop is None for crop in crops) else of(*crops)


def _mouth_motion(before: np.ndarray, now: np.ndarray) -> float:
    middle = len(now) // 2
    return measures.motion(before[middle:], now[middle:])


def _landmarks(faces: Faces, box: np.ndarray) -> np.ndarray | None:
    """The five points of the face that lies in `box`."""
    overlap = box_ops.iou(faces.boxes, box[None])[:, 0]
    if faces.landmarks is None or not len(overlap) or overlap.max() == 0:
        return None
    return faces.landmarks[overlap.argmax()]


def resized(crop: np.ndarray) -> np.ndarray:
    """A crop as the networks are given it, (SIZE, SIZE, 3) uint8."""
    shrinks = min(crop.shape[:2]) > SIZE
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(crop, (SIZE, SIZE), interpolation=method)


def _network_input(crop: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(resized(crop)).permute(2, 0, 1)[None].float() / 255
