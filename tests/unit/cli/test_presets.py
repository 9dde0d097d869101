"""`preset=` sets what three pipelines of papers do; what contradicts it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from w2l.building import CONFIG_DIR, Component, named_group
from w2l.cli.checks import OF_EVALUATE, check_evaluate
from w2l.cli.help import defaults
from w2l.cli.published import PRESETS, published_choices, published_settings
from w2l.errors import UserError
from w2l.scoring.chain import Chain, check_chain

BASE = defaults(CONFIG_DIR, "evaluate")
# Preset → shortest track, rule of a video's number, whose sound.
KNOWN = {
    "wav2lip": (100, "mean", "file"),
    "latentsync": (50, "mean", "file"),
    "mochabench": (50, "best", "given"),
}


@pytest.mark.parametrize("preset", KNOWN)
def test_a_preset_is_the_pipeline(preset: str) -> None:
    settings = published_settings("evaluate", BASE, set(), preset)
    told = settings["min_track_frames"], settings["video_score"], settings["chain"]["sound_of"]
    assert told == KNOWN[preset]
    detector = Component.of(settings["detector"])
    assert (detector.name, dict(detector.arguments)["scale"]) == ("s3fd", 0.25)
    assert (settings["min_face_score"], settings["detect_every"]) == (0.9, 1)
    check_chain(settings["chain"])
    assert {*PRESETS["evaluate"][preset]} <= {*BASE} | {"detector.scale", "detector.threshold"}


def test_another_detector_keeps_its_own_least_score() -> None:
    own = BASE | {"detector": named_group("detector", "centerface")}
    settings = published_settings("evaluate", own, {"detector"}, "mochabench")
    assert settings["detector"] == own["detector"]
    assert (settings["min_face_score"], settings["min_track_frames"]) == (0.5, 50)


def test_by_default_nothing_is_in_between() -> None:
    assert Chain.of(BASE["chain"]).is_empty
    assert (BASE["video_score"], BASE["precision"], BASE["preset"]) == ("mean", "float32", None)


def test_the_groups_of_a_preset_are_chosen_unless_they_are_given() -> None:
    assert published_choices("evaluate", ["preset=wav2lip"], False) == [
        "detector=s3fd", "chain=wav2lip",
    ]  # fmt: skip
    given = ["preset=wav2lip", "detector=yunet", "~chain.crops.xvid"]
    assert published_choices("evaluate", given, False) == ["chain=wav2lip"]
    assert published_choices("evaluate", ["preset=nobody"], False) == []
    assert {*PRESETS["evaluate"]} == {*OF_EVALUATE["preset"]} - {None}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"preset": "nobody"}, "choose wav2lip, latentsync or mochabench"),
        ({"preset": "wav2lip", "published": True}, "set the same keys"),
        ({"video_score": "median"}, "choose mean, first, best or longest"),
        ({"precision": "float16"}, "choose float32 or tf32"),
        ({"chain": "wav2lip", "protocol": "lrs"}, "is of protocol=track"),
        ({"chain": "wav2lip", "jpeg": True}, "jpeg=true is a step"),
    ],
)
def test_contradictions_are_one_sentence(changed: dict[str, Any], told: str) -> None:
    if "chain" in changed:
        changed = changed | {"chain": named_group("chain", changed["chain"])}
    with pytest.raises(UserError, match=told):
        check_evaluate(BASE | {"video": "x.mp4"} | changed)
