"""What a worker process does with one shard."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preprocess.plan import ShardPlan
from preprocess.records import Record, write_json
from preprocess.settings import Packing
from w2l.data.clips import BAD_FRAME, OTHER, TOO_SHORT, BadClipError, Clip, decode
from w2l.data.shards import JPEG, ShardEntry, ShardWriter, write_shard
from w2l.errors import UserError
from w2l.files import atomic_path, sha256
from w2l.jobs import Stop


@dataclass(frozen=True)
class Packer:
    """Callable on a plan, in any process.

    Attributes:
        root: folder of the clips.
        folder: where the shards go.
        packing: what they are to be.
    """

    root: Path
    folder: Path
    packing: Packing

    def __call__(self, plan: ShardPlan) -> Record | Stop:
        """The shard's record, which is also written beside it, or why the run must stop."""
        path, packing = self.folder / plan.file, self.packing
        rejected: list[Record] = []
        try:
            with atomic_path(path) as temporary:
                with write_shard(temporary, packing.storage, packing.image_size) as shard:
                    for name in plan.names:
                        try:
                            self._add(name, shard)
                        except BadClipError as error:
                            rejected.append(rejection(name, error))
                        except (OSError, UserError):  # of the output: a full disk
                            raise
                        except Exception as error:  # of whatever kind: the others are not to blame
                            told = f"{self.root / name}: {type(error).__name__}: {error}"
                            rejected.append(rejection(name, BadClipError(OTHER, told)))
                entry = ShardEntry(
                    plan.file, shard.clips, shard.frames,
                    temporary.stat().st_size, sha256(temporary),
                )  # fmt: skip
            record: dict[str, Any] = {
                "state": plan.state,
                "shard": asdict(entry),
                "rejected": rejected,
            }
            write_json(path.with_suffix(".json"), record)
        except UserError as error:  # of the output: a full disk
            return Stop(str(error))
        return record

    def _add(self, name: str, shard: ShardWriter) -> None:
        """Write a clip, once all of it has been read.

        Raises:
            BadClipError: something of it cannot be.
        """
        clip = Clip(self.root / name, self.packing.image_size)
        frames, mel = clip.frames, clip.mel
        if not len(frames):
            raise BadClipError(TOO_SHORT, f"{clip.where} holds no image")
        files = [clip.image(int(number)) for number in frames]
        for number, file in zip(frames, files, strict=True):
            # Decoders fill an image that is cut off with grey and say nothing.
            if file.startswith(b"\xff\xd8") and b"\xff\xd9" not in file[-1024:]:
                raise BadClipError(BAD_FRAME, f"{clip.where}/{number}.jpg is cut off")
        faces = decode(files.__getitem__, range(len(files)), self.packing.image_size, None)
        planar = np.ascontiguousarray(faces.transpose(0, 3, 1, 2))
        stored = files if self.packing.storage == JPEG else planar
        shard.add(name, frames, stored, mel, clip.waveform)


def rejection(name: str, error: BadClipError) -> Record:
    """A line of rejected.jsonl."""
    speaker, _, clip = name.partition("/")
    return {
        "speaker": speaker,
        "clip": clip,
        "source": name,
        "step": "pack",
        "reason": error.reason,
        "detail": error.detail,
    }
