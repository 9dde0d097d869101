"""Which clips train, which validate, which test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from preprocess.sources.clip import SPLITS

# Shares of a set without lists of its own, each as large as one may hope for from few speakers.
VAL_SHARE = 0.05
TEST_SHARE = 0.05


def assign_splits(keys: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Split `speaker/clip` keys by a hash of the speaker, so that nobody is in two lists.

    With fewer than three speakers the clips are split instead. A hash and not a shuffle, so that
    speakers keep their splits when others are added; only in a set so small that a list would be
    empty, the unit with the nearest hash goes there until another comes.

    Returns:
        Split of each key, and sentences for the user.
    """
    speakers = sorted({key.partition("/")[0] for key in keys})
    disjoint = len(speakers) >= len(SPLITS)
    by_unit = _by_hash(speakers if disjoint else sorted(keys))
    splits = {key: by_unit[key.partition("/")[0] if disjoint else key] for key in keys}
    notes = []
    if not disjoint:
        notes.append(
            f"Only {len(speakers)} speaker{'s' if len(speakers) != 1 else ''}: the same faces are "
            "in train, val and test, so scores on them say nothing of new people."
        )
    empty = [split for split in SPLITS if split not in splits.values()]
    if empty:
        notes.append(f"Too few clips for three lists: {' and '.join(empty)} are empty.")
    return splits, notes


def _by_hash(units: Sequence[str]) -> dict[str, str]:
    place = {unit: _place(unit) for unit in units}
    order = sorted(units, key=lambda unit: place[unit])
    splits = {
        unit: "test"
        if place[unit] < TEST_SHARE
        else "val"
        if place[unit] < TEST_SHARE + VAL_SHARE
        else "train"
        for unit in order
    }
    # Train needs one first, then val, then test; the fullest list gives the unit nearest to it.
    for wanted in SPLITS:
        if wanted in splits.values():
            continue
        sizes = {split: list(splits.values()).count(split) for split in SPLITS}
        giver = max(SPLITS[::-1], key=lambda split: sizes[split])
        if sizes[giver] > 1 or (wanted == "train" and sizes[giver]):
            members = [unit for unit in order if splits[unit] == giver]
            splits[members[-1] if wanted == "train" else members[0]] = wanted
    return splits


def _place(unit: str) -> float:
    """A number in [0, 1) that hangs on the name alone."""
    return int.from_bytes(hashlib.sha256(unit.encode("utf-8")).digest()[:8], "big") / 2**64
