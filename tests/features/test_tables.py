import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.definition import EVER
from features.errors import ArtefactRefused
from features.one_lead import OneLead
from features.tables import CHUNK, AdditiveTables, PairTable, probabilities_of, probability_of
from tests.builders import random_tables

SIZES = (4, 6, 3)


def codes_of(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, n) for size in SIZES], axis=1).astype(np.int32)


@given(seed=st.integers(0, 1000))
def test_one_lead_and_many_leads_agree_to_the_last_bit(seed):
    tables, codes = random_tables(SIZES, (30, 90, 180), seed), codes_of(20, seed)
    acceptance = random_tables(SIZES, (EVER,), seed + 1)

    logits, parts = tables.logits(codes), tables.contributions(codes, 90)
    accepts = acceptance.logits(codes)[:, 0]
    one, bare = OneLead(tables, acceptance, 90), OneLead(tables.only((90,)), None, 90)

    for row, lead in enumerate(codes.tolist()):
        assert one.look_up(lead) == (logits[row].tolist(), parts[row].tolist(), accepts[row])
        assert bare.look_up(lead) == ([logits[row, 1]], parts[row].tolist(), None)


@pytest.mark.parametrize("n", [1, 128, 300])
def test_leads_that_are_looked_up_together_are_as_each_alone(n):
    tables, codes = random_tables(SIZES, (30, 90)), codes_of(n)
    acceptance = random_tables(SIZES, (EVER,), 1)
    one, bare = OneLead(tables, acceptance, 90), OneLead(tables, None, 30)

    logits, parts, accepts = one.look_up_each(codes)

    each = [one.look_up(lead) for lead in codes.tolist()]
    assert logits.tolist() == [alone.logits for alone in each]
    assert parts.tolist() == [alone.parts for alone in each]
    assert accepts.tolist() == [alone.acceptance for alone in each]
    assert bare.look_up_each(codes)[2] is None


def test_tables_without_pairs_are_looked_up_too():
    plain = random_tables(SIZES, (30, 90))
    plain = AdditiveTables(plain.horizons, plain.base, plain.mains)
    codes = codes_of(10)

    one = OneLead(plain, plain.only((30,)), 30)

    for row, lead in enumerate(codes.tolist()):
        assert one.look_up(lead).logits == plain.logits(codes)[row].tolist()
        assert one.look_up(lead).parts == plain.contributions(codes, 30)[row].tolist()


def test_many_leads_are_the_same_in_any_company():
    tables, codes = random_tables(SIZES, (30, 90)), codes_of(2 * CHUNK + 7)

    logits, parts = tables.logits(codes), tables.contributions(codes, 90)

    for rows in (slice(0, 5), slice(CHUNK - 1, CHUNK + 2), slice(2 * CHUNK, None)):
        assert logits[rows].tolist() == tables.logits(codes[rows]).tolist()
        assert parts[rows].tolist() == tables.contributions(codes[rows], 90).tolist()


@given(st.lists(st.floats(-800, 800) | st.sampled_from([0.0, -0.0, -745.0, 745.0, -744.9])))
def test_chances_of_many_log_odds_are_those_of_each(logits):
    many = probabilities_of(np.array(logits, dtype=np.float64))

    assert many.tolist() == [probability_of(logit) for logit in logits]


@given(seed=st.integers(0, 1000))
def test_base_and_contributions_add_up_to_the_logit(seed):
    tables, codes = random_tables(SIZES, (30, 90), seed), codes_of(50, seed)

    for position, horizon in enumerate(tables.horizons):
        total = tables.base[position] + tables.contributions(codes, horizon).sum(axis=1)
        np.testing.assert_allclose(total, tables.logits(codes)[:, position], atol=1e-12)


@given(seed=st.integers(0, 1000))
def test_tables_survive_json_exactly(seed):
    tables, codes = random_tables(SIZES, (30, 90), seed), codes_of(20, seed)

    again = AdditiveTables.from_dict(json.loads(json.dumps(tables.to_dict())))

    assert (again.logits(codes) == tables.logits(codes)).all()
    assert again.horizons == tables.horizons


def test_a_shift_moves_every_horizon_and_no_contribution():
    tables, codes = random_tables(SIZES, (30, 90)), codes_of(10)

    shifted = tables.shifted(0.5)

    np.testing.assert_allclose(shifted.logits(codes), tables.logits(codes) + 0.5, atol=1e-12)
    assert (shifted.contributions(codes, 30) == tables.contributions(codes, 30)).all()


def test_only_some_horizons_can_be_kept():
    tables, codes = random_tables(SIZES, (30, 90, 180)), codes_of(10)

    kept = tables.only((90, 180))

    assert kept.horizons == (90, 180)
    assert (kept.logits(codes) == tables.logits(codes)[:, 1:]).all()


def test_a_code_outside_its_table_is_refused():
    tables = random_tables(SIZES, (30,))

    with pytest.raises(ValueError, match="outside its table"):
        tables.logits(np.array([[0, 6, 0]], dtype=np.int32))
    with pytest.raises(ValueError, match="outside its table"):
        tables.logits(np.array([[0, -1, 0]], dtype=np.int32))
    with pytest.raises(ValueError, match="shape"):
        tables.contributions(np.zeros((1, 2), dtype=np.int32), 30)


def test_an_unknown_horizon_is_named():
    with pytest.raises(KeyError, match="no horizon 60"):
        random_tables(SIZES, (30,)).contributions(codes_of(1), 60)


def _without(part: str) -> dict:
    stored = random_tables(SIZES, (30, 90)).to_dict()
    del stored[part]
    return stored


def _with(part: str, content: object) -> dict:
    return random_tables(SIZES, (30, 90)).to_dict() | {part: content}


HALF = [[0.0] * 3] * 4


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        (_without("mains"), "cannot be read"),
        (_with("horizons", [90, 30]), "ascending"),
        (_with("horizons", []), "ascending"),
        (_with("base", [0.0]), "each horizon"),
        (_with("base", [math.nan, 0.0]), "finite"),
        (_with("base", ["x", 0.0]), "cannot be read"),
        (_with("mains", [[[0.0], [0.0], [0.0]], [[0.0], [0.0], [0.0, 1.0]]]), "differ in length"),
        (_with("pairs", [{"i": 2, "j": 0, "first": HALF, "second": HALF}]), "no two inputs"),
        (_with("pairs", [{"i": 0, "j": 9, "first": HALF, "second": HALF}]), "no two inputs"),
        (_with("pairs", [{"i": 0, "j": 1, "first": HALF, "second": HALF}]), "wrong shape"),
        (_with("pairs", [{"i": 0, "j": 1, "first": [], "second": []}]), "cannot be read"),
        (_with("mains", [[[0.0] * 5_000_000], [[0.0]]]), "at most"),
    ],
    ids=[
        "no curves", "falling horizons", "no horizons", "one base", "nan", "text", "lengths",
        "turned pair", "foreign pair", "shape of a map", "empty map", "too many cells",
    ],
)  # fmt: skip
def test_damaged_tables_are_refused_with_a_reason(stored, complaint):
    with pytest.raises(ArtefactRefused, match=complaint):
        AdditiveTables.from_dict(stored)


def test_an_infinite_cell_of_a_pair_is_refused():
    half = np.zeros((4, 3))
    tables = random_tables(SIZES, (30,))

    with pytest.raises(ArtefactRefused, match="finite"):
        AdditiveTables(
            tables.horizons, tables.base, tables.mains, (PairTable(0, 2, half, half + math.inf),)
        )


@given(st.floats(-1e6, 1e6))
def test_a_probability_lies_between_0_and_1_and_mirrors(logit):
    probability = probability_of(logit)

    assert 0.0 <= probability <= 1.0
    assert probability + probability_of(-logit) == pytest.approx(1.0)
