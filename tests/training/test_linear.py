"""The linear part: slopes found again, constants balanced, nothing infinite."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.coded_leads import (
    INPUTS,
    InventedInputs,
    chance,
    number,
    outcomes,
    soft_curve,
    true_logits,
    usual_codes,
)
from training.linear import constant_part, fit_linear, log_odds


def test_levels_are_found_again_from_soft_labels() -> None:
    codes = usual_codes(4000, seed=1)
    fitted = fit_linear(codes, INPUTS, soft_curve(codes, 1), ridge=0.01)
    source = fitted.curves[1]
    assert source[2] - source[3] == pytest.approx(0.8, abs=0.1)
    industry = fitted.curves[2]
    assert industry[3] - industry[2] == pytest.approx(-0.6, abs=0.1)


def test_a_broken_line_follows_a_bend_that_one_slope_cannot() -> None:
    codes = (1 + np.arange(2000) % 12).astype(np.int32)[:, None]
    encoder = InventedInputs((number("a", 12),))
    bend = np.abs(codes[:, 0] - 6.5) - 3.0
    fitted = fit_linear(codes, encoder, chance(bend)[:, None], ridge=1e-3)
    assert np.abs(fitted.logits(codes)[:, 0] - bend).max() < 0.5


def test_the_mean_probability_at_each_horizon_is_the_mean_label() -> None:
    codes = usual_codes(1000, seed=2)
    labels = soft_curve(codes)
    fitted = fit_linear(codes, INPUTS, labels, ridge=10.0)
    means = chance(fitted.logits(codes)).mean(axis=0)
    np.testing.assert_allclose(means, labels.mean(axis=0), atol=1e-7)


def test_horizons_differ_by_a_constant_and_so_cannot_cross() -> None:
    codes = usual_codes(500, seed=3)
    fitted = fit_linear(codes, INPUTS, soft_curve(codes), ridge=1.0)
    steps = np.diff(fitted.logits(codes), axis=1)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-12)
    assert (steps > 0).all()


def test_a_weight_of_two_is_a_lead_seen_twice() -> None:
    codes = usual_codes(600, seed=4)
    labels = outcomes(codes, seed=4)[:, None]
    weights = 1.0 + (np.arange(600) % 2)
    twice = np.repeat(np.arange(600), weights.astype(int))
    weighted = fit_linear(codes, INPUTS, labels, ridge=1.0, weights=weights)
    repeated = fit_linear(codes[twice], INPUTS, labels[twice], ridge=1.0)
    np.testing.assert_allclose(weighted.logits(codes), repeated.logits(codes), atol=1e-6)


def test_labels_that_are_all_equal_give_a_finite_constant() -> None:
    codes = usual_codes(200, seed=5)
    fitted = fit_linear(codes, INPUTS, np.zeros((200, 2)), ridge=1.0)
    assert np.isfinite(fitted.logits(codes)).all()
    assert chance(fitted.logits(codes)).max() < 1e-6


def test_labels_that_one_field_tells_apart_stay_finite_under_the_ridge() -> None:
    codes = usual_codes(500, seed=6)
    labels = (codes[:, 0] > 5).astype(np.float64)[:, None]
    fitted = fit_linear(codes, INPUTS, labels, ridge=1.0)
    logits = fitted.logits(codes)[:, 0]
    assert np.abs(logits).max() < 30
    assert logits[labels[:, 0] == 1].min() > logits[labels[:, 0] == 0].max()


def test_a_number_that_is_always_missing_adds_nothing() -> None:
    codes = usual_codes(300, seed=7)
    codes[:, 0] = 0
    fitted = fit_linear(codes, INPUTS, outcomes(codes, seed=7)[:, None], ridge=1.0)
    assert np.isfinite(fitted.curves[0]).all()
    assert np.abs(fitted.curves[0]).max() < 1e-6


def test_a_level_that_was_never_seen_lies_between_the_others() -> None:
    codes = usual_codes(800, seed=8)
    fitted = fit_linear(codes, INPUTS, outcomes(codes, seed=8)[:, None], ridge=1.0)
    assert (codes[:, 1] != 1).all()
    assert fitted.curves[1][1] == pytest.approx(0.0, abs=1e-9)


def test_the_constant_part_is_the_mean_label() -> None:
    codes = usual_codes(100, seed=9)
    part = constant_part(INPUTS, soft_curve(codes))
    np.testing.assert_allclose(
        chance(part.logits(codes)), np.tile(soft_curve(codes).mean(axis=0), (100, 1)), atol=1e-9
    )


def test_log_odds_of_certainty_are_finite() -> None:
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()
    assert log_odds(np.array([0.5]))[0] == 0.0


def test_better_slopes_are_found_than_none() -> None:
    codes = usual_codes(2000, seed=10)
    labels = outcomes(codes, seed=10)
    fitted = fit_linear(codes, INPUTS, labels[:, None], ridge=10.0)
    assert np.corrcoef(fitted.logits(codes)[:, 0], true_logits(codes))[0, 1] > 0.85
