"""The student learns soft labels, keeps to its form, and comes out the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.coded_leads import (
    INPUTS,
    SIZES,
    any_codes,
    chance,
    soft_curve,
    true_logits,
    usual_codes,
)
from training.student import StudentSettings, count_crossings, fit_student

HORIZONS = (30, 90, 180)
SMALL = StudentSettings(trees=150, scout_trees=60)


def test_soft_labels_are_learnt_with_the_pair_that_acts_together() -> None:
    codes = usual_codes(4000, seed=1)
    fitted = fit_student(codes, INPUTS, soft_curve(codes), HORIZONS, settings=SMALL)
    asked = usual_codes(1000, seed=2)
    learnt, truth = fitted.tables.logits(asked), true_logits(asked)[:, None] + 0.7 * np.arange(3)
    assert np.abs(learnt - truth).mean() < 0.1
    assert (3, 4) in {(pair.i, pair.j) for pair in fitted.tables.pairs}


def test_the_same_leads_and_seed_give_the_same_bits() -> None:
    codes = usual_codes(800, seed=3)
    labels = soft_curve(codes)
    first, second = (fit_student(codes, INPUTS, labels, HORIZONS, settings=SMALL) for _ in range(2))
    assert first.booster.model_to_string() == second.booster.model_to_string()
    assert first.tables.to_dict() == second.tables.to_dict()


@pytest.mark.parametrize("limit", [0, 1, 4])
def test_no_more_pairs_act_than_allowed_and_every_field_may_act_alone(limit: int) -> None:
    codes = usual_codes(2000, seed=4)
    form = StudentSettings(trees=150, scout_trees=60, pairs=limit)
    fitted = fit_student(codes, INPUTS, soft_curve(codes), HORIZONS, settings=form)
    assert len(fitted.tables.pairs) <= limit
    gains = fitted.booster.feature_importance("gain")
    assert (gains[[0, 1, 2, 3]] > 0).all()


def test_without_a_start_the_booster_learns_all_by_itself() -> None:
    codes = usual_codes(2000, seed=5)
    form = StudentSettings(trees=300, pairs=None, starts_linear=False)
    fitted = fit_student(codes, INPUTS, soft_curve(codes), HORIZONS, settings=form)
    assert all((curve == 0).all() for curve in fitted.linear.curves)
    asked = usual_codes(500, seed=6)
    truth = true_logits(asked)[:, None] + 0.7 * np.arange(3)
    assert np.abs(fitted.tables.logits(asked) - truth).mean() < 0.2


def test_a_lead_of_double_weight_counts_as_two() -> None:
    codes = usual_codes(600, seed=7)
    labels = soft_curve(codes, 2)
    labels[:300] = 0.9 * labels[:300]
    heavy = np.where(np.arange(600) < 300, 50.0, 1.0)
    plain = fit_student(codes, INPUTS, labels, (30, 90), settings=SMALL)
    weighted = fit_student(codes, INPUTS, labels, (30, 90), weights=heavy, settings=SMALL)
    assert chance(weighted.logits(codes)).mean() < chance(plain.logits(codes)).mean()


def test_horizons_do_not_cross_at_leads_like_those_learnt_from() -> None:
    codes = usual_codes(3000, seed=8)
    fitted = fit_student(codes, INPUTS, soft_curve(codes), HORIZONS, settings=SMALL)
    assert count_crossings(fitted.tables.logits(usual_codes(3000, seed=9))) == 0


def test_a_monotone_student_cannot_cross_even_where_labels_do() -> None:
    codes = usual_codes(1500, seed=10)
    labels = soft_curve(codes)
    swapped = codes[:, 1] == 2
    labels[swapped] = labels[swapped][:, ::-1]
    free = fit_student(codes, INPUTS, labels, HORIZONS, settings=SMALL)
    kept = StudentSettings(trees=150, scout_trees=60, is_monotone=True)
    monotone = fit_student(codes, INPUTS, labels, HORIZONS, settings=kept)
    asked = any_codes(2000, seed=11)
    assert count_crossings(free.logits(asked)) > 0
    assert count_crossings(monotone.logits(asked)) == 0


def test_crossings_are_counted_by_lead() -> None:
    logits = np.array([[0.0, 1.0, 2.0], [0.0, -1.0, -2.0], [1.0, 1.0, 1.0]])
    assert count_crossings(logits) == 1
    assert count_crossings(logits[:, :1]) == 0


def test_labels_of_zero_and_one_stay_finite() -> None:
    codes = usual_codes(500, seed=12)
    labels = soft_curve(codes, 1)
    labels[:100], labels[100:150] = 0.0, 1.0
    fitted = fit_student(codes, INPUTS, labels, (0,), settings=SMALL)
    assert np.isfinite(fitted.tables.logits(any_codes(500, seed=13))).all()


@pytest.mark.parametrize(
    ("codes", "labels", "message"),
    [
        (np.zeros((4, 2), np.int32), np.full((4, 3), 0.5), r"codes must have shape \(n, 5\)"),
        (np.zeros((4, 5), np.int32), np.full((4, 2), 0.5), r"soft_labels must have shape \(4, 3\)"),
        (np.zeros((4, 5), np.int32), np.full((4, 3), 1.5), "probabilities, 0 to 1"),
        (np.zeros((4, 5), np.int32), np.full((4, 3), np.nan), "probabilities, 0 to 1"),
    ],
)
def test_misshapen_input_is_refused(codes: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_student(codes, INPUTS, labels, HORIZONS)


def test_sizes_are_those_of_the_encoder() -> None:
    codes = usual_codes(300, seed=14)
    fitted = fit_student(codes, INPUTS, soft_curve(codes), HORIZONS, settings=SMALL)
    assert fitted.sizes == SIZES == fitted.tables.sizes
