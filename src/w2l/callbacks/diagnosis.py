"""What is visibly wrong with training data: measured on one batch and on the list of clips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from w2l.audio.mel import SILENCE
from w2l.data.batches import LipBatch, SyncBatch, stack_frames
from w2l.data.clips import AnyClip

STILL = 2 / 255  # mean change over a window under which lips do not move
FEW_SPEAKERS = 10

CHECKLIST = """Known causes of an expert that stays at chance, most frequent first:
  1. Lips and sound are apart. One frame is enough; files converted with a wrong rate, or cut at
     key frames, are 2 to 10 frames off. Score some clips with evaluate.py: their offsets must be
     the same, within a frame.
  2. Too little or too uniform data. Users with 2 to 9 videos, or 600 clips, stayed at chance.
  3. Wrong crops: another person's face, a box that jumps, a mouth cut off. Look at the pictures in
     the prepared folders.
  4. The published recipe itself (experiment=syncnet): by the release's maintainers its loss stays
     at 0.69 for 150 000 to 200 000 updates. experiment=syncnet_strong leaves chance far sooner.
  5. The rate. 1e-3 without warm-up kept the published objective at chance for good.
Whether data and model can learn at all: python train.py experiment=… debug=overfit"""


def symptoms(batch: SyncBatch | LipBatch, clips: Sequence[AnyClip]) -> list[str]:
    """One sentence for each thing that is wrong for certain, or probably.

    Args:
        batch: some training windows.
        clips: the training clips; none where they are not known.
    """
    frames = batch.frames if isinstance(batch, SyncBatch) else stack_frames(batch.target)
    found = [*of_pictures(frames), *of_sound(batch.mel)]
    if isinstance(batch, SyncBatch):
        found += of_labels(batch)
    speakers = {clip.name.partition("/")[0] for clip in clips}
    if clips and len(speakers) < FEW_SPEAKERS:
        found.append(
            f"There are {len(clips)} training clips of {len(speakers)} speaker(s): an expert of so "
            "few people says little of others."
        )
    return found


def of_pictures(frames: Tensor) -> list[str]:
    """Of windows (B, 15, S/2, S)."""
    if not bool(frames.isfinite().all()):
        return ["Pictures hold NaN or infinite values."]
    first, last = frames[:, :3], frames[:, -3:]
    still = ((first - last).abs().mean(dim=(1, 2, 3)) < STILL).float().mean().item()
    flat = (frames.std(dim=(1, 2, 3)) < STILL).float().mean().item()
    found = []
    if flat > 0.1:
        found.append(f"{flat:.0%} of the windows are pictures of one colour.")
    elif still > 0.3:
        found.append(
            f"{still:.0%} of the windows do not move: stills, repeated frames, or the wrong face."
        )
    return found


def of_sound(mel: Tensor) -> list[str]:
    """Of mel windows (B, 1, 80, 16)."""
    if not bool(mel.isfinite().all()):
        return ["The sound holds NaN or infinite values."]
    silent = (mel.amax(dim=(1, 2, 3)) <= SILENCE + 0.5).float().mean().item()
    found = []
    if silent > 0.3:
        found.append(f"{silent:.0%} of the windows are silent.")
    if float(mel.amax()) > -SILENCE + 1e-3 or float(mel.amin()) < SILENCE - 1e-3:
        found.append("The mel leaves [-4, 4]: it was not made as the networks hear it.")
    return found


def of_labels(batch: SyncBatch) -> list[str]:
    """Windows that no expert can tell apart."""
    pictures = batch.frames.flatten(1)
    near = torch.cdist(pictures[:, ::7], pictures[:, ::7], p=1) / pictures[:, ::7].shape[1]
    own_sound = torch.cdist(batch.mel.flatten(1), batch.mel.flatten(1), p=1) > 1e-3
    same = (near < 0.25 / 255) & own_sound
    twins = same.any(dim=1).float().mean().item()
    found = []
    if twins > 0.1:
        found.append(f"{twins:.0%} of the windows show the same pictures with different sound.")
    if len(batch.in_sync) > 8 and float(batch.in_sync.float().std()) == 0:
        alone = len(batch.group.unique()) == len(batch.group)
        if alone or float(batch.in_sync.float().mean()) == 0:
            found.append("All windows have the same label, so there is nothing to tell apart.")
    return found
