"""Whether generated mouths look like the faces that they are put into."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from w2l import examples
from w2l.inference.enhance import Face
from w2l.inference.mouths import MOST_LOST, Mouths, lost
from w2l.video import VideoReader


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """The face of a clip that comes with w2l, about 96 px wide."""
    frame = next(iter(VideoReader(examples.path("grid_s3_sbia1a"))))
    return cv2.resize(frame[60:230, 110:250], (96, 96))


def test_a_patch_loses_all_and_a_tint_nothing(face):
    assert lost(face, face) == 0
    assert lost(face, np.clip(face * 1.0 + 9, 0, 255).astype(np.uint8)) < 0.01
    for colour in (0, 128, 255):
        assert lost(face, np.full_like(face, colour)) == pytest.approx(1, abs=0.01)
    noise = np.random.default_rng(0).integers(0, 256, face.shape, np.uint8)
    assert lost(face, noise) > 1
    assert lost(face, cv2.GaussianBlur(face, (0, 0), 2)) < MOST_LOST  # as soft as small generators'
    assert lost(np.full_like(face, 90), np.full_like(face, 91)) < MOST_LOST  # nothing to lose


def test_a_sentence_tells_of_what_is_no_mouth_and_of_nothing_else(face):
    shown = Face(face, np.array([0, 0, 96, 96]), None, np.ones((96, 96, 1), np.float32))
    blob = np.full((48, 48, 3), 60, np.uint8)
    mouths = Mouths()
    assert mouths.notes() == ()  # nobody was synced
    mouths.look([(shown, face)] * 50)
    assert mouths.notes() == ()
    mouths.look([(shown, blob)] * 51)
    (note,) = mouths.notes()
    assert "hardly look like the face" in note
    assert " 1.00 times as much as a plain patch" in note
