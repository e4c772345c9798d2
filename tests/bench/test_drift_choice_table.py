"""A short form of the table; the whole one is `python -m tests.bench.drift_choice_table`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from features.definition import load_definition
from tests.bench.drift_choice_table import (
    OPPONENTS,
    Asked,
    accepted_differences,
    ask_world,
    bayes_chances,
    differences,
    linear_chances,
    lines_of,
    main,
    real_lines,
)
from training.baselines import history_baselines
from training.labels import HistoryLabels
from training.recipe import Recipe, learn
from training.student import StudentSettings
from training.worlds import WorldSettings, make_world


@cache
def asked() -> Asked:
    """One small world in which everything drifts."""
    settings = WorldSettings(n_leads=1600, n_test=1500, drift=3.0, seed=131, leaks=())
    return ask_world(settings)


def test_what_is_chosen_is_nearer_to_the_truth_than_simpler_models() -> None:
    table = lines_of([asked()]).set_index("model")["kl_90"]
    assert table["truth"] == pytest.approx(0.0)
    assert 0 < table["chosen"] < table["linear"]
    assert table["chosen"] < table["naive_bayes"]


def test_differences_are_paired_over_the_same_leads() -> None:
    found = differences([asked()])
    assert set(found) == set(OPPONENTS)
    for interval in found.values():
        assert interval.low <= interval.value <= interval.high
    table = lines_of([asked()]).set_index("model")["log_loss_90"]
    expected = table["chosen"] - table["naive_bayes"]
    assert found["naive_bayes"].value == pytest.approx(expected)


def test_on_accepted_leads_the_teacher_is_no_worse_than_naive_bayes() -> None:
    found = accepted_differences([asked()])
    assert set(found) == {"linear", "naive_bayes"}
    assert found["naive_bayes"].high < 0.0


@pytest.mark.worlds
def test_the_opponents_are_the_baselines_of_the_report() -> None:
    settings = WorldSettings(n_leads=2000, n_test=0, seed=132, leaks=())
    world = make_world(settings)
    history, definition = world.training_part(), load_definition()
    recipe = Recipe(student=StudentSettings(trees=20, scout_trees=10))
    learned = learn(history, definition, as_of=world.cut_off, recipe=recipe)
    assert isinstance(learned.labels, HistoryLabels)
    expected = history_baselines(history, definition, learned.labels, horizons=(30, 90))
    np.testing.assert_allclose(linear_chances(learned), expected["linear"][:, 1])
    bayes = bayes_chances(history, definition, learned)
    np.testing.assert_allclose(bayes, expected["naive_bayes"][:, 1])


@pytest.mark.worlds
def test_the_choice_is_no_worse_than_logistic_regression_and_naive_bayes_under_drift(
    tmp_path: Path,
) -> None:
    file = tmp_path / "table.json"
    assert main(["--json", str(file)]) == 0
    found = json.loads(file.read_text("utf-8"))
    assert len(found["choices"]) == 10
    for name in ("linear", "naive_bayes"):
        assert found["differences"][name][2] <= 0.0
        assert found["accepted_differences"][name][2] <= 0.0


def test_on_the_real_funnel_the_choice_keeps_the_figures(real_data: Path) -> None:
    rows = {row["horizon"]: row for row in real_lines(real_data) if row["model"] == "chosen"}
    for horizon, limit in ((30, 0.300), (90, 0.346), (150, 0.367)):
        assert rows[horizon]["log_loss"] <= limit
    ratio, low, high = rows[90]["predicted_over_observed"]
    assert low <= 1.0 <= high or 0.85 <= ratio <= 1.15
