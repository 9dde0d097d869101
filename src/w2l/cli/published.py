"""`published=true`: the one place that says what the published systems do differently.

Keys that the user sets on the command line win over this table. Those with a dot are arguments of
the component that the table names, and are left alone where another is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from w2l.building import Component, named_group

# command → key → published value (reference: the Wav2Lip release and its evaluation scripts)
PUBLISHED: dict[str, dict[str, Any]] = {
    "train": {
        "expert_batchnorm": "batch",  # the release never puts the frozen expert in eval mode
    },
    "infer": {
        "checkpoint": "wav2lip_gan",
        "quality": "fast",  # the whole box is pasted, edges and all
        "missing_face": "error",
        "extend": "loop",
        "pads": [0, 10, 0, 0],  # whatever the generator was trained with
        "person": "first",  # the detector's first face, frame by frame
        "detector": "s3fd",
        "detector.published": True,
        "detect_every": 1,  # frames
        "max_turn": None,  # whatever was found is synced
        "min_score": None,
        "deinterlace": False,  # fields stay woven
    },
    "evaluate": {
        "detector": "s3fd",
        "detector.scale": 0.25,
        "detector.threshold": 0.9,
        "detect_every": 1,  # frames
        "min_face_score": 0.9,
        "min_track_frames": 100,  # a track counts with more detections than this
        "min_face_size": 100,  # px
        "convert_rate": False,  # lrs takes the frames as they are
        "keep_offset": False,  # sound and pictures both begin at 0
        "jpeg": True,  # every frame goes through FFmpeg's default JPEG
    },
    "evaluation": {  # beside it `published` itself decides windows, skipping and scoring
        "detector": "s3fd",
        "detector.published": True,
        "detect_every": 1,  # frames
        "person": "first",
        "missing_face": "error",  # the pair is left out
        "extend": "loop",
        "quality": "fast",
    },
    "app": {"detector": "s3fd"},  # beside the values of infer and evaluate
    "preprocess": {
        "detector": "s3fd",
        "detector.published": True,
        "detect_every": 1,  # frames
        "fps": None,  # frames as the video has them
        "smooth": False,
        "cut": False,
        "quality": False,
        "duplicates": "none",
    },
}


# What three scoring pipelines do that papers name alike: command → preset → key → value.
_TRACKS: dict[str, Any] = {
    "detector": "s3fd",
    "detector.scale": 0.25,
    "detector.threshold": 0.9,
    "protocol": "track",
    "detect_every": 1,  # frames
    "min_face_score": 0.9,
    "min_face_size": 100,  # px
    "shots": True,
}
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "evaluate": {
        # Wav2Lip's calculate_scores_real_videos.sh over SyncNet's run_pipeline.py: a line a track
        "wav2lip": _TRACKS | {"chain": "wav2lip", "min_track_frames": 100, "video_score": "mean"},
        # LatentSync 1.5 and 1.6, eval_sync_conf.py: the mean of the tracks
        "latentsync": _TRACKS
        | {"chain": "latentsync", "min_track_frames": 50, "video_score": "mean"},
        # MoChaBench, and the package syncnet-python: the highest LSE-C, the lowest LSE-D
        "mochabench": _TRACKS
        | {"chain": "mochabench", "min_track_frames": 50, "video_score": "best"},
    }
}

GROUPS = ("detector", "chain")  # of those keys, the ones that choose a component, or several
TRUE = {"true", "yes", "on", "1", "y", "t"}


def table_of(command: str, published: bool, preset: str | None) -> dict[str, Any]:
    """The values to set; none for a preset that there is not, which is told of elsewhere."""
    if preset is not None:
        return PRESETS.get(command, {}).get(preset, {})
    return PUBLISHED.get(command, {}) if published else {}


def given_keys(overrides: Sequence[str]) -> set[str]:
    """The keys that were set on the command line."""
    return {override.partition("=")[0].lstrip("+~") for override in overrides}


def published_choices(command: str, arguments: Sequence[str], default: bool) -> list[str]:
    """The choices of groups to add to a command line with `published=true` or `preset=`.

    Args:
        command: its name.
        arguments: of the command line.
        default: of the command's key `published`.
    """
    given = given_keys(arguments)
    said = {key: value for key, _, value in (each.partition("=") for each in arguments)}
    published = said["published"].lower() in TRUE if "published" in said else default
    table = table_of(command, published, said.get("preset"))
    return [
        f"{group}={table[group]}"
        for group in GROUPS
        if group in table and not given & {group, f"{group}._target_"}
    ]


def apply_published(
    cfg: DictConfig, command: str, overrides: Sequence[str], preset: str | None = None
) -> None:
    """Set the published values in `cfg`, or a preset's, except for keys named in `overrides`."""
    given = given_keys(overrides)
    for key, value in table_of(command, True, preset).items():
        if key in given or key in GROUPS:
            continue
        group = group_of(key, preset)
        if group is None or is_published(command, Component.of(cfg[group]), group):
            OmegaConf.update(cfg, key, value, force_add=False)


def group_of(key: str, preset: str | None) -> str | None:
    """The component that a key's value is meant for; None: it holds for any."""
    if key == "min_face_score" and preset is not None:
        return "detector"  # S3FD's: the scores of others are lower
    group, dot, _ = key.partition(".")
    return group if dot else None


def is_published(command: str, component: Component, group: str = "detector") -> bool:
    """Whether it is the one that the published system has, whatever its arguments."""
    published = named_group(group, PUBLISHED[command][group])
    return component.target == published["_target_"]


def as_published(
    command: str, component: Component, group: str = "detector", preset: str | None = None
) -> Component:
    """The component with the published arguments, where it is the published one."""
    if not is_published(command, component, group):
        return component
    table = table_of(command, True, preset).items()
    return component.with_arguments(
        **{key.partition(".")[2]: value for key, value in table if key.startswith(f"{group}.")}
    )


def published_settings(
    command: str, settings: dict[str, Any], given: set[str], preset: str | None = None
) -> dict[str, Any]:
    """Settings with the published values, or a preset's, except for the keys that were given."""
    table = table_of(command, True, preset)
    changed = dict(settings)
    for choice in GROUPS:
        if choice in table and choice not in given:
            changed[choice] = named_group(choice, table[choice])
    if "detector" in table:
        found = as_published(command, Component.of(changed["detector"]), preset=preset)
        changed["detector"] = found.group()
    for key, value in table.items():
        if key in given or key in GROUPS or "." in key:
            continue
        group = group_of(key, preset)
        if group is None or is_published(command, Component.of(changed[group]), group):
            changed[key] = value
    return changed
