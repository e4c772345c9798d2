"""The acceptance table in full, on seeds that no choice has seen: `pytest -m worlds` (half an hour)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.alternatives import ALTERNATIVES
from tests.bench.world_table import judge_world
from training.worlds import WorldSettings

SEEDS = (11, 12, 13, 14)


@pytest.mark.worlds
@pytest.mark.parametrize("prejudice", [0.0, 1.5, 3.0])
def test_what_is_served_is_nearest_to_the_truth(prejudice: float) -> None:
    lines = [
        {line.model: line for line in judge_world(WorldSettings(seed=seed, prejudice=prejudice))}
        for seed in SEEDS
    ]

    def distance(model: str) -> float:
        return float(np.mean([line[model].kl_90 for line in lines]))

    assert all(distance("student") < distance(model) for model in ALTERNATIVES)
    assert prejudice != 1.5 or distance("student") <= 6.5
    assert all(0.8 <= line["student"].prejudiced_90 <= 1.25 for line in lines)
