"""What a worker process does with one clip.

The steps load torch, OpenCV and librosa, which takes seconds. They are imported inside the
functions, so that the parent, which never runs them, does not wait for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from preprocess.download import download
from preprocess.records import Record
from preprocess.rejection import RejectedError
from preprocess.settings import Recipe
from preprocess.times import Times
from w2l.components import Clip
from w2l.errors import UserError
from w2l.jobs import Devices, Stop, check_shared

if TYPE_CHECKING:
    from w2l.components import FaceDetector
    from w2l.scoring import SyncScorer


@dataclass(frozen=True)
class Done:
    """What a worker did.

    Attributes:
        result: the clip's record, or why it is rejected.
        times: what it took.
        choices: see `w2l.video.choices_of`; of what became a clip.
    """

    result: Record | RejectedError
    times: Times
    choices: Sequence[str] = ()


@dataclass(frozen=True)
class Worker:
    """Callable on a clip, in any process.

    Attributes:
        root: the set's folder.
        recipe: what a prepared clip is to be.
        batch_size: frames per detector call.
        devices: of the networks.
    """

    root: Path
    recipe: Recipe
    batch_size: int
    devices: Devices

    def start(self) -> None:
        """Load everything that the first clip would otherwise wait for.

        Raises:
            UserError: the set's folder is not on this machine.
        """
        check_shared(self.root)
        from preprocess.steps import chain  # noqa: F401

        self._networks()

    def __call__(self, clip: Clip) -> Done | Stop:
        """Prepare one clip."""
        from w2l.video import choices_of

        times = Times()
        try:
            result = self._prepared(clip, times)
        except UserError as error:  # of the output: those of the input are rejections
            return Stop(str(error))
        if not isinstance(result, dict):
            return Done(result, times)
        return Done(result, times, choices_of(clip.path, deinterlace=not self.recipe.published))

    def _prepared(self, clip: Clip, times: Times) -> Record | RejectedError:
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

    def _networks(self) -> tuple[FaceDetector, SyncScorer | None]:
        """On this process's device, loaded once."""
        from w2l.inference import pick_device

        device = str(pick_device(self.devices.mine()))
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
