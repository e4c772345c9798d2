from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from features.drift_measures import (
    bands_of,
    counts_by_band,
    homogeneity,
    largest_step,
    psi,
    shares,
)
from features.inputs import Input


def category(n: int) -> Input:
    levels = tuple(f"v{place}" for place in range(n))
    return Input("source", "source", "interest", "category", levels=levels, shown=levels)


def number(n: int) -> Input:
    return Input(
        "employees", "employees", "fit", "number", edges=tuple(map(float, range(n - 1))),
        centres=(0.0,) * n, lows=(0.0,) * n, highs=(0.0,) * n,
    )  # fmt: skip


def test_a_category_value_that_promises_too_few_leads_shares_a_band():
    before = np.array([300.0, 20.0, 900.0, 500.0, 3.0, 2.0])

    bands = bands_of(category(4), before, 500)

    assert bands.tolist() == [1, 0, 2, 3, 0, 0]
    assert counts_by_band(bands, before).tolist() == [25.0, 300.0, 900.0, 500.0]


def test_a_band_of_rare_values_that_is_too_small_itself_takes_in_the_rarest_other():
    bands = bands_of(category(3), np.array([0.0, 1.0, 900.0, 500.0, 300.0]), 200)

    assert bands.tolist() == [0, 0, 1, 2, 0]


def test_a_number_gets_ten_bands_and_one_for_missing():
    bands = bands_of(number(64), np.array([100.0, *[10.0] * 64]), 500)

    assert bands[0] == 0
    assert np.bincount(bands[1:])[1:].tolist() == [6, 7, 6, 7, 6, 6, 7, 6, 7, 6]


def test_the_same_shares_have_no_distance():
    before = np.array([400.0, 100.0, 500.0])

    assert psi(before, before) == 0.0
    assert homogeneity(before, before / 10) == (pytest.approx(0.0), 2)
    assert largest_step(before, before)[0] == 0.0


def test_twenty_points_of_a_channel_are_a_stability_index_of_about_a_fifth():
    assert psi(np.array([1500.0, 8500.0]), np.array([350.0, 650.0])) == pytest.approx(
        0.223, abs=5e-3
    )


def test_the_chi_square_is_that_of_a_table_of_two_columns():
    before, now = np.array([40.0, 0.0, 60.0, 5.0]), np.array([10.0, 0.0, 30.0, 12.0])
    expected = chi2_contingency(np.array([before, now])[:, before + now > 0], correction=False)

    assert homogeneity(before, now) == (pytest.approx(expected.statistic), expected.dof)
    assert homogeneity(before, np.zeros(4)) == (0.0, 0)


def test_the_largest_step_is_that_of_kolmogorov_and_smirnov():
    random = np.random.default_rng(3)
    before, now = random.integers(0, 12, 400), random.integers(2, 12, 90)
    expected = ks_2samp(before, now)

    distance, place = largest_step(np.bincount(before, minlength=12) * 1.0, np.bincount(now) * 1.0)

    assert distance == pytest.approx(expected.statistic)
    assert place == expected.statistic_location + 1
    assert largest_step(np.array([3.0]), np.array([4.0])) == (0.0, 0)


def test_nothing_has_no_shares():
    assert shares(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]
