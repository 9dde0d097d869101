"""One epoch of Wav2Lip on the CPU, on one process or two; writes what each saw and its gradients.

Run as a script (data, folder, processes, batch per process), because Lightning starts the second
process by running it again. The generator normalises with its running statistics: those of a batch
differ between one process and two, everything else must not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from w2l.data import ClipDataModule, ClipDataset, LipSamples
from w2l.models import Expert, Generator
from w2l.systems import Wav2LipSystem


class Watch(pl.Callback):
    """Keeps the gradients of the first update."""

    gradients: torch.Tensor | None = None

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: object) -> None:
        pl_module.generator.eval()

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: Any, *_: object) -> None:
        if self.gradients is None:
            parts = [p.grad.flatten() for p in pl_module.generator.parameters()]
            self.gradients = torch.cat(parts).clone()


def main(root: str, folder: str, processes: int, batch_size: int) -> None:
    torch.manual_seed(0)
    system = Wav2LipSystem(generator=Generator(1 / 16), expert=Expert(1 / 16))
    system.sync_weight = 0.3
    data = ClipDataModule(root, LipSamples(), batch_size=batch_size, num_workers=0, repeats=4)
    watch = Watch()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
        precision="64-true",
        max_epochs=1,
        callbacks=[watch],
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        default_root_dir=folder,
    )
    ClipDataset.__getitem__, seen = _recording(ClipDataset.__getitem__)  # type: ignore[method-assign]
    trainer.fit(system, datamodule=data)
    found = {"seen": seen, "gradients": watch.gradients, "updates": trainer.global_step}
    torch.save(found, Path(folder) / f"{processes}-{trainer.global_rank}.pt")


def _recording(get: Any) -> tuple[Any, list[int]]:
    seen: list[int] = []

    def recorded(dataset: ClipDataset, index: int) -> Any:
        seen.append(index)
        return get(dataset, index)

    return recorded, seen


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
