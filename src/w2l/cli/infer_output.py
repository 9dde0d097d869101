"""The keys of `infer.py` that say what is written, and where: checked before anything long."""

from __future__ import annotations

from pathlib import Path

from w2l.cli.keys.infer import Infer
from w2l.errors import UserError, either
from w2l.files import check_writable, unused
from w2l.inference import OutputOptions
from w2l.paths import user_path
from w2l.video import CODECS, check_folder, find_encoder

OUTPUTS = Path("outputs/infer")
TRACKS = ".tracks.png"
ENDINGS = tuple(dict.fromkeys(ending for codec in CODECS.values() for ending in codec.endings))


def build_output(settings: Infer) -> OutputOptions:
    """Plain typed options of what is written.

    Raises:
        UserError: a value of the wrong type, or one that another one rules out.
    """
    if settings.codec != "png":
        find_encoder(settings.codec)
    return OutputOptions(
        codec=settings.codec,
        view=settings.view,
        height=settings.height,
        label=settings.label,
    )


def choose_outfile(settings: Infer, face: Path, *sounds: Path) -> Path:
    """Where the result goes: an ending that fits the codec, a place that can be written.

    Raises:
        UserError: another ending, an input's own path, or an unwritable place.
    """
    outfile, codec = name_outfile(settings, face, *sounds), settings.codec
    is_preview = settings.preview is not None
    if not is_preview:
        _check_ending(outfile, codec)
    if codec == "png" and not is_preview:
        check_folder(outfile)
        check_writable(outfile, folder=True)
    else:
        check_writable(outfile)
    # Only now, since of a name that is too long nothing can be asked.
    if outfile.exists() and any(outfile.samefile(given) for given in (face, *sounds)):
        raise UserError(f"outfile={outfile} is an input: choose another output path.")
    return outfile


def name_outfile(settings: Infer, face: Path, *sounds: Path, nth: int = 0) -> Path:
    """The path of a job's result, whether it can be written or not.

    ffv1 fits no container but Matroska, so its output always ends in .mkv, a preview in .png, and
    a list of tracks in .tracks.png. Without `outfile=` it is the `nth` name that nothing has yet.

    Raises:
        UserError: `outfile=` has no name, like `.`.
    """
    codec, is_preview = settings.codec, settings.preview is not None
    outfile = None if settings.outfile is None else user_path(settings.outfile)
    if outfile is not None and not outfile.name:
        raise UserError(f"outfile={outfile} is a folder: name a file in it.")
    if settings.person == "tracks":  # of the whole name: x.mp4 and x.mkv are two videos
        if outfile is None:
            return unused(OUTPUTS, face.name, TRACKS, nth=nth)
        return outfile.with_name(outfile.name + TRACKS)
    if outfile is None:
        stem = f"{face.stem}_{sounds[0].stem if sounds else 'restored'}"
        ending = "_preview.png" if is_preview else _ending(codec)
        return unused(OUTPUTS, stem, ending, nth=nth)
    if is_preview:
        return _with_ending(outfile, ".png")
    return _with_ending(outfile, ".mkv") if codec == "ffv1" else outfile


def _check_ending(outfile: Path, codec: str) -> None:
    if codec == "png" and outfile.suffix.lower() in {*ENDINGS, ".png"}:
        raise UserError(
            f"outfile={outfile} looks like a file: codec=png writes a folder, name it without "
            f"{outfile.suffix}."
        )
    if codec != "png" and outfile.suffix.lower() not in CODECS[codec].endings:
        raise UserError(
            f"outfile={outfile} must end in {either(CODECS[codec].endings)} for codec={codec}."
        )


def _ending(codec: str) -> str:
    return CODECS[codec].endings[0] if codec in CODECS else ""


def _with_ending(path: Path, ending: str) -> Path:
    """The path with an ending in place of a video's; one that is none is part of the name."""
    if path.suffix.lower() in ENDINGS:
        return path.with_suffix(ending)
    return path if path.suffix.lower() == ending else path.with_name(path.name + ending)
