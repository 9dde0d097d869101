"""The keys of a command that does many items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge

from w2l.bounds import Count
from w2l.jobs.ray import RaySettings
from w2l.schema import key


@dataclass(frozen=True, kw_only=True)
class RunnerKeys:
    """What a `Runner` is made of; a command's own dataclass has its other keys, `device` too."""

    engine: Literal["process", "serial", "ray"] = key(
        "process",
        "process: local processes; serial: this one; ray: a Ray cluster (docs/cluster.md)",
    )
    workers: int | None = key(
        None, "processes; null: one per core, where there are GPUs as many as they take"
    )
    shard: Annotated[int, Ge(0)] = key(0, "which part of the work this run does, from 0 …")
    num_shards: Count = key(1, "… of so many, e.g. one on each machine, all into the same out")
    ray_address: str | None = key(
        None, "of a running Ray cluster: auto, HOST:PORT, ray://HOST:PORT; null: started here"
    )
    ray_attempts: Count = key(2, "Ray workers that an item may lose before it counts as crashed")
    gpus_per_worker: Annotated[float, Ge(0)] = key(
        0, "of Ray workers, 0.25: four share one; 0: none, they see no GPU"
    )

    def runner(self, device: str) -> dict[str, Any]:
        """The arguments of a `Runner`."""
        ray = RaySettings(self.ray_address, float(self.gpus_per_worker), self.ray_attempts)
        return {
            "engine": self.engine,
            "workers": self.workers,
            "device": device,
            "shard": self.shard,
            "num_shards": self.num_shards,
            "ray": ray,
        }
