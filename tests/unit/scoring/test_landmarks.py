"""68 landmarks: a stand-in network whose heat maps are known, beside the package's own code."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from tests.settings import settings_of
from tests.unit.preprocess.clips import write_video
from tests.unit.restoration import graphs
from w2l.building import named_group
from w2l.cli.evaluate_images import load_landmarks
from w2l.cli.keys.evaluate import Evaluate
from w2l.errors import UserError
from w2l.faces import FixedBox
from w2l.metrics.images import mouth_distance
from w2l.scoring.landmarks import DlibLandmarks, Landmarks, landmarks_of
from w2l.scoring.lips import LipScorer
from w2l.video import VideoReader

BOX = np.array([60.0, 40.0, 220.0, 230.0], np.float32)
FRAME = np.zeros((300, 320, 3), np.uint8)


class Blobs(nn.Module):
    """Heat map k has its top at a place of its own, moved to the right by the crop's redness."""

    def __init__(self) -> None:
        super().__init__()
        k = torch.arange(68)
        self.register_buffer("x", 3 + 0.83 * k.float())
        self.register_buffer("y", 60 - 0.77 * k.float())
        self.register_buffer("grid", torch.arange(64).float())

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        red = crops[:, 0].mean(dim=(1, 2))
        x = self.x[None, :, None] + 4 * red[:, None, None]
        across = -((self.grid - x) ** 2) / 9
        down = -((self.grid - self.y[None, :, None]) ** 2) / 9
        return torch.exp(down[..., None] + across[:, :, None])


def saved(network: nn.Module, path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is old
        torch.jit.save(torch.jit.script(network), str(path))
    return str(path)


def by_the_package(frame: np.ndarray) -> np.ndarray:
    """(68, 2) whole pixels, by `FaceAlignment`'s own steps with `Blobs` in place of its network."""
    from face_alignment.api import FaceAlignment

    aligner = FaceAlignment.__new__(FaceAlignment)
    network = Blobs()
    aligner.device, aligner.dtype, aligner.max_batch_size = "cpu", torch.float32, 1
    aligner.flip_input, aligner.landmarks_type = False, 1
    aligner.face_alignment_net = network
    aligner.face_detector = type("Detector", (), {"reference_scale": 195})
    return aligner.get_landmarks_from_image(frame[..., ::-1].copy(), [np.append(BOX, 1.0)])[0]


@pytest.fixture
def script(tmp_path):
    return saved(Blobs(), tmp_path / "fan.zip")


def test_points_are_the_packages_but_for_its_whole_pixels(script):
    frame = FRAME.copy()
    frame[100:180, 80:200] = (10, 20, 240)  # BGR: red
    got = Landmarks(script)([frame, FRAME], BOX)
    assert got.shape == (2, 68, 2)
    np.testing.assert_array_equal(np.trunc(got[0] + 1e-4 * np.sign(got[0])), by_the_package(frame))
    assert (np.abs(got % 1 - 0.5) < 0.45).any()
    assert (got[0, :, 0] - got[1, :, 0]).mean() > 1  # more to the right where it is red


def test_the_mouths_distance_is_in_distances_of_the_eyes():
    target = np.zeros((68, 2))
    target[36], target[45] = (10, 10), (50, 40)  # 50 apart
    moved = target + (300, 0)
    moved[48:] = target[48:] + (3, 4)
    moved[60:] = target[60:] + (6, 8)
    assert mouth_distance(moved, target) == pytest.approx((12 * 5 + 8 * 10) / 20 / 50)
    assert mouth_distance(target, target) == 0


def test_an_onnx_file_does_the_same(script, tmp_path):
    """A graph that gives the same maps whatever it sees: those of a black crop."""
    maps = Blobs()(torch.zeros(1, 3, 256, 256)).numpy()
    nodes = [
        graphs.helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2, 3]),
        graphs.helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        graphs.helper.make_node("Add", ["nothing", "maps"], ["y"]),
    ]
    constants = {"zero": np.zeros((1, 1, 1, 1), np.float32), "maps": maps}
    path = graphs.save(tmp_path / "fan.onnx", nodes, constants, side=256, out=(68, 64))
    want = Landmarks(script)([FRAME], BOX)
    np.testing.assert_allclose(Landmarks(path)([FRAME], BOX), want, atol=1e-6)
    small = graphs.identity(tmp_path / "small.onnx", side=112, out=(3, 112))
    with pytest.raises(UserError, match=r"landmarks=.*small\.onnx takes images of 112x112"):
        Landmarks(small)


def test_a_wrong_file_is_one_sentence(tmp_path):
    (tmp_path / "text.zip").write_text("no network")
    with pytest.raises(UserError, match=r"landmarks=.*text\.zip cannot be read as TorchScript"):
        Landmarks(tmp_path / "text.zip")
    torch.save({"w": torch.zeros(1)}, tmp_path / "fan.pth")
    with pytest.raises(UserError, match=r"landmarks=.*fan\.pth cannot be read as TorchScript"):
        Landmarks(tmp_path / "fan.pth")
    path = saved(nn.Conv2d(3, 5, 1), tmp_path / "maps.zip")
    with pytest.raises(UserError, match=r"gives \(5, 256, 256\) where a FAN's heat maps"):
        Landmarks(path)
    path = saved(nn.Conv2d(4, 68, 1), tmp_path / "four.zip")
    with pytest.raises(UserError, match=r"four\.zip does not take RGB"):
        Landmarks(path)


class Corners:
    """One's own, which finds `n` points in the corner of the box."""

    def __init__(self, n: int = 68) -> None:
        self.n = n

    def __call__(self, frames, box):
        return np.tile(box[:2], (len(frames), self.n, 1))


def test_one_of_ones_own_is_a_class_and_must_give_68_points():
    group = {"_target_": f"{__name__}.Corners"}
    finder, file = load_landmarks(settings_of(Evaluate, video="x.mp4", landmarks=group))
    assert file is None
    got = landmarks_of(finder, [FRAME, FRAME], BOX)
    np.testing.assert_array_equal(got, np.tile(np.float64([60, 40]), (2, 68, 1)))
    with pytest.raises(UserError, match=r"landmarks= gave \(1, 5, 2\) for 1 frames.*\(1, 68, 2\)"):
        landmarks_of(Corners(5), [FRAME], BOX)


def test_frames_in_which_nothing_is_found_are_filled_in(tmp_path):
    clip = write_video(tmp_path / "clip.mp4", face_frames=[True] * 8, seconds_of_sound=None)
    count = iter(range(8))

    def finder(frames, box):
        at = next(count)
        return np.full((1, 68, 2), np.nan if at in (0, 3) else float(at))

    points = LipScorer(FixedBox([20, 140, 20, 140]), finder, 1)._points(VideoReader(clip))
    np.testing.assert_allclose(points[:, 0, 0], [1, 1, 2, 3, 4, 5, 6, 7])


def test_a_file_is_the_group_s_network(script):
    group = named_group("landmarks", script)
    finder, file = load_landmarks(settings_of(Evaluate, video="x.mp4", landmarks=group))
    assert isinstance(finder, Landmarks)
    assert file["file"].endswith("fan.zip")
    with pytest.raises(UserError, match=r"landmarks=gone\.zip is not a file"):
        Landmarks("gone.zip")


def test_dlibs_landmarks_lie_on_the_face() -> None:
    """On a photograph: eyes over the nose over the mouth, the chin below, left and right kept."""
    pytest.importorskip("dlib")
    image = pytest.importorskip("skimage.data").astronaut()[..., ::-1]
    box = np.array([178, 66, 272, 206], np.float32)
    once, twice = DlibLandmarks()([image, image], box)
    np.testing.assert_array_equal(once, twice)
    eyes, nose, lips, chin = once[36:48].mean(0), once[30], once[48:68].mean(0), once[8]
    assert eyes[1] < nose[1] < lips[1] < chin[1]
    assert once[36, 0] < once[45, 0]
    assert (once.min(0) > box[:2] - 20).all()
    assert (once.max(0) < box[2:] + 20).all()
