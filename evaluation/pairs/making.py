"""One pair to one talking video: the only file here that knows how `w2l.inference` is called."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from evaluation.pairs.failure import (
    BOX_OUTSIDE,
    MISSING,
    NAN,
    NO_FACE,
    SHORT_SOUND,
    SHORT_VIDEO,
    UNREADABLE_SOUND,
    UNREADABLE_VIDEO,
    PairError,
)
from evaluation.pairs.frames import MAX_SIDE, AtFps, ChosenFrames, even_duplicates
from evaluation.pairs.settings import Recipe
from evaluation.pairs.tasks import REAL_SETS, Task
from w2l.audio import SAMPLE_RATE
from w2l.boxes import from_tblr
from w2l.components import FaceDetector
from w2l.errors import UserError
from w2l.filelists.pairs import MIN_FRAMES
from w2l.inference import FaceGenerator, FaceOptions, SyncOptions, Voice, load_voice, sync_video
from w2l.inference.plan import MAX_TURN, MIN_SCORE, NoFaceError
from w2l.inference.plan import NO_FACE as NO_FACE_IN_FRAME
from w2l.inference.timeline import frame_count, published_starts
from w2l.windows import FPS

T = TypeVar("T")


@dataclass(frozen=True)
class Made:
    """What was written.

    Attributes:
        n_frames: of the video.
        n_untouched: of them, left as they came, for whatever reason.
        release_skips: why the release would have left this pair out; None: it would not have, or
            held boxes (missing_face=hold) hide whether it would.
    """

    n_frames: int
    n_untouched: int
    release_skips: str | None


class _Stage:
    """A `Progress` that shows nothing and remembers which stage was reached."""

    def __init__(self) -> None:
        self.stage = ""

    def __call__(self, frames: Iterable[T], stage: str, total: int) -> Iterable[T]:
        self.stage = stage
        return frames


def make(
    task: Task, recipe: Recipe, lipsync: FaceGenerator, detector: FaceDetector | None, outfile: Path
) -> Made:
    """Write the pair's video to `outfile`, whole or not at all.

    As published (gen_videos_from_filelist.py and real_videos_inference.py of the release) there
    is a frame for each mel window that fits into the sound, at 25 a second for lists whatever the
    file says, a pair is left out where the video has fewer or one of them shows no face, and real
    videos are made 720 pixels high or wide at most. Else every frame of the sound gets an image.

    Raises:
        PairError: the pair cannot be made.
        UserError: nothing can be written.
    """
    voice = _voice(task)
    is_real = task.set in REAL_SETS
    source = _open(task, recipe, is_real)
    _need_box_inside(task, recipe, source)
    windows = _windows(voice, source)
    if windows < MIN_FRAMES:
        seconds = len(voice.waveform) / SAMPLE_RATE
        raise PairError(
            SHORT_SOUND, f"{task.audio}: {seconds:.2f} s of sound drive {windows} frames."
        )
    skipped = _choose_frames(task, recipe, voice, source, windows)
    reached = _Stage()
    try:
        report = sync_video(
            source, voice, outfile, lipsync, detector, _options(recipe), progress=reached
        )
    except NoFaceError as error:
        raise PairError(NO_FACE, str(error)) from error
    except UserError as error:
        if reached.stage == "finding faces":
            raise PairError(NO_FACE, str(error)) from error
        raise
    # A head that is turned away, or somebody else's, is a face to the release.
    if any(stretch.reason == NO_FACE_IN_FRAME for stretch in report.untouched):
        skipped = skipped or NO_FACE
    return Made(report.n_frames, report.n_untouched, skipped)


def frames_before(task: Task, recipe: Recipe, n_frames: int) -> AtFps:
    """The frames that `make` syncs, `n_frames` at most, before anything is changed in them.

    Raises:
        PairError: the pair's files have gone or changed since it was made.
    """
    source = _open(task, recipe, task.set in REAL_SETS)
    voice = _voice(task)
    _choose_frames(task, recipe, voice, source, _windows(voice, source))
    return AtFps(lambda: source.read(0, n_frames), source.fps)


def _windows(voice: Voice, source: ChosenFrames) -> int:
    return len(published_starts(voice.mel.shape[1], float(source.fps))) - 1


def _voice(task: Task) -> Voice:
    _need(task.audio_file)
    try:
        return load_voice(task.audio_file)
    except UserError as error:
        text = str(error)
        reason = NAN if "not numbers" in text else UNREADABLE_SOUND
        raise PairError(SHORT_SOUND if "too short" in text else reason, text) from error


def _open(task: Task, recipe: Recipe, is_real: bool) -> ChosenFrames:
    _need(task.video_file)
    try:
        return ChosenFrames(
            task.video_file,
            constant_rate=not recipe.published,
            fps=Fraction(FPS) if recipe.published and not is_real else None,
            max_side=MAX_SIDE if recipe.published and is_real else None,
        )
    except UserError as error:
        raise PairError(UNREADABLE_VIDEO, str(error)) from error


def _need_box_inside(task: Task, recipe: Recipe, source: ChosenFrames) -> None:
    """One video that is too small for the box is one pair's failure, not the end of the run."""
    if recipe.box is None:
        return
    _, bottom, _, right = recipe.box
    if bottom > source.height or right > source.width:
        raise PairError(
            BOX_OUTSIDE,
            f"{task.video} is {source.width}x{source.height} as it is synced, and box="
            f"{list(recipe.box)} reaches beyond.",
        )


def _need(path: Path) -> None:
    if not path.is_file():
        raise PairError(MISSING, f"{path} is not there.")


def _choose_frames(
    task: Task, recipe: Recipe, voice: Voice, source: ChosenFrames, windows: int
) -> str | None:
    """Settle which frames of the video are shown; gives why the release would leave it out."""
    all_of_it = frame_count(len(voice.waveform), SAMPLE_RATE, source.fps)
    wanted = windows if recipe.published else all_of_it
    try:
        n_frames = source.count(wanted)
    except UserError as error:
        raise PairError(UNREADABLE_VIDEO, str(error)) from error
    if task.set == "tts" and n_frames < wanted:
        source.show(even_duplicates(n_frames, wanted))
        return None
    short = SHORT_VIDEO if n_frames < windows else None
    if recipe.published:
        if short:
            raise PairError(short, f"{task.video} has {n_frames} of {windows} frames.")
        source.show(range(windows))
    return short


def _options(recipe: Recipe) -> SyncOptions:
    faces = FaceOptions(
        pads=recipe.pads,
        missing_face=recipe.missing_face,
        person=recipe.person,
        detect_every=recipe.detect_every,
        max_turn=None if recipe.published else MAX_TURN,
        min_score=None if recipe.published else MIN_SCORE,
        published=recipe.published,
    )
    return SyncOptions(
        faces=faces,
        box=None if recipe.box is None else from_tblr(recipe.box),
        extend=recipe.extend,
        quality=recipe.quality,
        batch_size=recipe.batch_size,
        published=recipe.published,
    )
