"""Halves of faces come back to the last bit, and damage is noticed."""

from __future__ import annotations

import numpy as np
import pytest

from w2l.data.shard_clips import decode_halves, encode_half


@pytest.mark.parametrize("shape", [(3, 48, 96), (3, 8, 17), (3, 1, 1)])
def test_every_bit_comes_back(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    ramp = np.broadcast_to(np.linspace(0, 255, shape[2]), shape).astype(np.uint8)
    noise = rng.integers(0, 256, (2, *shape)).astype(np.uint8)
    halves = np.stack([ramp, *noise, np.zeros(shape, np.uint8)])
    files = [np.frombuffer(encode_half(half), np.uint8) for half in halves]
    assert np.array_equal(decode_halves(files, *shape[1:]), halves)
    assert shape != (3, 48, 96) or len(files[0]) < 500


def test_damage_is_an_error() -> None:
    file = np.frombuffer(encode_half(np.full((3, 48, 96), 7, np.uint8)), np.uint8)
    other = encode_half(np.full((3, 20, 96), 7, np.uint8))
    larger = encode_half(np.full((3, 90, 96), 7, np.uint8))
    for broken in (file[:-3], file[:0], np.zeros_like(file), other, larger):
        with pytest.raises(ValueError, match="half a face is damaged"):
            decode_halves([np.frombuffer(bytes(broken), np.uint8)], 48, 96)
