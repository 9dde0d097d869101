"""`published=true`: the one place that says what the published systems do differently.

Keys that the user sets on the command line win over this table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

# command → key → published value (reference: the Wav2Lip release and its evaluation scripts)
PUBLISHED: dict[str, dict[str, Any]] = {
    "train": {
        "expert_batchnorm": "batch",  # the release never puts the frozen expert in eval mode
    },
    "infer": {
        "quality": "fast",  # the whole box is pasted, edges and all
        "missing_face": "error",
        "extend": "loop",
        "pads": [0, 10, 0, 0],  # whatever the generator was trained with
        "person": "first",  # the detector's first face, frame by frame
        "detector": "s3fd",
        "detect_every": 1,  # frames
        "max_turn": None,  # whatever was found is synced
        "min_score": None,
        "deinterlace": False,  # fields stay woven
    },
    "evaluate": {
        "detector": "s3fd",
        "detect_every": 1,  # frames
        "detect_scale": 0.25,
        "min_face_score": 0.9,
        "min_track_frames": 100,  # a track counts with more detections than this
        "min_face_size": 100,  # px
        "convert_rate": False,  # lrs takes the frames as they are
        "keep_offset": False,  # sound and pictures both begin at 0
        "jpeg": True,  # every frame goes through FFmpeg's default JPEG
    },
    "evaluation": {  # beside it `published` itself decides windows, skipping and scoring
        "detector": "s3fd",
        "detect_every": 1,  # frames
        "person": "first",
        "missing_face": "error",  # the pair is left out
        "extend": "loop",
        "quality": "fast",
    },
    "preprocess": {
        "detector": "s3fd",
        "detect_every": 1,  # frames
        "fps": None,  # frames as the video has them
        "smooth": False,
        "cut": False,
        "quality": False,
        "duplicates": "none",
    },
}


def given_keys(overrides: Sequence[str]) -> set[str]:
    """The keys that were set on the command line."""
    return {override.partition("=")[0].lstrip("+~") for override in overrides}


def apply_published(cfg: DictConfig, command: str, overrides: Sequence[str]) -> None:
    """Set the published values in `cfg`, except for keys named in `overrides`."""
    given = given_keys(overrides)
    for key, value in PUBLISHED.get(command, {}).items():
        if key not in given:
            OmegaConf.update(cfg, key, value, force_add=False)
