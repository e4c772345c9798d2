"""Tables against LightGBM's own SHAP, the definition of Shapley, and the booster itself."""

from __future__ import annotations

from functools import partial

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.tables import AdditiveTables
from tests.training.coded_leads import (
    INPUTS,
    SIZES,
    Codes,
    InventedInputs,
    any_codes,
    category,
    number,
    outcomes,
    soft_curve,
    usual_codes,
)
from tests.training.shap_oracle import (
    Node,
    booster_at,
    conditioned_trees,
    expectation,
    shapley_values,
)
from training.boosters import categories_of, grow
from training.glassbox import strongest_pairs, tables_from
from training.student import Student, StudentSettings, fit_student

HORIZONS = (30, 90, 180)


@pytest.fixture(scope="module")
def student() -> Student:
    codes = usual_codes(3000, seed=1)
    labels = soft_curve(codes)
    noisy = np.clip(labels + np.random.default_rng(2).normal(0, 0.05, labels.shape), 0, 1)
    return fit_student(
        codes, INPUTS, noisy, HORIZONS, settings=StudentSettings(trees=200, pairs=None)
    )


def test_contributions_equal_lightgbm_shap_at_each_horizon_on_ten_thousand_leads(
    student: Student,
) -> None:
    codes = any_codes(10_000, seed=3)
    linear = student.linear
    for h, horizon in enumerate(HORIZONS):
        at_horizon = booster_at(student.booster, len(SIZES), h)
        columns = np.column_stack([codes, np.full(len(codes), h)]).astype(np.float64)
        oracle = np.asarray(at_horizon.predict(columns, pred_contrib=True))
        assert np.abs(oracle[:, len(SIZES)]).max() == 0.0, "the horizon is no player"
        ours = student.tables.contributions(codes, horizon)
        for i, curve in enumerate(linear.curves):
            theirs = oracle[:, i] + curve[codes[:, i]] - linear.means[i]
            np.testing.assert_allclose(ours[:, i], theirs, rtol=0, atol=1e-9)
        base = oracle[0, -1] + linear.intercepts[h] + linear.means.sum()
        assert student.tables.base[h] == pytest.approx(base, abs=1e-9)


def test_base_and_contributions_add_up_to_the_logit_of_booster_and_linear_part(
    student: Student,
) -> None:
    codes = any_codes(10_000, seed=4)
    logits = student.logits(codes)
    np.testing.assert_allclose(student.tables.logits(codes), logits, rtol=0, atol=1e-9)
    for h, horizon in enumerate(HORIZONS):
        added = student.tables.base[h] + student.tables.contributions(codes, horizon).sum(axis=1)
        np.testing.assert_allclose(added, logits[:, h], rtol=0, atol=1e-9)


def test_contributions_equal_the_shapley_sum_over_all_coalitions() -> None:
    codes = usual_codes(1500, seed=5)
    form = StudentSettings(trees=30, pairs=None)
    student = fit_student(codes, INPUTS, soft_curve(codes), HORIZONS, settings=form)
    for h, horizon in enumerate(HORIZONS):
        trees = conditioned_trees(student.booster, len(SIZES), h)
        asked = any_codes(3, seed=h)
        ours = student.tables.contributions(asked, horizon)
        for k, row in enumerate(asked):
            worth = partial(_worth, trees, dict(enumerate(row.tolist())))
            theirs = shapley_values(worth, len(SIZES))
            theirs += [curve[c] for curve, c in zip(student.linear.curves, row, strict=True)]
            theirs -= student.linear.means
            np.testing.assert_allclose(ours[k], theirs, rtol=0, atol=1e-9)


def test_one_horizon_has_no_column_of_its_own_and_equals_lightgbm_shap() -> None:
    codes = usual_codes(1500, seed=6)
    fitted = fit_student(
        codes, INPUTS, soft_curve(codes, 1), (0,), settings=StudentSettings(trees=120, pairs=3)
    )
    assert fitted.booster.num_feature() == len(SIZES)
    asked = any_codes(2000, seed=7)
    oracle = np.asarray(fitted.booster.predict(asked.astype(np.float64), pred_contrib=True))
    ours = fitted.tables.contributions(asked, 0)
    for i, curve in enumerate(fitted.linear.curves):
        theirs = oracle[:, i] + curve[asked[:, i]] - fitted.linear.means[i]
        np.testing.assert_allclose(ours[:, i], theirs, rtol=0, atol=1e-9)


def test_tables_survive_storing_with_the_same_bits(student: Student) -> None:
    codes = any_codes(500, seed=8)
    stored = AdditiveTables.from_dict(student.tables.to_dict())
    assert np.array_equal(stored.logits(codes), student.tables.logits(codes))


@settings(max_examples=25, deadline=None)
@given(
    bins=st.integers(1, 9),
    levels=st.integers(1, 40),
    n_horizons=st.integers(1, 4),
    n_leads=st.integers(40, 300),
    seed=st.integers(0, 10_000),
    starts_linear=st.booleans(),
    pairs=st.sampled_from([None, 0, 1, 3]),
)
def test_tables_say_what_the_booster_says_whatever_it_learnt_from(
    bins: int,
    levels: int,
    n_horizons: int,
    n_leads: int,
    seed: int,
    starts_linear: bool,
    pairs: int | None,
) -> None:
    encoder = InventedInputs((number("a", bins), category("b", levels), category("c", 2)))
    sizes = tuple(given.size for given in encoder.inputs)
    codes = any_codes(n_leads, seed, sizes)
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.random((n_leads, n_horizons)) ** 2, axis=1)
    labels[rng.random(n_leads) < 0.1] = 0.0
    form = StudentSettings(
        trees=25, scout_trees=10, min_rows=5, starts_linear=starts_linear, pairs=pairs
    )
    fitted = fit_student(codes, encoder, labels, tuple(range(1, n_horizons + 1)), settings=form)
    asked = any_codes(200, seed + 1, sizes)
    np.testing.assert_allclose(fitted.tables.logits(asked), fitted.logits(asked), rtol=0, atol=1e-9)
    last = fitted.tables.contributions(asked, n_horizons).sum(axis=1) + fitted.tables.base[-1]
    np.testing.assert_allclose(last, fitted.logits(asked)[:, -1], rtol=0, atol=1e-9)


def test_without_a_linear_part_the_tables_are_the_booster_alone() -> None:
    codes = usual_codes(800, seed=12)
    booster = _grown(codes, {"max_depth": 2, "num_leaves": 4})
    scores = np.asarray(booster.predict(codes.astype(np.float64), raw_score=True))
    tables = tables_from(booster, SIZES, (0,))
    np.testing.assert_allclose(tables.logits(codes)[:, 0], scores, rtol=0, atol=1e-12)


def test_a_tree_of_three_fields_is_refused() -> None:
    codes = usual_codes(1500, seed=9)
    booster = _grown(codes, {"num_leaves": 15})
    with pytest.raises(ValueError, match="more than two fields"):
        tables_from(booster, SIZES, (0,))


def test_a_tree_that_mixes_two_fields_with_the_horizon_is_refused() -> None:
    codes = usual_codes(1500, seed=9)
    deep = StudentSettings(trees=60, leaves=15, depth=4, pairs=None)
    fitted = fit_student(codes, INPUTS, soft_curve(codes), HORIZONS, settings=deep)
    with pytest.raises(ValueError, match="horizon counts as one"):
        _ = fitted.tables


def test_a_tree_that_takes_code_zero_for_missing_is_refused() -> None:
    codes = usual_codes(1500, seed=10)
    booster = _grown(codes, {"max_depth": 2, "use_missing": True, "zero_as_missing": True})
    with pytest.raises(ValueError, match="code 0 as missing"):
        tables_from(booster, SIZES, (0,))


def test_a_booster_that_learnt_nothing_leaves_the_linear_part() -> None:
    codes = usual_codes(400, seed=11)
    labels = np.full((400, 2), 0.25)
    fitted = fit_student(codes, INPUTS, labels, (30, 90), settings=StudentSettings(trees=5))
    assert not fitted.tables.pairs
    np.testing.assert_allclose(fitted.tables.base, [np.log(1 / 3)] * 2, atol=1e-6)
    assert all(np.abs(curve).max() < 1e-6 for curve in fitted.tables.mains[0])


def test_the_pair_that_acts_together_is_found_first(student: Student) -> None:
    codes = usual_codes(3000, seed=1)
    assert strongest_pairs(student.tables, codes, 3)[0] == (3, 4)
    assert strongest_pairs(student.tables, codes, 0) == ()


def _worth(trees: list[Node], lead: dict[int, float], known: frozenset[int]) -> float:
    return sum(expectation(tree, lead, known) for tree in trees)


def _grown(codes: Codes, parameters: dict[str, object]) -> lightgbm.Booster:
    return grow(
        codes.astype(np.float64),
        outcomes(codes, seed=1),
        categories=categories_of(INPUTS),
        start=np.zeros(len(codes)),
        trees=30,
        parameters=parameters,
    )
