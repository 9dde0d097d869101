"""What a training sample holds."""

from __future__ import annotations

import copy
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.conftest import write_clip
from w2l.audio.mel import log_mel
from w2l.audio.waveform import load_audio
from w2l.data import (
    Augment,
    Clip,
    ClipDataModule,
    ClipDataset,
    ContrastiveSamples,
    EpochSampler,
    LipSamples,
    SyncSamples,
    list_clips,
)
from w2l.data.batches import concatenate, stack_frames, to_float
from w2l.data.clips import AnyClip, BadClipError
from w2l.data.module import BalancedClips
from w2l.data.samples import Samples
from w2l.errors import UserError


@pytest.fixture
def numbered(tmp_path: Path) -> Clip:
    """A clip whose frame f has grey level f + 10 and whose mel column c holds c."""
    folder = tmp_path / "speaker" / "clip"
    folder.mkdir(parents=True)
    for f in range(40):
        cv2.imwrite(str(folder / f"{f}.jpg"), np.full((60, 50, 3), f + 10, np.uint8))
    np.save(folder / "mel.npy", np.tile(np.arange(128, dtype=np.float32), (80, 1)))
    return Clip(folder)


def one(samples: Samples, clip: AnyClip, rng: np.random.Generator) -> Any:
    """A sample as a batch holds it."""
    return to_float(concatenate([samples(clip, rng)]))


def levels(frames: torch.Tensor) -> list[int]:
    """Frame numbers shown in (1, 3, T, S, S), by their grey level."""
    return [round(float(x) * 255) - 10 for x in frames[0, 0, :, 10, 10]]


def test_sync_samples_show_the_heard_window_half_of_the_time(numbered: Clip) -> None:
    rng = np.random.default_rng(0)
    labels = []
    for _ in range(200):
        sample = one(SyncSamples(), numbered, rng)
        assert sample.frames.shape == (1, 15, 48, 96)
        heard = round(float(sample.mel[0, 0, 0, 0]) / 3.2 + 0.4)
        shown = round(float(sample.frames[0, 0, 0, 0]) * 255) - 10
        assert (heard == shown) == bool(sample.in_sync)
        labels.append(float(sample.in_sync))
    assert 0.4 < np.mean(labels) < 0.6


def test_samples_are_blue_green_red(numbered: Clip) -> None:
    colour = np.array([200, 120, 40], np.uint8)
    for path in numbered.folder.glob("*.jpg"):
        cv2.imwrite(str(path), np.broadcast_to(colour, (60, 50, 3)))
    rng = np.random.default_rng(0)
    lips = one(LipSamples(), numbered, rng)
    for image in (
        lips.target[0],
        lips.masked_and_reference[0, :3],
        lips.masked_and_reference[0, 3:],
    ):
        np.testing.assert_allclose(image[:, 0, 5, 5] * 255, colour, atol=3)
    for samples in (SyncSamples(), ContrastiveSamples()):
        shown = one(samples, numbered, rng).frames[0, :, 5, 5] * 255
        np.testing.assert_allclose(shown, np.tile(colour, 5), atol=3)


def test_lip_samples_hide_the_target_and_show_another_window(numbered: Clip) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        sample = one(LipSamples(), numbered, rng)
        masked, reference = sample.masked_and_reference.split(3, dim=1)
        shown = levels(sample.target)
        assert shown == list(range(shown[0], shown[0] + 5))
        assert shown[0] >= 1  # its own mel window starts one frame earlier
        assert levels(reference)[0] != shown[0]
        assert bool((masked[:, :, :, 48:] == 0).all())
        assert bool((masked[:, :, :, :48] == sample.target[:, :, :, :48]).all())
        assert sample.mel[0, 0, 0, 0] == int(shown[0] * 3.2)
        assert sample.mels[0, :, 0, 0, 0].tolist() == [int((f - 1) * 3.2) for f in shown]


def test_contrastive_windows_keep_their_distance(numbered: Clip) -> None:
    sample = one(ContrastiveSamples(windows=6, min_distance=5), numbered, np.random.default_rng(2))
    shown = sorted(round(float(x) * 255) - 10 for x in sample.frames[:, 0, 0, 0])
    assert 4 <= len(shown) <= 6
    assert min(np.diff(shown)) >= 5


def test_faces_are_resized_bilinearly_as_published(numbered: Clip) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (130, 110, 3), np.uint8)
    cv2.imwrite(str(numbered.folder / "3.jpg"), image)
    decoded = cv2.imread(str(numbered.folder / "3.jpg"))
    expected = cv2.resize(decoded, (96, 96), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(numbered.faces(np.array([3]))[0], expected)


def test_stack_frames_puts_lower_halves_frame_by_frame() -> None:
    frames = torch.arange(2 * 3 * 5 * 4 * 4).reshape(2, 3, 5, 4, 4).float()
    expected = torch.cat([frames[:, :, t, 2:] for t in range(5)], dim=1)
    assert torch.equal(stack_frames(frames), expected)


def test_gaps_are_not_windows(numbered: Clip) -> None:
    for f in (10, 20, 30):
        (numbered.folder / f"{f}.jpg").unlink()
    rng = np.random.default_rng(3)
    for _ in range(30):
        shown = levels(one(LipSamples(), numbered, rng).target)
        assert not {10, 20, 30} & set(shown)


def test_a_clip_of_fifteen_frames_is_too_short(numbered: Clip) -> None:
    for f in range(15, 40):
        (numbered.folder / f"{f}.jpg").unlink()
    with pytest.raises(BadClipError, match="too few"):
        one(SyncSamples(), numbered, np.random.default_rng(0))


def test_mel_is_computed_from_the_sound_where_no_file_is(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", frames=20, seed=1)
    clip = Clip(tmp_path / "clip")
    assert np.array_equal(clip.mel, log_mel(load_audio(tmp_path / "clip" / "audio.wav")))
    assert clip.mel.shape == (80, 65)


def test_samples_depend_on_seed_and_index_alone(prepared: Path) -> None:
    def draw(keep: bool) -> list[torch.Tensor]:
        clips = list_clips(prepared, "train", keep=keep)
        dataset = ClipDataset(clips, LipSamples(), seed=5)
        return [dataset[i].mel for i in (9, 2, 9)]

    first, second = draw(False), draw(True)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(first[0], first[2])
    assert not torch.equal(first[0], first[1])


def test_bad_clips_are_replaced_counted_and_finally_raised(prepared: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(prepared, root)
    (root / "train0" / "00001" / "audio.wav").write_bytes(b"not a sound")
    dataset = ClipDataset(list_clips(root, "train"), SyncSamples())
    for i in range(20):
        dataset[i]
    assert dataset.rejections.by_reason["no readable sound"] == dataset.rejections.total >= 5
    for i in range(1, 4):
        (root / f"train{i}" / "00001" / "audio.wav").write_bytes(b"")
    broken = ClipDataset(list_clips(root, "train"), SyncSamples())
    with pytest.raises(UserError, match="no readable sound"):
        broken[0]


def test_lists_with_tags_and_missing_folders(prepared: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(prepared, root)
    (root / "test.txt").write_text("test0/00001 NF\ntest1/00001 MV\n\n")
    assert [c.folder.parent.name for c in list_clips(root, "test")] == ["test0", "test1"]
    (root / "test.txt").write_text("test0/00001\n" * 10 + "nobody/1\n")
    with pytest.warns(UserWarning, match=r"1 of the 11 clips in .*test\.txt are not under"):
        assert len(list_clips(root, "test")) == 10
    (root / "test.txt").write_text("test0/00001\ntest1/00001\n" + "nobody/1\n" * 98)
    with pytest.raises(UserError, match=r"98 of the 100 clips in .*test\.txt are not under"):
        list_clips(root, "test")
    (root / "val.txt").write_text("")
    with pytest.raises(UserError, match=r"val\.txt names no clip"):
        list_clips(root, "val")
    with pytest.raises(UserError, match="no data set at"):
        list_clips(tmp_path / "nowhere", "train")


def test_epochs_shuffle_differently_and_processes_share_nothing() -> None:
    parts = [EpochSampler(10, seed=1, rank=r, num_replicas=2) for r in range(2)]
    first = [list(p) for p in parts]
    assert sorted(first[0] + first[1]) == list(range(10))
    for part in parts:
        part.epoch = 1
    second = [list(p) for p in parts]
    assert sorted(second[0] + second[1]) == list(range(10, 20))
    assert [i % 10 for i in second[0]] != first[0]
    assert list(EpochSampler(3, shuffle=False)) == [0, 1, 2]


def test_augmentation_changes_a_window_as_one() -> None:
    rng = np.random.default_rng(0)
    face = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    mel = rng.uniform(-4, 4, (80, 16)).astype(np.float32)
    faces, new_mel = Augment()(np.stack([face] * 5), mel, rng)
    assert faces.shape == (5, 96, 96, 3)
    assert faces.dtype == np.uint8
    assert (faces == faces[0]).all()
    assert not (faces[0] == face).all()
    assert new_mel.shape == mel.shape
    assert np.abs(new_mel).max() <= 4


def test_windows_of_a_clip_are_changed_alike_and_a_share_of_draws_not_at_all(
    numbered: Clip,
) -> None:
    for path in numbered.folder.glob("*.jpg"):
        cv2.imwrite(str(path), np.full((60, 50, 3), 90, np.uint8))
    rng = np.random.default_rng(0)
    samples = ContrastiveSamples(windows=4, augment=Augment(share=0.5))
    draws = [one(samples, numbered, rng).frames[:, :, 20, 20] for _ in range(60)]
    assert all(torch.equal(draw, draw[:1].expand_as(draw)) for draw in draws)
    untouched = [torch.allclose(draw, torch.tensor(90 / 255), atol=2e-3) for draw in draws]
    assert 20 <= sum(untouched) <= 40


def test_augmentation_moves_as_far_as_it_says() -> None:
    still = {"gain": 0, "gamma": 0, "offset": 0, "shift": 0, "stretch": 0, "roll": 0}
    quiet = {"mel_level": 0, "mel_tilt": 0, "mel_bands": 0}
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)
    mel = rng.uniform(-4, 4, (80, 16)).astype(np.float32)
    same, same_mel = Augment(flip=False, **still, **quiet)(faces, mel, rng)
    np.testing.assert_array_equal(same, faces)
    np.testing.assert_array_equal(same_mel, mel)
    draws = [Augment(**still, **quiet)(faces, mel, rng)[0] for _ in range(20)]
    mirrored = [(d == faces[:, :, ::-1]).all() for d in draws]
    assert {bool(m) for m in mirrored} == {True, False}
    level = Augment(flip=False, **still, mel_level=0.4, mel_tilt=0, mel_bands=0)
    moved = level(faces, mel / 2, rng)[1] - mel / 2
    assert 0 < np.abs(moved).max() <= 0.4 + 1e-6
    assert np.ptp(moved) < 1e-5


def test_concatenate_joins_samples_of_several_windows(numbered: Clip) -> None:
    rng = np.random.default_rng(0)
    batch = concatenate([ContrastiveSamples(windows=2)(numbered, rng) for _ in range(3)])
    assert batch.frames.shape == (6, 15, 48, 96)
    assert batch.in_sync.shape == (6, 1)
    assert (batch.group[:, None] == batch.group).tolist() == np.kron(
        np.eye(3), np.ones((2, 2))
    ).tolist()


def test_references_and_wrong_windows_keep_their_distance(prepared: Path) -> None:
    (clip, *_) = list_clips(prepared, "train")
    for seed in range(30):
        rng = np.random.default_rng(seed)
        near = one(LipSamples(min_distance=12), clip, rng)
        target, reference = near.target[0], near.masked_and_reference[0, 3:]
        starts = [_start_of(clip, window) for window in (target, reference)]
        assert abs(starts[0] - starts[1]) >= 12
    with pytest.raises(BadClipError, match="60 frames apart"):
        LipSamples(min_distance=60)(clip, np.random.default_rng(0))


def _start_of(clip: Clip, window: torch.Tensor) -> int:
    """The only start frame whose 5 frames are these."""
    frames = (window.permute(1, 2, 3, 0) * 255).round().byte().numpy()
    found = [f for f in range(36) if (clip.faces(np.arange(f, f + 5)) == frames).all()]
    assert len(found) == 1
    return found[0]


def test_noise_fills_the_silence_and_leaves_what_is_loud() -> None:
    rng = np.random.default_rng(0)
    mels = np.full((2, 80, 16), -4.0, np.float32)
    mels[:, 20:30] = 2.0
    nothing = {"gain": 0, "gamma": 0, "offset": 0, "mel_level": 0, "mel_tilt": 0, "mel_bands": 0}
    faces = np.zeros((2, 5, 8, 8, 3), np.uint8)
    _, noisy = Augment(**nothing, noise=1.0)(faces, mels, rng)
    assert noisy.dtype == np.float32
    assert np.abs(noisy[:, 20:30] - 2).mean() < 0.15
    silence = noisy[:, 40:]
    level_db = 12.5 * (2.0 - np.log10((10 ** (1.25 * silence)).mean()) / 1.25)
    assert 9 < level_db < 41  # 10 to 40 dB under the loudest
    _, quiet = Augment(**nothing)(faces, mels, rng)
    np.testing.assert_array_equal(quiet, mels)


STILL = {"gain": 0, "gamma": 0, "offset": 0, "shift": 0, "stretch": 0, "roll": 0, "flip": False}
QUIET = {"mel_level": 0, "mel_tilt": 0, "mel_bands": 0}


def test_another_camera_takes_colour_sharpness_and_detail_alike_from_all_windows() -> None:
    rng = np.random.default_rng(0)
    face = cv2.GaussianBlur(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), (0, 0), 1.5)
    faces, mel = np.stack([[face] * 5] * 2), np.zeros((2, 80, 16), np.float32)
    looks = {"grey": 1.0, "blur": 2.0, "grain": 20.0, "jpeg": 5}
    for name, most in looks.items():
        look = Augment(**STILL, **QUIET, **{name: most})
        draws = [look(faces, mel, rng)[0].astype(int) for _ in range(12)]
        assert max(np.abs(draw - faces).max() for draw in draws) > 3, name
        if name != "jpeg":  # whose blocks need not fit the frames; no window can be told by others
            assert all((draw[0] == draw[1]).all() for draw in draws), name
        if name == "grain":  # noise is new in each frame
            assert any((draw[0, 0] != draw[0, 1]).any() for draw in draws)
    grey = [np.ptp(Augment(**STILL, **QUIET, grey=1.0)(faces, mel, rng)[0], axis=-1).mean()
            for _ in range(40)]  # fmt: skip
    assert min(grey) < 0.15 * max(grey)  # from all colour to nearly none


def test_light_from_one_side_darkens_the_other_alike_in_all_frames() -> None:
    rng = np.random.default_rng(0)
    faces, mel = np.full((2, 5, 32, 32, 3), 200, np.uint8), np.zeros((2, 80, 16), np.float32)
    look = Augment(**STILL, **QUIET, shade=0.6)
    draws = [look(faces, mel, rng)[0] / 200 for _ in range(60)]
    assert all((draw == draw[0, 0]).all() for draw in draws)
    edges = [draw[0, 0, :, [0, -1], 0].mean(axis=1) for draw in draws]
    assert any(left < right - 0.3 for left, right in edges)
    assert any(left > right + 0.3 for left, right in edges)
    assert 0.3 < min(draw.min() for draw in draws) < 0.45  # exp(-1.2) is .30
    assert max(draw.max() for draw in draws) <= 1


def test_another_throat_moves_bands_and_a_mask_hides_some() -> None:
    rng = np.random.default_rng(0)
    faces = np.zeros((1, 5, 8, 8, 3), np.uint8)
    mel = np.linspace(-3, 3, 80, dtype=np.float32)[None, :, None].repeat(16, axis=2)
    stretched = [Augment(**STILL, **QUIET, mel_stretch=0.1)(faces, mel, rng)[1] for _ in range(20)]
    moved = [float(each[0, 60, 0] - mel[0, 60, 0]) for each in stretched]
    assert -0.5 < min(moved) < -0.1 < 0.1 < max(moved) < 0.5
    assert all(each[0, 0, 0] == mel[0, 0, 0] for each in stretched)  # the lowest stays
    masked = [Augment(**STILL, **QUIET, mel_masked=16)(faces, mel, rng)[1] for _ in range(40)]
    hidden = [int((each[0, :, 0] != mel[0, :, 0]).sum()) for each in masked]
    assert min(hidden) == 0 < max(hidden) <= 16
    assert np.isfinite(masked).all()


def test_a_generators_sample_is_changed_as_one() -> None:
    """Target, reference, and the sound that each frame and the expert hears."""
    size, count = 32, 40

    class Flat(AnyClip):
        name = where = "one/clip"
        frames, waveform = np.arange(count), None
        mel = np.zeros((80, 128), np.float32)

        def faces(self, numbers: np.ndarray, lower_half: bool = False) -> np.ndarray:
            return np.full((len(numbers), size, size, 3), 100, np.uint8)

    samples = LipSamples(0, 5, Augment(share=0.5, gain=0.5, mel_level=1.0, mel_tilt=0, mel_bands=0))
    drawn = [one(samples, Flat(), np.random.default_rng(seed)) for seed in range(40)]
    changed = [batch for batch in drawn if abs(float(batch.target.mean()) - 100 / 255) > 1e-4]
    assert 8 <= len(changed) <= 32
    for batch in drawn:
        assert torch.equal(batch.masked_and_reference[:, 3:], batch.target)
        assert not batch.masked_and_reference[:, :3, :, size // 2 :].any()
        assert float(batch.mels.std()) < 1e-6
        assert float(batch.mels.mean()) == pytest.approx(float(batch.mel.mean()))
    assert len({round(float(batch.mel.mean()), 4) for batch in changed}) > 5


def test_speakers_with_few_clips_are_drawn_more_often(prepared: Path) -> None:
    clip = list_clips(prepared, "train")[0]

    def named(name: str) -> AnyClip:
        other = copy.copy(clip)
        other.name = name
        return other

    clips = [named(f"many/{i}") for i in range(16)] + [named("few/0"), named("one/0")]
    clips += [named(f"few/{i}") for i in range(1, 4)]
    for power, shares in ((0.0, (16, 4, 1)), (0.5, (16, 8, 4)), (1.0, (16, 16, 16))):
        counted = Counter(each.name.partition("/")[0] for each in BalancedClips(clips, power))
        assert tuple(counted[name] for name in ("many", "few", "one")) == shares
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        BalancedClips(clips, 1.5)
    data = ClipDataModule(prepared, SyncSamples(), balance=0.5, batch_size=1, num_workers=0)
    data.setup()
    assert isinstance(data.train_set.clips, BalancedClips)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"grey": 2}, "grey=2 must be from 0 to 1"),
        ({"jpeg": 100}, "jpeg=100 must be from 0 to 95"),
        ({"shift": -1}, "shift=-1 must be 0 or more"),
        ({"share": float("nan")}, "share=nan must be from 0 to 1"),
    ],
)
def test_an_augmentation_that_means_nothing_is_refused(values: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Augment(**values)
