"""A set of folders becomes shards: plan, leave out what is done, pack the rest, write the index."""

from __future__ import annotations

import json
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from preprocess.packer import Packer
from preprocess.plan import ShardPlan, plan_shards
from preprocess.records import Record, make_folder, write_jsonl
from preprocess.report import Report, by_reason
from preprocess.settings import Job, Packing
from preprocess.splits import SPLITS
from w2l.data.clips import read_names
from w2l.data.shards import INDEX, Index, ShardEntry, has_size, list_digest, shard_folder
from w2l.errors import UserError
from w2l.files import write_text
from w2l.windows import FPS

FEW = 3  # shards


@dataclass(frozen=True)
class Packed:
    """The shards of a set after a run.

    Attributes:
        folder: where they are.
        records: of each shard that is there.
        missing: how many are not yet, the other machines'.
        packed: how many this run wrote.
    """

    folder: Path
    records: list[Record]
    missing: int
    packed: int

    @property
    def rejected(self) -> list[Record]:
        """Clips that are in no shard, with reasons."""
        return [clip for record in self.records for clip in record["rejected"]]


def pack(root: Path, job: Job, packing: Packing, report: Report) -> Packed:
    """Pack the clips that `<root>/*.txt` name into shards below `job.out`.

    Args:
        root: a prepared set, ours or in the published layout.
        job: where to, and by how many.
        packing: what the shards are to be.
        report: talks to the user.

    Raises:
        UserError: there is no such set, no clip of it can be packed, or the output cannot be
            written.
    """
    started = time.monotonic()
    lists = {s: read_names(root, s) for s in SPLITS if s == "train" or (root / f"{s}.txt").exists()}
    folder = job.out / shard_folder(packing.storage, packing.image_size)
    make_folder(folder)
    waiting = partial(report.say, "another run packs these shards: waiting for it")
    with job.only(folder, "pack", waiting):
        plans = list(plan_shards(root, lists, packing))
        mine = job.share(plans)
        todo = [plan for plan in mine if _record(folder, plan) is None]
        if todo:
            (folder / INDEX).unlink(missing_ok=True)  # nobody trains on half of a set
            report.say(f"packing {len(todo)} of {len(plans)} shards into {folder}")
            _pack_all(todo, Packer(root, folder, packing), job, report)
        records = [record for plan in plans if (record := _record(folder, plan))]
        packed = Packed(folder, records, len(plans) - len(records), len(todo))
        if not packed.missing:
            _finish(packed, lists, packing, plans)
    _tell(packed, time.monotonic() - started, report)
    return packed


def _record(folder: Path, plan: ShardPlan) -> Record | None:
    """What is written beside a finished shard; None where it is missing or out of date."""
    path = folder / plan.file
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if record["state"] == plan.state and record["shard"]["bytes"] == path.stat().st_size:
            return record
    return None


def _pack_all(todo: list[ShardPlan], packer: Packer, job: Job, report: Report) -> None:
    # Starting a process takes longer than packing a few shards does.
    runner = replace(job, engine="serial") if len(todo) <= FEW else job
    failed: list[str] = []

    packed = runner.run(
        lambda _: packer, todo, console=report.console, doing="packing", what="shards", per_gpu=0
    )
    with closing(packed) as outcomes:
        for outcome in outcomes:
            if outcome.error is not None:
                failed.append(f"{outcome.item.file}: {outcome.error}")
    if failed:
        raise UserError(
            f"{len(failed)} of {len(todo)} shards could not be packed ({failed[0]}): run again, "
            "with fewer workers or a smaller shard_bytes if memory was short."
        )


def _finish(
    packed: Packed, lists: dict[str, list[str]], packing: Packing, plans: list[ShardPlan]
) -> None:
    """Write the index and the rejections, and remove what an earlier run left.

    Raises:
        UserError: no clip could be packed.
    """
    splits: dict[str, list[ShardEntry]] = {split: [] for split in lists}
    for plan, record in zip(plans, packed.records, strict=True):
        if record["shard"]["clips"]:
            splits[plan.split].append(ShardEntry(**record["shard"]))
    write_jsonl(packed.folder / "rejected.jsonl", packed.rejected)
    if not any(splits.values()):
        raise UserError(
            f"None of the clips can be packed ({by_reason(packed.rejected)}): "
            f"{packed.folder / 'rejected.jsonl'} says why."
        )
    index = Index(
        packing.storage,
        packing.image_size if has_size(packing.storage) else None,
        splits,
        {split: list_digest(names) for split, names in lists.items()},
    )
    text = index.to_json()
    if not (packed.folder / INDEX).is_file() or (packed.folder / INDEX).read_text() != text:
        write_text(packed.folder / INDEX, text)
    known = {plan.file.removesuffix(".arrow") for plan in plans}
    for path in packed.folder.glob("*-[0-9][0-9][0-9][0-9][0-9].*"):
        if path.stem not in known:
            path.unlink()


def _tell(packed: Packed, seconds: float, report: Report) -> None:
    shards = [record["shard"] for record in packed.records]
    size, frames, clips = (sum(s[key] for s in shards) for key in ("bytes", "frames", "clips"))
    hours = frames / FPS / 3600
    per_hour = f", {size / hours / 1e9:.2f} GB per hour of video" if hours else ""
    what = f"{clips} clips in {len(shards)} shards, {size / 1e9:.2f} GB{per_hour}"
    report.say(f"{packed.folder}: {what}")
    if packed.rejected:
        report.say(
            f"not packed: {by_reason(packed.rejected)}; {packed.folder / 'rejected.jsonl'} says why"
        )
    if packed.missing:
        report.say(f"not packed yet: {packed.missing} shards, the other runs'")
    report.say(f"{packed.packed} packed now, in {seconds:.1f} s")
