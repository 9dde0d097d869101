"""`SyncScorer`: frames and sound → LSE, offset, cosine. Knows nothing of files or detectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from w2l.audio.mel import log_mel
from w2l.errors import UserError
from w2l.metrics import (
    LSE,
    CosineSummary,
    best_offset,
    confidence_over_time,
    cosine_by_offset,
    lse,
    offsets,
    pairwise_distances,
    summarize,
    unpadded_lse,
)
from w2l.models import Expert, SyncNetV2
from w2l.scoring.embeddings import (
    SAMPLES_PER_FRAME,
    expert_embeddings,
    face_embeddings,
    lip_embeddings,
    sound_embeddings,
    voice_embeddings,
)
from w2l.scoring.precision import Precision, arithmetic
from w2l.windows import last_fitting


@dataclass(frozen=True)
class SyncResult:
    """What SyncNet v2 says of one clip.

    Attributes:
        lse: LSE-D, LSE-C, offset, both scores at offset 0, the mean distance per offset.
        unpadded: the same without the zero vectors beyond the ends.
        distances: of each window at each offset, float32 (31, N).
        confidence: of each window, float32 (N,); see `metrics.confidence_over_time`.
        n_windows: windows scored.
        cosine_at_0: mean cosine of the two embeddings at offset 0.
        cosine_at_best: the same at `lse.offset`, over the windows that both sides have.
    """

    lse: LSE
    unpadded: LSE
    distances: np.ndarray
    confidence: np.ndarray
    n_windows: int
    cosine_at_0: float
    cosine_at_best: float


@dataclass(frozen=True)
class CosineResult:
    """What the expert says of one clip.

    Attributes:
        curve: similarity of each window, float32 (N,), NaN where a face is missing.
        summary: statistics of the windows that have one.
        by_offset: mean similarity per offset, float32 (31,), in the order of `metrics.offsets`.
        offset: the best of them in frames, positive where the sound is early. Only offsets at
            which half of the windows or more overlap compete: a mean of three is mostly luck.
        confidence: how far it stands out: its similarity minus the median of those that compete.
    """

    curve: np.ndarray
    summary: CosineSummary
    by_offset: np.ndarray
    offset: int
    confidence: float


class SyncScorer:
    """Scores clips; frames are streamed, so their length does not matter.

    Args:
        syncnet: SyncNet v2, for `lse`; put into evaluation mode and moved to the device; its
            weights are taken as they are now.
        expert: a lip-sync expert, for `cosine`; put there likewise.
        device: torch device, e.g. "cpu" or "cuda".
        batch_size: windows that go through a network at once; does not change the scores.
        precision: "tf32" is faster on a GPU, "bfloat16" (SyncNet alone) on processors that have it,
            and their scores are others.

    Example:
        >>> import numpy as np
        >>> from w2l.models import Expert
        >>> from w2l.scoring import SyncScorer
        >>> scorer = SyncScorer(expert=Expert(width=0.125))
        >>> faces = [np.full((96, 96, 3), i, np.uint8) for i in range(25)]
        >>> scorer.cosine(faces, np.zeros(16000, np.float32)).summary.count
        21
    """

    def __init__(
        self,
        syncnet: SyncNetV2 | None = None,
        expert: Expert | None = None,
        *,
        device: str | torch.device = "cpu",
        batch_size: int = 24,
        precision: Precision = "float32",
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.syncnet = syncnet.eval().to(device).folded() if syncnet else None
        if self.syncnet is not None and precision == "bfloat16":
            self.syncnet.in_bfloat16()
        self.expert = expert.eval().to(device) if expert else None
        self.batch_size = batch_size
        self.precision: Precision = precision

    @torch.inference_mode()
    def lse(self, frames: Iterable[np.ndarray], waveform: np.ndarray) -> SyncResult:
        """Lip-sync error of one clip, as the published evaluation defines it.

        Args:
            frames: at 25 fps, uint8 BGR (H, W, 3), any size; resized to 224×224.
            waveform: mono at 16 kHz, int16 or float in [-1, 1], (n,), starting with the frames.

        Raises:
            UserError: not one window: fewer than 6 frames or 0.24 s of sound.
            ValueError: the scorer has no SyncNet.
        """
        if self.syncnet is None:
            raise ValueError("lse needs a SyncScorer with syncnet=")
        with arithmetic(self.precision):
            lips = lip_embeddings(self.syncnet, frames, len(waveform), self.batch_size)
            if not len(lips):
                raise _too_short(waveform)
            sound = sound_embeddings(self.syncnet, waveform, len(lips), self.batch_size)
        distances = pairwise_distances(lips, sound)
        scores = lse(distances)
        cosine = dict(zip(offsets().tolist(), cosine_by_offset(lips, sound).tolist(), strict=True))
        return SyncResult(
            scores,
            unpadded_lse(distances),
            distances.numpy(),
            confidence_over_time(distances).numpy(),
            n_windows=len(lips),
            cosine_at_0=cosine[0],
            cosine_at_best=cosine[scores.offset],
        )

    @torch.inference_mode()
    def cosine(self, crops: Iterable[np.ndarray | None], waveform: np.ndarray) -> CosineResult:
        """Cosine similarity of face and sound by the expert.

        Args:
            crops: one face per frame at 25 fps, uint8 BGR (h, w, 3), any size, cut as Wav2Lip
                cuts them; None where there is no face.
            waveform: mono at 16 kHz in [-1, 1], (n,), starting with the crops.

        Raises:
            UserError: no window has a face in all its 5 frames, or the clip is too short.
            ValueError: the scorer has no expert.
        """
        expert = self._an_expert()
        if len(waveform) < SAMPLES_PER_FRAME:
            raise _too_short(waveform)
        with arithmetic(self.precision):
            faces, sound = expert_embeddings(expert, crops, waveform, self.batch_size)
        if not len(faces):
            raise _too_short(waveform)
        curve = (faces * sound).sum(dim=1)
        if curve.isnan().all():
            raise UserError("No five frames in a row show a face, so the expert has no window.")
        by_offset = cosine_by_offset(faces, sound)
        best = best_offset(by_offset, len(faces))
        return CosineResult(
            curve.numpy(),
            summarize(curve),
            by_offset.numpy(),
            offset=best.offset,
            confidence=best.confidence,
        )

    @torch.inference_mode()
    def embed_face(self, crops: Iterable[np.ndarray | None]) -> Tensor:
        """The expert's embeddings of a face's windows, (N, D); crops as in `cosine`."""
        with arithmetic(self.precision):
            return face_embeddings(self._an_expert(), crops, self.batch_size)

    @torch.inference_mode()
    def embed_voice(self, waveform: np.ndarray) -> Tensor:
        """The expert's embeddings of all windows of a sound, (N, D); waveform as in `cosine`."""
        expert, mel = self._an_expert(), log_mel(waveform)
        with arithmetic(self.precision):
            return voice_embeddings(expert, mel, last_fitting(mel.shape[1]) + 1, self.batch_size)

    def _an_expert(self) -> Expert:
        if self.expert is None:
            raise ValueError("this needs a SyncScorer with expert=")
        return self.expert


def _too_short(waveform: np.ndarray) -> UserError:
    return UserError(
        "Too short to score: it takes at least 6 frames and 0.24 s of sound "
        f"(the sound is {len(waveform) / SAMPLES_PER_FRAME / 25:.2f} s long)."
    )
