"""`preset=` sets what three pipelines of papers do; what contradicts it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.settings import COMMANDS
from w2l.building import CONFIG_DIR, Component, named_group
from w2l.cli.checks import check_evaluate
from w2l.cli.help import defaults
from w2l.cli.keys.evaluate import Evaluate
from w2l.cli.keys.infer import Infer
from w2l.cli.presets import Preset, preset_in, preset_settings
from w2l.errors import UserError
from w2l.schema import read
from w2l.scoring.chain import Chain, check_chain

BASE = defaults(CONFIG_DIR, Evaluate)
# Preset → shortest track, rule of a video's number, whose sound.
KNOWN = {
    "wav2lip": (100, "mean", "file"),
    "latentsync": (50, "mean", "file"),
    "mochabench": (50, "best", "given"),
}


@pytest.mark.parametrize("preset", KNOWN)
def test_a_preset_is_the_pipeline(preset: str) -> None:
    settings = preset_settings(Preset.named("evaluate", preset), BASE, set())
    told = settings["min_track_frames"], settings["video_score"], settings["chain"]["sound_of"]
    assert told == KNOWN[preset]
    detector = Component.of(settings["detector"])
    assert (detector.name, dict(detector.arguments)["scale"]) == ("s3fd", 0.25)
    assert (settings["min_face_score"], settings["detect_every"]) == (0.9, 1)
    check_chain(settings["chain"])
    assert {*Preset.named("evaluate", preset).values} <= {*BASE} | {
        "detector.scale",
        "detector.threshold",
    }


def test_another_detector_keeps_its_own_least_score() -> None:
    own = BASE | {"detector": named_group("detector", "centerface")}
    settings = preset_settings(Preset.named("evaluate", "mochabench"), own, {"detector"})
    assert settings["detector"] == own["detector"]
    assert (settings["min_face_score"], settings["min_track_frames"]) == (0.5, 50)


def test_by_default_nothing_is_in_between() -> None:
    assert Chain.of(BASE["chain"]).is_empty
    assert (BASE["video_score"], BASE["precision"], BASE["preset"]) == ("mean", "float32", None)


def test_the_groups_of_a_preset_are_chosen_unless_they_are_given() -> None:
    preset = preset_in("evaluate", ["preset=wav2lip"], False)
    assert preset is not None
    assert preset.choices(set()) == {"detector": "s3fd", "chain": "wav2lip"}
    assert preset.choices({"detector", "chain.crops.xvid"}) == {"chain": "wav2lip"}
    with pytest.raises(UserError, match="preset=nobody is not known: choose latentsync, mochaben"):
        preset_in("evaluate", ["preset=nobody"], False)


def test_a_preset_may_choose_any_group_and_set_what_lies_within(tmp_path: Path) -> None:
    """A file for judge= and iqa=, several metrics, an argument of a step of the chain."""
    (tmp_path / "presets" / "evaluate").mkdir(parents=True)
    (tmp_path / "presets" / "evaluate" / "mine.yaml").write_text(
        "judge: lips.onnx\njudge.hop: 2\niqa: face.pt\nmetrics: [psnr, ssim]\nlandmarks: dlib\n"
        "chain: mochabench\nchain.file.threads: 3\nvideo_score: best\n"
    )
    preset = Preset.named("evaluate", "mine", [tmp_path])
    assert preset.choices({"iqa"}) == {
        "clip_judge": "lips.onnx", "metrics": "[psnr,ssim]", "landmarks": "dlib",
        "chain": "mochabench",
    }  # fmt: skip
    settings = read(Evaluate, preset_settings(preset, BASE | {"video": "x.mp4"}, {"iqa"}))
    assert settings.clip_judge is not None
    given = dict(settings.clip_judge.arguments)
    assert (given["path"], given["hop"]) == ("lips.onnx", 2)
    assert settings.iqa is None
    assert {*settings.metrics} == {"psnr", "ssim"}
    assert (settings.chain["file"]["threads"], settings.video_score) == (3, "best")
    other = preset_settings(preset, BASE | {"clip_judge": None}, {"clip_judge", "chain"})
    assert other["clip_judge"] is None, "its arguments mean another one"
    assert other["chain"] == BASE["chain"]
    assert BASE["chain"] == named_group("chain", "none"), "nobody else's values are changed"


def test_published_is_a_preset() -> None:
    for command in COMMANDS:
        named = [preset_in(command, [a], False) for a in ("preset=published", "published=true")
                 if command != "filelists"]  # fmt: skip
        assert len({each and tuple(each.values) for each in named}) <= 1
        assert all(each is not None and each.values["published"] for each in named)
        assert preset_in(command, ["preset=null"], False) is None
    assert preset_in("evaluation", ["seed=1"], True) is not None
    assert preset_in("evaluation", ["published=false"], True) is None


def test_a_preset_of_ones_own_speaks_of_its_own_detector(tmp_path: Path) -> None:
    folder = tmp_path / "presets" / "infer"
    folder.mkdir(parents=True)
    (folder / "soft.yaml").write_text(
        "detector: centerface\ndetector.threshold: 0.3\nmask_feather: 0.6\n"
    )
    preset = Preset.named("infer", "soft", [tmp_path])
    base = defaults(CONFIG_DIR, Infer)
    settings = preset_settings(preset, base, set())
    assert settings["mask_feather"] == 0.6
    assert settings["detector"]["threshold"] == 0.3
    other = base | {"detector": named_group("detector", "yunet")}
    assert preset_settings(preset, other, {"detector"})["detector"] == other["detector"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"preset": "wav2lip", "published": True}, "set the same keys"),
        ({"video_score": "median"}, "choose mean, first, longest or best"),
        ({"precision": "float16"}, "choose float32, tf32 or bfloat16"),
        ({"chain": "wav2lip", "protocol": "lrs"}, "is of protocol=track"),
        ({"chain": "wav2lip", "jpeg": True}, "jpeg=true is a step"),
    ],
)
def test_contradictions_are_one_sentence(changed: dict[str, Any], told: str) -> None:
    if "chain" in changed:
        changed = changed | {"chain": named_group("chain", changed["chain"])}
    with pytest.raises(UserError, match=told):
        check_evaluate(read(Evaluate, BASE | {"video": "x.mp4"} | changed))
