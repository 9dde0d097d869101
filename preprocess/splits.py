"""Which clips train, which validate, which test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

SPLITS = ("train", "val", "test")
# Shares of a set without lists of its own, each as large as one may hope for from few speakers.
SHARES = {"test": 0.05, "val": 0.05}


def assign_splits(
    speakers: Iterable[str], keys: Iterable[str]
) -> tuple[Callable[[str], str], list[str]]:
    """Split `speaker/clip` keys by a hash of the speaker, so that nobody is in two lists.

    With fewer than three speakers the clips are split instead. A hash and not a shuffle, so that
    speakers keep their splits when others are added; only in a set so small that a list would be
    empty, the unit with the nearest hash goes there until another comes.

    Args:
        speakers: of the clips, as often as they like.
        keys: of the clips; asked for where the speakers are few.

    Returns:
        What gives the split of a key, and sentences for the user.
    """
    people = sorted(set(speakers))
    disjoint = len(people) >= len(SPLITS)
    by_unit = _by_hash(people if disjoint else sorted(keys), SHARES)
    notes = []
    if not disjoint:
        notes.append(
            f"Only {len(people)} speaker{'s' if len(people) != 1 else ''}: the same faces are "
            "in train, val and test, so scores on them say nothing of new people."
        )
    empty = [split for split in SPLITS if split not in by_unit.values()]
    if empty:
        notes.append(f"Too few clips for three lists: {' and '.join(empty)} are empty.")
    return lambda key: by_unit[key.partition("/")[0] if disjoint else key], notes


def hold_out_val(speakers: Sequence[str]) -> dict[str, str]:
    """train or val of each speaker, by the same hash, for a set that has only a test list."""
    return _by_hash(speakers, {"val": SHARES["val"]})


def _by_hash(units: Sequence[str], shares: Mapping[str, float]) -> dict[str, str]:
    """Split of each unit: `shares` of them are held out, the rest trains."""
    place = {unit: _place(unit) for unit in units}
    order = sorted(units, key=lambda unit: place[unit])
    ends = list(zip(shares, accumulate(shares.values()), strict=True))
    splits = {
        unit: next((split for split, end in ends if place[unit] < end), "train") for unit in order
    }
    # Train needs one first, then val, then test; the fullest list gives the unit nearest to it.
    names = [split for split in SPLITS if split == "train" or split in shares]
    for wanted in names:
        if wanted in splits.values():
            continue
        sizes = {split: list(splits.values()).count(split) for split in names}
        giver = max(names[::-1], key=lambda split: sizes[split])
        if sizes[giver] > 1 or (wanted == "train" and sizes[giver]):
            members = [unit for unit in order if splits[unit] == giver]
            splits[members[-1] if wanted == "train" else members[0]] = wanted
    return splits


def _place(unit: str) -> float:
    """A number in [0, 1) that hangs on the name alone."""
    return int.from_bytes(hashlib.sha256(unit.encode("utf-8")).digest()[:8], "big") / 2**64
