"""Cross pairs: which ones are allowed, that each of them may come, and that a seed is a list."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

from w2l.errors import UserError
from w2l.filelists import Candidate, Pair, cross_pairs


def clip(name: str, n_frames: int, n_columns: int | None = None) -> Candidate:
    """A clip whose sound is as long as its images, 3.2 mel columns a frame."""
    columns = n_frames * 80 // 25 + 1 if n_columns is None else n_columns
    return Candidate(name, name.partition("/")[0], n_frames, columns)


FIRST_OF_SEED_5 = [Pair("s1/01", "s0/04"), Pair("s3/03", "s3/07"), Pair("s2/02", "s3/03")]
CLIPS = [clip(f"s{i % 4}/{i:02}", frames) for i, frames in enumerate(range(20, 80, 5))]


def allowed(different_speakers: bool = False) -> set[Pair]:
    """By the definition, pair by pair."""
    return {
        Pair(sound.name, video.name)
        for sound, video in product(CLIPS, CLIPS)
        if sound.name != video.name
        and sound.n_driven <= video.n_frames
        and not (different_speakers and sound.speaker == video.speaker)
    }


def test_frames_that_a_sound_drives():
    # As counted by hand: frame i takes columns int(3.2 i) to int(3.2 i) + 15.
    counts = {n: clip("a/1", 1, n).n_driven for n in (0, 15, 16, 18, 19, 21, 22, 81)}
    assert counts == {0: 0, 15: 0, 16: 1, 18: 1, 19: 2, 21: 2, 22: 3, 81: 21}


@pytest.mark.parametrize("different_speakers", [False, True])
def test_all_pairs_that_are_allowed_and_no_other(different_speakers):
    wanted = allowed(different_speakers)
    drawn = cross_pairs(CLIPS, len(wanted), different_speakers=different_speakers)
    assert len(drawn) == len(wanted)
    assert set(drawn) == wanted


@pytest.mark.parametrize("different_speakers", [False, True])
def test_more_than_there_are(different_speakers):
    n = len(allowed(different_speakers))
    whose = "different speakers" if different_speakers else "different clips"
    with pytest.raises(UserError, match=rf"count={n + 1} .*only {n} can be made of 12.*{whose}"):
        cross_pairs(CLIPS, n + 1, different_speakers=different_speakers)


def test_a_video_that_is_just_long_enough():
    sound = clip("a/1", 5, n_columns=16 + 64)  # 64 columns on: frame 20, the 21st
    assert sound.n_driven == 21
    assert cross_pairs([sound, clip("b/1", 21, 0)], 1) == [Pair("a/1", "b/1")]
    with pytest.raises(UserError, match="only 0"):
        cross_pairs([sound, clip("b/1", 20, 0)], 1)


def test_sound_too_short_to_be_scored_drives_nothing():
    short, enough = clip("a/1", 3, n_columns=16 + 15), clip("a/1", 3, n_columns=16 + 16)
    assert (short.n_driven, enough.n_driven) == (5, 6)
    video = clip("b/1", 50, 0)
    assert cross_pairs([enough, video], 1) == [Pair("a/1", "b/1")]
    with pytest.raises(UserError, match=r"only 0 can be made of 2 clips \(0 with sound"):
        cross_pairs([short, video], 1)


def test_a_seed_is_a_list():
    drawn = cross_pairs(CLIPS, 20, seed=5)
    assert drawn == cross_pairs(CLIPS[::-1], 20, seed=5)
    assert drawn != cross_pairs(CLIPS, 20, seed=6)
    # A list of a paper must come out the same in later versions too.
    assert drawn[:3] == FIRST_OF_SEED_5


def test_every_pair_comes_as_often_as_another_and_anywhere():
    n, total = 2000, len(allowed())
    lists = [cross_pairs(CLIPS, 10, seed=seed) for seed in range(n)]
    counts = Counter(pair for drawn in lists for pair in drawn)
    expected = 10 * n / total
    assert len(counts) == total
    for pair, count in counts.items():  # 5 standard deviations
        assert abs(count - expected) < 5 * expected**0.5, pair
    # The first line alone is a fair draw as well.
    first = Counter(drawn[0] for drawn in lists)
    assert max(first.values()) < n / total + 5 * (n / total) ** 0.5


def test_who_speaks_must_be_known_where_it_counts():
    flat = [Candidate(f"WORD_{i}", None, 40, 100) for i in range(3)]
    assert len(cross_pairs(flat, 6)) == 6
    with pytest.raises(UserError, match=r"different_speakers=true needs .*WORD_0"):
        cross_pairs(flat, 1, different_speakers=True)


@pytest.mark.parametrize("count", [0, -3])
def test_no_count(count):
    with pytest.raises(UserError, match=f"count={count} must be at least 1"):
        cross_pairs(CLIPS, count)


def test_a_clip_that_is_there_twice():
    with pytest.raises(UserError, match="s0/00 is there 2 times"):
        cross_pairs([*CLIPS, CLIPS[0]], 1)


def test_a_large_set_is_quick():
    """As many as in LRW's test set and list: a table of all pairs would have 625 million."""
    many = [clip(f"w{i % 500}/{i}", 29) for i in range(25_000)]
    drawn = cross_pairs(many, 28_000, different_speakers=True)
    assert len(set(drawn)) == 28_000
    assert all(p.audio.partition("/")[0] != p.video.partition("/")[0] for p in drawn)
