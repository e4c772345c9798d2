"""Choices on validation: later leads judge, and the default stays unless clearly beaten."""

from __future__ import annotations

import numpy as np

from tests.training.coded_leads import INPUTS, Codes, Floats, chance, outcomes, usual_codes
from training.snapshot_teacher import SnapshotTeacherSettings
from training.student import StudentSettings
from training.tune import (
    SHARES,
    Candidate,
    choose_form,
    choose_shares,
    choose_snapshot_form,
    log_losses,
)

QUICK = SnapshotTeacherSettings(grouping_trees=40, listing_trees=40, bending_trees=40, seeds=(1,))
FORMS = {"default": StudentSettings(trees=30), "other": StudentSettings(trees=40)}


def _chosen_with(losses: dict[int, Floats]) -> tuple[str, tuple[Candidate, ...]]:
    """Choose between forms told apart by their number of trees, with given losses per lead."""
    form, choice = choose_form(lambda form: form, lambda form: losses[form.trees], FORMS)  # type: ignore[arg-type,return-value,attr-defined]
    assert form == FORMS[choice.chosen]
    return choice.chosen, choice.candidates


def test_the_default_stays_when_another_is_better_by_less_than_one_standard_error() -> None:
    noise = np.random.default_rng(1).normal(0, 1, 400)
    chosen, candidates = _chosen_with({30: np.ones(400), 40: 1 + noise - noise.mean() - 0.02})
    assert chosen == "default"
    assert candidates[1].against_default < 0
    assert candidates[1].standard_error > 0.02


def test_a_form_that_is_clearly_better_is_taken() -> None:
    noise = np.random.default_rng(2).normal(0, 0.1, 400)
    chosen, candidates = _chosen_with({30: np.ones(400), 40: 0.9 + noise})
    assert chosen == "other"
    assert candidates[0] == Candidate("default", 1.0, 0.0, 0.0)


def test_the_form_is_judged_on_the_last_fifth_only() -> None:
    codes = usual_codes(1000, seed=3)
    labels = outcomes(codes, seed=3)
    form, choice = choose_snapshot_form(codes, INPUTS, labels, teacher=QUICK, forms=FORMS)
    assert form == FORMS[choice.chosen]
    turned = labels.copy()
    turned[800:] = 1 - turned[800:]
    _, other = choose_snapshot_form(codes, INPUTS, turned, teacher=QUICK, forms=FORMS)
    assert other.candidates[0].loss > choice.candidates[0].loss + 0.1


def test_logistic_regression_gets_a_larger_share_where_the_truth_is_linear_and_leads_are_few() -> (
    None
):
    codes = usual_codes(400, seed=4)
    labels = _linear_outcomes(codes)
    overgrown = SnapshotTeacherSettings(
        grouping_trees=400, listing_trees=400, bending_trees=400, seeds=(1,)
    )
    settings, choice = choose_shares(codes, INPUTS, labels, settings=overgrown)
    assert settings.shares[0] >= 0.5
    assert len(choice.candidates) == len(SHARES)
    assert "logistic" in choice.chosen
    assert settings.seeds == overgrown.seeds


def test_shares_stay_as_they_are_where_nothing_can_be_judged() -> None:
    codes = usual_codes(30, seed=5)
    settings, choice = choose_shares(codes, INPUTS, np.zeros(30), settings=QUICK)
    assert settings == QUICK
    assert choice.candidates == ()
    no_leads, _ = choose_shares(codes[:0], INPUTS, np.empty(0))
    assert no_leads == SnapshotTeacherSettings()


def test_log_loss_is_that_of_the_outcome() -> None:
    logits = np.array([0.0, 2.0, -800.0])
    outcome = np.array([1.0, 0.0, 1.0])
    expected = [-np.log(0.5), -np.log(1 - chance(np.array(2.0))), 800.0]
    np.testing.assert_allclose(log_losses(logits, outcome), expected)


def _linear_outcomes(codes: Codes) -> Floats:
    logits = 0.4 * (codes[:, 0] - 5.0) + 0.3 * (codes[:, 3] - 2.0)
    return (np.random.default_rng(6).random(len(codes)) < chance(logits)).astype(np.float64)
