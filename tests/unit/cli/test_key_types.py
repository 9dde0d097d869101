"""What is given for a key is of its type, also where the default is null and tells none."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from w2l.building import CONFIG_DIR
from w2l.cli.key_types import OF_NULL, check_type
from w2l.errors import UserError


@pytest.mark.parametrize(
    "command", ["infer", "evaluate", "evaluation", "preprocess", "filelists", "app"]
)
def test_every_key_has_a_type(command: str) -> None:
    config = OmegaConf.to_container(OmegaConf.load(CONFIG_DIR / f"{command}.yaml"))
    assert isinstance(config, dict)
    assert {key for key, value in config.items() if value is None} <= set(OF_NULL)


@pytest.mark.parametrize(
    ("key", "default", "value", "words"),
    [
        ("restorer_kind", None, ["a"], "restorer_kind must be text"),
        ("end", None, "late", "end must be a number, not 'late'"),
        ("end", None, True, "end must be a number"),
        ("box", None, 3, "box must be a list"),
        ("metrics", None, {"a": 1}, "metrics must be text or a list"),
        ("voices", None, True, "voices must be text or a list"),
        ("cut", None, "yes", "cut must be true or false"),
        ("start", 0.0, float("nan"), "start=nan must be a number from -1e"),
        ("end", None, float("inf"), "end=inf must be a number from"),
        ("start", 0.0, 1e30, "start=1e.30 must be a number from"),
        ("batch_size", 16, 10**400, "batch_size=1000"),
    ],
)
def test_another_type_is_one_sentence(key: str, default: Any, value: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        check_type(key, default, value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "default", "value"),
    [
        ("face", None, 2024),  # a file may be called that
        ("name", None, float("nan")),
        ("voices", None, "own"),
        ("metrics", None, "psnr"),
        ("sets", None, ["tts"]),
        ("voices", None, ["a.wav"]),
        ("end", None, None),
        ("end", 3.0, None),
        ("start", 0.0, 1e15),
        ("data.cache_bytes", None, "of train.py: not known here"),
    ],
)
def test_what_fits_is_taken(key: str, default: Any, value: Any) -> None:
    check_type(key, default, value)
