"""The LightningDataModule over a preprocessed folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
import pytorch_lightning as pl
import torch

from w2l.data.batches import LipBatch, SyncBatch, concatenate, to_float
from w2l.data.clips import AnyClip, read_names
from w2l.data.dataset import ClipDataset
from w2l.data.loader import ClipLoader, EpochSampler, start_worker
from w2l.data.samples import Samples
from w2l.data.sharded import ShardedClips
from w2l.data.storage import AUTO, Storage
from w2l.errors import UserError


class BalancedClips(Sequence[AnyClip]):
    """Clips, each as often as its speaker's share asks for.

    A clip of a speaker with c clips stands there round((most / c) ** power) times, where most is
    the largest c. Power 0 changes nothing; 1 gives all speakers the same share; ½ lies between,
    so that a single clip is not learned by heart.

    Args:
        clips: named `speaker/clip`.
        power: 0 to 1.

    Raises:
        ValueError: power is outside of that.
    """

    def __init__(self, clips: Sequence[AnyClip], power: float) -> None:
        if not 0 <= power <= 1:
            raise ValueError(f"balance must lie in [0, 1], not {power}")
        speakers = [clip.name.partition("/")[0] for clip in clips]
        counts = Counter(speakers)
        most = max(counts.values())
        times = [round((most / counts[speaker]) ** power) for speaker in speakers]
        self._clips, self._numbers = clips, np.repeat(np.arange(len(clips)), times)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, number: int) -> AnyClip: ...
    @overload
    def __getitem__(self, number: slice) -> list[AnyClip]: ...
    def __getitem__(self, number: int | slice) -> AnyClip | list[AnyClip]:
        if isinstance(number, slice):
            return [self._clips[int(i)] for i in self._numbers[number]]
        return self._clips[int(self._numbers[number])]


def clips_of(data: object, split: str) -> Sequence[AnyClip]:
    """The clips that a data module draws train or val from; none where it is not one of ours."""
    return getattr(getattr(data, f"{split}_set", None), "clips", ())


def shared_clips(root: str | Path) -> tuple[int, int]:
    """How many clips of a set's val.txt are in its train.txt, too, and how many it has.

    None are known of a set at an address, nor of one that keeps no lists.
    """
    try:
        train, val = (set(read_names(Path(root), split)) for split in ("train", "val"))
    except (UserError, OSError):
        return 0, 0
    return len(train & val), len(val)


class ClipDataModule(pl.LightningDataModule):
    """Training and validation batches of a preprocessed set.

    Args:
        root: its folder (docs/data_format.md), or an address that fsspec understands.
        samples: draws a training sample from a clip.
        val_samples: the same for validation; by default `samples`.
        batch_size: samples per batch and process. A contrastive sample is several windows.
        num_workers: loading processes; 0 loads in the training process.
        image_size: side of the faces in pixels.
        balance: 0 to 1: how far speakers with few clips are drawn more often (`BalancedClips`).
        repeats: samples per clip and epoch.
        val_repeats: the same for validation.
        cache: keep faces that are decoded from JPEG in memory (each worker its own copy).
        seed: of the order and the drawing.
        fixed: train on the same so many samples over and over; None: on new ones all the time.
        storage: raw, compressed, jpeg, folder, or auto: the first of them that the set has.
        cache_dir: where shards of an address are kept; None: ~/.cache/w2l/shards.
        cache_bytes: how much they may take there; None: no limit.
    """

    def __init__(
        self,
        root: str | Path,
        samples: Samples,
        *,
        val_samples: Samples | None = None,
        batch_size: int = 16,
        num_workers: int = 4,
        image_size: int = 96,
        balance: float = 0.0,
        repeats: int = 1,
        val_repeats: int = 1,
        cache: bool = False,
        seed: int = 0,
        fixed: int | None = None,
        storage: str = AUTO,
        cache_dir: str | Path | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        super().__init__()
        self.storage = Storage(
            str(root),
            storage,
            image_size=image_size,
            keep=cache,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            cache_bytes=cache_bytes,
        )
        self.samples, self.val_samples = samples, val_samples or samples
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.balance = balance
        self.repeats, self.val_repeats, self.fixed = repeats, val_repeats, fixed

    def setup(self, stage: str | None = None) -> None:
        """Read the split lists, once: Lightning asks again for what a command looked at before.

        Raises:
            UserError: see `Storage.clips`.
        """
        if hasattr(self, "val_set"):
            return
        clips: Sequence[AnyClip] = self.storage.clips("train")
        if self.balance:
            if isinstance(clips, ShardedClips) and clips.streamed:
                raise UserError(
                    f"data.balance={self.balance} draws from all shards at once, and these are "
                    "fetched a few at a time: copy the set here, or leave data.balance= out."
                )
            clips = BalancedClips(clips, self.balance)
        self.train_set = ClipDataset(clips, self.samples, seed=self.seed, repeats=self.repeats)
        self.val_set = ClipDataset(
            self.storage.clips("val"), self.val_samples, seed=self.seed + 1,
            repeats=self.val_repeats,
        )  # fmt: skip

    def train_dataloader(self) -> ClipLoader:
        if self.fixed:
            return self._loader(self.train_set, self.fixed, shuffle=False)
        return self._loader(self.train_set, len(self.train_set), shuffle=True)

    def val_dataloader(self) -> ClipLoader:
        return self._loader(self.val_set, len(self.val_set), shuffle=False)

    def _loader(self, dataset: ClipDataset, n: int, *, shuffle: bool) -> ClipLoader:
        trainer, streamed = self.trainer, dataset.streamed
        sampler = EpochSampler(
            n,
            seed=self.seed,
            shuffle=shuffle,
            rank=trainer.global_rank if trainer else 0,
            num_replicas=trainer.world_size if trainer else 1,
            shards=[entry.clips for entry in streamed.entries] if streamed else None,
            window=self.storage.window,
        )
        per_process = len(sampler)
        on_gpu = trainer is not None and trainer.strategy.root_device.type == "cuda"
        loader = ClipLoader(
            dataset,
            batch_size=min(self.batch_size, per_process),
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=concatenate,
            worker_init_fn=start_worker,
            persistent_workers=self.num_workers > 0,
            # Connections and the thread that fetches shards do not survive a fork.
            multiprocessing_context="spawn" if streamed and self.num_workers else None,
            drop_last=shuffle,
            # Its own, or making an iterator would move the global one, and a resume makes one more.
            generator=torch.Generator(),
            pin_memory=on_gpu,
        )
        loader.as_bytes = on_gpu
        return loader

    def on_after_batch_transfer(
        self, batch: SyncBatch | LipBatch, dataloader_idx: int
    ) -> SyncBatch | LipBatch:
        """Bytes become floats on the device that they were sent to."""
        return to_float(batch)  # type: ignore[type-var]
