"""A Ray cluster of three nodes on this machine."""

from __future__ import annotations

import os

import pytest

from w2l.jobs.ray import _ENVIRONMENT


@pytest.fixture(scope="package")
def ray_cluster():
    """Two nodes with a core and a pretended GPU each, and one that only coordinates."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=1, num_gpus=1, object_store_memory=100 * 2**20)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
