"""What the numbers of a training may be, where another one would be a traceback, or nonsense."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from omegaconf import DictConfig, OmegaConf

from w2l.errors import UserError

LEAST_AND_MOST: Mapping[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),
    "max_updates": (1, inf),
    "overfit.samples": (1, inf),
    "model.image_size": (16, 1024),
    "data.batch_size": (1, inf),
    "data.num_workers": (0, inf),
    "data.repeats": (1, inf),
    "data.val_repeats": (1, inf),
    "data.samples.windows": (1, inf),
    "data.val_samples.windows": (1, inf),
    "data.samples.min_distance": (1, inf),  # at 0 a window would be wrong for itself
    "data.val_samples.min_distance": (1, inf),
    "data.samples.augment.share": (0, 1),
    "lead_frames": (0, 5),
    "system.adversarial_weight": (0, 1),
    "system.feature_weight": (0, inf),
    "system.r1_weight": (0, inf),
    "system.r1_every": (1, inf),
    "system.scheduler.warmup_updates": (0, inf),
    "system.objective.other_clips": (0, 1),
    "callbacks.sync_gate.weight": (0, 1),
    "callbacks.sync_gate.ramp_updates": (0, inf),
    "callbacks.lip_report.clips": (0, inf),
    "callbacks.lip_report.every": (1, inf),
    "callbacks.expert_report.clips": (0, inf),
    "callbacks.watchers.patience": (1, inf),
    "callbacks.collapse_watcher.window": (1, inf),
    "trainer.log_every_n_steps": (1, inf),
    "trainer.accumulate_grad_batches": (1, inf),
}
ABOVE_0 = ("model.width", "trainer.val_check_interval")


def check_bounds(cfg: DictConfig) -> None:
    """See that each number is one that a training can be made with.

    Raises:
        UserError: naming the key and its bounds.
    """
    for key, (least, most) in LEAST_AND_MOST.items():
        value = OmegaConf.select(cfg, key)
        if isinstance(value, int | float) and not least <= value <= most:
            wanted = f"{least} or more" if most == inf else f"from {least} to {most}"
            raise UserError(f"{key}={value} must be {wanted}.")
    for key in ABOVE_0:
        value = OmegaConf.select(cfg, key)
        if isinstance(value, int | float) and not value > 0:
            raise UserError(f"{key}={value} must be more than 0.")


def check_image_sizes(cfg: DictConfig) -> None:
    """See that all networks, and the images that they are given, are of one size.

    Raises:
        UserError: naming the one that is not.
    """
    size = cfg.model.image_size
    for group in ("data", "system.expert", "system.generator", "system.discriminator"):
        other = OmegaConf.select(cfg, f"{group}.image_size")
        if other not in {None, size}:
            raise UserError(
                f"{group}.image_size={other} is not model.image_size={size}: set the latter, which "
                "all others follow."
            )
