"""`compare=… pairs=FOLDER`: pairs of videos for people to judge, and what they said."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from scipy.io import wavfile

from evaluation.keys import Evaluation
from evaluation.rating_page import rating_page
from evaluation.report.compare import pair_names
from evaluation.report.score_files import ScoreFile, read_scores
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.files import atomic_path, write_text
from w2l.paths import readable, user_path
from w2l.progress import counted
from w2l.video import AudioTrack, VideoReader, VideoWriter
from w2l.windows import FPS, SAMPLE_RATE

KEY, ANSWERS, PAGE, RESULT = "key.csv", "answers.csv", "index.html", "people.json"
CHOICES = ("left", "right", "tie")
FIELDS = ("pair", "rater", "choice")
GAP = 12  # pixels between the two
DIMMED = 0.25  # of what stands still while the other plays
SAME_SOUND = 0.99  # correlation
ENOUGH = 10  # videos, for an interval to mean anything
HALF_A_WIN = 0.5  # is added to each method against each other, or who never lost had no score


@dataclass(frozen=True)
class Shown:
    """One pair: a video, the methods, and their files.

    Attributes:
        video: name of the video that both made.
        left, right: the methods.
        files: of the left and of the right.
    """

    video: str
    left: str
    right: str
    files: tuple[Path, Path]


def people(settings: Evaluation, console: Console) -> None:
    """Write the pairs, or, without `compare=`, read the answers.

    Raises:
        UserError: a video is gone, the folder holds pairs already, or there are no answers.
    """
    folder = user_path(settings.pairs)
    if settings.compare is None:
        read_answers(folder, settings.resamples, settings.seed, console)
        return
    files, names = settings.compare, settings.names
    if not isinstance(files, list) or len(files) < 2:
        raise UserError(f"compare={files} must name two files or more: compare=[a.json,b.json].")
    if names is not None and (not isinstance(names, list) or len(names) != len(files)):
        raise UserError(f"names={names} must name each of the {len(files)} files: names=[a,b].")
    labels = [None] * len(files) if names is None else [str(name) for name in names]
    read = [read_scores(user_path(f), label) for f, label in zip(files, labels, strict=True)]
    write_pairs(read, folder, settings.limit, settings.seed, console)


def write_pairs(
    files: Sequence[ScoreFile], folder: Path, limit: int | None, seed: int, console: Console
) -> None:
    """Write shuffled videos, the key, an empty list of answers, and a page to fill it in.

    Raises:
        UserError: as `people`.
    """
    if (folder / KEY).exists():
        raise UserError(
            f"{folder} holds pairs already: name a new folder, or leave compare= out to read the "
            "answers."
        )
    labels = [file.label for file in files]
    if len(set(labels)) < len(labels):
        raise UserError(f"Two files are called alike ({', '.join(labels)}): give names=[a,b,…].")
    pairs = drawn(files, limit, seed)
    if missing := [path for pair in pairs for path in pair.files if not path.is_file()]:
        raise UserError(f"{missing[0]} is gone: run this where its scores were made.")
    n = len(str(len(pairs)))
    names = [f"{number:0{max(n, 3)}d}.mp4" for number in range(1, len(pairs) + 1)]
    console.print(f"{len(pairs)} pairs of {len(files)} methods")
    named = zip(names, pairs, strict=True)
    for name, pair in counted(named, len(pairs), Console(stderr=True), "writing", "pairs"):
        write_pair(pair, folder / name)
    write_text(folder / PAGE, rating_page(names))
    _write_csv(folder / ANSWERS, FIELDS, [(name, "", "") for name in names])
    rows = [
        (name, readable(p.video), p.left, p.right) for name, p in zip(names, pairs, strict=True)
    ]
    _write_csv(folder / KEY, ("pair", "video", "left", "right"), rows)  # last: it says all is there
    console.print(
        f"Give people {folder}/{PAGE} with the videos, but not {KEY}. Lay their answers into "
        f"{folder} as answers*.csv ({', '.join(FIELDS)}; choice: {', '.join(CHOICES)}), then: "
        f"python -m evaluation pairs={folder}",
        soft_wrap=True, markup=False,
    )  # fmt: skip


def drawn(files: Sequence[ScoreFile], limit: int | None, seed: int) -> list[Shown]:
    """All pairs of methods on the videos that all have, sides and order by chance.

    Raises:
        UserError: they share no video.
    """
    rng = np.random.default_rng(seed)
    first = files[0]
    names = [{name: name for name in first.clips}]
    names += [dict(pair_names(first, other)) for other in files[1:]]
    shared = [name for name in first.clips if all(name in each for each in names)]
    if not shared:
        raise UserError("The files have no scored clip in common.")
    if limit is not None and limit < len(shared):
        shared = [shared[i] for i in sorted(rng.choice(len(shared), limit, replace=False))]
    pairs = []
    for name in shared:
        for i, j in combinations(range(len(files)), 2):
            a, b = (i, j) if rng.random() < 0.5 else (j, i)
            paths = (user_path(names[a][name]), user_path(names[b][name]))
            pairs.append(Shown(name, files[a].label, files[b].label, paths))
    return [pairs[i] for i in rng.permutation(len(pairs))]


def write_pair(pair: Shown, target: Path) -> None:
    """Write both side by side.

    With the same sound they play together; else one after the other, each with its own, while the
    other stands still: one sound for both would hide a delay.
    """
    readers = [VideoReader(path, fps=FPS) for path in pair.files]
    sounds = [load_audio(path, origin="video") for path in pair.files]
    width, height = readers[0].size
    widths = [width, round(readers[1].size[0] * height / readers[1].size[1])]
    size = (sum(widths) + GAP, height)
    together = _is_same(*sounds)

    def sides(reader: VideoReader, side: int) -> Iterator[np.ndarray]:
        for frame in reader:
            yield cv2.resize(frame, (widths[side], height), interpolation=cv2.INTER_AREA)

    def joined(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.hstack([left, np.full((height, GAP, 3), 255, np.uint8), right])

    with tempfile.TemporaryDirectory() as scratch:
        counts = [reader.count() for reader in readers]
        if together:
            audio = AudioTrack(pair.files[0], origin="video")
        else:
            lengths = [count * SAMPLE_RATE // FPS for count in counts]
            cut = [
                np.pad(s, (0, max(0, n - len(s))))[:n] for s, n in zip(sounds, lengths, strict=True)
            ]
            wav = Path(scratch) / "sound.wav"
            wavfile.write(wav, SAMPLE_RATE, np.concatenate(cut).astype(np.float32))
            audio = AudioTrack(wav)
        with VideoWriter(target, FPS, size, audio, crf=16) as writer:
            if together:
                for left, right in zip(sides(readers[0], 0), sides(readers[1], 1), strict=False):
                    writer.write(joined(left, right))
                return
            still = [(next(sides(r, k)) * DIMMED).astype(np.uint8) for k, r in enumerate(readers)]
            for left in sides(readers[0], 0):
                writer.write(joined(left, still[1]))
            for right in sides(readers[1], 1):
                writer.write(joined(still[0], right))


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    n = min(len(a), len(b))
    if not n or max(len(a), len(b)) - n > SAMPLE_RATE // 5:
        return False
    a, b = a[:n], b[:n]
    if a.std() < 1e-6 or b.std() < 1e-6:
        return bool(a.std() < 1e-6 and b.std() < 1e-6)
    return float(np.corrcoef(a, b)[0, 1]) >= SAME_SOUND


def read_answers(folder: Path, resamples: int, seed: int, console: Console) -> dict[str, Any]:
    """Show and write what people chose.

    Raises:
        UserError: there are no pairs or answers, or one is none of the choices.
    """
    key = {row["pair"]: row for row in _read_csv(folder / KEY)}
    votes = list(_votes(folder, key))
    if not votes:
        raise UserError(
            f"{folder} holds no answers: fill in the column `choice` of {ANSWERS} "
            f"({', '.join(CHOICES)})."
        )
    found = summary(votes, resamples, seed)
    write_text(folder / RESULT, json.dumps(found, indent=1) + "\n")
    table = Table("method", "score ↑", "95 %", "preferred", "votes", box=SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in found["methods"]:
        low, high = row["interval"]
        table.add_row(row["name"], f"{row['score']:+.2f}", f"{low:+.2f} to {high:+.2f}",
                      f"{row['preferred']:.1%}", str(row["votes"]))  # fmt: skip
    console.print(table, markup=False)
    console.print(
        f"{found['n_votes']} votes by {found['n_raters']} people on {found['n_videos']} videos; "
        f"left was chosen in {found['left']:.0%} of those that chose. {found['note']}",
        soft_wrap=True,
    )
    console.print(str(folder / RESULT), soft_wrap=True, markup=False)
    return found


@dataclass(frozen=True)
class Vote:
    """One answer: `share` of a win goes to `left`: 1, 0, or 0.5 for a tie."""

    video: str
    rater: str
    left: str
    right: str
    share: float


def _votes(folder: Path, key: Mapping[str, Mapping[str, str]]) -> Iterator[Vote]:
    for path in sorted(folder.glob("answers*.csv")):
        for row in _read_csv(path):
            choice = (row.get("choice") or "").strip().lower()
            if not choice:
                continue
            pair = (row.get("pair") or "").strip()
            if pair not in key:
                raise UserError(f"{path}: there is no pair {pair}.")
            if choice not in CHOICES:
                raise UserError(
                    f"{path}: {pair} has choice={choice}: {', '.join(CHOICES)} are known."
                )
            of = key[pair]
            rater = (row.get("rater") or "").strip() or path.stem
            share = {"left": 1.0, "right": 0.0, "tie": 0.5}[choice]
            yield Vote(of["video"], rater, of["left"], of["right"], share)


def summary(votes: Sequence[Vote], resamples: int, seed: int) -> dict[str, Any]:
    """Scores of the methods, the best first, with intervals from whole videos drawn again."""
    names = sorted({name for vote in votes for name in (vote.left, vote.right)})
    at = {name: i for i, name in enumerate(names)}
    videos = sorted({vote.video for vote in votes})
    wins = np.zeros((len(videos), len(names), len(names)))
    for vote in votes:
        of, left, right = videos.index(vote.video), at[vote.left], at[vote.right]
        wins[of, left, right] += vote.share
        wins[of, right, left] += 1 - vote.share
    total = wins.sum(axis=0)
    scores = bradley_terry(total)
    rng = np.random.default_rng(seed)
    again = np.array(
        [bradley_terry(wins[rng.integers(0, len(videos), len(videos))].sum(axis=0))
         for _ in range(resamples)]
    )  # fmt: skip
    low, high = np.percentile(again, (2.5, 97.5), axis=0)
    few = "" if len(videos) >= ENOUGH else f" {len(videos)} videos are too few for them."
    counted = total.sum(axis=1) + total.sum(axis=0)
    chosen = [vote.share for vote in votes if vote.share != 0.5]
    return {
        "methods": [
            {
                "name": names[i],
                "score": float(scores[i]),
                "interval": [float(low[i]), float(high[i])],
                "preferred": float(total[i].sum() / counted[i]),
                "votes": round(counted[i]),
            }
            for i in np.argsort(-scores)
        ],
        "names": names,
        "wins": total.tolist(),
        "n_votes": len(votes),
        "n_raters": len({vote.rater for vote in votes}),
        "n_videos": len(videos),
        "left": float(np.mean(chosen)) if chosen else 0.5,
        "note": "Bradley-Terry: a difference d wins with probability 1 / (1 + exp(-d)); ties are "
        "half a win each, half a win is added each way; intervals are 95 % over videos." + few,
    }


def bradley_terry(wins: np.ndarray) -> np.ndarray:
    """Log strengths (K,) with mean 0 from wins (K, K), entry (i, j): i over j.

    Source: Hunter, MM algorithms for generalized Bradley-Terry models, 2004.
    """
    k = len(wins)
    wins = wins + HALF_A_WIN * (1 - np.eye(k))
    games, won = wins + wins.T, wins.sum(axis=1)
    strength = np.ones(k)
    for _ in range(1000):
        new = won / (games / (strength[:, None] + strength)).sum(axis=1)
        new /= np.exp(np.log(new).mean())
        if np.abs(np.log(new / strength)).max() < 1e-9:
            break
        strength = new
    return np.log(new)


def _write_csv(target: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with atomic_path(target) as path, path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def _read_csv(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: write pairs with compare=… pairs=….") from error
