"""The page's looks, in Gradio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from w2l.cli.page_jobs import PageJobs
from w2l.errors import UserError

T = TypeVar("T")

TITLE = "w2l: lips that follow speech"
NOTE = (
    "Sync only people who agree to it. The result says in its metadata that it is synthetic; "
    "a label says it to those who watch."
)
QUALITIES = ["improved", "fast", "enhanced"]
PERSONS = ["largest", "center", "left", "right", "first"]
MISSING = ["pass", "hold", "error"]


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


def build_page(jobs: PageJobs, examples: list[list[str]], keep_s: int) -> gr.Blocks:
    """The page, ready to be launched.

    Args:
        jobs: does the work.
        examples: pairs of a face and a sound.
        keep_s: seconds after which files are removed.
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
        try:
            result = jobs.sync(face, audio, choices, PageProgress(bar))
        except UserError as error:
            raise gr.Error(str(error), duration=None, print_exception=False) from error
        # Of these Gradio removes what is old enough. A set for each: adding to one while it is gone
        # through would end that for good.
        page.temp_file_sets.append({str(path) for path in result.made})
        return (
            shown(gr.Video, result.given_video),
            shown(gr.Image, result.given_picture),
            str(result.video),
            shown(gr.Image, result.plot),
            result.text,
        )

    start = jobs.defaults
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(keep_s, keep_s)) as page:
        gr.Markdown(f"# {TITLE}\n{NOTE}")
        with gr.Row():
            face = gr.File(label="Video or photo of the face", type="filepath", elem_id="face")
            audio = gr.File(label="What is to be said: any file with sound", elem_id="audio")
        with gr.Row():
            quality = gr.Radio(QUALITIES, value=start["quality"], label="Quality")
            person = gr.Dropdown(PERSONS, value=start["person"], label="Whom, of several people")
            missing = gr.Dropdown(
                MISSING, value=start["missing_face"], label="Frames without a face"
            )
            label = gr.Textbox(label="Label on every picture", placeholder="made with AI")
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
        if examples:
            names = [f"{name_of(a)} says what {name_of(b)} says" for a, b in examples]
            gr.Examples(examples, [face, audio], label="To try", example_labels=names)
        button.click(sync, inputs, [given, still, result, plot, text], concurrency_limit=1)
    return page


def name_of(clip: str) -> str:
    """Of an example: its speaker and file."""
    return "/".join(Path(clip).with_suffix("").parts[-2:])


def shown(kind: type, file: Path | None) -> Any:
    """A component that shows a file, or none where there is none."""
    return kind(value=None if file is None else str(file), visible=file is not None)
