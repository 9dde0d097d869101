"""What `infer.py` tells its user: on the screen, and beside the result."""

from __future__ import annotations

import json
import math
import sys
from fractions import Fraction
from pathlib import Path

from rich.console import Console

from w2l.checkpoints.load import RELEASED
from w2l.cli.infer_output import name_outfile
from w2l.cli.infer_settings import build_face_options, find_person
from w2l.cli.keys.infer import Infer
from w2l.components import FaceDetector, Progress
from w2l.errors import UserError
from w2l.extras.track_sheet import track_sheet
from w2l.faces.track import Track, describe
from w2l.files import atomic_path, check_writable, write_text
from w2l.inference import Preview, Source, SyncOptions, SyncReport, VideoSource
from w2l.inference.fade import TURNED, UNSURE
from w2l.inference.finding import find_all
from w2l.inference.plan import tracks_of
from w2l.inference.report import clock
from w2l.inference.silence import AFTER_SOUND, NO_VOICE
from w2l.metrics import offsets
from w2l.paths import shown_path
from w2l.scoring import CosineResult
from w2l.video import AudioTrack, write_png
from w2l.weights import registry
from w2l.weights.catalog import GENERATOR, JUDGE, judge_believes

FEWEST_FPS = 8  # of old films 16 are usual; mouths open and close about 4 times a second
HINTS = {
    TURNED: "max_turn=null syncs a head however far it is turned.",
    UNSURE: "min_score=null takes a face however uncertain it is.",
}


def show_tracks(
    settings: Infer,
    face: Path,
    source: Source,
    detector: FaceDetector | None,
    progress: Progress,
    console: Console,
) -> None:
    """Print a line for each track of the whole video, and write an image of all of them.

    Raises:
        UserError: a fixed box has no tracks, or there is no face.
    """
    if detector is None:
        raise UserError("person=tracks looks for faces: leave out box=.")
    path = name_outfile(settings, face)
    check_writable(path)
    tracks = all_tracks(settings, source, detector, progress, console)
    if not tracks:
        raise UserError(f"No face was found in any frame of {face}: there are no tracks.")
    with atomic_path(path) as temporary:
        write_png(temporary, track_sheet(source, tracks), {})
    for line in describe(tracks, source.fps):
        console.print(line)
    console.print(path)


def all_tracks(
    settings: Infer, source: Source, detector: FaceDetector, progress: Progress, console: Console
) -> list[Track]:
    """Find everybody in the whole video, in the order of `person=track:N`."""
    faces = find_person(build_face_options(settings), settings, source, None, console.print)
    options = SyncOptions(faces=faces)
    return tracks_of(find_all(source, sys.maxsize, detector, options, progress))


def show_cosine(cosine: CosineResult, settings: Infer, outfile: Path, console: Console) -> None:
    """Print the summary and save it, with each window, as `<outfile>.cosine.json`."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else round(float(value), 6)

    summary = {key: known(value) for key, value in cosine.summary._asdict().items()}
    summary["count"] = cosine.summary.count
    content = {
        "face": shown_path(str(settings.face)),
        "audio": shown_path(str(settings.audio)),
        "expert": shown_path(str(settings.expert)),
        **summary,
        "best_offset_frames": cosine.offset,
        "by_offset": {
            str(int(o)): known(v) for o, v in zip(offsets(), cosine.by_offset, strict=True)
        },
        "windows": [known(value) for value in cosine.curve],  # one every 1/25 s; null: no face
    }
    path = cosine_file(outfile)
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    console.print(
        "cosine similarity of the given video and the audio: "
        + ", ".join(f"{key} {value}" for key, value in summary.items())
        + f"\n{path}"
    )


def cosine_file(outfile: Path) -> Path:
    """Where the cosine similarity of a result's inputs lies."""
    return outfile.with_name(f"{outfile.name}.cosine.json")


def show_input(source: Source, track: AudioTrack | None, console: Console) -> None:
    """Print what was chosen, or made, of what is read: a sound track, whole images of fields."""
    if isinstance(source, VideoSource) and source.is_deinterlaced:
        console.print(
            f"{source.path} is interlaced: its fields are made whole images (deinterlace=false "
            "leaves them woven)"
        )
    if track is not None and track.n_tracks > 1:
        console.print(
            f"{track.path}: sound track {track.number} of {track.n_tracks} (audio_track= takes "
            "another)"
        )


def show_generator(speakers: int | None, name: str, console: Console) -> None:
    """Print which generator speaks for itself: the small one of ours, or one that knows few people.

    Args:
        speakers: that it was trained on, where they are few; None: many, or unknown.
        name: as it was asked for.
        console: where to.
    """
    if name == GENERATOR:
        licence = registry()[RELEASED].licence
        console.print(
            f"generator: {name}, which comes with w2l: 96 px, trained on {speakers} people of one "
            f"studio (GRID). checkpoint={RELEASED} fetches the published one, once ({licence})."
        )
    elif speakers:
        console.print(
            f"warning: this generator was trained on {speakers} speaker(s): other faces may "
            f"come out as blobs. Look at the result; checkpoint={RELEASED} is the published one."
        )


def show_judged(judged: CosineResult | None, judge: str, console: Console) -> None:
    """Print how well the result's lips fit its sound, and warn where they do not."""
    if judged is None:
        return
    found = f"offset {judged.offset:+d} frames, confidence {judged.confidence:.2f}, by {judge}"
    if judge == JUDGE and not judge_believes(judged.confidence, judged.summary.count):
        console.print(
            f"warning: the judge is not sure that lips and sound fit ({found}): look at the result"
        )
    elif abs(judged.offset) > 1:
        console.print(f"warning: lips and sound fit best when moved: {found}: look at the result")
    else:
        console.print(f"lips and sound: {found}")


def show_rate(fps: Fraction, console: Console) -> None:
    """Warn of a result, such as that of slides, in which no lips can be read."""
    if fps < FEWEST_FPS:
        console.print(
            f"warning: with {float(fps):.3g} images a second lips hardly move (fps=25 gives more)"
        )


def write_preview(
    shown: Preview, source: Source, outfile: Path, tags: dict[str, str], console: Console
) -> None:
    """Write the one image, and print where it is and which one it is."""
    with atomic_path(outfile) as temporary:
        write_png(temporary, shown.frame, tags)
    state = "synced" if shown.reason is None else f"left untouched: {shown.reason}"
    console.print(
        f"{outfile}: the result at {clock(shown.index / source.fps)} (its frame {shown.index}, "
        f"frame {shown.number} of {source.path.name}), {state}"
    )


def show_report(report: SyncReport, console: Console, done: str = "synced") -> None:
    """Print where the video is, and which of its frames were left untouched."""
    show_notes(report, console)
    seconds = float(Fraction(report.n_frames) / report.fps)
    n_done = report.n_frames - report.n_untouched
    how = "" if report.computed is None else f" {report.computed}"
    told = f"{n_done} of {report.n_frames} frames {done}{how}, {seconds:.2f} s"
    console.print(f"{report.outfile}: {told}")
    if report.untouched:
        console.print(f"{report.n_untouched} frames were left untouched:")
        for line in report.lines():
            console.print(f"  {line}")
    show_closed(report, console)


def show_notes(report: SyncReport, console: Console) -> None:
    """Print what is to be known of the sound and of the mouths."""
    for note in report.notes:
        console.print(f"warning: {note}")


def check_synced(report: SyncReport) -> None:
    """Refuse to call it a success where no frame was synced; the file stays.

    Silence is no failure: where no voice is active, lips may have nothing to say.

    Raises:
        UserError: naming the reasons, and what to try.
    """
    reasons = {stretch.reason for stretch in report.untouched} - {NO_VOICE, AFTER_SOUND}
    if not reasons or report.n_untouched < report.n_frames:
        return
    raise UserError(
        f"No frame of {report.outfile} was synced ({', '.join(sorted(reasons))}): it is the given "
        f"video with the new audio. {' '.join(HINTS[each] for each in HINTS if each in reasons)} "
        "Of several people another may be meant: person=left takes the one on the left; "
        "person=tracks lists all, and person=track:N takes one."
    )


def show_closed(report: SyncReport, console: Console) -> None:
    """Print where the mouth was generated for silence, if anywhere."""
    if report.closed:
        console.print("the mouth was closed where there is no voice:")
        for line in report.closed_lines():
            console.print(f"  {line}")
