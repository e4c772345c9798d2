"""Kaplan and Meier against counting by hand, and against the estimator of the metrics."""

from __future__ import annotations

import numpy as np
import pytest

from training.metrics import observed_rate
from training.time_curve import kaplan_meier


def test_the_curve_is_the_one_of_a_textbook():
    # At risk 5, 4, 2 at the wins of days 10, 20 and 40; one lead goes open on day 30.
    until = np.array([10.0, 20.0, 30.0, 40.0, 50.0])
    won = np.array([True, True, False, True, False])

    found = kaplan_meier(until, won, [0.0, 10.0, 20.0, 39.0, 40.0, 50.0, 51.0])

    assert [one.value for one in found[:-1]] == pytest.approx([0, 0.2, 0.4, 0.4, 0.7, 0.7])
    assert np.isnan(found[-1].value)
    # Greenwood at day 40: sum of d / (n (n - d)) = 1/20 + 1/12 + 1/2, on the log(-log) scale.
    reach = 1.959964 * np.sqrt(1 / 20 + 1 / 12 + 1 / 2) / abs(np.log(0.3))
    assert found[4].low == pytest.approx(1 - 0.3 ** np.exp(-reach), abs=1e-6)
    assert found[4].high == pytest.approx(1 - 0.3 ** np.exp(reach), abs=1e-6)
    assert found[4].low < found[4].value < found[4].high


def test_it_agrees_with_the_rates_that_models_are_made_of():
    random = np.random.default_rng(0)
    follow, wins = random.uniform(50, 400, 500), random.exponential(300, 500)
    won, until = wins <= follow, np.minimum(wins, follow)

    found = kaplan_meier(until, won, [30.0, 90.0, 200.0])

    np.testing.assert_allclose(
        [one.value for one in found], observed_rate(np.zeros(500), until, won, [30, 90, 200])
    )


def test_the_interval_holds_the_truth_about_nineteen_times_in_twenty():
    inside = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        follow, wins = random.uniform(50, 400, 150), random.exponential(300, 150)
        (found,) = kaplan_meier(np.minimum(wins, follow), wins <= follow, [100.0])
        inside += found.low <= 1 - np.exp(-100 / 300) <= found.high
    assert 180 <= inside <= 199


def test_all_won_and_none_won_have_their_limits():
    everyone = kaplan_meier(np.array([5.0, 5.0]), np.array([True, True]), [5.0])[0]
    nobody = kaplan_meier(np.array([5.0, 5.0]), np.array([False, False]), [5.0])[0]

    assert everyone.value == 1.0
    assert np.isnan(everyone.low)
    assert nobody == (0.0, 0.0, 0.0)
