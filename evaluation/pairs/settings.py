"""Typed settings of a benchmark: what decides its numbers, and how it is run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from w2l.building import Component
from w2l.inference.blending import Quality
from w2l.inference.plan import MissingFace, Person
from w2l.inference.timeline import Extend
from w2l.jobs import Runner

S3FD = Component("w2l.faces.S3FD")
PADS = {"lrs": (0, 0, 0, 0), "track": (0, 10, 0, 0)}  # published, by protocol
FORMAT = 2  # raise it when videos or records change meaning: pairs are then done anew


class Weights(NamedTuple):
    """One network's file and its SHA-256."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Recipe:
    """What decides a pair's video and scores.

    Attributes:
        published: windows, boxes, skipping and scoring of the release's scripts.
        protocol: "lrs" scores whole frames, "track" the followed faces.
        generator: on trial.
        syncnet: SyncNet v2, for LSE; None: no LSE.
        expert: for the cosine similarity; None: none.
        inception: for the Fréchet distance of a set; None: none.
        detector: finds faces.
        detector_weights: its file, where it has one that does not ship.
        box: (top, bottom, left, right), the same in each frame, instead of a detector.
        detect_every: frames from one detection to the next.
        pads: pixels added to a box: (top, bottom, left, right).
        person, missing_face, extend, quality: as `w2l.inference` has them.
        batch_size: frames, or windows, that go through a network at once; decides nothing.
    """

    published: bool
    protocol: Literal["lrs", "track"]
    generator: Weights
    syncnet: Weights | None
    expert: Weights | None
    inception: Weights | None = None
    detector: Component = S3FD
    detector_weights: Weights | None = None
    box: tuple[int, int, int, int] | None = None
    detect_every: int = 1
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    person: Person = "first"
    missing_face: MissingFace = "error"
    extend: Extend = "loop"
    quality: Quality = "fast"
    batch_size: int = 32

    def settings(self) -> dict[str, Any]:
        """All that is no network, as plain values."""
        networks = ("generator", "syncnet", "expert", "inception", "detector_weights")
        values = {key: value for key, value in asdict(self).items() if key not in networks}
        values["detector"] = self.detector.name
        changed = {k: v for k, v in self.detector.changed().items() if values.get(k) != v}
        return values | ({"detector_arguments": changed} if changed else {})

    @property
    def weights(self) -> dict[str, Weights | None]:
        """Every network by what it is for."""
        return {
            "generator": self.generator,
            "syncnet": self.syncnet,
            "expert": self.expert,
            "inception": self.inception,
            "detector": self.detector_weights,
        }

    @property
    def made(self) -> str:
        """Names what decides a pair's video."""
        deciding = self.settings()
        for key in ("batch_size", "protocol"):
            del deciding[key]
        return _digest([FORMAT, deciding, *map(_sha, (self.generator, self.detector_weights))])

    @property
    def scored(self) -> str:
        """Names what decides the scores of a video."""
        networks = [self.syncnet, self.expert, self.detector_weights]
        if self.inception is not None:  # without it names are those of runs before there was FID
            networks.append(self.inception)
        deciding = [self.published, self.protocol, self.detector.name, self.box]
        return _digest([FORMAT, self.made, deciding, *map(_sha, networks)])


def _sha(weights: Weights | None) -> str | None:
    return None if weights is None else weights.sha256


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Job(Runner):
    """Where to; by how many is the runner's.

    Attributes:
        out: folder of the videos, the records and the results.
        retry_failed: try pairs again that an earlier run could not do.
        keep_videos: leave the generated videos where they are.
    """

    out: Path
    retry_failed: bool = False
    keep_videos: bool = True
