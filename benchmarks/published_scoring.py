"""The published scoring of one clip, written plainly (Wav2Lip's evaluation script over SyncNet's).

FFmpeg's command dumps every frame as a JPEG file and the sound as a WAV file; both are read back
whole; windows go through the network twenty at a time, each with its own copy of its frames; the
distances of each window to the 31 sounds around it are taken in a loop.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import python_speech_features
import torch
import torch.nn.functional as F
from scipy.io import wavfile

from w2l.errors import UserError
from w2l.models import SyncNetV2

BATCH = 20  # windows
VSHIFT = 15


@torch.no_grad()
def published_scores(syncnet: SyncNetV2, video: Path, folder: Path) -> tuple[float, float, int]:
    """LSE-D, LSE-C and offset of a clip by the whole-frame protocol.

    Args:
        syncnet: in evaluation mode, on the CPU.
        video: a file with sound.
        folder: an empty one, for the frames and the sound.

    Raises:
        UserError: there is no `ffmpeg` command.
    """
    _dump(video, folder)
    files = sorted(folder.glob("*.jpg"))
    images = [cv2.resize(np.asarray(cv2.imread(str(file))), (224, 224)) for file in files]
    stacked = torch.from_numpy(
        np.stack(images, axis=3)[None].transpose(0, 3, 4, 1, 2).astype(float)
    )
    stacked = stacked.float()  # (1, 3, F, 224, 224)
    sample_rate, samples = wavfile.read(folder / "audio.wav")
    coefficients = python_speech_features.mfcc(samples, sample_rate).T
    columns = torch.from_numpy(coefficients[None, None].astype(float)).float()
    last = min(len(images), len(samples) // 640) - 5
    lips, sound = [], []
    for start in range(0, last, BATCH):
        numbers = range(start, min(last, start + BATCH))
        shown = torch.cat([stacked[:, :, i : i + 5] for i in numbers])
        lips.append(syncnet.netfclip(syncnet.netcnnlip(shown).flatten(1)))
        heard = torch.cat([columns[:, :, :, 4 * i : 4 * i + 20] for i in numbers])
        sound.append(syncnet.netfcaud(syncnet.netcnnaud(heard).flatten(1)))
    return _offset(torch.cat(lips), torch.cat(sound))


def _dump(video: Path, folder: Path) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise UserError("The published scoring runs the command `ffmpeg`, which is not installed.")
    quiet = [ffmpeg, "-loglevel", "error", "-y", "-i", str(video)]
    frames = ["-threads", "1", "-f", "image2", str(folder / "%06d.jpg")]
    sound = ["-async", "1", "-ac", "1", "-vn", "-acodec", "pcm_s16le", "-ar", "16000"]
    for arguments in (frames, [*sound, str(folder / "audio.wav")]):
        subprocess.run([*quiet, *arguments], check=True, capture_output=True)


def _offset(lips: torch.Tensor, sound: torch.Tensor) -> tuple[float, float, int]:
    padded = F.pad(sound, (0, 0, VSHIFT, VSHIFT))
    width = 2 * VSHIFT + 1
    distances = [
        F.pairwise_distance(lips[[i]].repeat(width, 1), padded[i : i + width])
        for i in range(len(lips))
    ]
    mean = torch.stack(distances, 1).mean(1)
    least, at = mean.min(0)
    return float(least), float(mean.median() - least), VSHIFT - int(at)
