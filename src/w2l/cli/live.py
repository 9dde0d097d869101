"""`python live.py`: a page in the browser with an avatar that says what the microphone hears."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from w2l import examples
from w2l.checkpoints import chosen_generator, resolve
from w2l.cli.app import HERE
from w2l.cli.hydra_app import run
from w2l.cli.keys.live import Live
from w2l.errors import UserError
from w2l.files import check_writable
from w2l.inference import Avatar, CheckpointId, LipSync, OutputOptions, SyncOptions, build_generator
from w2l.inference.avatar import is_avatar
from w2l.inference.lipsync import pick_device
from w2l.memory import share_heap
from w2l.paths import user_path


def live(settings: Live) -> None:
    """Serve the page until it is interrupted.

    Raises:
        UserError: aiortc is missing, there is no such face or checkpoint, or the port is taken.
    """
    try:
        from w2l.cli.live_server import serve
    except ImportError as error:
        raise UserError(
            f"The live page needs {error.name}: install it with `pip install 'w2l[live]'`."
        ) from error
    if settings.host not in HERE:
        print(
            f"warning: host={settings.host} can be reached from elsewhere, by anybody; browsers "
            "give no microphone to a page that is neither https nor localhost.",
            file=sys.stderr,
        )
    avatar = make_avatar(settings)
    serve(avatar, settings)


def make_avatar(settings: Live) -> Avatar:
    """The face of the settings, prepared, or loaded from its file.

    Raises:
        UserError: no such face or checkpoint, no face in it, or a file that cannot be written.
    """
    face = settings.face
    path = examples.path(examples.names()[0]) if face is None else user_path(face)
    out = None if settings.avatar is None else user_path(settings.avatar)
    if out is not None:
        check_writable(out)
    options = live_options_of(settings)
    lipsync = load_lipsync(settings, needs_detector=not is_avatar(path) and options.box is None)
    if is_avatar(path):
        avatar = Avatar.load(path, lipsync, options)
    else:
        avatar = lipsync.avatar(path, options=options, fps=settings.fps)
    if out is not None:
        avatar.save(out)
        print(f"The prepared face is in {out}: face={out} begins with it.")
    return avatar


def live_options_of(settings: Live) -> SyncOptions:
    """The options of `SyncOptions` that the settings name."""
    box = None
    if settings.box is not None:
        top, bottom, left, right = settings.box
        box = np.array([left, top, right, bottom])
    return SyncOptions(
        box=box,
        quality=settings.quality,
        silence=settings.silence,
        output=OutputOptions(label=settings.label),
        batch_size=settings.batch_size,
        published=settings.published,
    )


def load_lipsync(settings: Live, *, needs_detector: bool) -> LipSync:
    """The generator, and the detector where it is needed.

    Raises:
        UserError: no such checkpoint, device, runtime or detector.
    """
    path: Path = resolve(chosen_generator(settings.checkpoint))
    generator = build_generator(
        path, runtime=settings.runtime, device=settings.device, precision=settings.precision
    )
    detector = None
    if needs_detector:
        place = pick_device(settings.device) if settings.runtime == "torch" else "cpu"
        detector = settings.detector.build(device=str(place))
    return LipSync(generator, detector, CheckpointId.of(path))


def main() -> None:
    """Entry point of `w2l-live`."""
    share_heap()
    run(live, Live)


if __name__ == "__main__":
    main()
