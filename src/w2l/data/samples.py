"""From one clip to one training sample: which windows are drawn, and what is done to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from w2l.data.augment import Augment
from w2l.data.batches import LipBatch, SyncBatch, stack_frames
from w2l.data.clips import BadClipError, Clip
from w2l.windows import WINDOW_FRAMES, fits, frame_mel_windows, mel_window, start_frames

MIN_FRAMES = 3 * WINDOW_FRAMES  # published: a clip needs more than 15 frames


class Samples(Protocol):
    """Draws one sample, a batch of one or more windows, from a clip."""

    def __call__(self, clip: Clip, rng: np.random.Generator) -> SyncBatch | LipBatch:
        """Raises BadClipError with a reason where the clip gives none."""
        ...


def _starts(clip: Clip, lead_frames: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """All start frames, and those of them whose sound is there too."""
    if len(clip.frames) <= MIN_FRAMES:
        raise BadClipError("too few frames")
    starts = start_frames(clip.frames)
    columns = clip.mel.shape[1]
    # Per-frame mel windows reach from `lead_frames` before the start to its last frame's.
    last = WINDOW_FRAMES - 1 if lead_frames else 0
    heard = [s for s in starts if fits(s - lead_frames, columns) and fits(s + last, columns)]
    if not heard or len(starts) < 2:
        raise BadClipError("no window with 5 frames in a row and their sound")
    return starts, np.array(heard)


def _faces(clip: Clip, start: int) -> Tensor:
    """(1, 3, T, S, S) float32 in [0, 1]."""
    faces = clip.faces(np.arange(start, start + WINDOW_FRAMES))
    return torch.from_numpy(faces).permute(3, 0, 1, 2)[None].float() / 255


def _other(starts: np.ndarray, start: int, rng: np.random.Generator) -> int:
    return int(rng.choice(starts[starts != start]))


@dataclass
class SyncSamples:
    """The published expert's pairs: with probability ½ the true window, else another of the clip.

    The sound is always that of the true window.
    """

    def __call__(self, clip: Clip, rng: np.random.Generator) -> SyncBatch:
        starts, heard = _starts(clip)
        true = int(rng.choice(heard))
        in_sync = rng.random() < 0.5
        shown = true if in_sync else _other(starts, true, rng)
        return SyncBatch(
            stack_frames(_faces(clip, shown)),
            torch.from_numpy(mel_window(clip.mel, true).copy())[None, None],
            torch.full((1, 1), float(in_sync)),
        )


@dataclass
class ContrastiveSamples:
    """Several true windows of one clip, at least `min_distance` apart: each other's negatives.

    Attributes:
        windows: windows per clip; fewer where the clip is short.
        min_distance: frames between any two starts.
        augment: changes that keep sync, or None.
    """

    windows: int = 8
    min_distance: int = WINDOW_FRAMES
    augment: Augment | None = None

    def __call__(self, clip: Clip, rng: np.random.Generator) -> SyncBatch:
        _, heard = _starts(clip)
        chosen: list[int] = []
        for start in rng.permutation(heard):
            if all(abs(start - other) >= self.min_distance for other in chosen):
                chosen.append(int(start))
            if len(chosen) == self.windows:
                break
        faces = torch.cat([_faces(clip, start) for start in chosen])
        mels = torch.from_numpy(np.stack([mel_window(clip.mel, s) for s in chosen]))[:, None]
        if self.augment is not None:
            faces, mels = self.augment(faces, mels, rng)
        return SyncBatch(stack_frames(faces), mels, torch.ones(len(chosen), 1))


@dataclass
class LipSamples:
    """The generator's sample: a target window, its lower half hidden, and another as reference.

    Attributes:
        lead_frames: how many frames earlier each frame's own mel window starts. The published
            training uses 1 although its inference uses 0: published checkpoints expect that.
    """

    lead_frames: int = 1

    def __call__(self, clip: Clip, rng: np.random.Generator) -> LipBatch:
        starts, heard = _starts(clip, self.lead_frames)
        start = int(rng.choice(heard))
        target = _faces(clip, start)
        reference = _faces(clip, _other(starts, start, rng))
        masked = target.clone()
        masked[:, :, :, masked.shape[3] // 2 :] = 0
        mels = frame_mel_windows(clip.mel, start, self.lead_frames)
        return LipBatch(
            torch.cat([masked, reference], dim=1),
            torch.from_numpy(mels)[None, :, None],
            torch.from_numpy(mel_window(clip.mel, start).copy())[None, None],
            target,
        )
