"""The checkpoints of a run: after which updates, which are kept, and what makes them exact."""

from __future__ import annotations

import math
import os
import random
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn

from w2l.callbacks.finite_check import require_finite
from w2l.callbacks.loggers import CurveFile
from w2l.callbacks.progress import is_last, mark_validation_as_due, validation_is_due
from w2l.callbacks.stop_signals import Stopped, StopSignals
from w2l.callbacks.sync_gate import updates
from w2l.errors import UserError
from w2l.files import atomic_path


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and moves the file into place: a kill leaves the older one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())  # or a power cut leaves the new name on an empty file


def random_states() -> dict[str, Any]:
    """States of python, numpy (its global generator), torch and each CUDA device."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    states = {
        "python": random.getstate(),
        "numpy": (kind, keys.tolist(), *rest),  # type: ignore[union-attr]
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def restore_random_states(states: dict[str, Any]) -> None:
    """Put the generators into `states`; CUDA's where as many devices are there as were."""
    random.setstate(states["python"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), *rest))
    torch.set_rng_state(states["torch"].cpu())
    cuda = states.get("cuda", [])
    if cuda and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in cuda])


class RunCheckpoints(Checkpoint):
    """Writes `update-0003000.ckpt`, which is also `last.ckpt`, and `best.ckpt`.

    A checkpoint is the state right after an update and before anything else. Where a validation
    is due after that update, the resumed run makes it: what hangs on it (the best score, the sync
    loss's weight) is then as in a run that was not interrupted, and a signal need not wait for
    hundreds of validation batches.

    Weights that are NaN or infinite are never written: `DivergedError` ends the run instead.

    Args:
        folder: where the checkpoints go.
        every: updates between two.
        keep_last: numbered ones that are kept.
        monitor: the validation metric by which `best.ckpt` is chosen: one that means the same
            along the whole run.
        mode: whether the smallest or the largest is best.
        stop: ends the run at the next update's end, with a checkpoint.
    """

    def __init__(
        self,
        folder: str | Path,
        every: int,
        keep_last: int = 3,
        monitor: str = "val/loss",
        mode: Literal["min", "max"] = "min",
        stop: StopSignals | None = None,
    ) -> None:
        if every < 1 or keep_last < 1:
            raise UserError(
                f"checkpoint_every={every} and keep_last={keep_last} must be 1 or more."
            )
        if mode not in {"min", "max"}:
            raise UserError(f"monitor_mode must be min or max, not {mode!r}.")
        self.folder, self.every, self.keep_last = Path(folder), every, keep_last
        self.monitor, self.mode, self.stop = monitor, mode, stop or StopSignals()
        self.best_score: float | None = None
        self.saved: Path | None = None  # the newest of this run
        self._update = 0  # the last one that was made
        self._pending = False  # a validation is due and not made
        self._stopping: int = 0  # the signal on which all processes agreed
        self._group: Any = None
        self._written: Path | None = None  # a checkpoint that has not its name yet
        self._random: list[dict[str, Any]] | None = None
        self._has_warned = False  # that the monitor is not logged

    # What is in a checkpoint

    def state_dict(self) -> dict[str, Any]:
        return {"best_score": self.best_score, "monitor": self.monitor, "mode": self.mode}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the best score, where it is one of the same metric."""
        same = (state_dict.get("monitor"), state_dict.get("mode")) == (self.monitor, self.mode)
        self.best_score = state_dict["best_score"] if same else None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        states: list[Any] = [random_states()]
        if trainer.world_size > 1:
            states = [None] * trainer.world_size
            dist.all_gather_object(states, random_states())
        checkpoint["random"] = states
        checkpoint["validation_pending"] = self._pending
        if self._pending:
            mark_validation_as_due(checkpoint["loops"]["fit_loop"])

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._random = checkpoint.get("random")
        self._pending = checkpoint.get("validation_pending", False)

    # When

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if trainer.world_size > 1:
            # Processes agree on the CPU, so that no update waits for the GPU.
            self._group = dist.new_group(backend="gloo")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.stop.quiet = not trainer.is_global_zero
        self.stop.hold()  # Lightning has set its handlers by now
        if trainer.is_global_zero:
            for left in self.folder.glob(".*.ckpt"):  # by a killed run
                left.unlink(missing_ok=True)
        self._update = updates(trainer, pl_module)
        for logger in trainer.loggers:
            if isinstance(logger, CurveFile) and trainer.is_global_zero:
                logger.begin(trainer.fit_loop.total_batch_idx + 1, self._pending)
        self._pending = False
        if self._random:
            restore_random_states(self._random[trainer.global_rank % len(self._random)])
            self._random = None
        meaning = getattr(pl_module, "meanings", {}).get(self.monitor)
        rank_zero_info(
            f"best.ckpt: {'lowest' if self.mode == 'min' else 'highest'} {self.monitor}"
            + (f" ({meaning})" if meaning else "")
        )

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        done = updates(trainer, pl_module)
        if done == self._update:
            return  # gradients are being accumulated
        self._update = done
        stopping = self._agree(trainer)
        if stopping or done % self.every == 0 or is_last(trainer):
            self._save(trainer, pl_module, pending=validation_is_due(trainer))

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if trainer.sanity_checking or not self._agree(trainer):
            return
        if self.saved != self._path():
            self._save(trainer, pl_module, pending=True)
        self._leave(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        score = self._score(trainer)
        if score is None:
            return
        sign = 1 if self.mode == "min" else -1
        if self.best_score is None or sign * score < sign * self.best_score:
            require_finite(trainer, pl_module)
            self.best_score = score
            _write(trainer, self.folder / "best.ckpt")

    def _score(self, trainer: pl.Trainer) -> float | None:
        """The first process's monitored value, in all of them; None where there is none to go by.

        All processes come here after each validation, whatever was logged in them.
        """
        logged = trainer.callback_metrics
        value = float(logged[self.monitor]) if self.monitor in logged else None
        if self._group is not None:
            told = torch.tensor([value is not None, value or 0.0], dtype=torch.float64)
            dist.broadcast(told, 0, self._group)
            value = float(told[1]) if told[0] else None
        if value is None and not self._has_warned:
            known = ", ".join(sorted(name for name in logged if name.startswith("val/")))
            rank_zero_warn(
                f"No best.ckpt: monitor={self.monitor} was not logged by this validation, which "
                f"logged {known or 'nothing'}."
            )
            self._has_warned = True
        if value is not None and not math.isfinite(value):
            rank_zero_warn(
                f"{self.monitor} is {value} after update {self._update}: never the best."
            )
            return None
        return value

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.saved != self._path():  # ended by something else than a budget
            self._save(trainer, pl_module, pending=False)
        self._finish(trainer)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._finish(trainer)

    # Not in `on_train_batch_end`, where the losses of the update are not logged yet.

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._leave(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._leave(trainer)

    # How

    def _path(self) -> Path:
        return self.folder / f"update-{self._update:07d}.ckpt"

    def _save(self, trainer: pl.Trainer, system: pl.LightningModule, *, pending: bool) -> None:
        """Write the state now; it gets its name when the update's losses are on the disk too."""
        require_finite(trainer, system)
        path, self._pending = self._path(), pending
        written = path.with_name(f".unlogged-{path.name}")
        _write(trainer, written)
        self.saved, self._written, self._pending = path, written, False

    def _finish(self, trainer: pl.Trainer) -> None:
        if self._written is None or self.saved is None:
            return
        for logger in trainer.loggers:
            logger.save()
        if trainer.is_global_zero:
            os.replace(self._written, self.saved)
            _same_file(self.saved, self.folder / "last.ckpt")
            # By time: where a run was taken back to an older update, later numbers are older.
            numbered = sorted(self.folder.glob("update-*.ckpt"), key=_age)
            for old in numbered[: -self.keep_last]:
                old.unlink()
        self._written = None

    def _agree(self, trainer: pl.Trainer) -> bool:
        """Whether any process was told to stop; all learn of it after the same update."""
        self._stopping = int(self.stop.received or 0)
        if self._group is not None:
            told = torch.tensor(self._stopping)
            dist.all_reduce(told, dist.ReduceOp.MAX, self._group)
            self._stopping = int(told)
        return bool(self._stopping)

    def _leave(self, trainer: pl.Trainer) -> None:
        self._finish(trainer)
        if self._stopping and self.saved is not None:
            if self._group is not None:  # a launcher ends the others when one process is gone
                dist.barrier(self._group)
            raise Stopped(self._stopping, self.saved)


def _write(trainer: pl.Trainer, path: Path) -> None:
    """Of writing `weights_only` says whether optimizers are left out; nothing is unpickled."""
    trainer.save_checkpoint(path, weights_only=False)


def _age(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name


def _same_file(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy where the filesystem has no links."""
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def copy_best(resumed: Path, folder: Path) -> None:
    """Bring the best checkpoint along where a run goes on in another folder."""
    best = resumed.parent / "best.ckpt"
    if best.is_file() and not (folder / "best.ckpt").exists():
        with atomic_path(folder / "best.ckpt") as temporary:
            shutil.copyfile(best, temporary)
