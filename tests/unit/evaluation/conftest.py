"""What the tests of pairs begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.evaluation import pair_set


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return pair_set.clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return pair_set.networks(tmp_path_factory.mktemp("networks"))
