"""A short form of the acceptance table: the whole one is `python -m tests.bench.world_table`."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from tests.bench.alternatives import ALTERNATIVES
from tests.bench.world_table import Line, judge_world, summarise, table_json, table_text
from training.worlds import WorldSettings


@cache
def lines() -> dict[str, Line]:
    """One world with prejudice, a quarter of the acceptance's size."""
    settings = WorldSettings(n_leads=4000, n_test=3000, leaks=())
    return {line.model: line for line in judge_world(settings)}


@pytest.mark.parametrize("alternative", sorted(ALTERNATIVES))
def test_what_is_served_is_nearer_to_the_truth_than(alternative: str) -> None:
    table = lines()
    assert table["student"].kl_90 < table[alternative].kl_90
    assert table["student"].kl_365 < table[alternative].kl_365


def test_the_truth_is_at_no_distance_from_itself() -> None:
    truth = lines()["truth"]
    assert (truth.kl_90, truth.ratio_90, truth.prejudiced_90) == pytest.approx((0.0, 1.0, 1.0))
    assert all(line.kl_90 >= 0 for line in lines().values())


def test_what_is_served_closes_most_of_the_gap_that_a_base_rate_leaves() -> None:
    table = lines()
    assert table["student"].kl_90 < 0.5 * table["best_constant"].kl_90
    assert 0.75 < table["student"].prejudiced_90 < 1.25


def test_the_table_names_every_model_as_text_and_as_json() -> None:
    every = list(lines().values())
    written = json.loads(table_json(every))
    assert [row["model"] for row in written["table"]] == list(lines())
    assert written["lines"][0]["kl_90"] == every[0].kl_90
    text = table_text(summarise(every))
    assert all(f" {name} " in text for name in lines())


def test_means_are_taken_over_seeds() -> None:
    first = lines()["student"]
    table = summarise([first, Line(**{**vars(first), "seed": 2, "kl_90": first.kl_90 + 2.0})])
    assert len(table) == 1
    assert table["kl_90"][0] == pytest.approx(first.kl_90 + 1.0)
    assert table["sd_90"][0] == pytest.approx(np.sqrt(2.0))
