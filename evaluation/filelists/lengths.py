"""How long the clips of a test set are, for pairing them: prepared sets, and videos as they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from w2l.audio.mel import HOP_LENGTH, N_FFT
from w2l.audio.waveform import load_audio
from w2l.data.clips import BadClipError, Clip
from w2l.errors import UserError
from w2l.filelists import Candidate, clip_file, read_split
from w2l.filelists.reading import is_name
from w2l.video import VideoReader
from w2l.windows import FPS

Watch = Callable[[Sequence[str]], Iterable[str]]
"""Passes names on one by one, and may draw how far they are."""


def candidates(
    root: Path, clips: Path | None, split: str, pattern: str, watch: Watch = iter
) -> tuple[list[Candidate], list[str]]:
    """The clips of a test set, with their lengths.

    Args:
        root: a prepared set, ours or in the published layout; or a folder of videos.
        clips: list of the clips to take; None: `<root>/<split>.txt`, or where there is none
            everything that is there.
        split: train, val or test.
        pattern: of the videos below `root`, where no list says which.
        watch: shown the names while videos are measured.

    Returns:
        The clips, and sentences for the user.

    Raises:
        UserError: no such folder or list, a damaged one, or it has no clip.
    """
    if not root.is_dir():
        raise UserError(f"data_root={root} is not a folder: name a prepared set, or videos.")
    names = None if clips is None else _listed(clips)
    manifest = root / "manifest.jsonl"
    if manifest.is_file():
        found, notes = _prepared(manifest, names, split)
    else:
        notes = []
        if names is None and (root / f"{split}.txt").is_file():
            names = _listed(root / f"{split}.txt")
        if names is None:
            names = _all_below(root, pattern)
            notes.append(f"{root} has no {split}.txt: all {len(names)} clips below it are taken.")
        found, left_out = _measured(root, names, watch)
        notes += left_out
    if not found:
        raise UserError(" ".join([f"data_root={root} has no clip to pair.", *notes]))
    return found, notes


def _listed(path: Path) -> list[str]:
    return [entry.name for entry in read_split(path)]


def _prepared(
    manifest: Path, names: list[str] | None, split: str
) -> tuple[list[Candidate], list[str]]:
    """Of a set of ours, whose manifest knows the lengths."""
    found = {}
    wanted = None if names is None else set(names)
    for number, line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            frames = round(record["n_frames"] * FPS / record["fps"])
            name = f"{record['speaker']}/{record['clip']}"
            clip = Candidate(name, record["speaker"], frames, int(record["n_mel"]))
            if record["split"] == split if wanted is None else name in wanted:
                found[name] = clip
        except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            raise UserError(
                f"{manifest}, line {number} is damaged: run `python -m preprocess` again."
            ) from error
    missing = [name for name in names or () if name not in found]
    return list(found.values()), _left_out(missing, "are not in the set", names or ())


def _all_below(root: Path, pattern: str) -> list[str]:
    """Folders of crops in the published layout, else videos, by their paths without `.mp4`."""
    try:
        found = [path.parent for path in root.glob("*/*/audio.wav")] or list(root.glob(pattern))
    except (ValueError, NotImplementedError) as error:
        raise UserError(
            f"pattern={pattern} is no pattern of paths below {root}: write e.g. */test/*.mp4."
        ) from error
    paths = sorted(path.relative_to(root) for path in found)
    # A hidden folder holds what a killed run left, or what was rejected.
    shown = [path for path in paths if not any(part.startswith(".") for part in path.parts)]
    return [path.as_posix().removesuffix(".mp4") for path in shown]


def _measured(root: Path, names: Sequence[str], watch: Watch) -> tuple[list[Candidate], list[str]]:
    """Of clips as they are: images are counted and sound is decoded."""
    found, failed = [], []
    for name in watch(names):
        try:
            found.append(_measure(root, name))
        except (UserError, BadClipError) as error:
            failed.append(f"{name} ({str(error).rstrip('.')})")
        except Exception as error:  # of whatever kind: one bad clip must not end a list
            failed.append(f"{name} ({type(error).__name__}: {error})")
    return found, _left_out(failed, "cannot be used", names)


def _measure(root: Path, name: str) -> Candidate:
    """One clip.

    Raises:
        UserError, BadClipError: it is not there, or cannot be read.
    """
    if not is_name(name) or len(name.split()) != 1:
        raise UserError("its name has blanks, which keep the names in a list apart")
    # A first folder is a person by convention; LRW's is a word.
    speaker = name.partition("/")[0] if "/" in name else None
    if (root / name).is_dir():
        clip = Clip(root / name)
        frames = int(clip.frames[-1]) + 1 if len(clip.frames) else 0
        return Candidate(name, speaker, frames, clip.mel.shape[1])
    path = clip_file(root, name)
    reader = VideoReader(path, fps=FPS)
    columns = 0
    if reader.info.has_audio:
        samples = len(load_audio(path))
        columns = 1 + samples // HOP_LENGTH if samples > N_FFT // 2 else 0
    return Candidate(name, speaker, reader.count(), columns)


def _left_out(names: Sequence[str], why: str, of: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [f"{len(names)} of {len(of)} clips {why} and are left out; the first: {names[0]}."]
