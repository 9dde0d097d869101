"""What a worker process does with one clip.

The steps load torch, OpenCV and librosa, which takes seconds. They are imported inside the
functions, so that the parent, which never runs them, does not wait for them.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from preprocess.download import download
from preprocess.records import Record
from preprocess.rejection import RejectedError
from preprocess.settings import Recipe
from preprocess.sources import Clip
from preprocess.times import Times
from w2l.errors import UserError
from w2l.jobs.devices import device_of_process

if TYPE_CHECKING:
    from w2l.components import FaceDetector
    from w2l.scoring import SyncScorer


@dataclass(frozen=True)
class Stop:
    """The run cannot go on: the disk is full, the folder is read-only."""

    message: str


@dataclass(frozen=True)
class Done:
    """What a worker did.

    Attributes:
        result: the clip's record, why it is rejected, or why the whole run must stop.
        times: what it took.
        choices: see `w2l.video.choices_of`; of what became a clip.
    """

    result: Record | RejectedError | Stop
    times: Times
    choices: Sequence[str] = ()


@dataclass(frozen=True)
class Worker:
    """Callable on a clip, in any process.

    Attributes:
        root: the set's folder.
        recipe: what a prepared clip is to be.
        device: of the detector: auto, cpu, cuda, cuda:1.
        batch_size: frames per detector call.
        slots: see `w2l.jobs.devices.device_of`.
        n_gpus: on which workers are spread.
    """

    root: Path
    recipe: Recipe
    device: str
    batch_size: int
    slots: str | None = None
    n_gpus: int = 0

    def start(self) -> None:
        """Load everything that the first clip would otherwise wait for.

        Raises:
            UserError: the set's folder is not on this machine.
        """
        if not self.root.is_dir():
            raise UserError(
                f"out={self.root} is not there on {platform.node()}: choose a folder that all "
                "nodes of the cluster share."
            )
        from preprocess.steps import chain  # noqa: F401

        self._networks()

    def __call__(self, clip: Clip) -> Done:
        """Prepare one clip."""
        from w2l.video import choices_of

        times = Times()
        result = self._prepared(clip, times)
        if not isinstance(result, dict):
            return Done(result, times)
        return Done(result, times, choices_of(clip.path, deinterlace=not self.recipe.published))

    def _prepared(self, clip: Clip, times: Times) -> Record | RejectedError | Stop:
        from preprocess.steps.chain import prepare_clip

        detector, judge = self._networks()
        folder = self.root / clip.speaker / clip.name
        try:
            if clip.url is not None:
                with times.step("download"):
                    download(clip.url, clip.path)
            return prepare_clip(clip, folder, self.recipe, detector, self.batch_size, judge, times)
        except RejectedError as rejection:
            return rejection
        except UserError as error:  # of the output: those of the input are rejections
            return Stop(str(error))

    def _networks(self) -> tuple[FaceDetector, SyncScorer | None]:
        """On this process's device, loaded once."""
        from w2l.inference import pick_device

        device = str(pick_device(device_of_process(self.device, self.slots, self.n_gpus)))
        return _detector(self.recipe, device), _judge(self.recipe, device)


@cache
def _detector(recipe: Recipe, device: str) -> FaceDetector:
    detector: FaceDetector = recipe.detector.build(device=device)
    return detector


@cache
def _judge(recipe: Recipe, device: str) -> SyncScorer | None:
    if recipe.sync is None:
        return None
    from preprocess.steps.sync import load_judge

    return load_judge(recipe.sync, device)
