"""LSE in plain NumPy and float64, from the published layer list: slow, and apart from w2l's code.

`python -m tests.parity.slow_lse FOLDER` compares every window of every clip in a folder, and both
protocols' scores (about a second a window).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import cv2
import numpy as np
import python_speech_features
from numpy.lib.stride_tricks import sliding_window_view

Weights = Mapping[str, np.ndarray]
# (entry, stride, padding) of a convolution, or (size, stride, padding) of a pool; height, width.
LIPS = (
    ("netcnnlip.0", (2, 2), (0, 0)), (3, (2, 2), 0), ("netcnnlip.4", (2, 2), (1, 1)),
    (3, (2, 2), 1), ("netcnnlip.8", (1, 1), (1, 1)), ("netcnnlip.11", (1, 1), (1, 1)),
    ("netcnnlip.14", (1, 1), (1, 1)), (3, (2, 2), 0), ("netcnnlip.18", (1, 1), (0, 0)),
)  # fmt: skip
SOUND = (
    ("netcnnaud.0", (1, 1), (1, 1)), ("netcnnaud.4", (1, 1), (1, 1)), (3, (1, 2), 0),
    ("netcnnaud.8", (1, 1), (1, 1)), ("netcnnaud.11", (1, 1), (1, 1)),
    ("netcnnaud.14", (1, 1), (1, 1)), (3, (2, 2), 0), ("netcnnaud.18", (1, 1), (0, 0)),
)  # fmt: skip


def _norm(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    stem, number = name.rsplit(".", 1)
    entry = f"{stem}.{int(number) + 1}"
    gain, bias, mean, variance = (
        weights[f"{entry}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    shape = (-1, *[1] * (x.ndim - 1))
    y = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 1e-5)
    return np.maximum(y * gain.reshape(shape) + bias.reshape(shape), 0)


def _layers(x: np.ndarray, weights: Weights, layers: tuple) -> np.ndarray:
    """One window (C, T, H, W) through convolutions, norms, ReLUs and pools to (512,)."""
    for name, stride, padding in layers:
        if isinstance(name, int):
            pads = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
            x = np.pad(x, pads, constant_values=-np.inf)
            windows = sliding_window_view(x, (name, name), axis=(2, 3))
            x = windows[:, :, :: stride[0], :: stride[1]].max(axis=(4, 5))
            continue
        kernel = weights[f"{name}.weight"].astype(np.float64)
        if kernel.ndim == 4:
            kernel = kernel[:, :, None]  # the sound's have no time
        high, wide = padding
        x = np.pad(x, [(0, 0), (0, 0), (high, high), (wide, wide)])
        windows = sliding_window_view(x, kernel.shape[2:], axis=(1, 2, 3))
        windows = windows[:, :, :: stride[0], :: stride[1]]  # (C, T', H', W', t, h, w)
        x = np.tensordot(kernel, windows, axes=((1, 2, 3, 4), (0, 4, 5, 6)))
        x += weights[f"{name}.bias"].astype(np.float64).reshape(-1, 1, 1, 1)
        x = _norm(x, weights, name)
    return x.ravel()


def _head(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    first, last = (
        (weights[f"{name}.{i}.weight"].astype(np.float64), weights[f"{name}.{i}.bias"])
        for i in (0, 3)
    )
    hidden = _norm((first[0] @ x + first[1])[:, None], weights, f"{name}.0")[:, 0]
    return last[0] @ hidden + last[1]


def embed_lips(frames: list[np.ndarray], window: int, weights: Weights) -> np.ndarray:
    """(1024,) of the window that starts at frame `window` of BGR images."""
    shown = [cv2.resize(frame, (224, 224)) for frame in frames[window : window + 5]]
    x = np.stack(shown).transpose(3, 0, 1, 2).astype(np.float64)
    return _head(_layers(x, weights, LIPS), weights, "netfclip")


def embed_sound(samples: np.ndarray, window: int, weights: Weights) -> np.ndarray:
    """(1024,) of the same window's sound; `samples` are the whole clip's, int16."""
    columns = python_speech_features.mfcc(samples, 16_000)[4 * window : 4 * window + 20]
    x = columns.T[None, None].astype(np.float64)
    return _head(_layers(x, weights, SOUND), weights, "netfcaud")


def scores(lips: np.ndarray, sound: np.ndarray) -> tuple[float, float, int, np.ndarray]:
    """LSE-D, LSE-C, offset and the distances (31, N), by loops."""
    n = len(lips)
    distances = np.zeros((31, n))
    for i in range(n):
        for s in range(31):
            j = i + s - 15
            other = sound[j] if 0 <= j < n else np.zeros(lips.shape[1])
            distances[s, i] = np.sqrt(((lips[i] - other + 1e-6) ** 2).sum())
    mean = distances.mean(axis=1)
    best = int(mean.argmin())
    return float(mean[best]), float(sorted(mean)[15] - mean[best]), 15 - best, distances


def compare(frames: list[np.ndarray], waveform: np.ndarray, weights: Weights, result: dict) -> str:
    """Every window of a clip against what w2l kept of it."""
    samples = np.clip(np.rint(waveform * 32768), -32768, 32767).astype(np.int16)
    n = min(len(frames), len(samples) // 640) - 5
    lips = np.stack([embed_lips(frames, i, weights) for i in range(n)])
    sound = np.stack([embed_sound(samples, i, weights) for i in range(n)])
    lse_d, lse_c, offset, distances = scores(lips, sound)
    return (
        f"{n} windows; features {np.abs(lips - result['lips']).max() / np.abs(lips).max():.1e}, "
        f"{np.abs(sound - result['sound']).max() / np.abs(sound).max():.1e} of the largest; "
        f"distances {np.abs(distances - result['distances']).max():.1e}; LSE-D {lse_d:.4f} "
        f"{result['lse_d'] - lse_d:+.1e}; LSE-C {lse_c:.4f} {result['lse_c'] - lse_c:+.1e}; "
        f"offset {offset:+d} {'same' if offset == result['offset'] else 'OTHER'}"
    )


def main() -> None:
    """Both protocols on a folder of clips, with the golden files' weights."""
    from tests.parity.published import filled, state_dict
    from w2l.audio.waveform import load_audio
    from w2l.faces import CenterFace
    from w2l.faces.protocol_track import crop_track
    from w2l.models import SyncNetV2
    from w2l.scoring import Evaluator, Protocol, SyncScorer, find_videos
    from w2l.scoring.embeddings import lip_embeddings, sound_embeddings
    from w2l.video import VideoReader

    weights = {name: value.numpy() for name, value in state_dict("syncnet_v2").items()}
    scorer = SyncScorer(filled(SyncNetV2(), "syncnet_v2"))
    evaluator = Evaluator(scorer, Protocol(min_track_frames=5), CenterFace())
    for video in find_videos(sys.argv[1]):
        reader, waveform = VideoReader(video, fps=25), load_audio(video, origin="video")
        stretches = {"lrs": (0, list(reader))}
        for track in evaluator.find_tracks(reader)[:1]:
            start = int(track.frames[0])
            crops = crop_track(reader.read(start, start + len(track.frames)), track, start)
            stretches["track"] = (start, list(crops))
        for protocol, (start, frames) in stretches.items():
            heard = waveform[start * 640 :]
            got = scorer.lse(frames, heard)
            lips = lip_embeddings(scorer.syncnet, frames, len(heard), 16).numpy()
            sound = sound_embeddings(scorer.syncnet, heard, len(lips), 16).numpy()
            kept = {"lips": lips, "sound": sound, "distances": got.distances} | got.lse._asdict()
            print(f"{video.name} {protocol}: {compare(frames, heard, weights, kept)}", flush=True)


if __name__ == "__main__":
    main()
