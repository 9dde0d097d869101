"""What is checked of a command's values before torch is loaded, which takes seconds."""

from __future__ import annotations

from pathlib import Path

from w2l.cli.infer_input import check_given, check_input, given_inputs
from w2l.cli.keys.evaluate import Evaluate
from w2l.cli.keys.infer import Infer
from w2l.cli.presets import PUBLISHED
from w2l.errors import UserError
from w2l.filelists import find_videos
from w2l.paths import user_path


def check_infer(settings: Infer) -> None:
    """See that one job has what it needs, and that its files are there.

    Raises:
        UserError: naming the key.
    """
    check_given(settings)
    if settings.mode == "restore":
        check_restore(settings)
    for key, value in given_inputs(settings).items():
        check_input(key, value)


def check_restore(settings: Infer) -> None:
    """Refuse keys that mean nothing for a finished video.

    Raises:
        UserError: one of them is given.
    """
    others = {
        "audio": settings.audio, "voice": settings.voice, "people": settings.people,
        "preview": settings.preview, "expert": settings.expert,
    }  # fmt: skip
    for key, value in others.items():
        if value is not None:
            raise UserError(
                f"{key}= has no meaning in mode=restore, which keeps the video's own sound and "
                "generates no lips: leave it out."
            )
    if settings.person in ("tracks", "speaker"):
        raise UserError(
            f"person={settings.person} has no meaning in mode=restore: choose another person=."
        )


def check_evaluate(settings: Evaluate) -> tuple[list[Path], Path | None]:
    """Refuse values outside their range.

    Returns:
        The videos, and the sound in place of theirs.

    Raises:
        UserError: naming key and choices, or the file that there is not.
    """
    if settings.data_root is not None and settings.video is not None:
        raise UserError("data= scores an expert, and video= videos: give one of them.")
    if settings.preset not in {None, PUBLISHED} and settings.published:
        raise UserError("published=true and preset= set the same keys: leave one of them out.")
    has_chain = any(settings.chain[name] for name in ("file", "frames", "crops", "sound"))
    if (has_chain or settings.chain["sound_of"] != "placed") and settings.protocol == "lrs":
        raise UserError("chain= is of protocol=track: with protocol=lrs set jpeg=true alone.")
    if has_chain and settings.jpeg:
        raise UserError("jpeg=true is a step of chain=, too: leave one of them out.")
    if settings.data_root is not None:
        return [], None
    if settings.video is None:
        raise UserError("Missing: video=… (or data=…, a prepared set, to score an expert).")
    videos = find_videos(settings.video)
    audio = None if settings.audio is None else user_path(settings.audio)
    if audio is not None and not audio.is_file():
        raise UserError(f"audio={audio} is not a file: check the path.")
    return videos, audio
