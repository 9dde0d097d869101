"""`w2l doctor published=DIR`: what only those can check who have the released files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from w2l.errors import UserError
from w2l.files import sha256, write_text
from w2l.paths import user_path
from w2l.weights import registry

FRAMES = "frames.json"
N_FRAMES, BLOCK = 5, 8  # of the synced clip, and pixels a side of what is stored of each
BOX = (131, 100, 233, 250)  # left, top, right, bottom of the face in it, with 10 px under the chin
WITHIN_LEVELS = 2.0  # of 255, between the means of blocks on two machines
GENERATORS = ("wav2lip", "wav2lip_gan")


@dataclass(frozen=True)
class Answer:
    """What SyncNet is published to say of a clip.

    Attributes:
        file: in the folder.
        settings: of evaluate.py.
        offset, lse_d, lse_c: published.
        needs: file beside SyncNet's, by its registry name.
    """

    file: str
    settings: dict[str, Any]
    offset: int
    lse_d: float
    lse_c: float
    needs: str | None = None


# The first is of SyncNet's demo script, which takes whole frames; the second of the whole pipeline
# of the package syncnet-python.
ANSWERS = (
    Answer("example.avi", {"protocol": "lrs"}, 3, 5.353, 10.021),
    Answer("video.avi", {"preset": "mochabench"}, 1, 9.237, 4.529, "sfd_face"),
)
WITHIN = {"lse_d": 0.05, "lse_c": 0.1}  # decoders of two FFmpegs differ


@dataclass(frozen=True)
class Check:
    """One line: passed, failed, or (None) not to be checked for what is not there."""

    what: str
    passed: bool | None
    told: str


def check_published(folder: str) -> int:
    """Print a line for each check; exit code 1 where one fails or the folder has nothing."""
    root = user_path(folder)
    if not root.is_dir():
        print(f"error: published={root} is not a folder: name the one with the released files.")
        return 1
    failed = n = 0
    for check in chain(hashes(root), answers(root), frames(root)):
        mark = {True: "pass", False: "FAIL", None: "-"}[check.passed]
        print(f"  {mark:5} {check.what}: {check.told}", flush=True)
        failed += check.passed is False
        n += check.passed is not None
    if not n:
        print(f"error: {root} has none of the released files: their names are those above.")
        return 1
    print(f"\n{n - failed} of {n} checks passed.")
    return int(failed > 0)


def hashes(root: Path) -> Iterator[Check]:
    """Each file of the registry that is there: whether it is the published one."""
    for name, entry in registry().items():
        path = root / entry.file_name
        if not path.is_file():
            if name in {"syncnet_v2", "sfd_face", "lipsync_expert", *GENERATORS}:
                yield Check(f"hash of {name}", None, f"no {entry.file_name}")
            continue
        found = sha256(path)
        if entry.sha256 is None:
            yield Check(f"hash of {name}", None, f"{found}; none is published")
        elif found == entry.sha256:
            yield Check(f"hash of {name}", True, found[:16])
        else:
            yield Check(f"hash of {name}", False, f"{found[:16]}, published: {entry.sha256[:16]}")


def answers(root: Path) -> Iterator[Check]:
    """SyncNet's two published answers."""
    for answer in ANSWERS:
        what = f"SyncNet on {answer.file}"
        needed = [name for name in ("syncnet_v2", answer.needs) if name]
        missing = [registry()[name].file_name for name in needed]
        missing = [name for name in (answer.file, *missing) if not (root / name).is_file()]
        if missing:
            yield Check(what, None, f"no {', '.join(missing)}")
            continue
        try:
            with weights_in(root):
                syncnet = str(root / registry()["syncnet_v2"].file_name)  # packed as it may be
                found = scores(root / answer.file, answer.settings | {"syncnet": syncnet})
        except UserError as error:
            yield Check(what, False, str(error))
            continue
        passed = found["offset"] == answer.offset and all(
            abs(found[key] - getattr(answer, key)) <= limit for key, limit in WITHIN.items()
        )
        told = ", ".join(
            f"{title} {found[key]:g} ({getattr(answer, key):g})"
            for key, title in (("offset", "offset"), ("lse_d", "LSE-D"), ("lse_c", "LSE-C"))
        )
        yield Check(what, passed, f"{told}; published in brackets")


def scores(video: Path, settings: dict[str, Any]) -> dict[str, float]:
    """A video's offset, LSE-D and LSE-C as evaluate.py has them, rounded to three digits."""
    from rich.console import Console

    from w2l.building import CONFIG_DIR
    from w2l.cli.evaluate import build_evaluator
    from w2l.cli.help import defaults
    from w2l.cli.keys.evaluate import Evaluate
    from w2l.cli.presets import PUBLISHED, Preset, preset_settings
    from w2l.schema import read
    from w2l.scoring.results import video_scores

    base = defaults(CONFIG_DIR, Evaluate) | {"expert": "none"} | settings
    preset = Preset.named("evaluate", settings.get("preset", PUBLISHED))
    chosen = preset_settings(preset, base, set(settings))
    evaluator, _ = build_evaluator(read(Evaluate, chosen), Console(quiet=True))
    found = video_scores(evaluator.score(video), chosen["video_score"])
    return {key: round(float(found[key]), 3) for key in ("offset", "lse_d", "lse_c")}


def frames(root: Path) -> Iterator[Check]:
    """What each generator makes of a shipped clip, beside what is stored in frames.json.

    Where nothing is stored yet, this machine's are: the next one is compared with them.
    """
    path = root / FRAMES
    stored: dict[str, Any] = {}
    if path.is_file():
        try:
            stored = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            yield Check("synced frames", False, f"{path} cannot be read ({error})")
            return
    for name in GENERATORS:
        file = root / registry()[name].file_name
        if not file.is_file():
            continue
        what = f"frames by {name}"
        try:
            with weights_in(root):
                found = synced_blocks(file)
        except UserError as error:
            yield Check(what, False, str(error))
            continue
        digest = sha256(file)
        entry = stored.get(name)
        if not isinstance(entry, dict) or entry.get("sha256") != digest:
            stored[name] = {"sha256": digest, "blocks": found.tolist()}
            write_text(path, json.dumps(stored) + "\n")
            yield Check(what, None, f"stored in {FRAMES}, to be compared elsewhere")
            continue
        before = np.asarray(entry["blocks"], np.float64)
        apart = np.inf if before.shape != found.shape else float(np.abs(before - found).max())
        yield Check(what, apart <= WITHIN_LEVELS, f"at most {apart:.2f} levels from {FRAMES}")


def synced_blocks(generator: Path) -> np.ndarray:
    """Means of the blocks (N, rows, columns, 3) of a shipped clip that says another one's words."""
    from w2l.examples import EXAMPLES
    from w2l.inference import LipSync, SyncOptions

    face, voice = (example.path for example in EXAMPLES[:2])
    lipsync = LipSync.from_pretrained(
        generator, device="cpu", runtime="torch", precision="float32", detector=None
    )
    options = SyncOptions(quality="fast", box=np.array(BOX, np.float32))
    taken = list(islice(lipsync.frames(face, voice, options=options), N_FRAMES))
    images = np.stack(taken).astype(np.float64)
    n, height, width, _ = images.shape
    rows, columns = height // BLOCK, width // BLOCK
    cut = images[:, : rows * BLOCK, : columns * BLOCK]
    blocks = cut.reshape(n, rows, BLOCK, columns, BLOCK, 3).mean(axis=(2, 4))
    return np.asarray(blocks.round(1))


@contextmanager
def weights_in(root: Path) -> Iterator[None]:
    """Within, weights come from this folder and from nowhere else."""
    wanted = {"W2L_WEIGHTS_DIR": str(root), "W2L_OFFLINE": "1"}
    before = {key: os.environ.get(key) for key in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
