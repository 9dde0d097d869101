"""How many images are held at once: bounded by their bytes, and by what the generator takes."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from w2l.inference import ArraySource, SyncOptions
from w2l.inference.finding import batch_size, look_ahead


def images(width: int, height: int) -> ArraySource:
    return ArraySource(np.empty((1, height, width, 3), np.uint8), Fraction(25))


def generator(at_once: int | None) -> Any:
    return SimpleNamespace(at_once=at_once)


@pytest.mark.parametrize(
    ("size", "waiting", "together"),
    [((320, 240), 16, 16), ((1280, 720), 12, 16), ((1920, 1080), 5, 8), ((3840, 2160), 1, 2),
     ((7680, 4320), 1, 1)],
)  # fmt: skip
def test_images_that_are_held_are_bounded_by_their_bytes(size, waiting, together) -> None:
    source, options = images(*size), SyncOptions(batch_size=16)
    assert look_ahead(source, options) == waiting
    assert batch_size(source, options, generator(None)) == together


@pytest.mark.parametrize(("at_once", "together"), [(6, 6), (2, 2), (100, 8)])
def test_no_more_wait_for_the_generator_than_it_takes(at_once: int, together: int) -> None:
    source = images(1920, 1080)
    assert batch_size(source, SyncOptions(batch_size=16), generator(at_once)) == together
