"""What is checked of a command's values before torch is loaded, which takes seconds."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from w2l.cli.infer_input import INPUTS, check_given, check_input
from w2l.errors import UserError, either
from w2l.filelists import find_videos
from w2l.paths import user_path

# Names that are defined where torch is loaded are written again; a test compares them.
CHOICES = {
    "mode": ("sync", "restore"),
    "duration": ("audio", "video", "shortest"),
    "silence": ("sync", "close", "pass"),
    "extend": ("pingpong", "loop", "freeze"),
    "missing_face": ("pass", "hold", "error"),
    "quality": ("improved", "fast", "enhanced"),
    "codec": ("h264", "hevc", "vp9", "prores", "ffv1", "png"),
    "view": ("result", "side_by_side", "mask"),
    "precision": ("float32", "bfloat16"),
    "runtime": ("torch", "onnx", "openvino"),
    "restorer_kind": (
        None,
        "gfpgan",
        "codeformer",
        "restoreformer",
        "esrgan",
    ),  # null: told by the graph
}


OF_EVALUATE = {
    "protocol": ("track", "lrs"),
    "preset": (None, "wav2lip", "latentsync", "mochabench"),
    "video_score": ("mean", "first", "best", "longest"),
    "precision": ("float32", "tf32"),
}


def check_choices(settings: dict[str, Any]) -> None:
    """Refuse values that are none of a key's choices, or no number where one is needed.

    Raises:
        UserError: naming the choices.
    """
    for key, choices in CHOICES.items():
        if settings[key] not in choices:
            named = either([choice for choice in choices if choice is not None])
            raise UserError(f"{key}={settings[key]} is not available: choose {named}.")
    for key in ("batch_size", "detect_every", "resize_factor"):
        if type(settings[key]) is not int or settings[key] < 1:
            raise UserError(f"{key}={settings[key]} must be a whole number, 1 or more.")
    for key in ("mask_size", "mask_feather", "fidelity", "restore_strength",
                "restore_smooth"):  # fmt: skip
        if not is_number(settings[key]):
            raise UserError(f"{key}={settings[key]} must be a number.")
    fps, track = settings["fps"], settings["audio_track"]
    if fps is not None and not is_number(fps):
        raise UserError(f"fps={fps} must be a number.")
    if fps is not None and fps < 0.1:
        raise UserError(f"fps={fps} is too small.")
    if track is not None and (type(track) is not int or track < 1):
        raise UserError(f"audio_track={track} must be a whole number, 1 or more.")
    for key in ("start", "end", "audio_start", "audio_end"):
        may_be_null = key in ("end", "audio_end")
        if not is_number(settings[key]) and not (may_be_null and settings[key] is None):
            raise UserError(f"{key}={settings[key]} must be seconds.")


def is_number(value: Any) -> bool:
    """Whether it is one that can be counted with."""
    return type(value) in (int, float) and isfinite(value)


def check_infer(settings: dict[str, Any]) -> None:
    """See that one job has what it needs, and that its files are there.

    Raises:
        UserError: naming the key.
    """
    check_given(settings)
    check_choices(settings)
    if settings["mode"] == "restore":
        check_restore(settings)
    for key in INPUTS:
        if settings[key] is not None:
            check_input(settings, key)


def check_restore(settings: dict[str, Any]) -> None:
    """Refuse keys that mean nothing for a finished video.

    Raises:
        UserError: one of them is given.
    """
    for key in ("audio", "voice", "people", "preview", "expert"):
        if settings[key] is not None:
            raise UserError(
                f"{key}= has no meaning in mode=restore, which keeps the video's own sound and "
                "generates no lips: leave it out."
            )
    if settings["person"] in ("tracks", "speaker"):
        raise UserError(
            f"person={settings['person']} has no meaning in mode=restore: choose another person=."
        )


def check_evaluate(settings: dict[str, Any]) -> tuple[list[Path], Path | None]:
    """Refuse values outside their range.

    Returns:
        The videos, and the sound in place of theirs.

    Raises:
        UserError: naming key and choices, or the file that there is not.
    """
    for key, choices in OF_EVALUATE.items():
        if settings[key] not in choices:
            named = either([choice for choice in choices if choice is not None])
            raise UserError(f"{key}={settings[key]} is not known: choose {named}.")
    if settings["preset"] is not None and settings["published"]:
        raise UserError("published=true and preset= set the same keys: leave one of them out.")
    has_chain = any(settings["chain"][name] for name in ("file", "frames", "crops", "sound"))
    if (has_chain or settings["chain"]["sound_of"] != "placed") and settings["protocol"] == "lrs":
        raise UserError("chain= is of protocol=track: with protocol=lrs set jpeg=true alone.")
    if has_chain and settings["jpeg"]:
        raise UserError("jpeg=true is a step of chain=, too: leave one of them out.")
    for key in ("detect_every", "batch_size"):
        if not isinstance(settings[key], int) or settings[key] < 1:
            raise UserError(f"{key}={settings[key]} must be a whole number, 1 or more.")
    for key in ("min_face_score", "min_track_frames", "min_face_size"):
        if type(settings[key]) not in (int, float) or settings[key] < 0:
            raise UserError(f"{key}={settings[key]} must be a number, 0 or more.")
    videos = find_videos(settings["video"])
    audio = None if settings["audio"] is None else user_path(settings["audio"])
    if audio is not None and not audio.is_file():
        raise UserError(f"audio={audio} is not a file: check the path.")
    return videos, audio


def check_train(cfg: DictConfig) -> None:
    """See that a run has an expert where it needs one, and a folder that it finds again.

    Raises:
        UserError: naming the key.
    """
    run_dir = str(OmegaConf.to_container(cfg, resolve=False)["run_dir"])  # type: ignore[index, call-overload]
    if cfg.resume == "auto" and "${now:" in run_dir:
        raise UserError("resume=auto looks into run_dir: name one, as run_dir=outputs/my_run.")
    if cfg.needs_expert and cfg.expert is None:
        raise UserError(
            "expert= is needed, the lip-sync expert that the generator learns from: train one with "
            "`python train.py experiment=syncnet_strong run_dir=outputs/expert` and give "
            "expert=outputs/expert/checkpoints/best.ckpt, or expert=lipsync_expert, the published "
            "one."
        )
