"""Where the face is, while the frames to come are still being searched.

Who is who is settled by the whole video. But while one face is there alone, in each frame, and does
not jump, nothing that comes later changes whose box is taken: it has its time to itself until
another one comes, and keeps at least `choose`'s shortest stretch. Smoothing and fading reach a few
frames ahead. So all boxes but the last few are known, and are those of the whole search.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from w2l import boxes as box_ops
from w2l.components import Faces
from w2l.faces.search import Detections
from w2l.faces.track import LEAST_IOU, PERSONS
from w2l.inference.plan import FaceOptions, FacePlan
from w2l.memory import give_back

if TYPE_CHECKING:
    from w2l.inference.finding import FaceSearch

# Frames at the end of what was searched that later ones may change: more than `choose`'s shortest
# stretch, a track that lasts, the reach of fading and that of smoothing.
OPEN = 16
# Frames that are searched before the first one is settled, and at once from then on, or the share
# of all before, so that settling an hour's again and again takes little of its time.
AT_ONCE, SHARE = 26, 40


def can_begin(options: FaceOptions) -> bool:
    """Whether the first boxes may be known before the last frame was searched."""
    follows = options.chooser is None and options.person in PERSONS and not options.published
    return follows and options.missing_face != "error"


class ComingPlan:
    """As a `FacePlan`, of which each box is looked for when it is asked for; by any thread.

    Args:
        search: of all frames from the first on.
        settle: makes a plan of what was found in the first frames.
    """

    def __init__(self, search: FaceSearch, settle: Callable[[Detections], FacePlan]) -> None:
        self._search, self._settle = search, settle
        self._lock = Lock()
        self._last: np.ndarray | None = None  # box of the one face there is; None: there are others
        # A plan, and how many of its frames are as they will be in the end.
        self._settled: tuple[FacePlan, int] | None = None

    def reason(self, frame: int) -> str | None:
        """See `FacePlan`, as for the others."""
        return self._until(frame).reason(frame)

    def box(self, frame: int) -> np.ndarray | None:
        return self._until(frame).box(frame)

    def strength(self, frame: int) -> float:
        return self._until(frame).strength(frame)

    def points(self, frame: int) -> np.ndarray | None:
        return self._until(frame).points(frame)

    def whole(self) -> FacePlan:
        """That of all frames."""
        return self._until(self._search.n_frames)

    def _until(self, frame: int) -> FacePlan:
        """A plan in which this frame and all before it are settled."""
        settled = self._settled
        if settled is None or frame >= settled[1]:
            with self._lock:  # who asks for an earlier frame does not wait for the search
                settled = self._settled
                if settled is None or frame >= settled[1]:
                    settled = self._settled = self._go_on(frame)
        return settled[0]

    def _go_on(self, frame: int) -> tuple[FacePlan, int]:
        search = self._search
        n = len(search.kept)
        wanted = max(frame + 1 + OPEN, n + max(AT_ONCE, n // SHARE))
        while n < wanted < search.n_frames and self._is_alone(search.next()):
            n = len(search.kept)
        give_back()  # the frames that were searched: those that are generated need the room
        if n >= wanted:
            return self._settle(search.so_far()), n - OPEN
        return self._settle(search.all()), search.n_frames + 1

    def _is_alone(self, found: Faces | None) -> bool:
        """Whether the next frame shows one face, and that where it was, or after a cut."""
        n = len(self._search.kept)
        if found is None or len(found.boxes) != 1:
            return False
        before, self._last = self._last, found.boxes
        if before is None or n - 1 in self._search.shots:
            return True
        return float(box_ops.iou(before, found.boxes)[0, 0]) >= LEAST_IOU


AnyPlan = FacePlan | ComingPlan
