"""Which frames, columns and values reach the networks; and that running them in runs is exact."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tests.parity.published import filled
from tests.unit.scoring.stand_ins import OpenExpert, OpenSyncNet
from w2l.audio.mel import log_mel, mfcc
from w2l.models import SyncNetV2
from w2l.scoring.embeddings import expert_embeddings, lip_embeddings, runs, sound_embeddings


def images(n: int, height: int = 8, width: int = 6) -> list[np.ndarray]:
    """Frames whose blue, green and red are n, 50 + n and 100 + n."""
    return [np.full((height, width, 3), (i, 50 + i, 100 + i), np.uint8) for i in range(n)]


def speech(seconds: float) -> np.ndarray:
    """Noise of changing loudness, float32 in [-1, 1]."""
    n = int(16_000 * seconds)
    rng = np.random.default_rng(0)
    loudness = 0.02 + 0.4 * np.abs(np.sin(np.arange(n) / 3000))
    return (rng.uniform(-1, 1, n) * loudness).astype(np.float32)


@pytest.mark.parametrize("n", [0, 4, 5, 6, 11, 12, 13, 40])
@pytest.mark.parametrize("windows", [1, 4, 7])
def test_runs_hold_every_window_once(n, windows):
    found = [tuple(run[i : i + 5]) for run in runs(range(n), windows) for i in range(len(run) - 4)]
    assert found == [tuple(range(i, i + 5)) for i in range(n - 4)]
    assert all(len(run) <= windows + 4 for run in runs(range(n), windows))


@pytest.mark.parametrize(
    ("n_frames", "n_samples", "want"),
    [
        (20, 20 * 640, 15),
        (30, 20 * 640, 15),  # the sound ends first
        (20, 30 * 640, 15),  # the frames end first
        (20, 20 * 640 - 1, 14),
        (6, 6 * 640, 1),
        (5, 6 * 640, 0),
        (6, 6 * 640 - 1, 0),
        (0, 0, 0),
    ],
)
def test_number_of_windows(n_frames, n_samples, want):
    """min(frames, floor(samples / 640)) - 5, as published: the last window that fits is left."""
    lips = lip_embeddings(OpenSyncNet(), images(n_frames), n_samples, batch_size=4)
    assert lips.shape == (want, 1024)
    sound = sound_embeddings(OpenSyncNet(), np.zeros(n_samples, np.float32), want, batch_size=4)
    assert sound.shape == (want, 1024)


def test_lip_window_i_is_frames_i_to_i_plus_4_in_bgr_0_to_255():
    lips = lip_embeddings(OpenSyncNet(), images(30), 30 * 640, batch_size=8)
    for i in range(25):
        want = [float(base + i + t) for t in range(5) for base in (0, 50, 100)]
        assert lips[i, :15].tolist() == pytest.approx(want, abs=1e-3)


def test_sound_window_i_is_mfcc_columns_4i_to_4i_plus_19():
    waveform = speech(1.2)
    columns = mfcc(waveform)
    sound = sound_embeddings(OpenSyncNet(), waveform, 25, batch_size=8)
    for i in range(25):
        np.testing.assert_allclose(
            sound[i, :260].reshape(13, 20), columns[:, 4 * i : 4 * i + 20], rtol=1e-5, atol=1e-4
        )


def test_sound_as_float_or_int16_is_the_same():
    """MFCCs of float samples would differ by log(32768²) = 20.8 in the first coefficient."""
    waveform = speech(1.0)
    integers = np.rint(waveform * 32768).astype(np.int16)
    sounds = [sound_embeddings(OpenSyncNet(), w, 20, 8) for w in (waveform, integers)]
    torch.testing.assert_close(*sounds)
    assert sounds[0][:, 0].min() > 5  # a log energy of integers


def test_frames_are_resized_bilinearly():
    frame = np.zeros((2, 2, 3), np.uint8)
    frame[:, 1] = 200
    syncnet = OpenSyncNet()
    seen = []
    syncnet.embed_lips = lambda frames: seen.append(frames) or torch.zeros(1, 1, 1024)
    lip_embeddings(syncnet, [frame] * 6, 6 * 640, batch_size=8)
    row = seen[0][0, 0, 0, 100]
    assert row[0] == 0
    assert row[-1] == 200
    assert row[112] == pytest.approx(100, abs=2)
    assert (row.diff() >= 0).all()


@pytest.mark.parametrize(("cores", "runs_held"), [(1, 1), (2, 3)])
def test_frames_are_streamed(cores, runs_held, set_threads):
    """No more frames are drawn than those runs need: memory does not grow with the clip."""
    set_threads(cores)
    syncnet = OpenSyncNet()
    drawn = 0

    def stream() -> Iterator[np.ndarray]:
        nonlocal drawn
        for frame in images(100):
            drawn += 1
            yield frame
            done = sum(n - 4 for n in syncnet.frames_per_call)
            assert drawn - done <= 8 * runs_held + 4 + 1

    lips = lip_embeddings(syncnet, stream(), 60 * 640, batch_size=8)
    assert len(lips) == 55
    assert max(syncnet.frames_per_call) == 12
    assert drawn == 60  # nothing is decoded beyond the sound


def test_runs_equal_single_windows():
    """SyncNet over a run of frames gives what it gives window by window."""
    syncnet = filled(SyncNetV2(), "syncnet_v2")
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (224, 224, 3), np.uint8) for _ in range(10)]
    with torch.inference_mode():
        got = lip_embeddings(syncnet, frames, 10 * 640, batch_size=3)
        for i in range(5):
            lips = torch.from_numpy(np.stack(frames[i : i + 5])).permute(3, 0, 1, 2)[None].float()
            _, want = syncnet(torch.zeros(1, 1, 13, 20), lips)
            assert (got[i] - want[0]).abs().max() < 1e-4 * want.abs().max()


@pytest.mark.parametrize("batch_size", [1, 6, 64])
def test_expert_windows(batch_size):
    """Window f: lower halves of frames f … f + 4, BGR in [0, 1]; 16 mel columns from int(3.2 f)."""
    expert, waveform = OpenExpert(), speech(1.2)
    crops = images(30, 96, 96)
    for crop in crops:
        crop[:48] = 255  # the upper half must not be seen
    with torch.inference_mode():
        faces, sound = expert_embeddings(expert, crops, waveform, batch_size)
    assert len(faces) == len(sound) == 26
    seen, mels, mel = torch.cat(expert.faces), torch.cat(expert.mels), log_mel(waveform)
    for f in range(26):
        want = [(base + f + t) / 255 for t in range(5) for base in (0, 50, 100)]
        assert seen[f].mean(dim=(1, 2)).tolist() == pytest.approx(want, abs=1e-5)
        start = int(80 * f / 25)
        np.testing.assert_array_equal(mels[f, 0], mel[:, start : start + 16])


def test_expert_windows_end_with_the_sound():
    """1 s of sound has 81 mel columns: the window of frame 20 ends at column 80, 21's does not."""
    with torch.inference_mode():
        faces, _ = expert_embeddings(OpenExpert(), images(60), speech(1.0), batch_size=8)
    assert len(faces) == 21


def test_expert_of_another_size_and_missing_faces():
    expert = OpenExpert(image_size=48)
    crops: list[np.ndarray | None] = list(images(20, 30, 40))
    crops[10] = None
    with torch.inference_mode():
        faces, sound = expert_embeddings(expert, crops, speech(0.8), batch_size=7)
    missing = faces.isnan().all(dim=1)
    assert missing.nonzero().flatten().tolist() == [6, 7, 8, 9, 10]
    assert not faces[~missing].isnan().any()
    assert not sound.isnan().any()
