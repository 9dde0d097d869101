"""What the page does when its button is pressed: sync, score, and show both. Knows no Gradio."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
from rich.console import Console

from w2l.audio import SAMPLE_RATE
from w2l.audio.waveform import load_audio
from w2l.building import CONFIG_DIR, Component
from w2l.cli.evaluate import build_evaluator
from w2l.cli.help import defaults
from w2l.cli.infer import infer_one
from w2l.cli.infer_networks import Networks
from w2l.cli.keys.app import App
from w2l.cli.keys.evaluate import Evaluate
from w2l.cli.keys.infer import Infer
from w2l.cli.page_files import remove, touch
from w2l.cli.presets import PUBLISHED, Preset, preset_settings
from w2l.errors import UserError
from w2l.inference import SyncReport
from w2l.inference.options import Progress
from w2l.schema import keys, read
from w2l.scoring import ClipScore
from w2l.scoring.report import plot_clip
from w2l.video import VideoReader, is_image, probe

# What browsers play; anything else is shown by its first image.
PLAYABLE_FILES = {".mp4", ".m4v", ".webm", ".mov"}
PLAYABLE_CODECS = {"h264", "vp8", "vp9", "av1"}


COMMANDS = {"infer": Infer, "evaluate": Evaluate}
LONGEST_LABEL = 200  # letters


class LeftError(Exception):
    """Whoever sent a job has left."""


@dataclass(frozen=True)
class PageResult:
    """What is shown.

    Attributes:
        video: the synced one.
        given_video: the input, where a browser can play it.
        given_picture: else an image of it.
        plot: the scores' curves; None where there is nothing to score with.
        text: what was done, in Markdown.
    """

    video: Path
    given_video: Path | None
    given_picture: Path | None
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
            raise UserError("Give a video or photo, and a sound.")
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
                plot, scores = self._score(outfile)
                video = None if is_image(face) or not is_playable(Path(face)) else Path(face)
                still = None if video else picture_of(Path(face), job)
        except BaseException:
            remove(job)  # half of a result is nobody's
            raise
        finally:
            touch([face, audio])  # they are shown beside the result
        return PageResult(outfile, video, still, plot, summary(report) + scores)

    def _check_length(self, audio: str) -> None:
        limit = self.settings.max_seconds
        # A little more than the limit, since the whole may be hours.
        if len(load_audio(audio, end_s=limit + 1)) > limit * SAMPLE_RATE:
            raise UserError(
                f"The sound lasts over {limit:g} s, which is all that this page takes: "
                "use a shorter one."
            )

    def _check_pixels(self, face: str) -> None:
        limit, info = self.settings.max_megapixels, probe(face)
        if info.width * info.height > limit * 1e6:
            raise UserError(
                f"The pictures are {info.width}×{info.height}, and this page takes {limit:g} "
                "megapixels at most: make them smaller."
            )

    def _score(self, video: Path) -> tuple[Path | None, str]:
        """The plot of a video's scores and a list of them, or why there are none."""
        try:
            if self._evaluator is None:
                page = self.settings
                settings = defaults_of("evaluate", page.published, page.detector)
                settings |= {"syncnet": page.syncnet, "expert": page.expert, "device": page.device}
                self._evaluator, _ = build_evaluator(read(Evaluate, settings), self._quiet)
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
        lines.append(f"\n- {face}{', '.join(known)}")
    return "".join(lines)


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


def picture_of(face: Path, folder: Path) -> Path:
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
