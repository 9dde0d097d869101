"""The whole chain before the encoder equals the published inference script."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.published import filled
from w2l.boxes import from_tblr
from w2l.inference import FaceGenerator, FaceOptions, Geometry, SyncOptions, load_voice, open_source
from w2l.inference.finding import plan_faces
from w2l.inference.lips import Role, synced
from w2l.inference.mouths import Mouths
from w2l.inference.source import images
from w2l.inference.voice import mel_windows
from w2l.models import Generator


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, ((a.astype(float) - b) ** 2).mean())))


class Every:
    """A generator that is asked only for the frames that the golden file holds."""

    def __init__(self, lipsync: FaceGenerator, wanted: np.ndarray) -> None:
        self.lipsync = lipsync
        self.wanted = set(wanted.tolist())
        self.image_size = lipsync.image_size
        self.seen = 0

    def __call__(self, faces: list[np.ndarray], mels: list[np.ndarray]) -> np.ndarray:
        out = np.zeros((len(faces), 96, 96, 3), np.uint8)
        mine = [i for i in range(len(faces)) if self.seen + i in self.wanted]
        self.seen += len(faces)
        if mine:
            out[mine] = self.lipsync([faces[i] for i in mine], [mels[i] for i in mine])
        return out


def test_infer_frames(golden, shared_media):
    """Frame count, loop, windows, channel order, both resizes and truncation at once."""
    expected = np.load(golden / "infer_frames.npz")
    source = open_source(
        shared_media / "talking" / "grid_brbk7n_en_25fps.mpg", Geometry(), constant_rate=False
    )
    voice = load_voice(shared_media / "audio" / "es_dreamtalk_16k.wav")
    options = SyncOptions(
        faces=FaceOptions(published=True, person="first", missing_face="error"),
        box=from_tblr(expected["box"].tolist()),
        extend="loop",
        quality="fast",
        published=True,
    )
    windows = mel_windows(source, voice, options)
    assert len(windows) == expected["count"] == 110
    plan = plan_faces(source, len(windows), None, options)
    lipsync = FaceGenerator(filled(Generator(), "generator"), device="cpu")
    shown = images(source, len(windows), options.extend)
    asked = Every(lipsync, expected["index"])
    frames = synced(shown, Role(plan, windows, Mouths()), asked, options, options.batch_size)
    got = [image.frame for image in frames]
    assert len(got) == 110
    top, bottom, left, right = expected["box"]
    for index, golden_region in zip(expected["index"], expected["frames"], strict=True):
        region = got[index][top:bottom, left:right]
        assert psnr(region, golden_region) > 45, f"frame {index}"


def test_published_images_equal_opencv(shared_media):
    """The script reads with OpenCV: same images, same number."""
    cv2 = pytest.importorskip("cv2")
    path = shared_media / "talking" / "grid_brbk7n_en_25fps.mpg"
    capture = cv2.VideoCapture(str(path))
    source = open_source(path, Geometry(), constant_rate=False)
    assert float(source.fps) == capture.get(cv2.CAP_PROP_FPS)
    n = 0
    for frame in source.read(0, 10_000):
        ok, theirs = capture.read()
        assert ok
        np.testing.assert_array_equal(frame, theirs)
        n += 1
    assert n == 75
    assert not capture.read()[0]
