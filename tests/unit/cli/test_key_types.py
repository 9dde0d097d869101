"""What is given for a key of a training is of its type, also where the default is null."""

from __future__ import annotations

from typing import Any

import pytest

from w2l.cli.quoting import check_type
from w2l.errors import UserError


@pytest.mark.parametrize(
    ("key", "default", "value", "words"),
    [
        ("resume", None, ["a"], "resume must be text"),
        ("max_updates", None, "late", "max_updates must be a number, not 'late'"),
        ("max_updates", None, True, "max_updates must be a number"),
        ("trust", None, {"a": 1}, "trust must be text or a list"),
        ("overwrite", False, "yes", "overwrite must be true or false"),
        ("seed", 0, float("nan"), "seed=nan must be a number from -1e"),
        ("max_updates", None, float("inf"), "max_updates=inf must be a number from"),
        ("seed", 0, 1e30, "seed=1e.30 must be a number from"),
        ("seed", 16, 10**400, "seed=1000"),
    ],
)
def test_another_type_is_one_sentence(key: str, default: Any, value: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        check_type(key, default, value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "default", "value"),
    [
        ("init_from", None, 2024),  # a file may be called that
        ("trust", None, "mygen"),
        ("trust", None, ["mygen"]),
        ("max_updates", None, None),
        ("seed", 3.0, None),
        ("seed", 0.0, 1e15),
        ("data.cache_bytes", None, "of train.py: not known here"),
    ],
)
def test_what_fits_is_taken(key: str, default: Any, value: Any) -> None:
    check_type(key, default, value)
