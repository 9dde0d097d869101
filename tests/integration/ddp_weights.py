"""Two DDP processes on the CPU train the GAN for a few updates; prints how far they are apart.

Run as a script, because Lightning starts the second process by running it again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytorch_lightning as pl
import torch

from tests.configs.test_train_configs import composed
from w2l.callbacks import SyncGate
from w2l.cli.train import strategy_for
from w2l.data import ClipDataModule, LipSamples
from w2l.models import Expert, Generator, QualityDiscriminator
from w2l.systems import Wav2LipGANSystem


def main() -> None:
    torch.manual_seed(0)
    system = Wav2LipGANSystem(
        generator=Generator(1 / 16),
        expert=Expert(1 / 16),
        discriminator=QualityDiscriminator(1 / 16),
    )
    before = parameters(system).clone()
    cfg = composed("experiment=wav2lip_gan", "trainer=ddp", "run_dir=x")
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy=strategy_for(cfg.trainer, system.optimizers_per_update),
        max_steps=4,
        max_epochs=-1,
        callbacks=[SyncGate(0.1, from_update=0)],
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        default_root_dir=sys.argv[2],
    )
    data = ClipDataModule(Path(sys.argv[1]), LipSamples(), batch_size=2, num_workers=0)
    trainer.fit(system, datamodule=data)
    own = parameters(system)
    both = [torch.empty_like(own) for _ in range(2)]
    torch.distributed.all_gather(both, own)
    if trainer.is_global_zero:
        apart = float((both[0] - both[1]).abs().max())
        moved = float((own - before).abs().max())
        print(f"apart {apart} moved {moved} updates {trainer.global_step // 2}")


def parameters(system: Wav2LipGANSystem) -> torch.Tensor:
    """What was trained, as one vector."""
    trained = [p.detach().flatten() for p in system.parameters() if p.requires_grad]
    return torch.cat(trained)


if __name__ == "__main__":
    main()
