"""What the page does when its button is pressed: sync, score, and show both. Knows no Gradio."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from rich.console import Console

from w2l.audio import SAMPLE_RATE
from w2l.audio.waveform import load_audio
from w2l.building import CONFIG_DIR, Component
from w2l.cli.evaluate import build_evaluator, score
from w2l.cli.evaluate_output import SCORES
from w2l.cli.help import defaults
from w2l.cli.infer import infer_one
from w2l.cli.infer_networks import Networks
from w2l.cli.infer_report import all_tracks
from w2l.cli.infer_settings import build_source
from w2l.cli.keys.app import App
from w2l.cli.keys.evaluate import Evaluate
from w2l.cli.keys.infer import Infer
from w2l.cli.page_files import remove, touch
from w2l.cli.presets import PUBLISHED, Preset, preset_settings
from w2l.components import Progress
from w2l.errors import UserError
from w2l.files import write_text
from w2l.inference import SyncReport, pick_device
from w2l.paths import shown_path
from w2l.schema import keys, read
from w2l.scoring import ClipScore
from w2l.scoring.report import plot_clip, said
from w2l.video import VideoReader, is_image, probe

# What browsers play; anything else is shown by its first image.
PLAYABLE_FILES = {".mp4", ".m4v", ".webm", ".mov"}
PLAYABLE_CODECS = {"h264", "vp8", "vp9", "av1"}


COMMANDS = {"infer": Infer, "evaluate": Evaluate}
LONGEST_LABEL = 200  # letters
NEAR = 12  # frames from a click within which a face was seen
MEANING = (
    "The curve: how well lips and audio fit when the audio is moved by so many frames (40 ms "
    "each). A clear peak at 0 is in sync, a peak elsewhere is early or late by so much; a curve "
    "without a clear peak says that they do not fit, or that the judge does not know such a face."
)


class LeftError(BaseException):
    """Whoever sent a job has left: no fault of a video, which a set would go on after."""


@dataclass(frozen=True)
class PageScore:
    """What is shown of a video's scores.

    Attributes:
        plot: its curves.
        report: the page that evaluate.py writes.
        text: the scores and what they mean, in Markdown.
    """

    plot: Path
    report: Path
    text: str


@dataclass(frozen=True)
class PageResult:
    """What is shown.

    Attributes:
        video: the synced one.
        given_video: the input, where a browser can play it.
        given_image: else an image of it.
        plot: the scores' curves; None where there is nothing to score with.
        text: what was done, in Markdown.
    """

    video: Path
    given_video: Path | None
    given_image: Path | None
    plot: Path | None
    text: str


class PageJobs:
    """Syncs one after the other, with networks that are loaded once.

    Args:
        settings: of the page.
        folder: where results go.

    Attributes:
        defaults: values of the keys of infer.py that nobody chose.
        keys: of all commands that the page stands for, and its own.
        working: held by a job that runs.
    """

    def __init__(self, settings: App, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.defaults = defaults_of("infer", settings.published, settings.detector)
        self.keys = {*self.defaults, *keys(Evaluate), *keys(App)}
        self._networks = Networks()
        self._quiet = Console(quiet=True)
        self._evaluator: Any = None
        self.working = Lock()

    def sync(
        self,
        face: str | None,
        audio: str | None,
        choices: dict[str, Any],
        progress: Progress,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> PageResult:
        """Sync, score, and lay everything side by side.

        Args:
            face: file of a video or photo.
            audio: file with sound.
            choices: other keys of infer.py.
            progress: shows how far each stage is.
            is_wanted: whether somebody still waits for it; asked with each frame.

        Raises:
            UserError: something is missing or cannot be used.
            LeftError: nobody waits any more.
        """
        if face is None or audio is None:
            raise UserError("Give a video or photo, and speech: a file, or the microphone's.")
        label = choices.get("label") or ""
        if len(label) > LONGEST_LABEL:
            raise UserError(
                f"The label has {len(label)} letters, and {LONGEST_LABEL} are the most: shorten it."
            )
        self._check_length(audio)
        self._check_pixels(face)
        progress = stopping(progress, is_wanted)
        job = self.folder / uuid.uuid4().hex[:12]
        outfile = job / f"{Path(face).stem}_synced.mp4"
        keys = {key: getattr(self.settings, key) for key in ("checkpoint", "device", "published")}
        given = {**keys, **choices, "face": face, "audio": audio, "outfile": str(outfile)}
        try:
            with self.working:
                report = infer_one(
                    read(Infer, self.defaults | given), self._networks, self._quiet, progress
                )
                assert report is not None
                if not is_wanted():
                    raise LeftError
                plot, scores = self._score(outfile, progress)
                video = None if is_image(face) or not is_playable(Path(face)) else Path(face)
                still = None if video else image_of(Path(face), job)
        except BaseException:
            remove(job)  # half of a result is nobody's
            raise
        finally:
            touch([face, audio])  # they are shown beside the result
        return PageResult(outfile, video, still, plot, summary(report) + scores)

    def score(
        self,
        video: str | None,
        audio: str | None,
        progress: Progress,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> PageScore:
        """Score a video as evaluate.py does, which writes its report.

        Args:
            video: the file.
            audio: file with other audio than the video's own.
            progress: shows how far each stage is.
            is_wanted: whether somebody still waits for it; asked with each frame.

        Raises:
            UserError: it cannot be scored.
            LeftError: nobody waits any more.
        """
        if video is None:
            raise UserError("Give a video to score.")
        self._check_length(audio or video)
        self._check_pixels(video)
        progress = stopping(progress, is_wanted)
        folder = self.folder / uuid.uuid4().hex[:12]
        settings = self._evaluate() | {"video": video, "audio": audio}
        try:
            with self.working:
                if not is_wanted():
                    raise LeftError
                folder.mkdir(parents=True)
                (clip,) = score(
                    read(Evaluate, settings), [Path(video)], [],
                    None if audio is None else Path(audio), folder / SCORES, self._quiet, progress,
                )  # fmt: skip
        except BaseException:
            remove(folder)
            raise
        finally:
            touch(filter(None, (video, audio)))
        (plot,) = folder.glob("scores_*.png")
        report = (folder / SCORES).with_suffix(".html")
        for sent in filter(None, (video, audio)):  # whoever gets it need not know where it lay
            text, name = report.read_text("utf-8"), html.escape(Path(sent).name)
            for told in (sent, shown_path(sent)):
                text = text.replace(html.escape(told), name)
            write_text(report, text)
        return PageScore(plot, report, score_lines(clip).strip())

    def frame(self, face: str, at_s: float = 0) -> np.ndarray:
        """A frame to choose on: uint8 (H, W, 3) BGR.

        Raises:
            UserError: it has no such moment, or is no video.
        """
        self._check_pixels(face)
        reader = VideoReader(face)
        number = 0 if is_image(face) else int(at_s * reader.fps)
        frame = next(iter(reader.read(number, number + 1)), None)
        if frame is None:
            raise UserError(f"The video is over before {at_s:g} s: choose an earlier moment.")
        return frame

    def person_at(self, face: str, at_s: float, x: int, y: int, progress: Progress) -> int:
        """The number N of `person=track:N` of who is at a point of a frame; 0: nobody.

        All of the video is searched, once: syncing takes the same search from the cache.
        """
        settings = read(Infer, self.defaults | {"face": face, "device": self.settings.device})
        with self.working:
            source = build_source(settings, Path(face))
            detector = self._networks.detector(settings, str(pick_device(settings.device)))
            assert detector is not None
            tracks = all_tracks(settings, source, detector, progress, self._quiet)
        number = 0 if is_image(face) else int(at_s * source.fps)
        for n, track in enumerate(tracks, 1):
            row = int(np.abs(track.frames - number).argmin())
            left, top, right, bottom = track.boxes[row]
            near = abs(int(track.frames[row]) - number) <= NEAR
            if near and left <= x < right and top <= y < bottom:
                return n
        return 0

    def _evaluate(self) -> dict[str, Any]:
        """The settings of evaluate.py that the page's own stand for."""
        page = self.settings
        settings = defaults_of("evaluate", page.published, page.detector)
        return settings | {"syncnet": page.syncnet, "expert": page.expert, "device": page.device}

    def _check_length(self, audio: str) -> None:
        limit = self.settings.max_seconds
        # A little more than the limit, since the whole may be hours.
        if len(load_audio(audio, end_s=limit + 1)) > limit * SAMPLE_RATE:
            raise UserError(
                f"The audio lasts over {limit:g} s, which is all that this page takes: "
                "use a shorter one."
            )

    def _check_pixels(self, face: str) -> None:
        limit, info = self.settings.max_megapixels, probe(face)
        if info.width * info.height > limit * 1e6:
            raise UserError(
                f"The images are {info.width}×{info.height}, and this page takes {limit:g} "
                "megapixels at most: make them smaller."
            )

    def _score(self, video: Path, progress: Progress) -> tuple[Path | None, str]:
        """The plot of a video's scores and a list of them, or why there are none."""
        try:
            if self._evaluator is None:
                self._evaluator, _ = build_evaluator(read(Evaluate, self._evaluate()), self._quiet)
            self._evaluator.progress = progress
            clip: ClipScore = self._evaluator.score(video)
        except UserError as error:
            return None, f"\n\nNot scored: {error}"
        plot = video.with_suffix(".png")
        plot_clip(clip, plot)
        return plot, f"\n\nProtocol {self._evaluator.protocol.name}:\n" + score_lines(clip)


def stopping(progress: Progress, is_wanted: Callable[[], bool]) -> Progress:
    """The same progress, which ends a job that nobody waits for any more."""

    def watched(frames: Iterable[Any], stage: str, total: int) -> Iterator[Any]:
        for frame in progress(frames, stage, total):
            if not is_wanted():
                raise LeftError
            yield frame

    return watched


def score_lines(clip: ClipScore) -> str:
    """A line of Markdown for each face that was followed, named as in the plot's legend."""
    lines = []
    for number, track in enumerate(clip.tracks, 1):
        scores = track.to_dict()
        named = {
            "LSE-D ↓": scores["lse_d"], "LSE-C ↑": scores["lse_c"],
            "offset (frames)": scores["offset"],
            "cosine of the expert ↑": (scores["cosine"] or {}).get("mean"),
        }  # fmt: skip
        known = [f"{name} **{value:.3g}**" for name, value in named.items() if value is not None]
        face = f"face {number}, from frame {track.start_frame}: " if len(clip.tracks) > 1 else ""
        words = f": {said(track)}" if track.cosine is not None else ""
        lines.append(f"\n- {face}{', '.join(known)}{words}")
    return "".join(lines) + (f"\n\n{MEANING}" if lines else "")


def read_box(text: str | None) -> list[int] | None:
    """The four sides of a box that somebody typed or clicked; None where there is none.

    >>> read_box("10, 200, 30, 180")
    [10, 200, 30, 180]

    Raises:
        UserError: it is anything else.
    """
    if text is None or not text.strip():
        return None
    sides = re.findall(r"-?\d+", text)
    if len(sides) != 4 or re.search(r"[^\d\s,;\[\]-]", text):
        raise UserError("A box is four whole numbers: top, bottom, left, right.")
    return [int(side) for side in sides]


def defaults_of(command: str, published: bool, detector: Component | None = None) -> dict[str, Any]:
    """The settings of a command of which no key was given but maybe the detector."""
    settings = defaults(CONFIG_DIR, COMMANDS[command])
    given = set() if detector is None else {"detector"}
    if detector is not None:
        settings["detector"] = detector.group()
    if not published:
        return settings
    return preset_settings(Preset.named(command, PUBLISHED), settings, given)


def is_playable(video: Path) -> bool:
    """Whether browsers play it."""
    return video.suffix.lower() in PLAYABLE_FILES and probe(video).codec in PLAYABLE_CODECS


def image_of(face: Path, folder: Path) -> Path:
    """Its first image, as a file of `folder`."""
    path = folder / "given.jpg"
    path.write_bytes(cv2.imencode(".jpg", next(iter(VideoReader(face))))[1].tobytes())
    return path


def summary(report: SyncReport) -> str:
    """What was done, and what was not."""
    done = report.n_frames - report.n_untouched
    seconds = float(report.n_frames / report.fps)
    text = f"{done} of {report.n_frames} frames synced, {seconds:.2f} s."
    text += "".join(f" {note}" for note in report.notes)
    if report.untouched:
        text += " Left as they were:\n" + "".join(f"\n- {line}" for line in report.lines())
    return text
