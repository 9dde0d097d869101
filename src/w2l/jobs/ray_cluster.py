"""Joining a Ray cluster, or starting one on this machine, without its noise."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from w2l.errors import UserError

CONNECT_S = 10
STORE_BYTES = 100 * 2**20  # shared memory of a local Ray; items and results are small

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_SCHEDULER_EVENTS": "0",  # no lines about what the autoscaler does
    "RAY_agent_register_timeout_ms": "600000",  # a busy machine takes longer than 30 s to start
    "RAY_worker_register_timeout_seconds": "600",
}


def require_ray() -> None:
    """Check, without loading it, that Ray is there.

    Raises:
        UserError: it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError('engine=ray needs Ray: pip install "w2l[ray]", or use engine=process.')


@contextmanager
def joined(address: str | None, cores: int) -> Iterator[Any]:
    """The `ray` module, connected within; as it is where this process is connected already.

    Args:
        address: of a cluster: `auto`, `HOST:PORT`, `ray://HOST:PORT`; None starts a local one.
        cores: of the local one.

    Raises:
        UserError: there is no such cluster, or it runs another version of Ray or Python.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield ray
        return
    # Ray prints what its daemons say of a dead worker, whatever log_to_driver is. The outcome
    # of the item says it too.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    if address and ":" in address:
        _knock(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address is None:
        options |= {"num_cpus": cores, "object_store_memory": STORE_BYTES}
        options |= {"include_dashboard": False}
    try:
        ray.init(address=address or "local", **options)
    except (OSError, RuntimeError, ValueError) as error:
        ray.shutdown()
        why = " ".join(str(error).split())
        if address is None:
            raise UserError(f"Ray does not start ({why}): use engine=process.") from error
        raise _unreachable(address, why) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Fail at once where nobody listens: Ray tries for minutes, and says so line by line."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str, why: str) -> UserError:
    return UserError(
        f"ray_address={address} cannot be joined ({why}): start a cluster with `ray start --head`, "
        "with the same versions of Ray and Python and the same token, or leave ray_address=null."
    )


def room(ray: Any, gpus: float) -> int:
    """How many workers of one core and `gpus` GPUs each fit the nodes that are there.

    Raises:
        UserError: not one.
    """
    fit = 0
    for node in filter(lambda node: node["Alive"], ray.nodes()):
        cores, devices = (int(node["Resources"].get(kind, 0)) for kind in ("CPU", "GPU"))
        if gpus:  # several may share a device, but a share never spans two
            cores = min(cores, devices * int(1 / gpus) if gpus < 1 else int(devices / gpus))
        fit += cores
    if not fit:
        raise UserError(
            f"No node of the Ray cluster has a core and gpus_per_worker={gpus:g} GPUs: add such a "
            "node, or set gpus_per_worker to a smaller number."
        )
    return fit


def cores(ray: Any) -> int:
    """Cores of all nodes."""
    return int(ray.cluster_resources().get("CPU", 0))
