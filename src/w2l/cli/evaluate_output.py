"""Where evaluate.py writes: a new folder, or a given file rid of what belonged to another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from w2l.errors import UserError
from w2l.files import check_writable, new_folder
from w2l.lock import only_process
from w2l.paths import user_path
from w2l.scoring import ClipScore
from w2l.scoring.partial import partial_file
from w2l.scoring.report import plot_clip

OUTPUTS = Path("outputs/evaluate")
SCORES = "scores.json"


@contextmanager
def chosen_output(given: str | None, video: Path) -> Iterator[Path]:
    """The path of scores.json: the given one, or a new one.

    Raises:
        UserError: it is no .json file, or cannot be written.
    """
    if given is None:
        stem = (video.stem if video.is_file() else video.absolute().name) or "scores"
        with ExitStack() as stack:
            folder = _unfinished(stem, stack)
            if folder is None:
                folder = stack.enter_context(new_folder(OUTPUTS, stem))
                stack.enter_context(only_process(folder, f"{folder} is written by another run."))
            yield folder / SCORES
        return
    output = user_path(given)
    if output.suffix.lower() != ".json":
        raise UserError(f"output={output} must name a .json file.")
    check_writable(output)
    yield output


def _unfinished(stem: str, stack: ExitStack) -> Path | None:
    """The folder of a killed run of this name; nobody else writes it while `stack` is open."""
    for folder in sorted(OUTPUTS.glob("*")):
        is_one = re.fullmatch(rf"{re.escape(stem)}(_\d+)?", folder.name)
        if is_one and partial_file(folder / SCORES).is_file():
            with suppress(UserError):
                stack.enter_context(only_process(folder, "It is still running."))
                return folder
    return None


def remove_earlier(output: Path) -> None:
    """Remove plots and page of the scores that will be replaced: they would tell of other clips."""
    with suppress(OSError, ValueError, AttributeError):  # none, or nothing that we wrote
        clips = json.loads(output.read_text("utf-8"))["clips"]
        named = [clip.get("plot") for clip in clips]
        for name in [*(name for name in named if name), f"{output.stem}.html"]:
            output.with_name(Path(name).name).unlink(missing_ok=True)


def write_plots(clips: Iterable[ClipScore], output: Path, used: set[str]) -> None:
    """A plot for each scored clip beside `output`, its name noted in the clip and, in lower case,
    in `used`, whose names are others'.
    """
    for clip in clips:
        if not clip.tracks:
            continue
        plain = re.sub(r"[^\w.-]+", "_", Path(clip.path).stem)
        stem = f"{output.stem}_{plain}"
        # Clips of the same name, as in the speakers' folders of LRS, are numbered; a number may
        # itself be another clip's name.
        names = (f"{stem}.png" if i == 1 else f"{stem}_{i}.png" for i in count(1))
        name = next(name for name in names if name.lower() not in used)
        used.add(name.lower())  # macOS and Windows do not tell cases apart
        plot_clip(clip, output.with_name(name))
        clip.plot = name
