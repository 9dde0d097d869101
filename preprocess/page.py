"""The set on one page: what became of every file, what the clips are like, and how they look."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from html import escape
from io import BytesIO
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from preprocess.lists import Result
from preprocess.records import Record
from w2l.audio.mel import MAX_VALUE
from w2l.components import Clip
from w2l.files import write_text
from w2l.html import image, page
from w2l.video import VideoReader, read_image

NAME = "report.html"
SHOWN = 24  # clips on the wall
EXAMPLES = 6  # of each reason for a rejection
FACES = 5  # of each clip on the wall
SIDE = 96  # pixels of a face there
THUMBNAIL = 200  # pixels, width of a rejected image
_NARROW = f'<figure style="width: {THUMBNAIL}px">'
HISTOGRAMS = {
    "duration_s": "length, s",
    "face_size": "height of the face, px",
    "sharpness": "sharpness",
    "brightness": "brightness, of 255",
    "yaw": "turned aside, degrees",
    "source_fps": "frames/s of the source",
    "sync_offset": "offset, frames (positive: sound early)",
    "sync_confidence": "confidence of the offset",
}


def write_page(result: Result, clips: Sequence[Clip], root: Path, lines: Sequence[str]) -> Path:
    """Write `<root>/report.html`.

    Args:
        result: the set after a run.
        clips: all that it was made from.
        root: the set's folder.
        lines: the run's summary.
    """
    told = "<br>".join(escape(line.replace(str(root), root.name)) for line in lines)
    parts = [f"<p>{told}</p>", steps_table(result)]
    if result.accepted:
        parts += ["<h2>The clips</h2>", image(histograms(result.accepted), "one count per clip")]
        parts += ["<h2>Some of them</h2>", wall(result.accepted, root)]
    if result.rejected:
        parts += ["<h2>What was rejected</h2>", *rejections(result.rejected, clips)]
    write_text(root / NAME, page(f"The set {root.name}", parts))
    return root / NAME


def steps_table(result: Result) -> str:
    """How many clips each step rejected, by reason, and how many are left."""
    counts = Counter((record["step"], record["reason"]) for record in result.rejected)
    total = len(result.accepted) + len(result.rejected) + result.pending
    rows = [("", "found", total)]
    rows += [(step, reason, -n) for (step, reason), n in counts.most_common()]
    if result.pending:
        rows.append(("", "not done yet", -result.pending))
    rows.append(("", "in the set", len(result.accepted)))
    cells = "".join(
        f'<tr><td>{escape(step)}</td><td>{escape(what)}</td><td class="number">{n}</td></tr>'
        for step, what, n in rows
    )
    return f"<table><tr><th>step</th><th></th><th>clips</th></tr>{cells}</table>"


def histograms(accepted: Iterable[Record]) -> bytes:
    """A PNG with a histogram for each of `HISTOGRAMS` that was measured."""
    found: dict[str, list[float]] = {title: [] for title in HISTOGRAMS.values()}
    for record in accepted:
        for key, title in HISTOGRAMS.items():
            if record.get(key) is not None:
                found[title].append(record[key])
    values = {title: numbers for title, numbers in found.items() if numbers}
    columns = min(4, len(values))
    rows = -(-len(values) // columns)
    figure = Figure(figsize=(3 * columns, 2.4 * rows), dpi=100)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(values) :]:
        axes.set_visible(False)
    for axes, (title, numbers) in zip(grid, values.items(), strict=False):
        axes.hist(numbers, bins=min(31, max(5, len(numbers))))
        axes.set(xlabel=title, yticks=[])
    figure.tight_layout()
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def wall(accepted: Sequence[Record], root: Path) -> str:
    """Clips from first to last: some faces above the sound of the whole clip."""
    chosen = np.unique(np.linspace(0, len(accepted) - 1, SHOWN).round().astype(int))
    figures = []
    for record in (accepted[int(i)] for i in chosen):
        folder = root / record["speaker"] / record["clip"]
        with suppress(Exception):  # a clip that somebody took away, or changed
            offset = record.get("sync_offset")
            moved = "" if offset is None else f", offset {offset:+d}"
            caption = f"{record['speaker']}/{record['clip']}, {record['duration_s']:.1f} s{moved}"
            figures.append(image(_strip(folder), caption, "image/jpeg"))
    return f'<div class="wall">{"".join(figures)}</div>'


def _strip(folder: Path) -> bytes:
    """Faces from first to last in a row, and the log-mel below them, as JPEG."""
    numbers = sorted(int(path.stem) for path in folder.glob("*.jpg"))
    chosen = np.linspace(0, len(numbers) - 1, FACES).round().astype(int)
    faces = [read_image(folder / f"{numbers[i]}.jpg") for i in chosen]
    row = np.hstack([cv2.resize(face, (SIDE, SIDE)) for face in faces])
    mel = np.load(folder / "mel.npy")[::-1]
    loudness = ((mel + MAX_VALUE) * (255 / (2 * MAX_VALUE))).clip(0, 255).astype(np.uint8)
    sound = cv2.resize(loudness, (row.shape[1], SIDE // 2), interpolation=cv2.INTER_AREA)
    return _jpeg(np.vstack([row, cv2.applyColorMap(sound, cv2.COLORMAP_MAGMA)]))


def rejections(rejected: Sequence[Record], clips: Iterable[Clip]) -> Iterator[str]:
    """Per reason a heading, and some examples with an image where there is one."""
    counts, examples = Counter[str](), defaultdict[str, list[Record]](list)
    for record in rejected:
        counts[record["reason"]] += 1
        if len(examples[record["reason"]]) < EXAMPLES:
            examples[record["reason"]].append(record)
    wanted = {_key(record) for records in examples.values() for record in records}
    sources = {clip.key: clip for clip in clips if clip.key in wanted}
    for reason, count in counts.most_common():
        yield f"<h3>{escape(reason)} ({count})</h3>"
        figures = [_example(record, sources.get(_key(record))) for record in examples[reason]]
        yield f'<div class="wall">{"".join(figures)}</div>'
    yield f'<p class="small">All of them, one per line: {escape("rejected.jsonl")}</p>'


def _key(record: Record) -> str:
    return f"{record['speaker']}/{record['clip']}"


def _example(record: Record, clip: Clip | None) -> str:
    caption = record["detail"]
    frame = None
    if clip is not None:
        with suppress(Exception):  # it was rejected because it cannot be read
            reader = VideoReader(clip.path, 25, clip.start_s, clip.end_s)
            frame = next(islice(reader, 1), None)
    if frame is None:
        return f"{_NARROW}<figcaption>{escape(caption)}</figcaption></figure>"
    height = max(1, round(frame.shape[0] * THUMBNAIL / frame.shape[1]))
    small = cv2.resize(frame, (THUMBNAIL, height), interpolation=cv2.INTER_AREA)
    figure = image(_jpeg(small), caption, "image/jpeg")
    return figure.replace("<figure>", _NARROW, 1)


def _jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
