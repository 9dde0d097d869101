"""What all writers of pictures share: whole or not at all, and pictures of one size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np


class PictureSink(ABC):
    """A context into which pictures are written one by one; an error within leaves nothing.

    Attributes:
        path: where the result appears.
        size: (width, height) of the pictures.
    """

    path: Path
    size: tuple[int, int]
    _stack: ExitStack  # what closes, or takes back, what `__enter__` opened
    _written = 0

    def write(self, frame: np.ndarray) -> None:
        """Append one picture: (height, width, 3) uint8 BGR."""
        if frame.shape != (self.size[1], self.size[0], 3) or frame.dtype != np.uint8:
            raise ValueError(
                f"expected uint8 pictures of {self.size[0]}×{self.size[1]}, "
                f"not {frame.dtype} {frame.shape}"
            )
        self._append(frame)
        self._written += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if self._written == 0:
                raise ValueError(f"no picture was written to {self.path}")
            self._finish()

    @abstractmethod
    def _append(self, frame: np.ndarray) -> None:
        """Write picture number `_written`."""

    @abstractmethod
    def _finish(self) -> None:
        """Write what comes after the last picture."""
