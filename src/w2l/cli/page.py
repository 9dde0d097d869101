"""The page's looks, in Gradio."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from gradio.context import LocalContext

from w2l.cli.page_files import CHOICES, FIELDS, in_words, without_paths
from w2l.cli.page_jobs import LONGEST_LABEL, LeftError, PageJobs
from w2l.cli.page_trials import Trial
from w2l.errors import UserError

T = TypeVar("T")
logger = logging.getLogger(__name__)

TITLE = "w2l: lips that follow speech"
NOTE = (
    "Sync only people who agree to it. The result says in its metadata that it is synthetic; "
    "a label says it to those who watch."
)


@dataclass(frozen=True)
class Offer:
    """A pair to try, and the file of its image."""

    trial: Trial
    picture: Path


class PageProgress:
    """Shows a stage's frames in Gradio's bar.

    Args:
        bar: Gradio's.
    """

    def __init__(self, bar: gr.Progress) -> None:
        self._bar = bar

    def __call__(self, frames: Iterable[T], stage: str, total: int) -> Iterator[T]:
        """Yield `frames`; `total` is how many are expected."""
        step = max(1, total // 100)
        for n, frame in enumerate(frames, 1):
            if n % step == 0:
                self._bar((min(n, total), total), desc=stage, unit="frames")
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

    def sync(
        face: str | None,
        audio: str | None,
        quality: str,
        person: str,
        missing_face: str,
        label: str,
        bar: gr.Progress = gr.Progress(),  # noqa: B008, Gradio finds it by its default
    ) -> tuple[Any, ...]:
        choices = {
            "quality": quality, "person": person, "missing_face": missing_face,
            "label": label or None,
        }  # fmt: skip
        event_id = LocalContext.event_id.get(None)

        def is_wanted() -> bool:
            return is_open() and is_waited_for(page, event_id)

        def told(text: str) -> str:
            return in_words(without_paths(text, *filter(None, (face, audio))), jobs.keys)

        try:
            result = jobs.sync(face, audio, choices, PageProgress(bar), is_wanted)
        except UserError as error:
            raise gr.Error(told(str(error)), duration=None, print_exception=False) from error
        except LeftError:
            raise gr.Error("Nobody waits for this any more.", print_exception=False) from None
        except Exception as error:
            logger.exception("a job failed")
            raise gr.Error(
                f"This could not be done ({type(error).__name__}); the page's log says why.",
                duration=None, print_exception=False,
            ) from error  # fmt: skip
        return (
            shown(gr.Video, result.given_video),
            shown(gr.Image, result.given_picture),
            str(result.video),
            shown(gr.Image, result.plot),
            told(result.text),
        )

    start = jobs.defaults
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {TITLE}\n{NOTE}")
        pictures = offered(offers, credit) if offers else None
        with gr.Row():
            face = sent_file(label=FIELDS["face"], elem_id="face")
            audio = sent_file(label=FIELDS["audio"], elem_id="audio")
        with gr.Row():
            quality = gr.Radio(
                [*CHOICES["quality"]], value=start["quality"], label=FIELDS["quality"]
            )
            person = gr.Dropdown(
                [*CHOICES["person"]], value=start["person"], label=FIELDS["person"]
            )
            missing = gr.Dropdown(
                [*CHOICES["missing_face"]],
                value=start["missing_face"],
                label=FIELDS["missing_face"],
            )
            label = gr.Textbox(
                label=FIELDS["label"], placeholder="made with AI",
                max_length=LONGEST_LABEL,
            )  # fmt: skip
        inputs = [face, audio, quality, person, missing, label]
        button = gr.Button("Sync", variant="primary", elem_id="sync")
        with gr.Row():
            given = gr.Video(label="Given", visible=False, elem_id="given")
            still = gr.Image(label="Given", visible=False, buttons=[], elem_id="still")
            result = gr.Video(label="Result", elem_id="result")
        text = gr.Markdown(elem_id="text")
        plot = gr.Image(
            label="Sync of the result", visible=False, buttons=["fullscreen"], elem_id="plot"
        )
        if pictures is not None:

            def choose(event: gr.SelectData) -> tuple[str, str]:
                trial = offers[event.index].trial
                return str(trial.face), str(trial.audio)

            pictures.select(choose, None, [face, audio], show_progress="hidden")
        button.click(sync, inputs, [given, still, result, plot, text], concurrency_limit=1)
    return page


def offered(offers: Sequence[Offer], credit: str) -> gr.Gallery:
    """Pictures to choose from, and below whose they are."""
    # Served as they lie: what Gradio copies goes with the files that people sent.
    gr.set_static_paths([offer.picture for offer in offers])
    pictures = gr.Gallery(
        [(str(offer.picture), offer.trial.caption) for offer in offers],
        label="To try: choose a picture, then press Sync", columns=len(offers),
        allow_preview=False, interactive=False, object_fit="contain", buttons=[],
        elem_id="examples",
    )  # fmt: skip
    if credit:
        gr.Markdown(credit, elem_id="credit")
    return pictures


def shown(kind: type, file: Path | None) -> Any:
    """A component that shows a file, or none where there is none."""
    return kind(value=None if file is None else str(file), visible=file is not None)
