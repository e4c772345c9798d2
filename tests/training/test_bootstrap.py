from __future__ import annotations

import numpy as np
import pytest

from training.bootstrap import Metric, paired_difference
from training.metrics import brier, log_loss, roc_auc

METRICS = {"log_loss": log_loss, "brier": brier, "auc": roc_auc}


def leads(n: int = 1500) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    logit = random.normal(-1.5, 1, n)
    truth = 1 / (1 + np.exp(-logit))
    blurred = 1 / (1 + np.exp(-(logit + random.normal(0, 1, n))))
    outcome = (random.uniform(size=n) < truth).astype(float)
    return outcome, truth, blurred, random.uniform(0.5, 2, n)


@pytest.mark.parametrize("metric", list(METRICS))
@pytest.mark.parametrize("is_weighted", [False, True])
def test_a_better_model_is_told_from_a_worse_one(metric: Metric, is_weighted: bool) -> None:
    outcome, truth, blurred, weight = leads()
    weights = weight if is_weighted else None
    found = paired_difference(outcome, truth, blurred, metric=metric, weight=weights)
    measure = METRICS[metric]
    expected = measure(outcome, truth, weights) - measure(outcome, blurred, weights)
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high
    assert found.low > 0 if metric == "auc" else found.high < 0


@pytest.mark.parametrize("metric", list(METRICS))
def test_a_model_does_not_differ_from_itself(metric: Metric) -> None:
    outcome, truth, _, _ = leads(200)
    assert paired_difference(outcome, truth, truth, metric=metric) == (0.0, 0.0, 0.0)


def test_the_width_is_that_of_the_mean_of_the_differences() -> None:
    outcome, truth, blurred, _ = leads()
    found = paired_difference(outcome, truth, blurred, metric="brier", n_draws=4000)
    errors = (truth - outcome) ** 2 - (blurred - outcome) ** 2
    width = 2 * 1.96 * errors.std() / np.sqrt(len(errors))
    assert found.high - found.low == pytest.approx(width, rel=0.1)


def test_draws_inside_strata_keep_what_differs_between_them_out_of_the_interval() -> None:
    # Two cut-offs: all that differs is the cut-off, so drawing inside each leaves nothing to vary.
    outcome = np.zeros(200)
    strata = np.repeat([0, 1], 100)
    first, second = np.where(strata == 0, 0.1, 0.4), np.full(200, 0.2)

    inside = paired_difference(outcome, first, second, strata=strata)
    across = paired_difference(outcome, first, second)

    assert inside.low == pytest.approx(inside.value)
    assert inside.high == pytest.approx(inside.value)
    assert across.high - across.low > 0.01


def test_a_lower_level_gives_a_narrower_interval() -> None:
    random = np.random.default_rng(0)
    outcome = (random.random(300) < 0.2).astype(float)
    first, second = random.uniform(0.1, 0.3, 300), np.full(300, 0.2)

    wide = paired_difference(outcome, first, second)
    narrow = paired_difference(outcome, first, second, level=0.8)

    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
