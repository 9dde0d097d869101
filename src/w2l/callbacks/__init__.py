"""What happens around the training step."""

from w2l.callbacks.expert_report import ExpertReport
from w2l.callbacks.finite_check import DivergedError, FiniteCheck
from w2l.callbacks.lip_report import LipReport
from w2l.callbacks.loggers import CurveFile, tensorboard_logger, wandb_logger
from w2l.callbacks.run_checkpoints import AtomicCheckpointIO, RunCheckpoints, copy_best
from w2l.callbacks.run_page import RunPage
from w2l.callbacks.run_report import RunReport
from w2l.callbacks.sample_grid import SampleGrid
from w2l.callbacks.stop_signals import Stopped, StopSignals
from w2l.callbacks.sync_gate import SyncGate
from w2l.callbacks.watchers import CollapseWatcher, OverfitCheck, StallWatcher

__all__ = [
    "AtomicCheckpointIO",
    "CollapseWatcher",
    "CurveFile",
    "DivergedError",
    "ExpertReport",
    "FiniteCheck",
    "LipReport",
    "OverfitCheck",
    "RunCheckpoints",
    "RunPage",
    "RunReport",
    "SampleGrid",
    "StallWatcher",
    "StopSignals",
    "Stopped",
    "SyncGate",
    "copy_best",
    "tensorboard_logger",
    "wandb_logger",
]
