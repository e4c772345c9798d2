from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.metrics import brier_score_loss as sklearn_brier
from sklearn.metrics import log_loss as sklearn_log_loss

from features.errors import NotEnoughEvidence
from training import metrics

WON = np.array([0, 0, 1, 0, 1, 1, 0, 0, 0, 1], dtype=float)
PROMISED = np.array([0.1, 0.2, 0.3, 0.3, 0.8, 0.6, 0.4, 0.05, 0.2, 0.2])

CASES = st.lists(
    st.tuples(st.booleans(), st.integers(1, 19), st.integers(1, 5)), min_size=2, max_size=40
).filter(lambda rows: 0 < sum(won for won, _, _ in rows) < len(rows))


@settings(max_examples=80, deadline=None)
@given(CASES)
def test_weighted_metrics_agree_with_scikit_learn(rows: list[tuple[bool, int, int]]) -> None:
    won = np.array([row[0] for row in rows], dtype=float)
    promised = np.array([row[1] / 20 for row in rows])
    weight = np.array([row[2] for row in rows], dtype=float)
    for weights in (None, weight):
        expected = roc_auc_score(won, promised, sample_weight=weights)
        assert metrics.roc_auc(won, promised, weights) == pytest.approx(expected)
        expected = average_precision_score(won, promised, sample_weight=weights)
        assert metrics.average_precision(won, promised, weights) == pytest.approx(expected)
        expected = sklearn_log_loss(won, promised, sample_weight=weights)
        assert metrics.log_loss(won, promised, weights) == pytest.approx(expected)
        expected = sklearn_brier(won, promised, sample_weight=weights)
        assert metrics.brier(won, promised, weights) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(CASES)
def test_a_weight_of_two_is_a_lead_twice(rows: list[tuple[bool, int, int]]) -> None:
    won = np.array([row[0] for row in rows], dtype=float)
    promised = np.array([row[1] / 20 for row in rows])
    times = np.array([row[2] for row in rows])
    for metric in (metrics.roc_auc, metrics.average_precision, metrics.log_loss, metrics.brier):
        repeated = metric(np.repeat(won, times), np.repeat(promised, times))
        assert metric(won, promised, times.astype(float)) == pytest.approx(repeated)
    weighted = metrics.lift(won, promised, 0.3, times.astype(float))
    assert weighted == pytest.approx(
        metrics.lift(np.repeat(won, times), np.repeat(promised, times), 0.3)
    )


def test_lift_of_the_best_tenth_counts_ties_in_part() -> None:
    assert metrics.lift(WON, PROMISED, 0.1) == pytest.approx(2.5)
    assert metrics.lift(WON, PROMISED, 0.2) == pytest.approx(2.5)
    assert metrics.lift(WON, np.full(10, 0.4), 0.1) == pytest.approx(1.0)
    assert metrics.lift(WON, WON * 0.5 + 0.1, 1.0) == pytest.approx(1.0)


def test_ranking_without_wins_is_not_a_number() -> None:
    nobody = np.zeros(4)
    promised = np.array([0.1, 0.2, 0.3, 0.4])
    assert np.isnan(metrics.roc_auc(nobody, promised))
    assert np.isnan(metrics.average_precision(nobody, promised))
    assert np.isnan(metrics.lift(nobody, promised))
    ratio = metrics.predicted_over_observed(nobody, promised)
    assert ratio.value == np.inf
    assert np.isnan(ratio.low)


def test_calibration_error_is_the_gap_of_a_constant() -> None:
    outcome = np.tile([0.0, 0.0, 0.0, 1.0], 25)
    assert metrics.expected_calibration_error(outcome, np.full(100, 0.25)) < 0.06
    assert metrics.expected_calibration_error(outcome, np.full(100, 0.95)) == pytest.approx(0.7)
    random = np.random.default_rng(0)
    truth = random.uniform(0, 1, 20_000)
    drawn = (random.uniform(size=20_000) < truth).astype(float)
    assert metrics.expected_calibration_error(drawn, truth) < 0.01


def test_the_interval_of_promised_over_observed_covers_the_truth() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        truth = random.uniform(0.02, 0.3, 400)
        drawn = (random.uniform(size=400) < truth).astype(float)
        ratio = metrics.predicted_over_observed(drawn, truth)
        assert ratio.low < ratio.value < ratio.high
        hits += ratio.low <= 1.0 <= ratio.high
    assert 0.9 <= hits / 200 <= 0.99


def test_the_reliability_curve_has_bins_of_equal_size_in_order() -> None:
    random = np.random.default_rng(2)
    promised = random.uniform(0, 0.5, 1000)
    drawn = (random.uniform(size=1000) < promised).astype(float)
    curve = metrics.reliability_curve(drawn, promised)
    assert [part.n for part in curve] == [100] * 10
    assert all(a.predicted < b.predicted for a, b in pairwise(curve))
    assert all(part.low <= part.observed <= part.high for part in curve)
    weight = np.where(promised > promised.max() / 2, 1.0, 0.0)
    weighted = metrics.reliability_curve(drawn, promised, weight)
    assert 0 < len(weighted) < 10
    assert sum(part.n for part in weighted) == int(weight.sum())


def test_wilson_interval_keeps_to_zero_and_one() -> None:
    assert metrics.wilson_interval(0, 0) == (0.0, 1.0)
    assert metrics.wilson_interval(0, 10)[0] == 0.0
    assert metrics.wilson_interval(10, 10)[1] == pytest.approx(1.0)
    low, high = metrics.wilson_interval(20, 100)
    assert (round(low, 4), round(high, 4)) == (0.1334, 0.2888)


def test_evaluate_gives_all_figures_of_known_leads() -> None:
    outcome = np.append(WON, np.nan)
    result = metrics.evaluate(outcome, np.append(PROMISED, 0.9))
    assert (result.n, result.n_won) == (10, 4)
    assert result.auc == metrics.roc_auc(WON, PROMISED)
    weight = np.append(np.ones(9), [0.0, 1.0])
    weighted = metrics.evaluate(outcome, np.append(PROMISED, 0.9), weight)
    assert (weighted.n, weighted.n_won) == (9, 3)
    with pytest.raises(NotEnoughEvidence, match="evaluate on older leads"):
        metrics.evaluate(np.array([np.nan]), np.array([0.1]))


def test_open_leads_weigh_nothing_and_followed_ones_stand_in_for_them() -> None:
    won_days = np.array([10, np.nan, np.nan, np.nan, 50.0])
    follow_up = np.array([100.0, 20, 60, 100, 100])
    outcome, weight = metrics.censoring_weights(won_days, follow_up, 60)
    assert outcome.tolist() == [1, 0, 0, 0, 1]
    # Followed for 10 days: all; for 50 or 60 days: four of five.
    assert weight.tolist() == pytest.approx([1, 0, 1.25, 1.25, 1.25])
    assert metrics.censoring_weights(np.array([70.0]), np.array([90.0]), 60)[0].tolist() == [0.0]


def test_weights_for_a_horizon_nobody_reached_are_refused() -> None:
    for follow_up in (np.array([20.0, 30.0]), np.array([])):
        with pytest.raises(NotEnoughEvidence, match="followed for 60 days"):
            metrics.censoring_weights(np.full(len(follow_up), np.nan), follow_up, 60)


def invented(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true chance within 90 days, day of winning, and follow-up of invented leads."""
    random = np.random.default_rng(seed)
    rate = random.uniform(0.0005, 0.006, n)
    return -np.expm1(-90 * rate), random.exponential(1 / rate), random.uniform(0, 300, n)


def test_censoring_weights_give_back_what_full_follow_up_would_show() -> None:
    truth, wins, follow_up = invented(60_000, 3)
    known = np.where(wins <= follow_up, wins, np.nan)
    outcome, weight = metrics.censoring_weights(known, follow_up, 90)
    full = (wins <= 90).astype(float)
    assert np.average(outcome, weights=weight) == pytest.approx(full.mean(), rel=0.03)
    assert metrics.roc_auc(outcome, truth, weight) == pytest.approx(
        metrics.roc_auc(full, truth), abs=0.01
    )
    assert metrics.brier(outcome, truth, weight) == pytest.approx(
        metrics.brier(full, truth), rel=0.03
    )
    assert metrics.predicted_over_observed(outcome, truth, weight).value == pytest.approx(
        1, abs=0.04
    )


def test_kaplan_meier_with_late_entry_finds_the_true_rate() -> None:
    truth, wins, follow_up = invented(40_000, 4)
    entry = np.random.default_rng(5).uniform(0, 60, len(truth)) * (follow_up > 100)
    seen = wins >= entry  # earlier winners were never seen
    until = np.minimum(wins, follow_up)
    rate = metrics.observed_rate(
        entry[seen], until[seen], (wins <= follow_up)[seen], [90, 0, 10_000]
    )
    assert rate[0] == pytest.approx(truth.mean(), rel=0.03)
    assert rate[1] == 0.0
    assert rate[0] < rate[2] <= 1.0


def test_the_observed_rate_of_a_handful_is_counted_by_hand() -> None:
    entry = np.array([0.0, 0, 5, 0])
    until = np.array([3.0, 10, 10, 10])
    is_won = np.array([True, True, False, False])
    rates = metrics.observed_rate(entry, until, is_won, [2, 3, 10])
    # Three at risk on day 3, then three on day 10.
    assert rates.tolist() == pytest.approx([0, 1 / 3, 1 - 2 / 3 * 2 / 3])
    none = metrics.observed_rate(np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool), [30])
    assert none.tolist() == [0.0]
