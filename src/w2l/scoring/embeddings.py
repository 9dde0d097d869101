"""Frames and sound to embeddings, window by window, in bounded memory.

Shapes: F frames, N windows, T frames of one run, D embedding, S side of the expert's face.
Only the embeddings of a whole clip are held (4 kB a window), never its frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice, pairwise
from typing import TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from w2l.audio import SAMPLE_RATE
from w2l.audio.mel import log_mel, mfcc
from w2l.cores import Cores
from w2l.models import Expert, FoldedSyncNet, SyncNetV2
from w2l.windows import FPS, WINDOW_FRAMES, last_fitting, mel_window

LIP_SIZE = 224  # px, side of SyncNet's image
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS  # 640
MFCC_PER_FRAME = 4  # columns
MFCC_COLUMNS = 20  # of one window

T = TypeVar("T")


def runs(frames: Iterable[T], windows: int) -> Iterator[list[T]]:
    """Cut a stream into runs of `windows` + 4 frames, each starting with the last one's final 4.

    So every window of 5 lies in exactly one run. Fewer than 5 frames make no run.
    """
    stream = iter(frames)
    run = list(islice(stream, WINDOW_FRAMES - 1))
    while new := list(islice(stream, windows)):
        run += new
        yield run
        run = run[-(WINDOW_FRAMES - 1) :]


def lip_embeddings(
    syncnet: SyncNetV2 | FoldedSyncNet,
    frames: Iterable[np.ndarray],
    n_samples: int,
    batch_size: int,
) -> Tensor:
    """SyncNet's embeddings of the lips.

    Args:
        syncnet: in evaluation mode.
        frames: images at 25 fps, uint8 BGR (H, W, 3) of any size; no more are taken than the
            sound is long.
        n_samples: length of the sound at 16 kHz.
        batch_size: windows that go through the network at once.

    Returns:
        float32 (N, 1024) on the CPU, N = min(F, n_samples // 640) - 5, or 0 rows.
    """
    device = next(syncnet.parameters()).device
    heard = islice(frames, n_samples // SAMPLES_PER_FRAME)
    # The published count is one short of what fits: the last frame is held back.
    counted = (_lip_image(frame) for frame, _ in pairwise(heard))

    def embed(run: list[np.ndarray]) -> Tensor:
        images = torch.from_numpy(np.stack(run)).to(device)
        lips = images.permute(3, 0, 1, 2)[None].float()  # (1, 3, T, 224, 224), 0–255
        return syncnet.embed_lips(lips)[0]

    return _embeddings(embed, runs(counted, batch_size), device)


def _embeddings(embed: Callable[[T], Tensor], batches: Iterable[T], device: torch.device) -> Tensor:
    """SyncNet's embeddings of all batches, float32 (N, 1024) on the CPU.

    On a CPU each core embeds a batch of its own: torch's threads would wait for one another after
    each layer, and many layers are short.
    """

    def embedded(batch: T) -> Tensor:
        with torch.inference_mode():  # which is each thread's own
            return embed(batch).float().cpu()

    n_cores = torch.get_num_threads() if device.type == "cpu" else 1
    with closing(Cores(n_cores)) as cores:
        return torch.cat([torch.zeros(0, 1024), *cores.map(embedded, batches)])


def _lip_image(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (LIP_SIZE, LIP_SIZE), interpolation=cv2.INTER_LINEAR)


def sound_embeddings(
    syncnet: SyncNetV2 | FoldedSyncNet, waveform: np.ndarray, n_windows: int, batch_size: int
) -> Tensor:
    """SyncNet's embeddings of the sound.

    Args:
        syncnet: in evaluation mode.
        waveform: mono at 16 kHz, int16 or float in [-1, 1], at least 640·(N + 5) samples.
        n_windows: N.
        batch_size: windows that go through the network at once.

    Returns:
        float32 (N, 1024) on the CPU.
    """
    if n_windows < 1:
        return torch.zeros(0, 1024)
    device = next(syncnet.parameters()).device
    # What lies beyond the last window is not needed (one second of MFCC takes 4 MB to compute).
    used = waveform[: (n_windows + WINDOW_FRAMES) * SAMPLES_PER_FRAME]
    columns = torch.from_numpy(mfcc(used)).unfold(1, MFCC_COLUMNS, MFCC_PER_FRAME)
    windows = columns[:, :n_windows].transpose(0, 1)[:, None]  # (N, 1, 13, 20)
    return _embeddings(
        lambda batch: syncnet.embed_audio(batch.to(device)), windows.split(batch_size), device
    )


def expert_embeddings(
    expert: Expert, crops: Iterable[np.ndarray | None], waveform: np.ndarray, batch_size: int
) -> tuple[Tensor, Tensor]:
    """The expert's embeddings of faces and of a waveform (mono at 16 kHz, float in [-1, 1]).

    See `mel_embeddings`.
    """
    return mel_embeddings(expert, crops, log_mel(waveform), batch_size)


def mel_embeddings(
    expert: Expert, crops: Iterable[np.ndarray | None], mel: np.ndarray, batch_size: int
) -> tuple[Tensor, Tensor]:
    """The expert's embeddings of faces and sound.

    Window f is frames f … f + 4 and the 16 mel columns from int(80·f/25); windows that do not
    fit into the sound are not made.

    Args:
        expert: in evaluation mode.
        crops: one face per frame at 25 fps, uint8 BGR (h, w, 3) of any size, None where there
            is no face.
        mel: log-mel (80, M) in [-4, 4].
        batch_size: windows that go through the network at once.

    Returns:
        Faces and sound, float32 (N, D) each, on the CPU. The faces' rows are NaN for windows
        that lack a face in any of their frames.
    """
    n_heard = last_fitting(mel.shape[1]) + 1
    faces = face_embeddings(expert, islice(crops, n_heard + WINDOW_FRAMES - 1), batch_size)
    return faces, voice_embeddings(expert, mel, len(faces), batch_size)


def face_embeddings(expert: Expert, crops: Iterable[np.ndarray | None], batch_size: int) -> Tensor:
    """The faces' half of `mel_embeddings`, of as many crops as there are."""
    weight = next(expert.parameters())  # float64 in a run with trainer.precision=64-true
    size = int(expert.config["image_size"])
    faces = []
    for run in runs((_lower_half(crop, size) for crop in crops), batch_size):
        shown = [half if half is not None else np.zeros((size // 2, size, 3), np.uint8)
                 for half in run]  # fmt: skip
        face = expert.embed_face(_stack(np.stack(shown)).to(weight))
        missing = torch.tensor([half is None for half in run]).unfold(0, WINDOW_FRAMES, 1).any(1)
        faces.append(face.float().cpu().masked_fill(missing[:, None], torch.nan))
    return torch.cat(faces) if faces else torch.zeros(0, 1)


def voice_embeddings(expert: Expert, mel: np.ndarray, n_windows: int, batch_size: int) -> Tensor:
    """The sound's half of `mel_embeddings`: (n_windows, D), which must fit into the sound."""
    weight = next(expert.parameters())
    sounds = []
    for start in range(0, n_windows, batch_size):
        frames = range(start, min(start + batch_size, n_windows))
        mels = np.stack([mel_window(mel, frame) for frame in frames])
        sounds.append(expert.embed_audio(torch.from_numpy(mels)[:, None].to(weight)).float().cpu())
    return torch.cat(sounds) if sounds else torch.zeros(0, 1)


def _lower_half(crop: np.ndarray | None, size: int) -> np.ndarray | None:
    """The crop resized to (size, size), its lower half (size // 2, size, 3)."""
    if crop is None:
        return None
    return cv2.resize(crop, (size, size), interpolation=cv2.INTER_LINEAR)[size // 2 :]


def _stack(halves: np.ndarray) -> Tensor:
    """Lower halves uint8 (T, h, w, 3) → windows float (T - 4, 15, h, w) in [0, 1]."""
    frames = torch.from_numpy(halves).permute(0, 3, 1, 2).float() / 255
    windows = frames.unfold(0, WINDOW_FRAMES, 1)  # (T - 4, 3, h, w, 5)
    return windows.permute(0, 4, 1, 2, 3).flatten(1, 2)
