"""Render the demo set: talking videos made of one photograph and synthetic speech."""

from __future__ import annotations

import hashlib
import zlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from preprocess.demo.articulation import articulate
from preprocess.demo.eyelids import blink_curve, close_lids
from preprocess.demo.mouth import Mouth
from preprocess.demo.recordings import Recording, recordings
from preprocess.demo.scene import SIZE, Scene
from preprocess.demo.speakers import SPEAKERS, painted
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.files import write_text
from w2l.jobs import build_executor
from w2l.video import AudioTrack, VideoWriter

FPS = 25
DURATION_S = 4.0
N_FRAMES = round(FPS * DURATION_S)
RECIPE = "recipe.txt"
TAGS = {
    "comment": "synthetic: a warped photograph (NASA, public domain) with espeak-ng speech",
}


class DemoClip(NamedTuple):
    """One video of the demo set."""

    path: Path
    speaker: str
    clip: str
    split: str  # train, val or test; speakers n1 and n2 are in test only


def render_demo(out_dir: Path, *, seed: int = 0, workers: int = 2) -> list[DemoClip]:
    """Write the talking videos `<out_dir>/<speaker>/<clip>.mp4`; finished ones are kept.

    The same seed gives the same videos. It decides on backgrounds, head motion and blinks; the
    recordings and the speakers' looks are fixed.

    Args:
        out_dir: made where missing. Videos of another seed or of an older recipe are replaced.
        seed: any whole number.
        workers: processes; 1 renders in this one.

    Returns:
        All clips, training first within each speaker.

    Raises:
        UserError: the folder cannot be written to, or the disk is full.
    """
    clips = [(_clip(out_dir, recording), recording) for recording in recordings()]
    _forget_others(out_dir, [clip for clip, _ in clips], seed)
    missing = [(clip, recording) for clip, recording in clips if not clip.path.exists()]
    executor = build_executor("serial" if workers == 1 else "process", workers=workers)
    for outcome in executor.map(partial(_render_item, seed=seed), missing):
        if outcome.error:
            kind, _, message = outcome.error.partition(": ")
            if kind == UserError.__name__:
                raise UserError(message)
            raise RuntimeError(f"{outcome.item[0].path}: {outcome.error}\n{outcome.trace}")
    return [clip for clip, _ in clips]


def render_clip(path: Path, recording: Recording, *, seed: int = 0) -> None:
    """Write one talking video, which appears whole or not at all."""
    speaker = SPEAKERS[recording.speaker]
    rng = np.random.default_rng((seed, zlib.crc32(recording.path.stem.encode())))
    waveform = load_audio(recording.path, end_s=DURATION_S)
    lips = articulate(waveform, N_FRAMES, FPS)
    rest = painted(speaker)
    mouth = Mouth(rest, speaker.lips)
    scene = Scene(speaker, N_FRAMES, rng)
    blinks = blink_curve(N_FRAMES, rng)
    sound = AudioTrack(recording.path, end_s=DURATION_S)
    with VideoWriter(
        path, FPS, (SIZE, SIZE), audio=sound, crf=17, preset="superfast", metadata=TAGS
    ) as writer:
        canvas, shown = rest.copy(), None
        for i in range(N_FRAMES):
            pose = float(lips.opening[i]), float(lips.width[i])
            if pose != shown:  # in silence nothing moves
                canvas[mouth.region] = mouth.shape(*pose)
                shown = pose
            if blinks[max(0, i - 1) : i + 1].any():  # and once more to open them
                for region, lids in close_lids(rest, blinks[i]):
                    canvas[region] = lids
            writer.write(scene.frame(i, canvas))


def _clip(out_dir: Path, recording: Recording) -> DemoClip:
    path = Path(out_dir) / recording.speaker / f"{recording.clip}.mp4"
    return DemoClip(path, recording.speaker, recording.clip, recording.split)


def _render_item(item: tuple[DemoClip, Recording], seed: int) -> None:
    clip, recording = item
    render_clip(clip.path, recording, seed=seed)


def _forget_others(out_dir: Path, clips: list[DemoClip], seed: int) -> None:
    """Remove clips that this seed and this code would not render."""
    note = Path(out_dir) / RECIPE
    wanted = f"seed={seed} recipe={_recipe()}\n"
    if note.exists() and note.read_text(encoding="utf-8") == wanted:
        return
    for clip in clips:
        clip.path.unlink(missing_ok=True)
    write_text(note, wanted)


def _recipe() -> str:
    """Hash of all that decides how the clips look and sound."""
    folder = Path(__file__).parent
    files = [*folder.glob("*.py"), *folder.glob("*.png"), *folder.glob("speech/*")]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
