"""`judge=` and `iqa=`: what a network of the user's is shown, and what becomes of its numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from tests.settings import settings_of
from tests.unit.preprocess.clips import write_video
from tests.writing import write_wav
from w2l.building import named_group
from w2l.cli.evaluate_judges import build_judges
from w2l.cli.keys.evaluate import Evaluate
from w2l.components import Faces
from w2l.errors import UserError
from w2l.faces import FixedBox
from w2l.scoring.judges import JudgeScorer, NetworkJudge, NetworkQuality

BOX = FixedBox((20, 140, 20, 140))


class Sees(nn.Module):
    """The mean of the face and the largest value of the speech, added."""

    def forward(self, faces: torch.Tensor, speech: torch.Tensor) -> torch.Tensor:
        return faces.mean(dim=(1, 2, 3, 4)) + speech.amax(dim=1)


class Embeds(nn.Module):
    """Two embeddings at 60 degrees."""

    def forward(
        self, faces: torch.Tensor, speech: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        one = torch.ones(faces.shape[0], 1)
        return torch.cat([one, 0 * one], 1), torch.cat([2 * one, 2 * 3**0.5 * one], 1)


class Red(nn.Module):
    """How red a face is."""

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return faces[:, 0].mean(dim=(1, 2), keepdim=False)[:, None]


class Colours(nn.Module):
    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return faces.mean(dim=(2, 3))


def script(network: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch means to drop TorchScript some day
        torch.jit.script(network).save(str(path))
    return path


def onnx(network: nn.Module, path: Path, *shapes: tuple[int, ...]) -> Path:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, tuple(map(torch.zeros, shapes)), str(path), dynamo=False,
            dynamic_axes=None,
        )  # fmt: skip
    return path


def faces(n: int, size: int) -> Iterator[np.ndarray]:
    """Frame i is blue by i levels, and red by 51 (a fifth)."""
    for i in range(n):
        face = np.zeros((size, size, 3), np.uint8)
        face[..., 0], face[..., 2] = i, 51
        yield face


def speech(n: int) -> np.ndarray:
    """In the samples of frame i the largest value is i / 100."""
    heard = np.repeat(np.arange(n) / 100, 640).astype(np.float32)
    heard[1::2] *= -1
    return heard


def test_a_number_for_each_window_of_the_same_frames(tmp_path: Path) -> None:
    judge = NetworkJudge(script(Sees(), tmp_path / "sees.pt"), frames=4, size=8, hop=3)
    got = judge.score(faces(12, 8), speech(12))
    # Windows begin at 0, 3 and 6: the last frame of each is the loudest.
    windows = [(s, s + 3) for s in (0, 3, 6)]
    expected = [((s + 1.5) / 255 + 0.2) / 3 + last / 100 for s, last in windows]
    assert got == {"score": pytest.approx(np.mean(expected), abs=1e-6)}
    assert "windows of 4 frames and their speech, every 3 frames, faces of 8 px" in judge.protocol


def test_a_pair_of_embeddings_gives_their_cosine(tmp_path: Path) -> None:
    judge = NetworkJudge(script(Embeds(), tmp_path / "embeds.pt"), size=8)
    assert judge.score(faces(10, 8), speech(10)) == {"cosine": pytest.approx(0.5)}


def test_an_onnx_file_decides_sides_and_batch(tmp_path: Path) -> None:
    path = onnx(Sees(), tmp_path / "sees.onnx", (2, 3, 4, 8, 8), (2, 2560))
    judge = NetworkJudge(path, frames=5, size=96, hop=3)
    assert (judge.frames, judge.size) == (4, 8)
    by_script = NetworkJudge(script(Sees(), tmp_path / "sees.pt"), frames=4, size=8, hop=3)
    same = by_script.score(faces(12, 8), speech(12))["score"]
    assert judge.score(faces(12, 8), speech(12))["score"] == pytest.approx(same, abs=1e-6)
    with pytest.raises(UserError, match=r"sees\.onnx has inputs of .* where 4 axes are wanted"):
        NetworkQuality(path)


def test_the_quality_is_the_mean_over_every_fifth_face(tmp_path: Path) -> None:
    judge = NetworkQuality(script(Red(), tmp_path / "red.pt"), size=8)
    shown = [*faces(11, 8)]
    shown[5][..., 2] = 255  # of 0, 5 and 10
    assert judge.score(iter(shown), None) == {"score": pytest.approx((0.2 + 1 + 0.2) / 3)}


@pytest.mark.parametrize(
    ("heard", "n", "reason"),
    [
        (None, 9, "it has no audio"),
        (np.zeros(9 * 640, np.float32), 9, "its audio is silent"),
        (speech(9), 3, "it shows a face with speech for less than 4 frames"),
        (np.append(speech(9)[:-1], np.nan), 9, "the network gives no finite number"),
    ],
)
def test_what_cannot_be_judged_says_why(tmp_path, heard, n, reason) -> None:
    judge = NetworkJudge(script(Sees(), tmp_path / "sees.pt"), frames=4, size=8)
    with pytest.raises(UserError, match=reason):
        judge.score(faces(n, 8), heard)


def test_a_file_that_is_no_judge_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(UserError, match=r"text\.pt cannot be read as TorchScript"):
        NetworkJudge(tmp_path / "text.pt")
    with pytest.raises(UserError, match=r"gone\.onnx does not exist"):
        NetworkQuality(tmp_path / "gone.onnx")
    colours = NetworkQuality(script(Colours(), tmp_path / "colours.pt"), size=8)
    with pytest.raises(UserError, match=r"gives \(1, 3\) for 1, in place of a number for each"):
        colours.score(faces(3, 8), None)
    takes_two = NetworkQuality(script(Sees(), tmp_path / "sees.pt"), size=8)
    with pytest.raises(UserError, match=r"sees\.pt does not take what it is given"):
        takes_two.score(faces(3, 8), None)


def test_scores_stand_beside_hash_and_protocol_and_a_mute_clip_says_why(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", face_frames=[True] * 20, seconds_of_sound=None)
    said = tmp_path / "said.wav"
    write_wav(said, 0.1 * np.sin(np.arange(16000) / 5))
    network = script(Sees(), tmp_path / "sees.pt")
    settings = settings_of(
        Evaluate, video=str(clip), clip_judge=named_group("clip_judge", str(network))
    )
    (judge,) = build_judges(settings, BOX, "cpu")
    console = Console(record=True, width=200, file=StringIO())
    found = judge.run([clip], said, console)
    assert found["n_scored"] == 1
    assert found["clips"][0]["score"] == found["mean"]["score"] > 0.1
    assert found["files"][0]["sha256"] in (shown := console.export_text())
    assert f"Protocol: {found['protocol']}" in shown
    mute = judge.run([clip], None, console)
    assert (mute["n_scored"], mute["n_failed"], mute["mean"]) == (0, 1, {})
    assert "clip.mp4 cannot be judged: it has no audio" in mute["clips"][0]["error"]


def test_faces_between_detections_move_evenly(tmp_path: Path, monkeypatch) -> None:
    """Frames without a face lie between those with one; before and after there are none."""
    clip = write_video(tmp_path / "clip.mp4", face_frames=[True] * 12, seconds_of_sound=None)
    lefts = []

    def cut(frame, box):
        lefts.append(float(box[0]))
        return frame

    monkeypatch.setattr("w2l.scoring.judges.face_crop", cut)

    class Some:
        def at(self, index):
            left = {2: 20, 3: 20, 8: 30}.get(index)
            return Faces.none() if left is None else Faces.of([left, 20, left + 120, 140])

    class Counts:
        protocol, size = "frames", 8

        def score(self, faces, speech):
            return {"n": float(sum(face.shape == (8, 8, 3) for face in faces))}

    assert JudgeScorer(Counts(), Some(), 1).score(clip) == {"n": 7}
    assert lefts == [20, 20, 22, 24, 26, 28, 30]
