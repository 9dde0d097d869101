"""The page's looks, in Gradio."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import gradio as gr
import numpy as np
from gradio.context import LocalContext

from w2l.cli.page_files import CHOICES, FIELDS, in_words, without_paths
from w2l.cli.page_jobs import (
    LONGEST_LABEL,
    LeftError,
    PageJobs,
    PageResult,
    PageScore,
    is_playable,
    read_box,
)
from w2l.cli.page_trials import Trial
from w2l.errors import UserError
from w2l.progress import duration
from w2l.video import is_image

T = TypeVar("T")
logger = logging.getLogger(__name__)

TITLE = "w2l: lips that follow speech"
NOTE = (
    "Sync only people who agree to it. The result says in its metadata that it is synthetic; "
    "a label says it to those who watch."
)


TO_TRY = (
    "**To try**: choose an image, then press Sync. The large one speaks, with the words of the "
    "small one."
)
PERSON, BOX = "a person", "a box, by two corners"
GREEN = (60, 200, 60)
STOPPED = "Stopped."
WORK = "work"  # one job at a time, whatever it is
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class Offer:
    """A pair to try, and the file of its image."""

    trial: Trial
    image: Path


class PageProgress:
    """Shows a stage's frames in Gradio's bar, and the time left.

    Args:
        bar: Gradio's.
    """

    def __init__(self, bar: gr.Progress) -> None:
        self._bar = bar

    def __call__(self, frames: Iterable[T], stage: str, total: int) -> Iterator[T]:
        """Yield `frames`; `total` is how many are expected."""
        step = max(1, total // 100)
        first = 0.0
        for n, frame in enumerate(frames, 1):
            first = first or time.monotonic()
            if n % step == 0:
                left = (time.monotonic() - first) / max(1, n - 1) * max(0, total - n)
                said = f"{stage}, {duration(left)} left" if n > 1 else stage
                self._bar((min(n, total), total), desc=said, unit="frames")
            yield frame


def sent_file(**look: Any) -> gr.File:
    """A field for a file, which gives its path; Gradio has seen to it that it lies in its folder.

    Gradio's own way leaves an empty file behind at each use. (No class of ours: Gradio would write
    a stub beside this file.)
    """
    field = gr.File(**look)
    field.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore[method-assign, union-attr]
    return field


def files_needed(page: gr.Blocks) -> set[str]:
    """The paths in what was sent to jobs of a page that wait or run."""
    queue = page._queue
    waiting = [
        event for each in queue.event_queue_per_concurrency_id.values() for event in each.queue
    ]
    running = [event for job in queue.active_jobs for event in job or ()]
    values = [getattr(event.data, "data", None) or [] for event in [*waiting, *running]]
    return {
        each["path"]
        for data in values
        for each in data
        if isinstance(each, dict) and "path" in each
    }


def is_waited_for(page: gr.Blocks, event_id: str | None) -> bool:
    """Whether the client of a job that runs is still there."""
    running = [event for job in page._queue.active_jobs for event in job or ()]
    return all(event.alive for event in running if event._id == event_id)


class Stopped:
    """Which visitors pressed Cancel since their last job began."""

    def __init__(self) -> None:
        self._visitors: set[str | None] = set()

    def begin(self, request: gr.Request) -> str | None:
        """Forget an earlier press; gives the visitor."""
        visitor = request.session_hash
        self._visitors.discard(visitor)
        return visitor

    def press(self, request: gr.Request) -> str:
        """End the visitor's job at its next frame; what is said then."""
        self._visitors.add(request.session_hash)
        return STOPPED

    def __contains__(self, visitor: str | None) -> bool:
        return visitor in self._visitors


class PageActions:
    """What the page's buttons and clicks do: the jobs, and their errors in the page's words.

    Args:
        jobs: does the work.
        is_open: whether the page is not being closed, which ends its jobs.
    """

    def __init__(self, jobs: PageJobs, is_open: Callable[[], bool]) -> None:
        self.jobs, self.is_open = jobs, is_open
        self.stopped = {"sync": Stopped(), "score": Stopped()}  # each tab has its Cancel
        self.page: gr.Blocks | None = None

    def told(self, text: str, *files: str | None) -> str:
        """A message in the page's words."""
        return in_words(without_paths(text, *filter(None, files)), self.jobs.keys)

    def done(
        self,
        job: Callable[[Callable[[], bool]], T],
        request: Any,
        *files: str | None,
        tab: str = "sync",
    ) -> T | None:
        """The result of a job that is told whether it is still wanted; None where it was cancelled.

        Args:
            job: gets a function that says so.
            request: of whoever may cancel it; None: nobody can.
            files: that were sent for it.
            tab: whose Cancel ends it.

        Raises:
            gr.Error: in a sentence.
        """
        event_id, visitor = LocalContext.event_id.get(None), None
        stopped = self.stopped[tab]
        if request is not None:
            visitor = stopped.begin(request)

        def is_wanted() -> bool:
            waited_for = self.page is None or is_waited_for(self.page, event_id)
            return self.is_open() and visitor not in stopped and waited_for

        try:
            return job(is_wanted)
        except UserError as error:
            said = self.told(str(error), *files)
            raise gr.Error(said, duration=None, print_exception=False) from error
        except LeftError:
            if self.is_open():  # cancelled; that may be heard of before the button's own function
                return None
            raise gr.Error("The page is being closed.", print_exception=False) from None
        except Exception as error:
            logger.exception("a job failed")
            raise gr.Error(
                f"This could not be done ({type(error).__name__}); the page's log says why.",
                duration=None, print_exception=False,
            ) from error  # fmt: skip

    def sync(
        self, face: str | None, audio: str | None, quality: str, label: str, person: str,
        number: float, box: str, missing_face: str, silence: str, view: str,
        request: gr.Request, bar: gr.Progress = gr.Progress(),  # noqa: B008, Gradio finds it by its default
    ) -> tuple[Any, ...]:  # fmt: skip
        """Sync and score; what goes to the fields of the result."""

        def job(is_wanted: Callable[[], bool]) -> PageResult:
            choices = {
                "quality": quality, "label": label or None, "missing_face": missing_face,
                "silence": silence, "view": view, "box": read_box(box),
                "person": f"track:{number:.0f}" if number else person,
            }  # fmt: skip
            return self.jobs.sync(face, audio, choices, PageProgress(bar), is_wanted)

        result = self.done(job, request, face, audio)
        if result is None:
            return *([gr.skip()] * 4), STOPPED
        return (
            shown(gr.Video, result.given_video),
            shown(gr.Image, result.given_image),
            str(result.video),
            shown(gr.Image, result.plot),
            self.told(result.text, face, audio),
        )

    def score(
        self, video: str | None, audio: str | None, request: gr.Request,
        bar: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:  # fmt: skip
        """Score; what goes to the fields of the second tab."""

        def job(is_wanted: Callable[[], bool]) -> PageScore:
            return self.jobs.score(video, audio, PageProgress(bar), is_wanted)

        result = self.done(job, request, video, audio, tab="score")
        if result is None:
            return STOPPED, None, None
        return self.told(result.text, video, audio), str(result.plot), str(result.report)

    def play(self, video: str | None) -> Any:
        """What was sent, where a browser plays it."""
        if video is None:
            return shown(gr.Video, None)
        path = Path(video)
        played = self.done(lambda _: not is_image(video) and is_playable(path), None, video)
        return shown(gr.Video, path if played else None)

    def look(self, face: str | None, at_s: float) -> tuple[Any, ...]:
        """What was sent: to be played, and a frame to click on; earlier clicks are forgotten."""
        if face is None:
            return shown(gr.Video, None), shown(gr.Image, None), 0, "", None
        frame = self._frame(face, at_s)
        played = not is_image(face) and is_playable(Path(face))
        return (
            shown(gr.Video, Path(face) if played else None),
            gr.Image(value=frame[..., ::-1], visible=True),
            0, "", None,
        )  # fmt: skip

    def _frame(self, face: str, at_s: float) -> np.ndarray:
        frame = self.done(lambda _: self.jobs.frame(face, at_s), None, face)
        assert frame is not None  # it cannot be cancelled
        return frame

    def click(
        self, face: str | None, at_s: float, what: str, corner: list[int] | None,
        event: gr.SelectData, bar: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:  # fmt: skip
        """Choose by a click on the frame: who is there, or one of a box's two corners."""
        if face is None:
            raise gr.Error("Give a video or photo first.", print_exception=False)
        x, y = event.index
        frame = self._frame(face, at_s).copy()
        size = max(2, frame.shape[0] // 150)
        if what == PERSON:
            number = self.done(
                lambda _: self.jobs.person_at(face, at_s, x, y, PageProgress(bar)), None, face
            )
            if not number:
                # A warning: an error would lie over the frame, and nobody could click again.
                gr.Warning("No face was found there: click on one, or draw a box.")
                return gr.skip(), 0, "", None
            cv2.circle(frame, (x, y), 3 * size, GREEN, -1)
            return gr.Image(value=frame[..., ::-1]), number, "", None
        if corner is None:
            cv2.circle(frame, (x, y), 2 * size, GREEN, -1)
            return gr.Image(value=frame[..., ::-1]), 0, "", [x, y]
        (left, right), (top, bottom) = sorted((corner[0], x)), sorted((corner[1], y))
        cv2.rectangle(frame, (left, top), (right, bottom), GREEN, size)
        return gr.Image(value=frame[..., ::-1]), 0, f"{top}, {bottom}, {left}, {right}", None


def build_page(
    jobs: PageJobs,
    offers: Sequence[Offer] = (),
    credit: str = "",
    is_open: Callable[[], bool] = lambda: True,
) -> gr.Blocks:
    """The page, ready to be launched.

    Args:
        jobs: does the work.
        offers: what there is to try.
        credit: whose the clips of the offers are, in Markdown.
        is_open: whether the page is not being closed, which ends its jobs.
    """
    actions = PageActions(jobs, is_open)
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {TITLE}\n{NOTE}")
        with gr.Tab("Sync"):
            _sync_tab(actions, jobs.defaults, offers, credit)
        with gr.Tab("Score", id="score"):
            _score_tab(actions)
    actions.page = page
    return page


def _sync_tab(
    actions: PageActions, start: Mapping[str, Any], offers: Sequence[Offer], credit: str
) -> None:
    images = offered(offers, credit) if offers else None
    with gr.Row():
        with gr.Column():
            face = sent_file(label=FIELDS["face"], elem_id="face")
            sent = gr.Video(label="Sent", visible=False, elem_id="sent", height=260)
        with gr.Column():
            audio = sent_file(label=FIELDS["audio"], elem_id="audio")
            spoken = gr.Audio(label="Or speak", sources=["microphone"], type="filepath",
                              buttons=[], elem_id="microphone")  # fmt: skip
            heard = gr.Audio(label="Sent", visible=False, interactive=False, buttons=[],
                             elem_id="heard")  # fmt: skip
    with gr.Row():
        quality = gr.Radio([*CHOICES["quality"]], value=start["quality"], label=FIELDS["quality"])
        label = gr.Textbox("", label=FIELDS["label"], placeholder="made with AI",
                           max_length=LONGEST_LABEL)  # fmt: skip
    with gr.Accordion("More: whom, where, and what is shown", open=False, elem_id="more"), gr.Row():
        with gr.Column():
            what = gr.Radio([PERSON, BOX], value=PERSON, label="A click on the frame chooses")
            moment = gr.Slider(0, 60, 0, step=0.2, label="The frame is at so many seconds")
            person, missing, silence, view = (
                gr.Dropdown([*CHOICES[key]], value=start[key], label=FIELDS[key])
                for key in ("person", "missing_face", "silence", "view")
            )
            number = gr.Number(0, precision=0, minimum=0, elem_id="number",
                               label="Number of the clicked person; 0: as above")  # fmt: skip
            box = gr.Textbox("", label=FIELDS["box"], elem_id="box", max_length=80)
        frame = gr.Image(label="Click on a face", visible=False, interactive=False, buttons=[],
                         elem_id="frame")  # fmt: skip
    corner = gr.State(None)
    with gr.Row():
        button = gr.Button("Sync", variant="primary", elem_id="sync")
        cancel = gr.Button("Cancel", elem_id="cancel")
    with gr.Row():
        given = gr.Video(label="Before", visible=False, elem_id="given")
        still = gr.Image(label="Before", visible=False, buttons=[], elem_id="still")
        result = gr.Video(label="After", elem_id="result")
    text = gr.Markdown(elem_id="text")
    plot = gr.Image(
        label="Sync of the result", visible=False, buttons=["fullscreen"], elem_id="plot"
    )
    if images is not None:

        def choose(event: gr.SelectData) -> tuple[str, str]:
            trial = offers[event.index].trial
            return str(trial.face), str(trial.audio)

        images.select(choose, None, [face, audio], show_progress="hidden", api_visibility="private")
    seen = [sent, frame, number, box, corner]
    gr.on([face.change, moment.release], actions.look, [face, moment], seen, **QUIET)
    audio.change(lambda path: shown(gr.Audio, path and Path(path)), audio, heard, **QUIET)
    spoken.change(lambda path: path or gr.skip(), spoken, audio, **QUIET)
    frame.select(actions.click, [face, moment, what, corner], [frame, number, box, corner],
                 concurrency_id=WORK, concurrency_limit=1, show_progress_on=[number],
                 api_visibility="private")  # fmt: skip
    inputs = [face, audio, quality, label, person, number, box, missing, silence, view]
    job = button.click(actions.sync, inputs, [given, still, result, plot, text], api_name="sync",
                 concurrency_id=WORK, concurrency_limit=1)  # fmt: skip
    # A job that waits is taken from the queue; one that runs is told.
    cancel.click(actions.stopped["sync"].press, None, text, queue=False, cancels=[job], **QUIET)


def _score_tab(actions: PageActions) -> None:
    gr.Markdown("How well lips and audio of a video fit, as `evaluate.py` says it.")
    with gr.Row():
        with gr.Column():
            video = sent_file(label="Video to score", elem_id="scored")
            sent = gr.Video(label="Sent", visible=False, elem_id="scored_sent", height=260)
        audio = sent_file(label="Other audio than its own, if any", elem_id="scored_audio")
    with gr.Row():
        button = gr.Button("Score", variant="primary", elem_id="score")
        cancel = gr.Button("Cancel", elem_id="cancel_score")
    text = gr.Markdown(elem_id="scores")
    plot = gr.Image(label="Sync", buttons=["fullscreen"], elem_id="curves")
    report = gr.File(label="Report: one page that needs nothing else", elem_id="report")
    video.change(actions.play, video, sent, **QUIET)
    job = button.click(actions.score, [video, audio], [text, plot, report], api_name="score",
                       concurrency_id=WORK, concurrency_limit=1)  # fmt: skip
    cancel.click(actions.stopped["score"].press, None, text, queue=False, cancels=[job], **QUIET)


def offered(offers: Sequence[Offer], credit: str) -> gr.Gallery:
    """Images to choose from, and below whose they are."""
    # Served as they lie: what Gradio copies goes with the files that people sent.
    gr.set_static_paths([offer.image for offer in offers])
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            images = gr.Gallery(
                [(str(offer.image), offer.trial.caption) for offer in offers],
                show_label=False, columns=len(offers), allow_preview=False, interactive=False,
                object_fit="contain", height="max-content", buttons=[], elem_id="examples",
            )  # fmt: skip
        with gr.Column(scale=1, min_width=240):
            gr.Markdown(f"{TO_TRY}\n\n{credit}", elem_id="credit")
    return images


def shown(kind: type, file: Path | None) -> Any:
    """A component that shows a file, or none where there is none."""
    return kind(value=None if file is None else str(file), visible=file is not None)
