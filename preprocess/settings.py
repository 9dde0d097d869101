"""Typed settings of a preparation: what decides its bytes, and how it is run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from w2l.building import Component
from w2l.components import Source
from w2l.jobs import Runner

CENTERFACE = Component("w2l.faces.CenterFace")
FORMAT = 2  # raise it when the files of a clip change meaning: clips are then prepared anew


@dataclass(frozen=True)
class Quality:
    """What a clip's faces must be like, by the medians that `preprocess.steps.quality` takes.

    Attributes:
        min_face: least height of the box in pixels.
        min_sharpness: least sharpness.
        min_brightness: least mean grey value, 0 to 255.
        max_brightness: largest one.
        max_turn: degrees, by which the head may be turned aside, or up or down.
    """

    min_face: int = 48
    min_sharpness: float = 0.02
    min_brightness: float = 25.0
    max_brightness: float = 235.0
    max_turn: float = 45.0


@dataclass(frozen=True)
class Recipe:
    """What decides the bytes of a prepared clip.

    Attributes:
        fps: frames per second of the set; None: as the video has them.
        detector: finds the faces.
        detect_every: frames from one detection to the next; tracked between.
        detect_whole: detections from one in a whole frame to the next.
        smooth: the boxes are steadied over five frames.
        min_frames: shortest unbroken stretch of frames with a face.
        jpeg_quality: 1 to 100, as OpenCV counts.
        published: prepared as the release does it.
        sync: weights file of SyncNet v2 or an expert, which tells how much the sound is off; None:
            the sound stays where it is.
        sync_sha256: of that file.
        min_confidence: clips whose best offset stands out less are rejected.
        quality: what the faces must be like; None: anything.
    """

    fps: float | None = 25.0
    detector: Component = CENTERFACE
    detect_every: int = 5
    detect_whole: int = 5
    smooth: bool = True
    min_frames: int = 16
    jpeg_quality: int = 95
    published: bool = False
    sync: str | None = None
    sync_sha256: str | None = None
    min_confidence: float = 0.0
    quality: Quality | None = None

    @property
    def digest(self) -> str:
        """Names the recipe in records: another digest, and a clip is prepared anew."""
        values: dict[str, object] = {"format": FORMAT, **asdict(self)}
        # As clips were named before detectors had arguments; its weights wherever they lie.
        files = [path.name for path in self.detector.given_files()]
        values["detector"] = self.detector.name
        values["detector_weights"] = (files[0] if len(files) == 1 else files) if files else None
        changed = {k: v for k, v in self.detector.changed().items() if values.get(k) != v}
        if changed:
            values["detector_arguments"] = changed
        del values["sync"]
        # As clips were named before there were these steps.
        if self.detect_whole == 1:
            del values["detect_whole"]
        else:
            values["near"] = 2  # how faces are looked for between
        if self.sync is None:
            del values["sync_sha256"], values["min_confidence"]
        if self.quality is None:
            del values["quality"]
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Cut:
    """Where videos are cut into clips: at changes of scene, and where a scene is too long.

    Attributes:
        max_seconds: longest clip; a longer scene becomes equal parts.
    """

    max_seconds: float = 10.0


@dataclass(frozen=True)
class Packing:
    """What a set's shards are to be.

    Attributes:
        storage: jpeg (the files as they are), compressed (pixels, packed without loss), raw.
        image_size: side of compressed and raw faces in pixels.
        shard_bytes: size of a shard, about; a clip is never divided.
    """

    storage: str
    image_size: int = 96
    shard_bytes: int = 256 * 2**20


@dataclass(frozen=True)
class Job(Runner):
    """What is prepared and where to; by how many is the runner's.

    Attributes:
        source: lists the videos.
        out: where the set goes.
        batch_size: frames per detector call.
        retry_rejected: try clips again that an earlier run rejected.
        cut: where the source's videos are cut; None: each is a clip.
        duplicates: what is left out as a duplicate: none, exact (a file with the same bytes), near
            (also clips that look and sound the same).
        page: whether to write report.html.
    """

    source: Source
    out: Path
    batch_size: int = 8
    retry_rejected: bool = False
    cut: Cut | None = None
    duplicates: str = "none"
    page: bool = False
