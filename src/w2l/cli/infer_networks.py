"""The networks that the jobs of one run share: each is loaded when the first job needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from w2l.checkpoints import ENOUGH_SPEAKERS, load_expert, read, resolve
from w2l.cli.keys.infer import Infer
from w2l.components import FaceDetector
from w2l.inference import CheckpointId, FaceGenerator, build_generator
from w2l.scoring import SyncScorer

T = TypeVar("T")


class Networks:
    """Keeps the last generator, detector and expert that a job asked for."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[object, object]] = {}

    def generator(self, settings: Infer) -> tuple[FaceGenerator, CheckpointId]:
        """The generator, and which one it is.

        Raises:
            UserError: no such checkpoint, or no such device.
        """

        def load() -> tuple[FaceGenerator, CheckpointId]:
            path = resolve(settings.checkpoint)
            lipsync = build_generator(
                path,
                runtime=settings.runtime,
                device=settings.device,
                precision=settings.precision,
            )
            return lipsync if is_whole else lipsync.lower_half(), CheckpointId.of(path)

        is_whole = settings.quality == "fast"  # of all others, no more is put back
        how = settings.checkpoint, settings.runtime, settings.device, settings.precision
        return self._once("generator", (*how, is_whole), load)

    def known_speakers(self, settings: Infer) -> int | None:
        """How many people the generator was trained on, where they are few and its file says so."""
        path = resolve(settings.checkpoint)
        speakers = None if path.suffix.lower() == ".onnx" else read(path, "generator").speakers
        return speakers if speakers is not None and speakers < ENOUGH_SPEAKERS else None

    def detector(self, settings: Infer, device: str) -> FaceDetector | None:
        """The detector, with its weights; none where a box is given.

        Raises:
            UserError: unknown, or its weights cannot be had.
        """
        if settings.box is not None:
            return None
        component = settings.detector
        files = tuple((path, path.stat().st_mtime_ns) for path in component.files())
        return self._once(
            "detector", (component, device, files), lambda: component.build(device=device)
        )

    def scorer(self, expert: str, device: str) -> SyncScorer:
        """The expert as a judge.

        Raises:
            UserError: no such checkpoint.
        """
        return self._once(
            "scorer",
            (expert, device),
            lambda: SyncScorer(expert=load_expert(expert), device=device),
        )

    def judge(self, settings: Infer, device: str) -> SyncScorer | None:
        """The expert that judges the result; none where none is asked for.

        Raises:
            UserError: no such checkpoint.
        """
        name = settings.judge
        if name is None or name == "none":
            return None
        return self._once(
            "judge", (name, device), lambda: SyncScorer(expert=load_expert(name), device=device)
        )

    def _once(self, kind: str, key: object, load: Callable[[], T]) -> T:
        kept = self._kept.get(kind)
        if kept is None or kept[0] != key:
            self._kept.pop(kind, None)  # never two of a kind in memory
            self._kept[kind] = kept = (key, load())
        return cast(T, kept[1])
