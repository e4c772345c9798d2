"""The teacher of snapshot mode: a steady mean of four members."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.errors import NotEnoughEvidence
from tests.training.coded_leads import INPUTS, chance, outcomes, true_logits, usual_codes
from training.snapshot_teacher import SnapshotTeacher, SnapshotTeacherSettings
from training.tune import log_losses

QUICK = SnapshotTeacherSettings(grouping_trees=60, listing_trees=60, bending_trees=60, seeds=(1,))


def test_the_blend_is_close_to_the_truth_and_no_worse_than_its_worst_member() -> None:
    codes = usual_codes(4000, seed=1)
    fitted = SnapshotTeacher.fit(codes, INPUTS, outcomes(codes, seed=1))
    asked = usual_codes(3000, seed=2)
    truth = chance(true_logits(asked))
    losses = [log_losses(member, truth).mean() for member in fitted.members(asked).T]
    blend = log_losses(fitted.logits(asked), truth).mean()
    least = log_losses(true_logits(asked), truth).mean()
    assert blend < max(losses)
    assert blend - least < 0.015


def test_logits_are_the_shared_mean_of_the_members() -> None:
    codes = usual_codes(800, seed=3)
    shares = (0.1, 0.2, 0.3, 0.4)
    form = replace(QUICK, shares=shares)
    fitted = SnapshotTeacher.fit(codes, INPUTS, outcomes(codes, seed=3), settings=form)
    np.testing.assert_allclose(fitted.logits(codes), fitted.members(codes) @ np.array(shares))
    np.testing.assert_allclose(fitted.probabilities(codes), chance(fitted.logits(codes)))


def test_the_same_leads_give_the_same_bits() -> None:
    codes = usual_codes(600, seed=4)
    labels = outcomes(codes, seed=4)
    first, second = (SnapshotTeacher.fit(codes, INPUTS, labels, settings=QUICK) for _ in range(2))
    assert np.array_equal(first.logits(codes), second.logits(codes))


def test_weights_move_the_mean() -> None:
    codes = usual_codes(800, seed=5)
    labels = outcomes(codes, seed=5)
    plain = SnapshotTeacher.fit(codes, INPUTS, labels, settings=QUICK)
    heavy = SnapshotTeacher.fit(codes, INPUTS, labels, weights=1 + 4 * labels, settings=QUICK)
    assert heavy.probabilities(codes).mean() > plain.probabilities(codes).mean() + 0.1


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_leads_that_all_ended_alike_are_not_enough(label: float) -> None:
    codes = usual_codes(50, seed=6)
    with pytest.raises(NotEnoughEvidence, match="All 50 leads have the same outcome"):
        SnapshotTeacher.fit(codes, INPUTS, np.full(50, label))


def test_no_leads_are_not_enough() -> None:
    with pytest.raises(NotEnoughEvidence, match="All 0 leads"):
        SnapshotTeacher.fit(usual_codes(0, seed=7), INPUTS, np.empty(0))
