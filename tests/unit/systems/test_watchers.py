"""Who watches a training: what is said when it goes wrong, and that nothing is said otherwise."""

from __future__ import annotations

import json
from copy import copy
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from tests.unit.systems.test_systems import WIDTH, build, lips, trainer
from w2l.audio.waveform import load_audio
from w2l.callbacks import CollapseWatcher, ExpertReport, LipReport, OverfitCheck, StallWatcher
from w2l.callbacks.expert_report import clip_similarity
from w2l.callbacks.lip_report import dub
from w2l.callbacks.watchers import symptoms
from w2l.data import ClipDataModule, ContrastiveSamples, SyncBatch, SyncSamples, list_clips
from w2l.errors import UserError
from w2l.losses import ContrastiveSync, CrossEntropySync
from w2l.metrics.separation import fit_threshold
from w2l.models import Expert, SyncNetV2
from w2l.scoring import SyncScorer
from w2l.scoring.embeddings import expert_embeddings
from w2l.systems import ExpertSystem
from w2l.systems.expert import Learned, similarities
from w2l.video import VideoReader
from w2l.windows import frame_mel_windows


def expert(rate: float = 1e-3) -> ExpertSystem:
    torch.manual_seed(0)
    return ExpertSystem(Expert(WIDTH), optimizer=partial(torch.optim.Adam, lr=rate))


def windows(root: Path, **kwargs: object) -> ClipDataModule:
    return ClipDataModule(root, SyncSamples(), num_workers=0, cache=True, **kwargs)  # type: ignore[arg-type]


class Stream:
    """A training that reports what it is told."""

    def __init__(self, root: Path) -> None:
        self.data = windows(root, batch_size=8)
        self.data.setup()
        self.batch = next(iter(self.data.train_dataloader()))
        self.update = 0

    def run(self, watcher: StallWatcher, updates: int, ratio: float, gap: float) -> None:
        rng = np.random.default_rng(self.update)
        for _ in range(updates):
            noisy = torch.tensor(gap + 0.1 * rng.normal())
            system = SimpleNamespace(
                learned=Learned(torch.tensor(ratio), noisy), optimizers_per_update=1
            )
            self.update += 1
            run = SimpleNamespace(
                global_step=self.update, datamodule=self.data, loggers=[], is_global_zero=True
            )
            watcher.on_train_batch_end(run, system, None, self.batch, 0)  # type: ignore[arg-type]


def test_a_stalled_expert_is_explained_and_asked_again_later(
    prepared: Path, tmp_path: Path
) -> None:
    watcher, stream = StallWatcher(tmp_path / "stalled.txt", patience=50), Stream(prepared)
    with pytest.warns(UserWarning, match="Lips and sound are apart"):
        stream.run(watcher, 50, ratio=1.0, gap=0.0)
    assert "4 training clips of 4 speaker(s)" in (tmp_path / "stalled.txt").read_text()
    stream.run(watcher, 99, ratio=1.0, gap=0.0)
    assert watcher.warnings == 1
    again = StallWatcher(tmp_path / "again.txt", patience=50)
    again.load_state_dict(watcher.state_dict())
    with pytest.warns(UserWarning, match="does not|no more alike"):
        stream.run(again, 1, ratio=1.0, gap=0.0)


@pytest.mark.parametrize(("ratio", "gap"), [(1.0, 0.1), (0.9, 0.0)])
def test_an_expert_that_learns_is_left_in_peace(
    ratio: float, gap: float, prepared: Path, tmp_path: Path
) -> None:
    """Also where the loss is at its chance value and only the similarities separate."""
    watcher = StallWatcher(tmp_path / "stalled.txt", patience=50)
    Stream(prepared).run(watcher, 500, ratio, gap)
    assert watcher.warnings == 0
    assert not (tmp_path / "stalled.txt").exists()


def test_what_a_batch_teaches_is_measured() -> None:
    audio = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    face = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    pairs = SyncBatch(face, audio, torch.tensor([[1.0], [0], [0], [1]]), torch.arange(4))
    cosines, own, others = similarities(audio, face, pairs)
    assert own.nonzero().tolist() == [[0, 0], [3, 3]]
    assert others.nonzero().tolist() == [[1, 1], [2, 2]]
    assert float(cosines[0, 3]) == pytest.approx(float(face[0] @ audio[3]), abs=1e-6)
    drawn = SyncBatch(face, audio, torch.ones(4, 1), torch.tensor([7, 7, 7, 8]))
    _, own, others = similarities(audio, face, drawn)
    assert own.sum() == 4
    assert others.nonzero().tolist() == [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]]


def test_chance_is_what_guessing_costs() -> None:
    audio = torch.ones(5, 4) / 2
    group = torch.tensor([1, 1, 1, 2, 2])
    batch = SyncBatch(audio, audio, torch.ones(5, 1), group)
    for other_clips in (0.0, 0.3):
        objective = ContrastiveSync(other_clips)
        loss = float(objective(audio, audio, batch).detach())
        assert float(objective.chance(batch)) == pytest.approx(loss, rel=1e-6)
    assert CrossEntropySync().chance(batch) == pytest.approx(np.log(2))


def test_overfitting_ends_when_the_windows_are_learned(prepared: Path, tmp_path: Path) -> None:
    check = OverfitCheck(below=0.3, minutes=60)
    run = trainer(tmp_path, 300, check, limit_val_batches=0)
    run.fit(expert(), datamodule=windows(prepared, batch_size=8, fixed=8))
    assert check.passed
    assert run.global_step < 300


def test_overfitting_of_what_is_not_logged_is_one_sentence(prepared: Path, tmp_path: Path) -> None:
    run = trainer(tmp_path, 1, OverfitCheck("train/nothing"), limit_val_batches=0)
    with pytest.raises(UserError, match=r"overfit.metric=train/nothing .*: use .*train/loss"):
        run.fit(expert(), datamodule=windows(prepared, batch_size=4, fixed=4))


def test_the_fixed_samples_are_the_same_every_time(prepared: Path) -> None:
    data = windows(prepared, batch_size=4, fixed=8)
    data.setup()
    loader = data.train_dataloader()
    first, second = list(loader), list(loader)
    assert len(first) == 2
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.frames, other.frames)
        assert torch.equal(one.mel, other.mel)


@pytest.mark.parametrize(
    ("still", "rate", "part"), [(True, 1e-3, "do not move"), (False, 0.0, "rate")]
)
def test_what_cannot_be_learned_is_explained(
    still: bool, rate: float, part: str, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    for split in ("train", "val"):
        clip = folder / split / "1"
        clip.mkdir(parents=True)
        rng = np.random.default_rng(0)
        image = rng.integers(0, 255, (96, 96, 3), np.uint8)
        for f in range(30):
            frame = image if still else rng.integers(0, 255, (96, 96, 3), np.uint8)
            cv2.imwrite(str(clip / f"{f}.jpg"), frame)
        np.save(clip / "mel.npy", rng.uniform(-4, 4, (80, 100)).astype(np.float32))
        (folder / f"{split}.txt").write_text(f"{split}/1\n")
    run = trainer(tmp_path, 2, OverfitCheck(), limit_val_batches=0)
    with pytest.raises(UserError, match=part):
        run.fit(expert(rate), datamodule=windows(folder, batch_size=8, fixed=8))


def test_symptoms_of_sound_and_labels(prepared: Path) -> None:
    clips = [copy(clip) for clip in list(list_clips(prepared, "train")) * 4]
    for i, clip in enumerate(clips):
        clip.name = f"speaker{i}/1"
    rng = torch.Generator().manual_seed(0)
    frames = torch.rand(16, 15, 48, 96, generator=rng)
    mel = torch.rand(16, 1, 80, 16, generator=rng)
    labels = torch.tensor([[0.0], [1.0]] * 8)
    good = SyncBatch(frames, mel, labels, torch.arange(16))
    assert symptoms(good, clips) == []
    cases = {
        "silent": good._replace(mel=torch.full_like(mel, -4)),
        "leaves": good._replace(mel=10 * mel),
        "NaN": good._replace(frames=frames * torch.nan),
        "one colour": good._replace(frames=torch.ones_like(frames)),
        "same images": good._replace(frames=frames[:1].expand_as(frames)),
        "same label": good._replace(in_sync=torch.ones_like(labels)),
    }
    for part, batch in cases.items():
        assert part in " ".join(symptoms(batch, clips)), part
    drawn_together = good._replace(in_sync=torch.ones_like(labels), group=torch.zeros(16))
    assert symptoms(drawn_together, clips) == []


def test_a_collapse_is_noticed_and_the_way_back_named(tmp_path: Path) -> None:
    for update in (10, 20, 40):
        (tmp_path / f"update-{update:07d}.ckpt").touch()
    watcher = CollapseWatcher(tmp_path, window=5)

    def go(first: int, last: int, accuracy: float, l1: float) -> None:
        for update in range(first, last):
            metrics = {"train/discriminator_accuracy": accuracy, "train/loss_l1": l1}
            run = SimpleNamespace(
                callback_metrics={k: torch.tensor(v) for k, v in metrics.items()},
                global_step=2 * (update + 1), loggers=[], is_global_zero=True,
            )  # fmt: skip
            watcher.on_train_batch_end(run, build(gan=True), None, None, 0)  # type: ignore[arg-type]

    go(0, 25, 0.7, 0.05)
    assert watcher.warnings == []
    assert watcher.good_until == 25
    with pytest.warns(UserWarning, match=r"right 100\.0%.*update-0000020\.ckpt"):
        go(25, 30, 1.0, 0.05)
    with pytest.warns(UserWarning, match="given up"):
        go(30, 35, 0.0, 0.05)
    with pytest.warns(UserWarning, match=r"L1 has risen to 0\.0700 from 0\.0500"):
        go(35, 40, 0.7, 0.07)


def test_the_report_says_what_whole_clips_say(prepared: Path, tmp_path: Path) -> None:
    report = ExpertReport(tmp_path / "validation", clips=2)
    run = trainer(tmp_path, 2, report, val_check_interval=2, limit_val_batches=1)
    system = ExpertSystem(Expert(WIDTH, last_relu=False))
    data = ClipDataModule(
        prepared, ContrastiveSamples(windows=3), batch_size=2, num_workers=0, repeats=2
    )
    run.fit(system, datamodule=data)
    found = json.loads((tmp_path / "validation" / "0000002.json").read_text())
    assert [row["speaker"] for row in found["speakers"]] == ["val0", "val1"]
    assert found["pair_accuracy"] == pytest.approx(float(run.callback_metrics["val/pair_accuracy"]))
    assert len(found["offsets"]) == 2
    system.expert.eval()
    fitted = {
        split: fit_threshold(
            [clip_similarity(system.expert, clip) for clip in (clips[0], clips[-1])]
        )
        for split, clips in (("train", data.train_set.clips), ("val", data.val_set.clips))
    }
    assert found["threshold"] == pytest.approx(fitted["train"], abs=1e-6)
    assert found["threshold"] != pytest.approx(fitted["val"], abs=1e-5)
    assert cv2.imread(str(tmp_path / "validation" / "0000002.png")).shape == (300, 600, 3)


def test_similarities_of_a_clip_are_those_of_its_windows(prepared: Path) -> None:
    (clip, *_) = list_clips(prepared, "train")
    network = Expert(WIDTH).eval()
    matrix = clip_similarity(network, clip, batch_size=7)
    crops = [clip.faces(np.array([f]))[0] for f in clip.frames]
    with torch.inference_mode():
        faces, sounds = expert_embeddings(network, crops, load_audio(clip.folder / "audio.wav"), 64)
    np.testing.assert_allclose(matrix, (faces @ sounds.T).numpy(), atol=1e-5)


def test_validation_clips_say_each_others_words(prepared: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(SyncNetV2().state_dict(), tmp_path / "syncnet.ckpt")
    report = LipReport(tmp_path / "samples", clips=2, syncnet=str(tmp_path / "syncnet.ckpt"))
    system = build(gan=True)
    run = trainer(tmp_path, 4, report, val_check_interval=2, limit_val_batches=1)
    run.fit(system, datamodule=lips(prepared))
    videos = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert videos == ["0000002_0.mp4", "0000002_1.mp4"]
    reader = VideoReader(tmp_path / "samples" / "0000002_0.mp4")
    frames = list(reader)
    # The last 16 columns of the 129 of a 40-frame sound start with frame 35.
    assert len(frames) == 36
    assert frames[0].shape == (96, 192, 3)
    clips = list_clips(prepared, "val")
    given, dubbed, sound = dub(system.eval(), clips[0], clips[1])
    np.testing.assert_array_equal(given[3], clips[0].faces(np.array([3]))[0])
    assert np.abs(frames[3][:, :96].astype(int) - given[3]).mean() < 3
    assert np.abs(frames[3][:, 96:].astype(int) - dubbed[3]).mean() < 3
    heard = load_audio(tmp_path / "samples" / "0000002_0.mp4")
    assert np.corrcoef(heard[: len(sound)], sound)[0, 1] > 0.95
    expected = load_audio(clips[1].folder / "audio.wav")
    np.testing.assert_array_equal(sound, expected[: 36 * 640])
    logged = {k: float(v) for k, v in run.callback_metrics.items()}
    scorer = SyncScorer(expert=system.expert)
    one, other = (
        scorer.cosine(list(frames), sound).summary.mean
        for _, frames, sound in (dub(system, *clips), dub(system, *clips[::-1]))
    )
    assert logged["val/dubbed_cosine"] == pytest.approx((one + other) / 2, abs=1e-4)
    assert {"val/given_cosine", "val/lse_d", "val/lse_c", "val/lse_offset"} <= set(logged)


def test_a_lip_report_that_dubs_nobody_is_said(
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(UserError, match=r"clips=1 .*2 or more, or 0 for none"):
        LipReport(tmp_path, clips=1)
    clips = list_clips(prepared, "val")[:1]
    monkeypatch.setattr("w2l.callbacks.lip_report.clips_of", lambda *_: clips)
    run = SimpleNamespace(datamodule=None)
    for n_asked in (0, 4):
        report = LipReport(tmp_path, clips=n_asked)
        assert report._report(run, None) == report._report(run, None) == {}
    (said,) = caplog.messages
    assert said.endswith("of 1 validation clips 1 can be, and it takes two.")


def test_a_leading_generator_is_shown_with_its_lead(prepared: Path) -> None:
    """Frame i hears what it was trained to hear, as in `LipSamples` and at inference."""
    clips = list_clips(prepared, "val")
    heard = []

    class Ears(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = {"lead_frames": 1}

        def forward(self, audio: torch.Tensor, face: torch.Tensor) -> torch.Tensor:
            heard.append(audio[:, 0])
            return face[:, 3:]

    dub(SimpleNamespace(generator=Ears(), device=torch.device("cpu")), *clips)  # type: ignore[arg-type]
    mels = torch.cat(heard).numpy()
    np.testing.assert_array_equal(mels[10:15], frame_mel_windows(clips[1].mel, 10, lead_frames=1))
