"""The keys of `infer.py` that say what is written, and where: checked before anything long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from w2l.errors import UserError, either
from w2l.files import check_writable
from w2l.inference import OutputOptions
from w2l.video import CODECS, check_folder, find_encoder

OUTPUTS = Path("outputs/infer")
ENDINGS = tuple(dict.fromkeys(ending for codec in CODECS.values() for ending in codec.endings))


def build_output(settings: dict[str, Any]) -> OutputOptions:
    """Plain typed options of what is written.

    Raises:
        UserError: a value of the wrong type, or one that another one rules out.
    """
    height, label, preview = (settings[key] for key in ("height", "label", "preview"))
    if height is not None and type(height) is not int:
        raise UserError(f"height={height} must be a whole number of pixels.")
    if preview is not None:
        if type(preview) not in (int, float) or not 0 <= preview < float("inf"):
            raise UserError(f"preview={preview} must be seconds of the result, 0 or more.")
        if label is not None:
            raise UserError("label= is for what others will watch: leave it out with preview=.")
        if settings["expert"] is not None:
            raise UserError("expert= takes the whole video: leave it out with preview=.")
    if settings["codec"] != "png":
        find_encoder(settings["codec"])
    return OutputOptions(
        codec=settings["codec"],
        view=settings["view"],
        height=height,
        label=None if label is None else str(label),
    )


def choose_outfile(settings: dict[str, Any], face: Path, *sounds: Path) -> Path:
    """Where the result goes: an ending that fits the codec, a place that can be written.

    ffv1 fits no container but Matroska, so its output always ends in .mkv, and a preview in .png.

    Raises:
        UserError: another ending, an input's own path, or an unwritable place.
    """
    codec, is_preview = settings["codec"], settings["preview"] is not None
    if settings["outfile"] is None:
        stem = f"{face.stem}_{sounds[0].stem if sounds else 'restored'}"
        outfile = OUTPUTS / (f"{stem}_preview.png" if is_preview else f"{stem}{_ending(codec)}")
    else:
        outfile = Path(str(settings["outfile"])).expanduser()
    if is_preview:
        outfile = _with_ending(outfile, ".png")
    elif codec == "ffv1":
        outfile = outfile.with_suffix(".mkv")
    elif codec == "png" and outfile.suffix.lower() in {*ENDINGS, ".png"}:
        raise UserError(
            f"outfile={outfile} looks like a file: codec=png writes a folder, name it without "
            f"{outfile.suffix}."
        )
    elif codec != "png" and outfile.suffix.lower() not in CODECS[codec].endings:
        raise UserError(
            f"outfile={outfile} must end in {either(CODECS[codec].endings)} for codec={codec}."
        )
    if outfile.exists() and any(outfile.samefile(given) for given in (face, *sounds)):
        raise UserError(f"outfile={outfile} is an input: choose another output path.")
    if codec == "png" and not is_preview:
        check_folder(outfile)
        check_writable(outfile, folder=True)
    else:
        check_writable(outfile)
    return outfile


def _ending(codec: str) -> str:
    return "" if codec == "png" else CODECS[codec].endings[0]


def _with_ending(path: Path, ending: str) -> Path:
    """The path with an ending in place of a video's; one that is none is part of the name."""
    if path.suffix.lower() in ENDINGS:
        return path.with_suffix(ending)
    return path if path.suffix.lower() == ending else path.with_name(path.name + ending)
