"""How a video is synced, as plain typed values; and who is told how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from w2l.components import Progress, no_progress
from w2l.errors import UserError
from w2l.inference.blending import MaskOptions, Quality
from w2l.inference.enhance import FaceRestoration
from w2l.inference.layout import OutputOptions
from w2l.inference.plan import FaceOptions
from w2l.inference.silence import Silence
from w2l.inference.timeline import Duration, Extend
from w2l.restoration import FaceParser

T = TypeVar("T")

# Is told the stage ("finding faces", "syncing", …), frames done, and frames expected.
ProgressCallback = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SyncOptions:
    """How a video is synced.

    Attributes:
        faces: how faces are found and followed.
        box: fixed box (left, top, right, bottom) instead of a detector.
        duration: what the result lasts as long as: "audio", "video", or the "shortest" of them.
        extend: how a video shorter than the sound goes on.
        silence: what lips do where no voice is active: "sync" follows all sound, "close" closes
            them, "pass" leaves them to the source; both need `Voice.speech`.
        quality: "improved" changes the mouth through a feathered mask, "fast" pastes the box,
            "enhanced" is improved, then restored.
        mask: which part of a box improved and enhanced change.
        parser: keeps what is generated off all that is not face; None: nothing does.
        restoration: of what was generated, for quality "enhanced", and only for it.
        output: what is written.
        batch_size: faces that go through the generator at once.
        published: frame count and mel windows of the release (the sound's last 0.1 s get no
            frame) instead of frames for all of the sound.
    """

    faces: FaceOptions = field(default_factory=FaceOptions)
    box: np.ndarray | None = None
    duration: Duration = "audio"
    extend: Extend = "pingpong"
    silence: Silence = "sync"
    quality: Quality = "improved"
    mask: MaskOptions = field(default_factory=MaskOptions)
    parser: FaceParser | None = None
    restoration: FaceRestoration | None = None
    output: OutputOptions = field(default_factory=OutputOptions)
    batch_size: int = 16
    published: bool = False

    def __post_init__(self) -> None:
        if self.published and self.duration != "audio":
            raise UserError(
                "published=true counts frames as the release does: leave out "
                f"duration={self.duration}."
            )

    def with_pads(self, own: tuple[int, int, int, int]) -> SyncOptions:
        """The options with a generator's own pads, where they give none."""
        if self.faces.pads is not None:
            return self
        return replace(self, faces=replace(self.faces, pads=own))


def calling(callback: ProgressCallback | None) -> Progress:
    """A plain function as a `Progress`.

    It is called for each frame as soon as that is there, and never in another thread than the one
    that takes the frames. What is expected is an estimate where a container is wrong about its
    length, but never less than what is done, and in a stage's last call the same.
    """
    if callback is None:
        return no_progress

    def told(frames: Iterable[T], stage: str, total: int) -> Iterator[T]:
        done, is_last = 0, False
        for done, frame in enumerate(frames, 1):
            callback(stage, done, max(done, total))
            is_last = done >= total
            yield frame
        if done and not is_last:
            callback(stage, done, done)

    return told
