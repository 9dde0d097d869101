"""What an expert says of a prepared clip: all of its lips with all of its sound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from w2l.data.clips import AnyClip, BadClipError
from w2l.models import Expert
from w2l.scoring.embeddings import mel_embeddings
from w2l.windows import WINDOW_FRAMES


@torch.inference_mode()
def clip_similarity(expert: Expert, clip: AnyClip, batch_size: int = 64) -> np.ndarray:
    """Cosines (N, N): row i is the face window of frame i, column j the sound window of frame j.

    Rows of windows that lack a face in any frame are NaN.

    Args:
        expert: in evaluation mode.
        clip: a prepared clip at the expert's image size.
        batch_size: windows that go through the network at once.

    Raises:
        BadClipError: its images or sound cannot be read.
    """
    present = set(clip.frames.tolist())
    frames = range(max(present, default=-1) + 1)
    crops = (clip.faces(np.array([f]))[0] if f in present else None for f in frames)
    faces, sounds = mel_embeddings(expert, crops, clip.mel, batch_size)
    return (faces @ sounds.T).numpy()


def clip_similarities(expert: Expert, clips: Sequence[AnyClip]) -> list[tuple[str, np.ndarray]]:
    """(speaker, `clip_similarity`) of the clips that can be read and are long enough."""
    found = []
    for clip in clips:
        try:
            matrix = clip_similarity(expert, clip)
        except BadClipError:
            continue  # counted where it is drawn for training
        # Some pairs must be far enough apart to be compared.
        if len(matrix) > 2 * WINDOW_FRAMES and not np.isnan(np.diag(matrix)).all():
            found.append((clip.name.partition("/")[0], matrix))
    return found
