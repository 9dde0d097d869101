"""What the benchmark of the recipes runs, and how it reads what came of it."""

from __future__ import annotations

import pytest
from hydra.utils import instantiate

from benchmarks.keys import Recipes
from benchmarks.recipes import PUBLISHED, image, overrides, ratio, reached, summary
from benchmarks.training import composed


@pytest.fixture
def settings() -> Recipes:
    return Recipes()


def test_every_arm_is_an_experiment_of_its_own(settings: Recipes, tmp_path) -> None:
    seen = []
    for arm in [*settings.changes, PUBLISHED]:
        cfg = composed(overrides(settings, arm), "data", str(tmp_path))
        instantiate(cfg.system, _convert_="all")
        instantiate(cfg.data.samples, _convert_="all")
        windows = cfg.data.batch_size * cfg.data.samples.get("windows", 1)
        assert windows == 64, arm
        seen.append(str((cfg.system, cfg.data)))
    assert len(set(seen)) == len(seen)


def run(*accuracies: float) -> list[dict[str, float]]:
    return [
        {"update": 100 * i, "pair_accuracy": 0.97, "balanced_accuracy": a, "seconds": 1.0}
        for i, a in enumerate(accuracies, 1)
    ]


def test_a_recipe_is_as_quick_as_its_slowest_seed(settings: Recipes) -> None:
    strong, published = [run(0.9, 0.93), run(0.95)], [run(0.5, 0.6, 0.7), run(0.5, 0.93)]
    assert [reached(rows, settings) for rows in strong] == [200, 100]
    assert reached(published[0], settings) is None
    assert ratio({"strong": strong, "published": published}, settings) == 1.5
    assert ratio({"strong": [run(0.9)], "published": published}, settings) is None
    row = summary(published, settings)
    assert row["reached_at"] == [None, 200]
    assert row["best_balanced_accuracy"] == [0.7, 0.93]
    assert len(image({"strong": strong, "published": published}, settings).axes) == 2
