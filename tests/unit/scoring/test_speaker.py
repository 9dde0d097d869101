"""Who speaks, on embeddings of which it is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from w2l.scoring import calibration
from w2l.scoring.speaker import Calibration, Face, assign, pair, together, who_speaks


def voice(seed: int, n: int = 80) -> torch.Tensor:
    return F.normalize(torch.randn(n, 32, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_pair_at_its_offset():
    said = voice(0)
    early = said.roll(-3, dims=0)  # the sound is 3 frames early
    found = pair(Face(20, said[20:70]), early)
    assert found.offset == 3
    assert found.similarity == pytest.approx(1, abs=1e-5)
    assert found.confidence > 0.9
    assert pair(Face(20, said[20:70]), voice(1)).confidence < 0.5
    assert pair(Face(90, said[:20]), said).offset is None  # the voice ends before the face comes
    assert pair(Face(0, torch.full((30, 32), torch.nan)), said).offset is None


def test_voices_go_where_the_sum_is_highest():
    scores = np.array([[0.9, 0.8], [0.7, 0.1]])
    assert assign(scores, [(0, 50), (10, 60)]) == [1, 0]  # 0.8 + 0.7 > 0.9 + 0.1
    assert assign(scores, [(0, 50), (50, 60)]) == [0, 0]  # never seen together
    assert assign(scores[:, :1], [(0, 50), (10, 60)]) == [0, None]  # one voice
    lacking = np.array([[np.nan, 0.2], [0.3, np.nan]])
    assert assign(lacking, [(0, 9), (0, 9)]) == [1, 0]
    assert assign(np.array([[np.nan]]), [(0, 9)]) == [None]


def test_faces_seen_together():
    assert list(together([(30, 40), (0, 10), (5, 20), (20, 30), (35, 50)])) == [[1, 2], [3], [0, 4]]
    assert list(together([])) == []


def test_two_faces_three_voices():
    voices = {name: voice(seed) for seed, name in enumerate(("a", "b", "c"))}
    faces = [Face(0, voices["c"][:60]), Face(10, voices["a"][10:70])]
    found = who_speaks(faces, voices, Calibration("confidence", 0.7))
    assert found.voice_of == (2, 0)
    content = found.to_dict()
    assert [face["speaks"] for face in content["faces"]] == ["c", "a"]
    assert content["faces"][0]["belongs"] == [False, False, True]
    assert content["faces"][1]["start_frame"] == 10
    undecided = who_speaks(faces, voices)
    assert undecided.voice_of == (2, 0)
    assert undecided.belongs(0, 2) is None


def test_a_clip_whose_own_pair_cannot_be_compared_is_counted(monkeypatch):
    """One face comes after its own sound has ended."""
    starts = {"a": 0, "b": 0, "late": 30}
    sounds = {"a": voice(0), "b": voice(1), "late": voice(2)[:20]}

    class Known:
        scorer = SimpleNamespace(embed_voice=lambda waveform: sounds[str(waveform)])

        def sound_of(self, video):
            return np.array(video)

        def find_tracks(self, reader):
            return [SimpleNamespace(frames=range(50))]

    monkeypatch.setattr(calibration, "VideoReader", lambda video, fps: video)
    monkeypatch.setattr(
        calibration,
        "embed",
        lambda _, video, track: Face(starts[video], voice(9 + starts[video])[:50]),
    )
    found = calibration.calibrate(Known(), ["a", "b", "late"])
    assert len(found.own) == 2
    assert len(found.others) == 6
    assert found.failures == {"its face and its sound share no window": 1}
