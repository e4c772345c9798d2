from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from features.encoder import LeadEncoder
from features.errors import NotEnoughEvidence
from tests.training.histories import definition_with, history_of
from training.metrics import roc_auc
from training.tuned_booster import GRID, booster_columns, tune_booster


def rows(n: int = 800) -> tuple[sparse.csr_array, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    values = random.normal(size=(n, 3))
    chance = 1 / (1 + np.exp(-(values[:, 0] + values[:, 0] * values[:, 1])))
    return (
        sparse.csr_array(values),
        (random.uniform(size=n) < chance).astype(float),
        np.arange(n) >= 0.8 * n,
    )


def test_columns_are_ranks_of_numbers_and_one_for_each_common_category() -> None:
    fields = {
        "source": ["phone"] * 7 + ["webinar"] * 6 + ["referral"] * 2 + [None] * 5,
        "employees": [None if k == 0 else str(k) for k in range(20)],
    }
    history = history_of({f"L{k}": 0.0 for k in range(20)}, fields=fields)
    encoder = LeadEncoder.fit(history, definition_with(), min_leads=1)
    codes = encoder.encode_history(history)
    columns = booster_columns(codes, encoder, np.ones(20, dtype=bool)).toarray()
    assert columns.shape == (20, 3 + 1)
    number = columns[:, [(encoder.inputs[0].kind != "number" and 3) or 0][0]]
    assert np.isnan(number[0])
    assert (np.diff(number[1:]) >= 0).all()
    assert columns[:, :3].sum(axis=0).tolist() == [5, 7, 6]


def test_it_learns_and_does_so_the_same_way_each_time() -> None:
    columns, target, newest = rows()
    first = tune_booster(columns, target, newest, candidates=GRID[:3])
    second = tune_booster(columns, target, newest, candidates=GRID[:3])
    assert first.booster.model_to_string() == second.booster.model_to_string()
    assert first.chosen == second.chosen
    assert set(first.chosen) == {"num_leaves", "min_data_in_leaf", "feature_fraction", "trees"}
    assert 0.3 < first.validation_loss < 0.69
    assert roc_auc(target, first.raw_scores(columns)) > 0.75


def test_a_start_is_added_to_and_not_learnt_again() -> None:
    columns, target, newest = rows()
    exposure = np.log(np.where(np.arange(len(target)) % 2, 4.0, 0.25))
    counts = np.random.default_rng(1).poisson(0.2 * np.exp(exposure)).astype(float)
    found = tune_booster(
        columns, counts, newest, objective="poisson", start=exposure, candidates=GRID[:1]
    )
    assert found.raw_scores(columns).mean() == pytest.approx(np.log(0.2), abs=0.4)


def test_choosing_needs_wins_on_both_sides() -> None:
    columns, target, newest = rows(100)
    for empty in (newest, ~newest):
        with pytest.raises(NotEnoughEvidence, match="newest fifth"):
            tune_booster(columns, np.where(empty, 0.0, target), newest)
