from __future__ import annotations

import numpy as np
import pytest

from features.encoder import LeadEncoder
from tests.training.histories import definition_with, history_of
from training.columns import LinearColumns

DEFINITION = definition_with()
N = 60
FIELDS = {
    "source": ["webinar"] * 30 + ["referral"] * 25 + ["phone"] * 5,
    "employees": [None if k % 6 == 0 else str(10 * (k % 5 + 1)) for k in range(N)],
    "capital": [str(1000 * (k % 3)) for k in range(N)],
}
HISTORY = history_of({f"L{k}": 0.0 for k in range(N)}, fields=FIELDS)


@pytest.fixture(scope="module")
def encoder() -> LeadEncoder:
    return LeadEncoder.fit(HISTORY, DEFINITION, min_leads=5)


def place(encoder: LeadEncoder, name: str) -> int:
    return [given.name for given in encoder.inputs].index(name)


def test_numbers_are_standardised_logs_and_missing_has_its_flag(encoder: LeadEncoder) -> None:
    codes = encoder.encode_history(HISTORY)
    columns = LinearColumns.fit(codes, encoder)
    table = columns.tables[place(encoder, "employees")]
    raw = np.array([np.nan if v is None else float(v) for v in FIELDS["employees"]])
    logs = np.log1p(raw)
    expected = (logs - np.nanmean(logs)) / np.nanstd(logs)
    found = table[codes[:, place(encoder, "employees")]]
    np.testing.assert_allclose(found[:, 0], np.nan_to_num(expected), atol=1e-12)
    np.testing.assert_array_equal(found[:, 1], np.isnan(raw))


def test_a_number_that_is_never_missing_has_no_flag(encoder: LeadEncoder) -> None:
    columns = LinearColumns.fit(encoder.encode_history(HISTORY), encoder)
    assert columns.tables[place(encoder, "capital")].shape[1] == 1


def test_rare_categories_have_no_column(encoder: LeadEncoder) -> None:
    codes = encoder.encode_history(HISTORY)
    position = place(encoder, "source")
    assert LinearColumns.fit(codes, encoder).tables[position].shape == (5, 2)
    assert LinearColumns.fit(codes, encoder, rare=5).tables[position].shape == (5, 3)


def test_a_linear_model_folds_into_one_curve_for_each_input(encoder: LeadEncoder) -> None:
    codes = encoder.encode_history(HISTORY)
    columns = LinearColumns.fit(codes, encoder)
    weights = np.random.default_rng(0).normal(size=columns.width)
    curves = columns.by_input(weights)
    total = sum(curve[codes[:, position]] for position, curve in enumerate(curves))
    np.testing.assert_allclose(columns.matrix(codes) @ weights, total, atol=1e-12)
    assert [len(curve) for curve in curves] == list(encoder.sizes)


def test_values_are_the_first_columns_of_the_numbers(encoder: LeadEncoder) -> None:
    codes = encoder.encode_history(HISTORY)
    columns = LinearColumns.fit(codes, encoder)
    dense = columns.matrix(codes).toarray()
    starts = [columns.starts[position] for position in columns.numbers]
    np.testing.assert_array_equal(columns.values(codes), dense[:, starts])


class Handmade:
    """A number of which training saw only missing values, and one below zero."""

    class _Number:
        kind = "number"

        def __init__(self, size: int) -> None:
            self.size = size

    inputs = (_Number(2), _Number(3))

    def centres(self, position: int, /) -> np.ndarray:
        return np.array([np.nan, 5.0]) if position == 0 else np.array([np.nan, -9.0, 9.0])


def test_unseen_numbers_are_level_and_negative_ones_mirror_positive_ones() -> None:
    codes = np.array([[0, 1], [0, 2], [0, 1], [0, 2]], dtype=np.int32)
    columns = LinearColumns.fit(codes, Handmade())
    assert columns.tables[0].tolist() == [[0.0], [0.0]]
    assert columns.tables[1].tolist() == [[0.0], [-1.0], [1.0]]


def test_without_numbers_there_are_no_values() -> None:
    history = history_of(
        {f"L{k}": 0.0 for k in range(20)}, fields={"source": ["phone", "webinar"] * 10}
    )
    definition = definition_with()
    encoder = LeadEncoder.fit(history, definition)
    codes = encoder.encode_history(history)
    kept = [k for k, given in enumerate(encoder.inputs) if given.kind == "category"]
    columns = LinearColumns.fit(codes, encoder)
    assert columns.values(codes).shape == (20, len(encoder.inputs) - len(kept))
