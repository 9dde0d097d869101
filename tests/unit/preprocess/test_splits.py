"""Split lists of a set that has none of its own."""

from __future__ import annotations

import random

import pytest

from preprocess.splits import assign_splits, hold_out_val


def clips(speakers: int, each: int = 3) -> list[str]:
    return [f"person{s}/clip{c}" for s in range(speakers) for c in range(each)]


def splits_of(keys: list[str]) -> tuple[dict[str, str], list[str]]:
    split_of, notes = assign_splits([key.partition("/")[0] for key in keys], keys)
    return {key: split_of(key) for key in keys}, notes


@pytest.mark.parametrize("speakers", [3, 4, 10, 400])
def test_no_speaker_is_in_two_lists(speakers):
    splits, notes = splits_of(clips(speakers))
    of = {}
    for key, split in splits.items():
        of.setdefault(key.split("/")[0], set()).add(split)
    assert all(len(found) == 1 for found in of.values())
    assert set(splits.values()) == {"train", "val", "test"}
    assert not notes


def test_shares_of_a_large_set():
    values = list(splits_of(clips(2000, 1))[0].values())
    assert 1750 < values.count("train") < 1850
    assert 60 < values.count("val") < 140
    assert 60 < values.count("test") < 140


def test_order_does_not_matter_and_new_speakers_move_nobody():
    keys = clips(400)
    shuffled = keys.copy()
    random.Random(0).shuffle(shuffled)
    splits = splits_of(keys)[0]
    assert splits_of(shuffled)[0] == splits
    more = splits_of([*keys, "someone/new"])[0]
    assert {key: more[key] for key in keys} == splits


def test_few_speakers_share_lists_and_it_is_said():
    splits, notes = splits_of(clips(2))
    assert set(splits.values()) == {"train", "val", "test"}
    assert list(splits.values()).count("train") >= 4
    assert "2 speakers" in notes[0]
    assert "1 speaker:" in splits_of(clips(1))[1][0]


@pytest.mark.parametrize("names", [f"{a}/{b}" for a in "abcdefgh" for b in "xyz"])
def test_one_clip_trains(names):
    splits, notes = splits_of([names])
    assert splits == {names: "train"}
    assert "val and test are empty" in notes[-1]


@pytest.mark.parametrize("seed", range(20))
def test_three_clips_fill_three_lists(seed):
    keys = [f"p{seed}/{name}" for name in "abc"]
    assert sorted(splits_of(keys)[0].values()) == ["test", "train", "val"]


def test_held_out_speakers_stay_when_others_are_added():
    names = [f"person{i}" for i in range(400)]
    splits = hold_out_val(names)
    assert set(splits.values()) == {"train", "val"}
    assert 8 <= list(splits.values()).count("val") <= 32  # 5 %
    more = hold_out_val([*names, "someone"])
    assert {name: more[name] for name in names} == splits


def test_one_of_two_speakers_is_held_out():
    assert sorted(hold_out_val(["a", "b"]).values()) == ["train", "val"]
    assert hold_out_val(["a"]) == {"a": "train"}
