"""From one clip to one training sample: which windows are drawn, and what is done to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from w2l.audio.mel import MAX_VALUE
from w2l.bounds import Count, Share
from w2l.data.batches import LipBatch, SyncBatch
from w2l.data.clips import NO_WINDOW, TOO_SHORT, AnyClip, BadClipError, lower
from w2l.windows import (
    WINDOW_FRAMES,
    frame_mel_windows,
    last_fitting,
    mel_window,
)

DB_PER_UNIT = 100 / (2 * MAX_VALUE)  # the mel's [-4, 4] is 100 dB
MIN_FRAMES = 3 * WINDOW_FRAMES  # published: a clip needs more than 15 frames


@dataclass
class Augment:
    """Another look and another voice for all windows of a draw.

    Each value is drawn from ± what is given, once for all windows, so that none can be told from
    the others by what was done to it.

    Attributes:
        share: of the draws that are changed at all.
        gain: brightness of each channel is multiplied by 1 ± gain.
        gamma: and raised to the power exp(± gamma).
        offset: then shifted by ± offset (of the range).
        shade: light from one side: the other has, at most, exp(-2 shade) of its brightness.
        shift: the crop moves by ± shift pixels.
        stretch: width and height change by this share, each for itself.
        roll: degrees.
        flip: mirror with probability ½.
        grey: share of grey that is mixed into the colours, at most.
        blur: Gaussian's standard deviation at most, pixels.
        grain: standard deviation of noise at most, of 255.
        jpeg: lowest quality, 1 to 95, of a JPEG for half of the changed draws; 0: for none.
        mel_level: the mel, which lies in [-4, 4], is shifted by this (0.4 is 5 dB).
        mel_tilt: likewise, growing from minus this in the lowest band to plus this in the highest.
        mel_bands: it moves by up to so many bands: another voice.
        mel_stretch: its bands move apart or together by this share: a longer or shorter throat.
        mel_masked: up to so many neighbouring bands fall to the mean of all.
        noise: share of the changed draws that get white noise, 10 to 40 dB under their loudest bin.
    """

    share: Share = 1.0
    gain: float = 0.2
    gamma: float = 0.2
    offset: float = 0.1
    shade: float = 0.0
    shift: float = 3.0
    stretch: float = 0.06
    roll: float = 4.0
    flip: bool = True
    grey: float = 0.0
    blur: float = 0.0
    grain: float = 0.0
    jpeg: int = 0
    mel_level: float = 0.4
    mel_tilt: float = 0.4
    mel_bands: int = 2
    mel_stretch: float = 0.0
    mel_masked: int = 0
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that mean nothing, which would train on nonsense without a word."""
        for each in fields(self):
            value = getattr(self, each.name)
            most = {"share": 1, "stretch": 1, "grey": 1, "jpeg": 95, "mel_stretch": 1, "noise": 1}
            limit = most.get(each.name, math.inf)
            if not 0 <= value <= limit:
                wanted = "0 or more" if limit == math.inf else f"from 0 to {limit}"
                raise ValueError(f"{each.name}={value} must be {wanted}")

    def applies(self, rng: np.random.Generator) -> bool:
        """Whether a draw is to be changed."""
        return rng.random() < self.share

    def __call__(
        self, faces: np.ndarray, mels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Faces (…, S, S, 3) uint8 and mels (…, 80, 16) in [-4, 4] → new ones of the same kind."""
        return self._faces(faces, rng), self._mels(mels, rng)

    def _faces(self, faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        size = faces.shape[-3:-1]
        levels = np.linspace(0, 1, 256)[:, None] ** np.exp(self.gamma * rng.uniform(-1, 1))
        levels = levels * (1 + self.gain * rng.uniform(-1, 1, 3))
        levels = 255 * (levels + self.offset * rng.uniform(-1, 1))
        table = np.clip(levels, 0, 255).round().astype(np.uint8)[None]
        angle = np.deg2rad(self.roll * rng.uniform(-1, 1))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turn = turn * (1 + self.stretch * rng.uniform(-1, 1, 2))
        if self.flip and rng.random() < 0.5:
            turn[:, 0] *= -1
        centre = (np.array(size) - 1) / 2
        move = centre - turn @ centre + self.shift * rng.uniform(-1, 1, 2)
        warp = np.column_stack([turn, move])
        changed = [
            cv2.LUT(cv2.warpAffine(face, warp, size, borderMode=cv2.BORDER_REPLICATE), table)
            for face in faces.reshape(-1, *size, 3)
        ]
        return self._filmed(np.reshape(changed, faces.shape), rng)

    def _filmed(self, faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As another light, another camera and another encoder would show them."""
        if self.shade:
            faces = (faces * self._light(faces.shape[-3:-1], rng)).astype(np.uint8)
        strip = faces.reshape(-1, faces.shape[-2], 3)  # all frames, one below the other
        if self.grey:
            grey = cv2.cvtColor(cv2.cvtColor(strip, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
            share = rng.uniform(0, self.grey)
            strip = cv2.addWeighted(strip, 1 - share, grey, share, 0)
        if self.blur and (sigma := rng.uniform(0, self.blur)) > 0.2:
            frames = strip.reshape(-1, *faces.shape[-3:])
            strip = np.concatenate([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])
        if self.grain:  # the same in all windows, other in each of their frames
            noise = rng.normal(0, rng.uniform(0, self.grain), faces.shape[-4:]).astype(np.int16)
            noisy = strip.reshape(-1, *faces.shape[-4:]) + noise
            strip = np.clip(noisy, 0, 255).astype(np.uint8).reshape(strip.shape)
        if self.jpeg and rng.random() < 0.5:
            quality = int(rng.integers(self.jpeg, 96))
            _, file = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, quality])
            strip = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))
        return strip.reshape(faces.shape)

    def _light(self, size: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Shares of light (H, W, 1) in (0, 1], less behind a soft or hard edge somewhere."""
        rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
        angle, hardness, place = rng.uniform([0, 1, -0.5], [2 * np.pi, 4, 0.5])
        side = np.tanh(hardness * (columns * np.cos(angle) + rows * np.sin(angle) - place))
        return np.exp(self.shade * rng.uniform() * (side - 1))[..., None]

    def _mels(self, mels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n = mels.shape[-2]
        bands = np.arange(n) + rng.integers(-self.mel_bands, self.mel_bands + 1)
        if self.mel_stretch:
            bands = (bands * (1 + self.mel_stretch * rng.uniform(-1, 1))).round().astype(int)
        slope = self.mel_tilt * rng.uniform(-1, 1) * np.linspace(-1, 1, n)[:, None]
        mels = mels[..., np.clip(bands, 0, n - 1), :] + slope + self.mel_level * rng.uniform(-1, 1)
        if self.mel_masked:
            width = rng.integers(self.mel_masked + 1)
            first = rng.integers(n - width + 1)
            mels[..., first : first + width, :] = mels.mean()
        if self.noise and rng.random() < self.noise:
            mels = _noisy(mels, rng.uniform(10, 40), rng)
        return np.clip(mels, -MAX_VALUE, MAX_VALUE).astype(np.float32)


def _noisy(mels: np.ndarray, below_db: float, rng: np.random.Generator) -> np.ndarray:
    """White noise, `below_db` under the loudest bin, added as power."""
    level = mels.max() - below_db / DB_PER_UNIT
    noise = 10 ** (level * DB_PER_UNIT / 10) * rng.exponential(size=mels.shape)
    return 10 * np.log10(10 ** (mels * DB_PER_UNIT / 10) + noise) / DB_PER_UNIT


class Samples(Protocol):
    """Draws one sample, a batch of one or more windows, from a clip.

    Its images are still uint8: `to_float` makes them float, all of a batch at once.
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

    min_distance: Count = 1
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

    windows: Count = 8
    min_distance: Count = WINDOW_FRAMES
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
    min_distance: Count = 1
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
