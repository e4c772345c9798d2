"""P(accept): look-up tables with one horizon and a balanced base."""

from __future__ import annotations

import numpy as np
import pytest

from features.definition import EVER
from features.errors import NotEnoughEvidence
from tests.training.coded_leads import (
    INPUTS,
    SIZES,
    any_codes,
    chance,
    outcomes,
    true_logits,
    usual_codes,
)
from training.acceptance import fit_acceptance


def test_the_habit_of_sales_is_learnt() -> None:
    codes = usual_codes(4000, seed=1)
    tables = fit_acceptance(codes, INPUTS, outcomes(codes, seed=1))
    asked = usual_codes(2000, seed=2)
    assert tables.horizons == (EVER,)
    assert tables.sizes == SIZES
    assert np.corrcoef(tables.logits(asked)[:, 0], true_logits(asked))[0, 1] > 0.9


@pytest.mark.parametrize("seed", [3, 4])
def test_the_mean_probability_is_the_share_that_was_accepted(seed: int) -> None:
    codes = usual_codes(700, seed=seed)
    accepted = outcomes(codes, seed=seed)
    weights = 1.0 + (np.arange(700) % 3)
    plain = fit_acceptance(codes, INPUTS, accepted, seed=seed)
    assert chance(plain.logits(codes)).mean() == pytest.approx(accepted.mean(), abs=1e-9)
    heavy = fit_acceptance(codes, INPUTS, accepted, weights=weights)
    mean = np.average(chance(heavy.logits(codes)[:, 0]), weights=weights)
    assert mean == pytest.approx(np.average(accepted, weights=weights), abs=1e-9)


def test_contributions_add_up_at_any_code() -> None:
    codes = usual_codes(500, seed=5)
    tables = fit_acceptance(codes, INPUTS, outcomes(codes, seed=5))
    asked = any_codes(1000, seed=6)
    added = tables.base[0] + tables.contributions(asked, EVER).sum(axis=1)
    np.testing.assert_allclose(added, tables.logits(asked)[:, 0], atol=1e-9)


def test_the_same_leads_give_the_same_bits() -> None:
    codes = usual_codes(500, seed=7)
    accepted = outcomes(codes, seed=7)
    first, second = (fit_acceptance(codes, INPUTS, accepted) for _ in range(2))
    assert first.to_dict() == second.to_dict()


@pytest.mark.parametrize("accepted", [np.zeros(20), np.ones(20)])
def test_decisions_that_are_all_alike_cannot_be_learnt(accepted: np.ndarray) -> None:
    with pytest.raises(NotEnoughEvidence, match="All 20 decided leads were decided alike"):
        fit_acceptance(usual_codes(20, seed=8), INPUTS, accepted)


def test_no_decided_leads_cannot_be_learnt() -> None:
    with pytest.raises(NotEnoughEvidence, match="All 0 decided leads"):
        fit_acceptance(usual_codes(0, seed=8), INPUTS, np.empty(0))
