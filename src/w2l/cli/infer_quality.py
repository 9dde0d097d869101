"""The keys of `infer.py` about quality: masks, restorers, parsers; and `mode=restore`."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from w2l.audio.waveform import load_audio
from w2l.checkpoints import load_bisenet, resolve
from w2l.cli.keys.infer import Infer
from w2l.errors import UserError
from w2l.inference import FaceRestoration, MaskOptions, Source, SyncOptions, VideoSource
from w2l.inference.folder import FolderSource
from w2l.restoration import FaceParser, Sharpen, build_parser, build_restorer
from w2l.video import SOUND, AudioTrack, probe, read_about

SHARPEN = "sharpen"


def build_mask(settings: Infer) -> MaskOptions:
    """Which part of a face is generated.

    Raises:
        UserError: a number is out of its range.
    """
    return MaskOptions(settings.mask_size, settings.mask_feather, settings.mask_tracking)


def build_face_parser(settings: Infer, device: str) -> FaceParser | None:
    """The parser that `parser=` names, if any: an ONNX graph or the published checkpoint.

    Raises:
        UserError: there is none, or the whole box is replaced, whatever it holds.
    """
    if settings.parser is None:
        return None
    if settings.mode == "sync" and settings.quality == "fast":
        raise UserError(
            f"parser={settings.parser} plays no part in quality=fast, which replaces the whole "
            "box: take quality=improved or enhanced, or leave it out."
        )
    path = resolve(settings.parser)
    is_graph = path.suffix.lower() == ".onnx"
    return build_parser(path if is_graph else load_bisenet(path), device)


def build_restoration(
    settings: Infer, parser: FaceParser | None, device: str, console: Console
) -> FaceRestoration | None:
    """What restores faces, where it is asked for; says on the console what it is.

    Raises:
        UserError: a value that cannot be, or one that another one makes useless.
    """
    name, region = settings.restorer, settings.restore_region
    whole = settings.mode == "restore"
    if not whole and settings.quality != "enhanced":
        if name is not None:
            raise UserError(
                f"restorer={name} plays no part in quality={settings.quality}: "
                "take quality=enhanced, or leave it out."
            )
        return None
    path = None if name in (None, SHARPEN) else resolve(name)
    restorer = build_restorer(path, settings.restorer_kind, settings.fidelity, device)
    restoration = FaceRestoration(
        restorer,
        strength=settings.restore_strength,
        region=region or ("face" if whole else "mouth"),
        smooth=settings.restore_smooth,
        parser=parser,
    )
    hint = ": restorer= names one" if isinstance(restorer, Sharpen) and name is None else ""
    console.print(f"restoring: {restoration.about}{hint}")
    return restoration


def with_quality(
    options: SyncOptions, settings: Infer, device: str, console: Console
) -> SyncOptions:
    """The options with the networks that quality takes: a parser, a restorer."""
    parser = build_face_parser(settings, device)
    restoration = build_restoration(settings, parser, device, console)
    return replace(options, parser=parser, restoration=restoration)


def own_sound(settings: Infer, source: Source) -> AudioTrack | None:
    """The sound of a finished video, as far as its pictures are used; None where it has none.

    Raises:
        UserError: a folder's pictures are not shown at the rate at which they fit its sound, or
            the sound could not be written in the end.
    """
    sound = _own_sound(settings, source)
    if sound is not None:
        load_audio(sound.path, track=sound.number)  # says what no encoder takes, before the work
    return sound


def _own_sound(settings: Infer, source: Source) -> AudioTrack | None:
    start, end = settings.start, settings.end
    if isinstance(source, FolderSource):
        return _folder_sound(source, start, end)
    if not isinstance(source, VideoSource) or not probe(source.path).has_audio:
        return None
    return AudioTrack(source.path, start, end, "video", settings.audio_track)


def _folder_sound(source: FolderSource, start: float, end: float | None) -> AudioTrack | None:
    sound = source.path / SOUND
    if not sound.is_file():
        return None
    rate = read_about(source.path).get("fps", str(source.fps))
    if rate != str(source.fps):
        raise UserError(f"{source.path} has its sound at {rate} frames/s: give that as fps=.")
    return AudioTrack(sound, start, end)
