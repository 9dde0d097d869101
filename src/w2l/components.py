"""What a component must offer to be used in place of ours: a Protocol each, one screen each.

Components are found by `_target_` in a config or by name in a checkpoint, never in a table here.
docs/extending.md writes some in a file of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
Announce = Callable[[str], None]  # shows the user a line


class Progress(Protocol):
    """Wraps a stage's frames, to show how far it is."""

    def __call__(self, frames: Iterable[T], stage: str, total: int) -> Iterable[T]:
        """Yield `frames` unchanged; `total` is how many are expected."""
        ...


def no_progress(frames: Iterable[T], stage: str, total: int) -> Iterable[T]:
    """No progress shown."""
    return frames


class Faces(NamedTuple):
    """The faces of one frame, in the detector's order, which most give as best score first.

    Attributes:
        boxes: float32 (N, 4): left, top, right, bottom in pixels of the frame.
        scores: float32 (N,) in [0, 1].
        landmarks: float32 (N, 5, 2), x and y in pixels: the eye on the image's left, the other
            eye, nose, the mouth's left and right corners; None: not known.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray | None = None

    @classmethod
    def of(cls, boxes: np.ndarray) -> Faces:
        """Faces that are certain, from boxes (N, 4) or one box (4,), those missing left out."""
        boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
        boxes = boxes[np.isfinite(boxes).all(axis=1)]
        return cls(boxes, np.ones(len(boxes), dtype=np.float32))

    @classmethod
    def none(cls) -> Faces:
        """No face at all."""
        return cls.of(np.empty((0, 4)))


class FaceDetector(Protocol):
    """Finds faces in frames; each frame on its own, whatever came before.

    Where the constructor takes `device`, it is given the run's, such as "cpu" or "cuda:1". Where
    frames are long, it is shown parts of them, too; not where it has an attribute `takes_parts`
    that is false.
    """

    def detect(self, frames: Sequence[np.ndarray]) -> list[Faces]:
        """Faces of each frame, in the frames' order.

        Args:
            frames: uint8 (H, W, 3) BGR each; their sizes may differ.
        """
        ...


class LandmarkFinder(Protocol):
    """Finds the 68 landmarks of 300-W in a face whose box is known.

    Where the constructor takes `device`, it is given the run's.
    """

    def __call__(self, frames: Sequence[np.ndarray], box: np.ndarray) -> np.ndarray:
        """Landmarks of the same box in N frames.

        Args:
            frames: uint8 (H, W, 3) BGR each.
            box: float (4,): left, top, right, bottom in pixels.

        Returns:
            float (N, 68, 2), x and y in pixels of the frame; NaN: not found.
        """
        ...


@runtime_checkable
class FacesByIndex(Protocol):
    """A source of faces that is asked by frame number instead of being shown the frames."""

    def at(self, index: int) -> Faces:
        """Faces of frame `index`, counted from the first frame that is passed on."""
        ...


class LossTerm(Protocol):
    """One of the losses that a generator learns from; they are summed by their weights.

    An `nn.Module` is moved to the run's device, frozen, and not saved.
    """

    @property
    def weight(self) -> float:
        """Of the term, the same along the whole run; 0: it is only logged."""
        ...

    def __call__(self, batch: Any, generated: Tensor) -> Tensor:
        """The loss, a scalar, logged as `train/loss_<name>` and `val/loss_<name>`.

        Args:
            batch: `w2l.data.batches.LipBatch`: what the generator was given, and `target`, BGR in
                [0, 1], (B, 3, T, S, S).
            generated: the same frames as the generator made them.
        """
        ...


class Discriminator(Protocol):
    """Tells photographs from what a generator makes; an `nn.Module`."""

    @property
    def config(self) -> Mapping[str, Any]:
        """All arguments of its constructor, plain values: a checkpoint builds it again by them."""
        ...

    def feature_maps(self, face: Tensor) -> list[Tensor]:
        """What it sees of frames (B, 3, T, S, S), BGR in [0, 1], map by map.

        `system.feature_weight` draws those of generated frames to those of real ones.
        """
        ...

    def logits(self, maps: Sequence[Tensor]) -> Tensor:
        """Those maps → (T·B, 1), or (T·B, P), one of each of P patches; over 0: a photograph."""
        ...


class LipGenerator(Protocol):
    """A network that makes faces say speech; an `nn.Module`."""

    @property
    def config(self) -> Mapping[str, Any]:
        """All arguments of its constructor, plain values: a checkpoint builds it again by them.

        Two of them are `image_size`, the side S of its faces in pixels, and `lead_frames`, by how
        many frames (of 1/25 s) the sound of a frame starts before it.
        """
        ...

    def __call__(self, audio: Tensor, face: Tensor) -> Tensor:
        """Generate faces.

        Args:
            audio: log-mel windows in [-4, 4], float32 (B, 1, 80, 16).
            face: BGR in [0, 1], float32 (B, 6, S, S): the face with its lower half zeroed, then a
                reference of the same person.

        Returns:
            BGR in [0, 1], (B, 3, S, S).
        """
        ...


@dataclass(frozen=True, slots=True)
class Clip:
    """One video, or a part of one, on its way into the set.

    A large set has a million of them, which are all held: what clips share is held once.

    Attributes:
        root: the folder that the paths of its source begin in.
        source: its path relative to that, with forward slashes, or its address; names it in
            records.
        speaker: folder in the set; clips of one person share it, so that splits can be disjoint.
        name: folder inside the speaker's.
        split: train, val or test where the source says so; None: decided at the end.
        transcript: what is spoken, or the file that says so, as LRS2 has it; it need not exist.
        start_s: where the clip begins, in seconds after the file's first image.
        end_s: where it ends (excluded), counted in the same way; None: with the file.
        url: address that `path` is downloaded from; None: it is there.
        file: its path, absolute or relative to `root`, where that is not `source`.
    """

    root: Path
    source: str
    speaker: str
    name: str
    split: str | None = None
    transcript: Path | str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    url: str | None = None
    file: str | None = None

    @property
    def path(self) -> Path:
        """Where the file lies, or will once it is downloaded."""
        return self.root / (self.file or self.source)

    @property
    def key(self) -> str:
        """`speaker/name`: the clip's folder and its line in a split list."""
        return f"{self.speaker}/{self.name}"


@dataclass(frozen=True)
class Listing:
    """What a source found.

    Attributes:
        clips: in a fixed order, with unique keys.
        notes: sentences for the user: what is missing, counts that look wrong.
        others: files that were met and are not called like videos, as `Clip.source` names them.
    """

    clips: list[Clip]
    notes: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def silent(_: str) -> None:
    """Say nothing."""


class Source(Protocol):
    """Lists the videos that `python -m preprocess` makes a set of.

    Where the constructor takes them, it is given the run's `data_root` (a Path, or None) and `out`,
    the folder of the set, and how many `workers` it may start.
    """

    @property
    def any_videos(self) -> bool:
        """Of the class: whether its videos are as people have them, long and of any quality.

        They are cut into scenes, filtered and looked through for copies, if nobody says otherwise.
        """
        ...

    def listing(self, announce: Announce) -> Listing:
        """What there is, in an order that is the same each time.

        Args:
            announce: shows the user a line.

        Raises:
            UserError: the videos are not laid out as they should be.
        """
        ...


class Restorer(Protocol):
    """Makes faces sharper; each on its own, whatever came before.

    Where the constructor takes `device`, it is given the run's.
    """

    @property
    def label(self) -> str:
        """What it is and what it was made from, for the user to read and for the file's tags."""
        ...

    @property
    def generates(self) -> bool:
        """Whether it invents pixels by a network, so that its result is synthetic."""
        ...

    @property
    def size(self) -> int | None:
        """Side of the square crops that it takes, in pixels.

        None: any size, and then crops are cut from the image without resampling.
        """
        ...

    @property
    def aligned(self) -> bool:
        """Whether crops are to be aligned as FFHQ's faces; else the face's box, squared."""
        ...

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Restore a batch.

        Args:
            faces: uint8 (B, H, W, 3) BGR.

        Returns:
            uint8 (B, kH, kW, 3) BGR, k = 1 but for upscalers.
        """
        ...


class ImageMetric(Protocol):
    """Compares a generated video with the one that it was made from: one number a pair of them.

    Where the constructor takes them, it is given the run's `device`, `n_pairs`, how many pairs
    there are, and the networks that `lpips=`, `landmarks=`, `inception=` and `identity=` name.
    """

    @property
    def needs_target(self) -> bool:
        """Of the class: it compares with the wanted frame, which setting=cross does not have."""
        ...

    @property
    def protocol(self) -> str:
        """How it is measured, a sentence without its full stop; printed, and in scores.json."""
        ...

    def reset(self) -> None:
        """Forget the frames: a new pair of videos begins."""
        ...

    def update(self, pair: Any) -> None:
        """Take a frame; all come, in order.

        Args:
            pair: `w2l.scoring.image_metrics.FramePair`: `generated` and `reference`, uint8
                (H, W, 3) BGR, the face's `box` in pixels, `crops` by it, `points`, `index`.
        """
        ...

    def compute(self) -> float:
        """The number of the frames since `reset`; NaN: it cannot be had of them."""
        ...


@runtime_checkable
class SetMetric(Protocol):
    """What an `ImageMetric` offers beside that has one number of all pairs together, as FID."""

    def all_or_nothing(self) -> AbstractContextManager[None]:
        """Entered for each pair: one that breaks within leaves nothing."""
        ...

    def of_set(self) -> tuple[dict[str, Any], str]:
        """Fields of scores.json, and a sentence for the terminal."""
        ...


class ClipJudge(Protocol):
    """Scores a video without a reference: how lips fit the speech, or how the face looks.

    Where the constructor takes `device`, it is given the run's.
    """

    @property
    def protocol(self) -> str:
        """How it is measured, a sentence without its full stop; printed, and in scores.json."""
        ...

    @property
    def size(self) -> int:
        """Side S of the faces that it is shown, in pixels."""
        ...

    def score(self, faces: Iterator[np.ndarray], speech: np.ndarray | None) -> Mapping[str, float]:
        """Numbers of a clip, by name.

        Args:
            faces: uint8 (S, S, 3) BGR, the largest face of frame after frame at 25 fps: what its
                box cuts out, resized.
            speech: float32 (n,) in [-1, 1] at 16 kHz, from the first of them on, 640 samples a
                frame; None: the video has no audio.

        Raises:
            UserError: it cannot be judged, and why.
        """
        ...
