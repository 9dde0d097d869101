"""What is given for a key of a training is of its type, also where the default is null."""

from __future__ import annotations

from typing import Any

import pytest

from w2l.cli.keys.train import Train
from w2l.errors import UserError
from w2l.schema import all_keys


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("resume", ["a"], "resume=.* must be a path"),
        ("max_updates", "late", "max_updates=late must be a whole number"),
        ("max_updates", True, "max_updates=true must be a whole number"),
        ("max_updates", float("inf"), "max_updates=inf must be a whole number"),
        ("trust", {"a": 1}, "trust=.* must be text, or a list"),
        ("overwrite", "yes", "overwrite=yes must be true or false"),
        ("seed", float("nan"), "seed=nan must be a whole number from 0 to"),
        ("seed", 10**400, "seed=1000"),
        ("compile", [1], "compile=.1. must be true or false, or auto"),
        ("monitor_mode", "most", "monitor_mode=most is not available: choose min or max"),
        ("overfit", 3, "overfit=3 must be a group of keys"),
        ("overfit.below", None, "overfit.below=null must be a number"),
        ("data.cache_dir", 2.5j, "data.cache_dir=2.5j must be a path, or null"),
    ],
)
def test_another_type_is_one_sentence(key: str, value: Any, words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}") as caught:
        all_keys(Train)[key].read(value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trust", "mygen"),
        ("trust", ["mygen"]),
        ("max_updates", None),
        ("seed", 2**32 - 1),
        ("compile", "auto"),
        ("compile", False),
        ("trainer.devices", 2),
        ("trainer.devices", "auto"),
        ("trainer.devices", [0, 1]),
    ],
)
def test_what_fits_is_taken(key: str, value: Any) -> None:
    assert all_keys(Train)[key].read(value) == value


def test_a_file_may_be_called_by_a_number() -> None:
    assert all_keys(Train)["init_from"].read(2024) == "2024"
