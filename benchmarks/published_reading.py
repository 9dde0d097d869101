"""Samples read as the published code reads them: everything anew for every sample.

Written from the original's steps (reference: the Wav2Lip release, its two training scripts and its
audio module): list the clip's folder, decode five images one by one, decode the whole sound,
compute the whole clip's mel, cut 16 columns out of it. Array types are the original's too: float64
until the tensors are made. Only the padding of the spectrum is named here, because the default has
changed since the librosa that the release pins.
"""

from __future__ import annotations

from glob import glob
from os.path import basename, isfile, join
from random import Random

import cv2
import librosa
import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor
from torch.utils.data import Dataset

RATE, FPS, WINDOW, COLUMNS = 16000, 25, 5, 16
N_FFT, HOP = 800, 200

_mel_basis = None


def melspectrogram(wav: np.ndarray) -> np.ndarray:
    """The whole sound's log-mel, (80, M)."""
    global _mel_basis
    if _mel_basis is None:
        _mel_basis = librosa.filters.mel(sr=RATE, n_fft=N_FFT, n_mels=80, fmin=55, fmax=7600)
    spectrum = librosa.stft(
        y=lfilter([1, -0.97], [1], wav), n_fft=N_FFT, hop_length=HOP, win_length=800,
        pad_mode="reflect",
    )  # fmt: skip
    mel = np.dot(_mel_basis, np.abs(spectrum))
    decibel = 20 * np.log10(np.maximum(np.exp(-100 / 20 * np.log(10)), mel)) - 20
    return np.clip(8 * ((decibel + 100) / 100) - 4, -4, 4)


class PublishedReading(Dataset[tuple[Tensor, ...]]):
    """Random samples of a set in the published layout.

    Args:
        folders: of the clips.
        image_size: side of the faces in pixels.
        seed: of the drawing.
        picks: frames to take in place of random ones, to compare a sample with ours.
    """

    def __init__(
        self, folders: list[str], image_size: int, seed: int = 0,
        picks: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        self.folders, self.size, self.picks = folders, image_size, picks
        self.random = Random(seed)

    def __len__(self) -> int:
        return 10**9

    def pick(self) -> tuple[str, str, str]:
        """A clip with enough frames, one of its frames and another one."""
        while True:
            folder = self.random.choice(self.folders)
            names = list(glob(join(folder, "*.jpg")))
            if len(names) <= 3 * WINDOW:
                continue
            if self.picks is not None:
                right, wrong = (join(folder, f"{number}.jpg") for number in self.picks)
                return folder, right, wrong
            right, wrong = self.random.choice(names), self.random.choice(names)
            while wrong == right:
                wrong = self.random.choice(names)
            return folder, right, wrong

    def window(self, first: str) -> list[np.ndarray] | None:
        """Five images from `first` on; None where one is missing."""
        start, folder = number_of(first), first[: -len(basename(first))]
        names = [join(folder, f"{number}.jpg") for number in range(start, start + WINDOW)]
        if not all(isfile(name) for name in names):
            return None
        return [cv2.resize(np.asarray(cv2.imread(name)), (self.size, self.size)) for name in names]

    def mel(self, folder: str) -> np.ndarray:
        """The clip's mel, time first, (M, 80)."""
        wav = librosa.load(join(folder, "audio.wav"), sr=RATE)[0]
        return melspectrogram(wav).T


class PublishedExpert(PublishedReading):
    """Samples of the expert's training: five lower halves, 16 columns, whether they match."""

    def __getitem__(self, _: int) -> tuple[Tensor, ...]:
        while True:
            folder, right, wrong = self.pick()
            in_sync = self.picks is None and self.random.choice([True, False])
            window = self.window(right if in_sync else wrong)
            if window is None:
                continue
            mel = cut(self.mel(folder).copy(), number_of(right))
            if mel.shape[0] != COLUMNS:
                continue
            x = np.concatenate(window, axis=2) / 255.0
            x = x.transpose(2, 0, 1)
            x = x[:, x.shape[1] // 2 :]
            label = torch.ones(1) if in_sync else torch.zeros(1)
            return torch.FloatTensor(x), torch.FloatTensor(mel.T).unsqueeze(0), label


class PublishedGenerator(PublishedReading):
    """Samples of the generator's training: target and reference windows, one mel per frame."""

    def __getitem__(self, _: int) -> tuple[Tensor, ...]:
        while True:
            folder, right, wrong = self.pick()
            window = self.window(right)
            if window is None:
                continue
            reference = self.window(wrong)
            if reference is None:
                continue
            whole = self.mel(folder)
            start = number_of(right)
            mel = cut(whole.copy(), start)
            if mel.shape[0] != COLUMNS or start < 1:
                continue
            each = [cut(whole, number) for number in range(start - 1, start - 1 + WINDOW)]
            if any(part.shape[0] != COLUMNS for part in each):
                continue
            target = np.transpose(np.asarray(window) / 255.0, (3, 0, 1, 2))
            masked = target.copy()
            masked[:, :, masked.shape[2] // 2 :] = 0.0
            other = np.transpose(np.asarray(reference) / 255.0, (3, 0, 1, 2))
            return (
                torch.FloatTensor(np.concatenate([masked, other], axis=0)),
                torch.FloatTensor(np.asarray([part.T for part in each])).unsqueeze(1),
                torch.FloatTensor(mel.T).unsqueeze(0),
                torch.FloatTensor(target),
            )


def number_of(path: str) -> int:
    """Frame number of an image."""
    return int(basename(path).split(".")[0])


def cut(mel: np.ndarray, frame: int) -> np.ndarray:
    """16 columns from the frame's moment on, fewer at the end, (16, 80)."""
    start = int(80.0 * (frame / float(FPS)))
    return mel[start : start + COLUMNS]
