"""A person's new lips: generated for what each image is to say, and put back into it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np

from w2l.ahead import ahead
from w2l.boxes import crop
from w2l.inference.blending import blend, coverage, paste
from w2l.inference.coming import AnyPlan
from w2l.inference.enhance import Face, FaceRestoration
from w2l.inference.landmarks import mouth_in
from w2l.inference.lipsync import FaceGenerator
from w2l.inference.mouths import Mouths
from w2l.inference.options import SyncOptions
from w2l.inference.source import SourceFrame
from w2l.inference.timeline import MelWindows


class Role(NamedTuple):
    """A person of the video, and what it says in each frame of the result."""

    plan: AnyPlan
    windows: MelWindows
    mouths: Mouths  # that were generated for it

    def reason(self, index: int, number: int) -> str | None:
        """Why output frame `index`, source frame `number`, is left untouched; None: it is not."""
        return self.plan.reason(number) or self.windows.activity.reasons.get(index)


class Heard(NamedTuple):
    """An image, and what it is to say."""

    image: SourceFrame  # changed in place
    mel: np.ndarray  # float32 (80, 16)
    strength: float  # share of the generated mouth, in [0, 1]


def hear(index: int, image: SourceFrame, windows: MelWindows) -> Heard:
    """What output frame `index` says, and how much of it is seen."""
    return Heard(image, windows[index], float(windows.activity.strength[index]))


def synced(
    shown: Iterable[SourceFrame],
    role: Role,
    lipsync: FaceGenerator,
    options: SyncOptions,
    size: int,
) -> Generator[SourceFrame]:
    """The output's images in order, one person of them saying its voice, `size` at a time."""
    # It remembers the frame before, of one face.
    restoration = None if options.restoration is None else options.restoration.fresh()
    generated = ahead(generate_all(shown, role, lipsync, options, size), 1)
    with closing(generated):
        for batch in generated:
            lips = deque(put_back(batch, options, restoration))
            batch.clear()
            while lips:  # popped, so that each is freed when it has been written
                yield lips.popleft()


class Said(NamedTuple):
    """An image with a face in it, and the same face saying what it hears."""

    image: SourceFrame  # changed in place
    face: Face | None  # None: it stays as it is
    lips: np.ndarray | None  # generated, uint8 (S, S, 3) BGR


def generate_all(
    shown: Iterable[SourceFrame],
    role: Role,
    lipsync: FaceGenerator,
    options: SyncOptions,
    size: int,
) -> Iterator[list[Said]]:
    """What is generated for the images, `size` at a time."""
    numbered, ready = enumerate(shown), Ready(role.plan, lipsync, options)
    while batch := list(islice(numbered, size)):
        heard = [hear(i, image, role.windows) for i, image in batch]
        batch.clear()
        made = generate(heard, ready, lipsync)
        role.mouths.look((s.face, s.lips) for s in made if s.face and s.lips is not None)
        yield made


def put_lips(
    batch: Sequence[Heard],
    plan: AnyPlan,
    lipsync: FaceGenerator,
    options: SyncOptions,
    restoration: FaceRestoration | None = None,
) -> list[SourceFrame]:
    """Images that say what they hear, those without a face as they are.

    Args:
        batch: consecutive images with what they say; those of strength 0 stay as they are too.
        plan, lipsync, options: as for `sync_video`.
        restoration: of what was generated, for quality "enhanced".
    """
    return put_back(generate(batch, Ready(plan, lipsync, options), lipsync), options, restoration)


class ReadyFace(NamedTuple):
    """What of an image's face does not depend on the speech."""

    face: Face
    crop: np.ndarray  # as the generator sees it, uint8 (S, S, 3) BGR

    def said_by(self, heard: Heard) -> ReadyFace | None:
        """The same face in the image that says something; None: nothing of it is seen."""
        strength = heard.strength * self.face.strength
        if strength == 0:
            return None
        return self._replace(face=self.face._replace(frame=heard.image.frame, strength=strength))


class Ready:
    """Makes images' faces ready: finds, masks and cuts them out. A still's only once."""

    def __init__(self, plan: AnyPlan, lipsync: FaceGenerator, options: SyncOptions) -> None:
        self._plan, self._size, self._options = plan, lipsync.image_size, options
        self._last: tuple[int, ReadyFace | None] | None = None

    def __call__(self, image: SourceFrame) -> ReadyFace | None:
        """The face of an image, at full strength; None: it is left alone."""
        if self._last is not None and self._last[0] == image.number and not image.marks:
            return self._last[1]
        face = find_face(image, self._plan, self._options)
        ready = None if face is None else ReadyFace(face, face_crop(face, self._size))
        if not image.marks:  # nobody has changed it
            self._last = image.number, ready
        return ready


def generate(
    batch: Sequence[Heard],
    ready: Callable[[SourceFrame], ReadyFace | None],
    lipsync: FaceGenerator,
) -> list[Said]:
    """The faces of images, saying what they hear; the images stay as they are."""
    return say(
        [(heard, ready(heard.image) if heard.strength else None) for heard in batch], lipsync
    )


def say(batch: Sequence[tuple[Heard, ReadyFace | None]], lipsync: FaceGenerator) -> list[Said]:
    """The faces of images, saying what they hear.

    Args:
        batch: images with what they say, and the face of each; None: it stays as it is.
        lipsync: the generator.
    """
    faces = [None if ready is None else ready.said_by(heard) for heard, ready in batch]
    found = [
        (face.crop, heard.mel)
        for face, (heard, _) in zip(faces, batch, strict=True)
        if face is not None
    ]
    generated: Iterator[np.ndarray] = iter(())
    if found:
        generated = iter(lipsync([crop for crop, _ in found], [mel for _, mel in found]))
    return [
        Said(heard.image, None, None) if face is None
        else Said(heard.image, face.face, next(generated))
        for face, (heard, _) in zip(faces, batch, strict=True)
    ]  # fmt: skip


def face_crop(face: Face, size: int) -> np.ndarray:
    """A face as the generator sees it, uint8 (size, size, 3) BGR."""
    return cv2.resize(crop(face.frame, face.box), (size, size))


def put_back(
    batch: Sequence[Said], options: SyncOptions, restoration: FaceRestoration | None = None
) -> list[SourceFrame]:
    """The images with what was generated for them, restored where that is wanted."""
    if options.quality == "enhanced" and restoration is None:
        raise ValueError('quality "enhanced" needs a restoration')
    shown = [said.image for said in batch]
    if options.output.view == "side_by_side":
        shown = [p if p.given is not None else p._replace(given=p.frame.copy()) for p in shown]
    for _, face, lips in batch:
        if face is None or lips is None:
            continue
        if options.quality == "fast":
            paste(face.frame, face.box, lips, face.strength)
        else:
            blend(face.frame, face.box, lips, face.mask, face.strength)
    faces = [said.face for said in batch]
    if restoration is not None:
        restoration(faces)
    return [
        image if face is None else marked(image, face, changed(face, restoration))
        for image, face in zip(shown, faces, strict=True)
    ]


def find_face(image: SourceFrame, plan: AnyPlan, options: SyncOptions) -> Face | None:
    """The face of an image that was not changed yet, with the mask that belongs to it.

    Args:
        image: with its face.
        plan: where it is, and how much of it may change.
        options: the mask's shape.
    """
    box, landmarks = plan.box(image.number), plan.points(image.number)
    strength = plan.strength(image.number)
    if box is None or strength == 0:
        return None
    mouth = None if landmarks is None else mouth_in(box, landmarks)
    left, top, right, bottom = (int(v) for v in box)
    mask = coverage(bottom - top, right - left, options.quality, options.mask, mouth)
    face = Face(image.frame, box, landmarks, mask, strength)
    if options.parser is None:
        return face
    return only_face(face, options.parser(image.frame, box, landmarks))


def only_face(face: Face, parsed: np.ndarray) -> Face:
    """The same, of which only what a parser calls face may change."""
    return face._replace(mask=face.mask * parsed, parsed=parsed)


def changed(face: Face, restoration: FaceRestoration | None) -> np.ndarray:
    """How much of each pixel of the box is not the source's, float32 (h, w, 1) in [0, 1]."""
    generated = face.strength * face.mask
    return generated if restoration is None else np.maximum(generated, restoration.mask(face))


def marked(image: SourceFrame, face: Face, mask: np.ndarray) -> SourceFrame:
    """The image, knowing of one more face which of its pixels were changed."""
    return image._replace(marks=(*image.marks, (face.box, mask)))
