"""Generated videos beside their references: pictures, mouths, flicker. One fixed protocol."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import cv2
import numpy as np
import torch

from w2l import boxes as box_ops
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.faces import FaceDetector, Faces
from w2l.faces.search import all_faces, detect_video
from w2l.faces.track import link, select
from w2l.metrics import pictures as measures
from w2l.metrics.fid import ENOUGH, FrechetDistance
from w2l.models import Lpips
from w2l.scoring.crops import face_crop
from w2l.video import VideoReader
from w2l.windows import FPS

logger = logging.getLogger(__name__)

SIZE = 224  # px, side of the crops that networks compare
EVERY = 5  # frames from one that the Fréchet distance counts to the next
AGAINST_TARGET = ("psnr", "ssim", "lpips", "mouth")
METRICS = (*AGAINST_TARGET, "fid", "silence", "flicker")
PROTOCOL = (
    "25 fps; the largest face of the reference, its box from the detector in every frame, no pads; "
    "the same box is cut from both videos, frame by frame, up to the shorter one's end. "
    "psnr, ssim: the box at its own size, BGR, mean over frames; in psnr equal boxes differ by one "
    "level in one value. "
    f"lpips, fid: the crop resized to {SIZE} px (area where it shrinks, else bilinear); fid: every "
    f"{EVERY}th frame, bilinear to 299 px in the network; real against real: every other clip "
    "against the rest, or a single clip's halves. "
    "mouth: mean distance of the mouth's two corners (the detector's five points, found in both "
    "videos) over the distance of the eyes. "
    "silence: motion of the box's lower half where no frame has a voice (over -60 dB and at most "
    "35 dB under the clip's 95th percentile, in the generated video's sound or that of audio=) "
    "over its motion where both have one. "
    "flicker: mean |a - 2b + c| of three frames in a row in the box of the middle one."
)
Setting = Literal["reconstruction", "cross"]


@dataclass
class PictureScorer:
    """Scores pairs of videos; keeps what the Fréchet distance needs of all of them.

    Attributes:
        detector: of faces.
        metrics: some of `METRICS`.
        setting: "reconstruction": the generated video says what its reference says, so frame i is
            to look like frame i; "cross": it says something else, and only what needs no target
            can be measured.
        lpips: for "lpips".
        frechet: for "fid".
        n_pairs: how many will be scored. For the distance of real pictures from real ones every
            other clip is one half; of a single one, its first half.
        audio: for "silence", what all videos say; None: each one's own sound.
    """

    detector: FaceDetector
    metrics: Sequence[str]
    setting: Setting
    lpips: Lpips | None = None
    frechet: FrechetDistance | None = None
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
        reader = readers[1]
        sound = self._sound(readers[0])
        tracks = link(all_faces(detect_video(reader, self.detector, 1)))
        boxes = select(tracks, "largest", reader.count(), reader.size[0])
        if not np.isfinite(boxes).any():
            raise UserError(
                f"{reference} shows no face to compare: choose another detector or box=."
            )
        count = min(r.count() for r in readers)
        middle = count // 2 if self.n_pairs == 1 else count * (1 - self._clips % 2)
        clip = _Clip(self, middle)
        with nullcontext() if self.frechet is None else self.frechet.all_or_nothing():
            for mine, theirs, box in zip(*readers, boxes, strict=False):
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


def compare_pairs(
    scorer: PictureScorer, pairs: Iterable[tuple[Path, Path]]
) -> Iterator[dict[str, Any]]:
    """A row for each generated video and its reference: the paths, and scores or an `error`."""
    for video, reference in pairs:
        row: dict[str, Any] = {"path": str(video), "reference": str(reference)}
        try:
            row |= scorer.score(video, reference)
        except UserError as error:
            row["error"] = str(error)
        except (OSError, RuntimeError, ValueError) as error:  # one bad pair must not end a set
            logger.exception("%s could not be compared", video)
            row["error"] = f"{type(error).__name__}: {error}"
        yield row


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
        if "mouth" in self.values:
            self.values["mouth"].append(self._mouth(mine, theirs, box))
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

    def _mouth(self, mine: np.ndarray, theirs: np.ndarray, box: np.ndarray) -> float:
        points = [_landmarks(faces, box) for faces in self.scorer.detector.detect([mine, theirs])]
        if points[0] is None or points[1] is None:
            return float("nan")
        return measures.mouth_corner_distance(points[0], points[1])

    def _move(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Motion and flicker, in the box of the earlier and of the middle frame."""
        if self.before:
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


def references(videos: Sequence[Path], reference: Path) -> Iterator[tuple[Path, Path]]:
    """Each video with its reference: the file, or the file of its name in the folder.

    Raises:
        UserError: there is none.
    """
    if reference.is_dir():
        for video in videos:
            beside = reference / video.name
            if not beside.is_file():
                raise UserError(f"reference={reference} has no {video.name}: name files alike.")
            yield video, beside
    elif not reference.is_file():
        raise UserError(f"reference={reference} is neither a file nor a folder: check the path.")
    elif len(videos) > 1:
        raise UserError(f"reference={reference} is one file and there are {len(videos)} videos: "
                        "name a folder.")  # fmt: skip
    else:
        yield videos[0], reference


def fid_scores(frechet: FrechetDistance, published: bool) -> dict[str, Any]:
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
