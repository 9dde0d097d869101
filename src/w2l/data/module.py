"""The LightningDataModule over a preprocessed folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytorch_lightning as pl

from w2l.data.batches import concatenate
from w2l.data.clips import list_clips
from w2l.data.dataset import ClipDataset, EpochSampler
from w2l.data.loader import ClipLoader
from w2l.data.samples import Samples


def _quiet_worker(_: int) -> None:
    cv2.setNumThreads(0)  # one worker, one core: OpenCV's own pool would fight over it


class ClipDataModule(pl.LightningDataModule):
    """Training and validation batches from `<root>/train.txt` and `<root>/val.txt`.

    Args:
        root: preprocessed folder (docs/data_format.md).
        samples: draws a training sample from a clip.
        val_samples: the same for validation; by default `samples`.
        batch_size: samples per batch and process. A contrastive sample is several windows.
        num_workers: loading processes; 0 loads in the training process.
        image_size: side of the faces in pixels.
        repeats: samples per clip and epoch.
        val_repeats: the same for validation.
        cache: keep decoded faces in memory (each worker its own copy).
        seed: of the order and the drawing.
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
        repeats: int = 1,
        val_repeats: int = 1,
        cache: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.root = Path(root).expanduser()
        self.samples, self.val_samples = samples, val_samples or samples
        self.batch_size, self.num_workers, self.image_size = batch_size, num_workers, image_size
        self.repeats, self.val_repeats = repeats, val_repeats
        self.cache, self.seed = cache, seed

    def setup(self, stage: str | None = None) -> None:
        """Read the split lists; stage "fit" needs both, "validate" the second.

        Raises:
            UserError: see `list_clips`.
        """
        clips = {
            split: list_clips(self.root, split, image_size=self.image_size, keep=self.cache)
            for split in ("train", "val")
        }
        self.train_set = ClipDataset(
            clips["train"], self.samples, seed=self.seed, repeats=self.repeats
        )
        self.val_set = ClipDataset(
            clips["val"], self.val_samples, seed=self.seed + 1, repeats=self.val_repeats
        )

    def train_dataloader(self) -> ClipLoader:
        return self._loader(self.train_set, shuffle=True)

    def val_dataloader(self) -> ClipLoader:
        return self._loader(self.val_set, shuffle=False)

    def _loader(self, dataset: ClipDataset, *, shuffle: bool) -> ClipLoader:
        trainer = self.trainer
        sampler = EpochSampler(
            len(dataset),
            seed=self.seed,
            shuffle=shuffle,
            rank=trainer.global_rank if trainer else 0,
            num_replicas=trainer.world_size if trainer else 1,
        )
        per_process = len(sampler)
        return ClipLoader(
            dataset,
            batch_size=min(self.batch_size, per_process),
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=concatenate,
            worker_init_fn=_quiet_worker,
            persistent_workers=self.num_workers > 0,
            drop_last=shuffle,
        )
