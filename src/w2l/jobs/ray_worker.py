"""What runs in a Ray worker process. Imports no Ray: it is loaded on every node."""

from __future__ import annotations

import os
import pickle
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from w2l.errors import UserError
from w2l.jobs.outcome import Outcome, attempt, limit_threads


@dataclass(frozen=True)
class Surroundings:
    """What a worker shares with the process that hired it, and what it may use.

    Attributes:
        folder: where relative paths start.
        path: where modules are looked for.
        threads: for torch and OpenCV.
        gpus: whether it was given any.
    """

    folder: str
    path: list[str]
    threads: int
    gpus: bool


class RayWorker:
    """The class of the actors: holds the function, and works on one item at a time."""

    def __init__(self) -> None:
        self._function: Callable[[Any], Any] | None = None

    def start(self, surroundings: Surroundings, functions: bytes) -> None:
        """First call.

        Args:
            surroundings: taken on before anything else is loaded.
            functions: pickled (function, initializer or None).

        Raises:
            UserError: the folder does not exist on this node.
            Exception: whatever the initializer raised.
        """
        try:
            os.chdir(surroundings.folder)
        except OSError as error:
            raise UserError(
                f"{surroundings.folder} is not there on node {platform.node()}: start the command "
                "in a folder that all nodes of the Ray cluster share."
            ) from error
        sys.path[:] = dict.fromkeys([*surroundings.path, *sys.path])
        if not surroundings.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray shows those of others
        limit_threads(surroundings.threads)
        self._function, initializer = pickle.loads(functions)
        if initializer is not None:
            initializer()
            limit_threads(surroundings.threads)  # again for the libraries that it loaded

    def run(self, item: bytes) -> Outcome:
        """What becomes of a pickled item."""
        assert self._function is not None
        return attempt(self._function, pickle.loads(item))
