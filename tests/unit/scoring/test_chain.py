"""Videos scored through chains of codecs: what each does to the offset, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.scoring.stand_ins import LoudnessSyncNet
from tests.unit.scoring.test_evaluator import BOX, SMALL, loudness, write_video
from w2l.building import named_group
from w2l.errors import UserError
from w2l.faces.fixed import FixedBox
from w2l.scoring import Evaluator, Protocol, SyncScorer
from w2l.scoring.chain import Chain, check_chain
from w2l.scoring.results import TrackScore

N = 60


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In sync; the sound has 16 kHz."""
    sound = loudness(0, N)
    return write_video(tmp_path_factory.mktemp("chain") / "synced.mkv", sound, sound)


def chain(name: str, **changed: Any) -> Chain:
    return Chain.of(named_group("chain", name) | changed)


def score(video: Path, chain: Chain) -> TrackScore:
    evaluator = Evaluator(
        SyncScorer(LoudnessSyncNet()), Protocol(**SMALL), FixedBox(BOX), chain=chain
    )
    (track,) = evaluator.score(video).tracks
    return track


@pytest.mark.parametrize(
    ("name", "offset", "n"),
    [
        # MP3 moves the images of the AVI by 1105 samples, here two frames, ...
        ("mochabench", 2, N + 2),
        ("wav2lip", 0, N + 2),  # ... and as much the sound, if it is taken from there.
        ("latentsync", 0, N),
    ],
)
def test_a_chain_moves_images_and_sound(name: str, offset: int, n: int, video: Path) -> None:
    track = score(video, chain(name))
    assert track.sync is not None
    assert track.sync.lse.offset == offset
    assert track.n_frames == n


def test_nothing_is_as_it_was(video: Path) -> None:
    plain, empty = score(video, Chain()), score(video, chain("none"))
    assert plain.sync is not None
    assert empty.sync is not None
    assert (plain.sync.lse.lse_d, plain.n_frames) == (empty.sync.lse.lse_d, N)


def test_each_step_can_be_left_out(video: Path) -> None:
    whole = score(video, chain("mochabench"))
    found = {
        step: score(video, chain("mochabench", **{step: value}))
        for step, value in {"file": None, "frames": {}, "crops": {"xvid": None}}.items()
    }
    assert whole.sync is not None
    for step, track in found.items():
        assert track.sync is not None
        assert track.sync.lse.lse_d != whole.sync.lse.lse_d, step
    assert found["file"].n_frames == N  # and the images where they belong
    assert found["file"].sync.lse.offset == 0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"sound_of": "wav"}, "choose placed, given or file"),
        ({"file": None, "sound_of": "file"}, "needs a chain.file"),
        ({"crops": {"x": {"_target_": "w2l.video.passes.Gif"}}}, "cannot be found"),
        ({"crops": {"x": {"_target_": "w2l.video.passes.Jpeg", "q": 2}}}, "signature"),
        (
            {"frames": {"x": {"_target_": "w2l.video.passes.Jpeg", "quantizer": "b"}}},
            "whole number",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        check_chain(named_group("chain", "mochabench") | changed)


def test_a_chain_is_of_tracks() -> None:
    with pytest.raises(ValueError, match="track protocol"):
        Evaluator(SyncScorer(LoudnessSyncNet()), Protocol("lrs"), chain=chain("wav2lip"))


def test_errors_name_the_video_and_no_temporary_file(video: Path) -> None:
    protocol = Protocol(min_track_frames=90, shots=False)
    evaluator = Evaluator(
        SyncScorer(LoudnessSyncNet()), protocol, FixedBox(BOX), chain=chain("wav2lip")
    )
    with pytest.raises(UserError, match="min_track_frames") as refused:
        evaluator.score(video)
    assert str(video) in str(refused.value)
    assert "w2l-" not in str(refused.value)


def test_float32_is_float32_on_every_processor(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While faces are looked for, too, whose boxes decide what is scored; then it is as before."""
    seen = []

    class Watching(FixedBox):
        def detect(self, frames: Any) -> Any:
            seen.append(torch.backends.cudnn.allow_tf32)
            return super().detect(frames)

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    for precision in ("float32", "tf32"):
        scorer = SyncScorer(LoudnessSyncNet(), precision=precision)
        Evaluator(scorer, Protocol(**SMALL), Watching(BOX)).score(video)
        assert torch.backends.cudnn.allow_tf32
    assert {*seen[: len(seen) // 2]} == {False}
    assert {*seen[len(seen) // 2 :]} == {True}
