"""`person=tracks`: who is in the video, by number, as a list and a picture."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from w2l.cli.infer_faces import build_face_options, find_person
from w2l.cli.infer_output import name_outfile
from w2l.cli.keys.infer import Infer
from w2l.components import FaceDetector
from w2l.errors import UserError
from w2l.faces.persons import describe
from w2l.files import atomic_path, check_writable
from w2l.inference import Source, SyncOptions
from w2l.inference.finding import find_all
from w2l.inference.options import Progress
from w2l.inference.plan import tracks_of
from w2l.inference.track_sheet import track_sheet
from w2l.video import write_png


def show_tracks(
    settings: Infer,
    face: Path,
    source: Source,
    detector: FaceDetector | None,
    progress: Progress,
    console: Console,
) -> None:
    """Print a line for each track of the whole video, and write a picture of all of them.

    Raises:
        UserError: a fixed box has no tracks, or there is no face.
    """
    if detector is None:
        raise UserError("person=tracks looks for faces: leave out box=.")
    path = name_outfile(settings, face)
    check_writable(path)
    faces = find_person(build_face_options(settings), settings, source, None, console.print)
    options = SyncOptions(faces=faces)
    tracks = tracks_of(find_all(source, sys.maxsize, detector, options, progress))
    if not tracks:
        raise UserError(f"No face was found in any frame of {face}: there are no tracks.")
    with atomic_path(path) as temporary:
        write_png(temporary, track_sheet(source, tracks), {})
    for line in describe(tracks, source.fps):
        console.print(line)
    console.print(path)
