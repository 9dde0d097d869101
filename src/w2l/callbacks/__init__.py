"""What happens around the training step."""

from w2l.callbacks.atomic_checkpoint import AtomicCheckpointIO
from w2l.callbacks.sample_grid import SampleGrid
from w2l.callbacks.sync_gate import SyncGate
from w2l.callbacks.wandb_logger import wandb_logger

__all__ = ["AtomicCheckpointIO", "SampleGrid", "SyncGate", "wandb_logger"]
