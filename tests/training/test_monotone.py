"""A number that may move the score one way only: exactly, at every horizon, for any other fields."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definition import LeadDefinition
from features.encoder import LeadInput
from features.one_lead import OneLead
from features.scorer import Calibration, LeadScorer
from features.tables import AdditiveTables, PairTable
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
from tests.training.histories import ZERO, day, definition_with, history_of, selling_history
from tests.training.shap_oracle import booster_at
from training.linear import fit_linear
from training.monotone import directions_of, kept_in_order, start_in_order
from training.recipe import Learned, Recipe, learn
from training.snapshot_teacher import SnapshotTeacherSettings
from training.student import Student, StudentSettings, fit_student

HORIZONS = (30, 90, 180)
SMALL = StudentSettings(trees=150, scout_trees=60)
NAMES = {"ja": "数", "en": "Number"}


def agreed(**monotone: str) -> LeadDefinition:
    """A definition with number fields of these names; every field of the codes is in it."""
    names = ("employees", "visits", "a", "b")
    fields = {
        name: {
            "type": "number",
            "names": NAMES,
            "group": "fit",
            "monotone": monotone.get(name),
        }
        for name in names
    }
    words = {
        name: {"type": "category", "names": NAMES, "group": "fit"}
        for name in ("source", "industry", "product", "c")
    }
    return definition_with(fields={**fields, **words})


def steps(tables: AdditiveTables, codes: Codes, position: int) -> np.ndarray:
    """Log-odds at each number of one input, others kept, next minus this: (n - 2, n_leads, h)."""
    size = tables.sizes[position]
    asked = np.repeat(codes[None], size - 1, axis=0)
    asked[:, :, position] = np.arange(1, size)[:, None]
    flat = tables.logits(asked.reshape(-1, codes.shape[1]))
    return np.diff(flat.reshape(size - 1, len(codes), -1), axis=0)


@pytest.fixture(scope="module")
def student() -> Student:
    """Employees truly rise and visits act with the product; both are told to be otherwise."""
    encoder = replace(INPUTS, definition=agreed(employees="falling", visits="rising"))
    codes = usual_codes(3000, seed=1)
    noise = np.random.default_rng(2).normal(0, 0.05, (3000, 3))
    labels = np.clip(soft_curve(codes) + noise, 0, 1)
    return fit_student(codes, encoder, labels, HORIZONS, settings=replace(SMALL, pairs=None))


def test_the_score_never_moves_the_other_way_as_the_number_grows(student: Student) -> None:
    asked = any_codes(2000, seed=3)
    assert {0, 3} <= {i for pair in student.tables.pairs for i in (pair.i, pair.j)}
    assert steps(student.tables, asked, 0).max() <= 0.0
    assert steps(student.tables, asked, 3).min() >= 0.0
    assert steps(student.tables, asked, 3).max() > 0.1


def test_one_lead_is_kept_in_order_by_the_plain_sums_that_serve_it(student: Student) -> None:
    one = OneLead(student.tables, None, student.tables.horizons[0])
    for row in any_codes(100, seed=4).tolist():
        for position, direction in ((0, -1), (3, 1)):
            rising = [
                one.look_up([*row[:position], code, *row[position + 1 :]]).logits
                for code in range(1, SIZES[position])
            ]
            assert (direction * np.diff(rising, axis=0) >= 0.0).all()


def test_tables_stay_the_booster_and_the_linear_part(student: Student) -> None:
    codes = any_codes(4000, seed=5)
    logits = student.logits(codes)
    np.testing.assert_allclose(student.tables.logits(codes), logits, rtol=0, atol=1e-9)
    for h, horizon in enumerate(HORIZONS):
        added = student.tables.base[h] + student.tables.contributions(codes, horizon).sum(axis=1)
        np.testing.assert_allclose(added, logits[:, h], rtol=0, atol=1e-9)


def test_contributions_stay_lightgbm_shap_and_the_curves_of_the_start(student: Student) -> None:
    codes = any_codes(3000, seed=6)
    columns = codes.astype(np.float64)
    for position in (0, 3):
        columns[codes[:, position] == 0, position] = np.nan
    for h, horizon in enumerate(HORIZONS):
        at_horizon = booster_at(student.booster, len(SIZES), h)
        timed = np.column_stack([columns, np.full(len(codes), float(h))])
        oracle = np.asarray(at_horizon.predict(timed, pred_contrib=True))
        ours = student.tables.contributions(codes, horizon)
        for i, curve in enumerate(student.linear.curves):
            theirs = oracle[:, i] + curve[codes[:, i]] - student.linear.means[i]
            np.testing.assert_allclose(ours[:, i], theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("missing_is", ["best", "worst"])
def test_missing_stands_aside(missing_is: str) -> None:
    codes = usual_codes(3000, seed=7)
    gone = codes[:, 0] == 0
    labels = soft_curve(codes)
    labels[gone] = 0.5 + labels[gone] / 2 if missing_is == "best" else labels[gone] / 10
    encoder = replace(INPUTS, definition=agreed(employees="rising"))
    fitted = fit_student(codes, encoder, labels, HORIZONS, settings=SMALL)
    free = fit_student(codes, INPUTS, labels, HORIZONS, settings=SMALL)
    asked = usual_codes(1000, seed=8)
    assert steps(fitted.tables, asked, 0).min() >= 0.0
    asked[:, 0] = 0
    promised, without = fitted.tables.logits(asked).mean(), free.tables.logits(asked).mean()
    assert promised == pytest.approx(without, abs=0.15)
    asked[:, 0] = 6
    middle = fitted.tables.logits(asked).mean()
    assert promised > middle + 0.3 if missing_is == "best" else promised < middle - 0.3


def test_a_constraint_that_the_leads_obey_costs_next_to_nothing() -> None:
    codes = usual_codes(4000, seed=9)
    labels = soft_curve(codes)
    encoder = replace(INPUTS, definition=agreed(employees="rising", visits="rising"))
    fitted = fit_student(codes, encoder, labels, HORIZONS, settings=SMALL)
    free = fit_student(codes, INPUTS, labels, HORIZONS, settings=SMALL)
    asked = usual_codes(1000, seed=10)
    apart = np.abs(fitted.tables.logits(asked) - free.tables.logits(asked))
    assert apart.mean() < 0.05
    assert (3, 4) in {(pair.i, pair.j) for pair in fitted.tables.pairs}


def test_a_definition_without_such_a_field_gives_the_same_bits_as_none() -> None:
    codes = usual_codes(800, seed=11)
    labels = soft_curve(codes)
    encoder = replace(INPUTS, definition=agreed())
    told = fit_student(codes, encoder, labels, HORIZONS, settings=SMALL)
    untold = fit_student(codes, INPUTS, labels, HORIZONS, settings=SMALL)
    assert told.booster.model_to_string() == untold.booster.model_to_string()
    assert "[use_missing: 0]" in told.booster.model_to_string()
    assert told.tables.to_dict() == untold.tables.to_dict()


def test_the_same_leads_give_the_same_bits() -> None:
    codes = usual_codes(600, seed=12)
    encoder = replace(INPUTS, definition=agreed(visits="falling"))
    first, second = (
        fit_student(codes, encoder, soft_curve(codes), HORIZONS, settings=SMALL) for _ in range(2)
    )
    assert first.tables.to_dict() == second.tables.to_dict()


@settings(max_examples=40, deadline=None)
@given(
    bins=st.integers(1, 9),
    n_horizons=st.integers(1, 4),
    n_leads=st.integers(40, 300),
    seed=st.integers(0, 10_000),
    starts_linear=st.booleans(),
    pairs=st.sampled_from([None, 0, 1, 3]),
    first=st.sampled_from(["rising", "falling"]),
    second=st.sampled_from(["rising", "falling", None]),
    always_given=st.booleans(),
    is_timed=st.booleans(),
)
def test_the_order_holds_whatever_was_learnt_from(
    bins: int,
    n_horizons: int,
    n_leads: int,
    seed: int,
    starts_linear: bool,
    pairs: int | None,
    first: str,
    second: str | None,
    always_given: bool,
    is_timed: bool,
) -> None:
    monotone = {"a": first} | ({"b": second} if second else {})
    encoder = InventedInputs((number("a", bins), number("b", 6), category("c", 3)), None)
    encoder = replace(encoder, definition=agreed(**monotone))
    sizes = tuple(given.size for given in encoder.inputs)
    codes = any_codes(n_leads, seed, sizes)
    if always_given:
        codes[:, :2] = np.maximum(codes[:, :2], 1)
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.random((n_leads, n_horizons)) ** 2, axis=1)
    labels[rng.random(n_leads) < 0.1] = 0.0
    form = StudentSettings(
        trees=25,
        scout_trees=10,
        min_rows=5,
        starts_linear=starts_linear,
        pairs=pairs,
        is_monotone=is_timed,
    )
    fitted = fit_student(codes, encoder, labels, tuple(range(1, n_horizons + 1)), settings=form)
    asked = any_codes(100, seed + 1, sizes)
    np.testing.assert_allclose(fitted.tables.logits(asked), fitted.logits(asked), rtol=0, atol=1e-9)
    for position, way in enumerate((first, second)):
        if way is not None:
            moved = steps(fitted.tables, asked, position) * (1 if way == "rising" else -1)
            assert moved.min(initial=0.0) >= 0.0


def test_rounding_is_taken_out_of_tables_that_are_in_order_but_for_it() -> None:
    rng = np.random.default_rng(13)
    slope, bend = np.cumsum(rng.random(40)), rng.normal(0, 1, (40, 5))
    first = rng.normal(0, 1, (40, 5)) - slope[:, None] * 3
    curve = np.concatenate([[7.0], np.sort(-first.min(axis=1))[1:]])
    curve[1:] += np.cumsum(np.abs(np.diff(first + bend, axis=0)).max(axis=1))
    tables = AdditiveTables((0,), (0.1,), ((curve, np.zeros(5)),), (PairTable(0, 1, first, bend),))
    kept = kept_in_order(tables, (1, 0))
    asked = np.array([[i, j] for i in range(40) for j in range(5)], dtype=np.int32)
    np.testing.assert_allclose(kept.logits(asked), tables.logits(asked), rtol=0, atol=1e-10)
    ours, before = kept.contributions(asked, 0), tables.contributions(asked, 0)
    np.testing.assert_allclose(ours, before, rtol=0, atol=1e-10)
    whole = kept.pairs[0].first + kept.pairs[0].second
    assert np.diff(whole[1:], axis=0).min() >= 0.0
    assert np.diff(kept.mains[0][0][1:]).min() >= 0.0
    assert kept.mains[0][0][0] == pytest.approx(7.0)


def test_the_start_is_moved_no_further_than_it_must() -> None:
    codes = usual_codes(2000, seed=14)
    part = fit_linear(codes, INPUTS, outcomes(codes, seed=14)[:, None], ridge=1.0)
    kept = start_in_order(part, codes, (-1, 0, 0, 1, 0))
    assert np.diff(kept.curves[0][1:]).max() <= 0.0
    assert kept.curves[0][0] == part.curves[0][0]
    assert np.array_equal(kept.curves[1], part.curves[1])
    rising = start_in_order(kept, codes, (-1, 0, 0, 1, 0))
    assert all(np.allclose(a, b) for a, b in zip(rising.curves, kept.curves, strict=True))
    np.testing.assert_allclose(kept.means, part.means, atol=1e-6)


def test_directions_are_those_of_fields_and_behaviours() -> None:
    assert directions_of(INPUTS) == ()
    assert directions_of(replace(INPUTS, definition=agreed())) == ()
    told = replace(INPUTS, definition=agreed(employees="falling", visits="rising"))
    assert directions_of(told) == (-1, 0, 0, 1, 0)


def employees_are(way: str) -> LeadDefinition:
    content = definition_with().model_dump(mode="json")
    content["fields"]["employees"]["monotone"] = way
    return definition_with(fields=content["fields"])


@pytest.fixture(scope="module", params=["history", "snapshot"])
def learnt(request: pytest.FixtureRequest) -> Learned:
    """Large firms win more often; the agreement says that size may only lower the score."""
    small = Recipe(
        student=SMALL,
        snapshot_teacher=SnapshotTeacherSettings(
            grouping_trees=30, listing_trees=30, bending_trees=30, seeds=(1,)
        ),
        chooses=False,
    )
    history = selling_history(900)
    if request.param == "history":
        return learn(history, employees_are("falling"), as_of=day(400), recipe=small)
    won = set(history.events.loc[history.events["kind"] == "won", "lead_id"])
    ended = [(lead, None, "won" if lead in won else "lost") for lead in history.leads["lead_id"]]
    ids = history.leads["lead_id"]
    fields = {name: list(history.fields[name]) for name in history.fields}
    flat = history_of(dict.fromkeys(ids), ended, fields, mode="snapshot")
    return learn(flat, employees_are("falling"), recipe=small)


def test_served_scores_keep_the_order_in_both_modes(learnt: Learned) -> None:
    given_sizes = [str(size) for size in (1, 5, 20, 30, 60, 100, 200, 500, 900, 10**6)]
    for shift in (0.0, 0.3):
        scorer = LeadScorer(
            learnt.scorer.encoder,
            learnt.scorer.raw_tables,
            learnt.scorer.acceptance,
            replace(learnt.scorer.calibration, shift=shift),
        )
        for source in ("webinar", "referral", "never seen", None):
            leads = [
                LeadInput({"source": source, "employees": size}, [], ZERO) for size in given_sizes
            ]
            promised = np.array([lead.probabilities for lead in scorer.score_many(leads)])
            assert np.diff(promised, axis=0).max() <= 0.0
    assert isinstance(learnt.scorer.calibration, Calibration)
    assert learnt.student is not None
    assert learnt.student.directions.count(-1) == 1
