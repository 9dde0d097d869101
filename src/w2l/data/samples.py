"""From one clip to one training sample: which windows are drawn, and what is done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from w2l.data.augment import Augment
from w2l.data.batches import LipBatch, SyncBatch
from w2l.data.clips import AnyClip, lower
from w2l.data.rejections import NO_WINDOW, TOO_SHORT, BadClipError
from w2l.windows import (
    WINDOW_FRAMES,
    frame_mel_windows,
    last_fitting,
    mel_window,
)

MIN_FRAMES = 3 * WINDOW_FRAMES  # published: a clip needs more than 15 frames


class Samples(Protocol):
    """Draws one sample, a batch of one or more windows, from a clip.

    Its pictures are still uint8: `to_float` makes them float, all of a batch at once.
    """

    def __call__(self, clip: AnyClip, rng: np.random.Generator) -> SyncBatch | LipBatch:
        """Raises BadClipError with a reason where the clip gives none."""
        ...


def _starts(
    clip: AnyClip, before: int = 0, after: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All start frames, those whose mel windows fit, and the mel. Which windows: the start's, and
    those of the frames from `before` ahead of it to `after` behind it.
    """
    if len(clip.frames) <= MIN_FRAMES:
        raise BadClipError(TOO_SHORT, f"{clip.where} has {len(clip.frames)} frames")
    starts, mel = clip.starts, clip.mel
    last = last_fitting(mel.shape[1]) - after
    heard = starts[(starts >= before) & (starts <= last)]
    if not len(heard) or len(starts) < 2:
        raise BadClipError(NO_WINDOW, f"{clip.where}: no 5 frames in a row with sound")
    return starts, heard, mel


def _expert_windows(
    clip: AnyClip, starts: Sequence[int], mels: np.ndarray, augment: Augment | None,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The expert's input: lower halves frame by frame, (B, 3T, S/2, S) uint8, and (B, 1, 80, 16).

    Args:
        clip: that they come from.
        starts: first frames of the B windows.
        mels: the sound of each, (B, 80, 16).
        augment: changes both; None, or for draws that it leaves alone: nothing does.
        rng: what it draws from.
    """
    changed = augment is not None and augment.applies(rng)
    windows = [
        clip.faces(np.arange(start, start + WINDOW_FRAMES), lower_half=not changed)
        for start in starts
    ]
    faces = windows[0][None] if len(windows) == 1 else np.stack(windows)
    if augment is not None and changed:
        faces, mels = augment(faces, mels, rng)
        faces = lower(faces)
    n, frames, height, width, _ = faces.shape
    stacked = np.array(faces.transpose(0, 1, 4, 2, 3), order="C")
    return (
        torch.from_numpy(stacked.reshape(n, 3 * frames, height, width)),
        torch.from_numpy(mels)[:, None],
    )


def _faces(clip: AnyClip, start: int) -> np.ndarray:
    """(1, 3, T, S, S) uint8."""
    return clip.faces(np.arange(start, start + WINDOW_FRAMES)).transpose(3, 0, 1, 2)[None]


def _group(size: int, rng: np.random.Generator) -> Tensor:
    """A number that no other draw has, for each window."""
    return torch.full((size,), int(rng.integers(2**63)))


def _other(starts: np.ndarray, start: int, min_distance: int, rng: np.random.Generator) -> int:
    """Another start, at least `min_distance` frames from the given one."""
    others = starts[abs(starts - start) >= min_distance]
    if not len(others):
        raise BadClipError(NO_WINDOW, f"no two windows {min_distance} frames apart")
    return int(rng.choice(others))


@dataclass
class SyncSamples:
    """The published expert's pairs: with probability ½ the true window, else another of the clip.

    The sound is always that of the true window.

    Attributes:
        min_distance: frames between the two; the published 1 calls windows wrong that are nearly
            the true one.
        augment: changes that keep sync, or None.
    """

    min_distance: int = 1
    augment: Augment | None = None

    def __call__(self, clip: AnyClip, rng: np.random.Generator) -> SyncBatch:
        starts, heard, mel = _starts(clip)
        true = int(rng.choice(heard))
        in_sync = rng.random() < 0.5
        shown = true if in_sync else _other(starts, true, self.min_distance, rng)
        mels = mel_window(mel, true)[None].copy()
        return SyncBatch(
            *_expert_windows(clip, [shown], mels, self.augment, rng),
            torch.full((1, 1), float(in_sync)),
            _group(1, rng),
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

    def __call__(self, clip: AnyClip, rng: np.random.Generator) -> SyncBatch:
        _, heard, mel = _starts(clip)
        chosen: list[int] = []
        for start in rng.permutation(heard):
            if all(abs(start - other) >= self.min_distance for other in chosen):
                chosen.append(int(start))
            if len(chosen) == self.windows:
                break
        mels = np.stack([mel_window(mel, start) for start in chosen])
        return SyncBatch(
            *_expert_windows(clip, chosen, mels, self.augment, rng),
            torch.ones(len(chosen), 1),
            _group(len(chosen), rng),
        )


@dataclass
class LipSamples:
    """The generator's sample: a target window, its lower half hidden, and another as reference.

    Attributes:
        lead_frames: how many frames earlier each frame's own mel window starts. The published
            training uses 1 although its inference uses 0: published checkpoints expect that.
        min_distance: frames from the target window to the reference, start to start; the published
            1 lets a reference show nearly the lips that are asked for.
        augment: changes target and reference alike, and all of their sound; None: nothing does.
    """

    lead_frames: int = 1
    min_distance: int = 1
    augment: Augment | None = None

    def __call__(self, clip: AnyClip, rng: np.random.Generator) -> LipBatch:
        lead = self.lead_frames
        starts, heard, mel = _starts(clip, before=lead, after=max(0, WINDOW_FRAMES - 1 - lead))
        start = int(rng.choice(heard))
        target = _faces(clip, start)
        reference = _faces(clip, _other(starts, start, self.min_distance, rng))
        mels = frame_mel_windows(mel, start, self.lead_frames)
        window = mel_window(mel, start)[None].copy()
        if self.augment is not None and self.augment.applies(rng):
            both = np.stack([target, reference]).transpose(0, 1, 3, 4, 5, 2)
            heard = np.concatenate([mels, window])
            both, heard = self.augment(both, heard, rng)
            target, reference = both.transpose(0, 1, 5, 2, 3, 4)
            mels, window = heard[:-1], heard[-1:]
        masked_and_reference = np.empty((1, 6, *target.shape[2:]), np.uint8)
        masked_and_reference[:, :3], masked_and_reference[:, 3:] = target, reference
        masked_and_reference[:, :3, :, target.shape[3] // 2 :] = 0
        return LipBatch(
            torch.from_numpy(masked_and_reference),
            torch.from_numpy(mels)[None, :, None],
            torch.from_numpy(window)[None],
            torch.from_numpy(target.copy()),
        )
