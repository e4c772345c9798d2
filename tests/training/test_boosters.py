"""Columns with each common level of a category apart."""

from __future__ import annotations

import numpy as np

from tests.training.coded_leads import INPUTS, InventedInputs, category, number, usual_codes
from training.boosters import ListedColumns, categories_of


def test_common_levels_get_a_column_and_numbers_stay_as_they_are() -> None:
    encoder = InventedInputs((number("a", 4), category("b", 3)))
    codes = np.array([[1, 2]] * 6 + [[4, 3]] * 5 + [[0, 4]] * 4, dtype=np.int32)
    listed = ListedColumns.fit(codes, encoder)
    assert listed.levels == (None, (2, 3))
    expected = [[1, 1, 0]] * 6 + [[4, 0, 1]] * 5 + [[0, 0, 0]] * 4
    np.testing.assert_array_equal(listed.columns(codes).toarray(), expected)


def test_a_category_without_a_common_level_has_no_column() -> None:
    encoder = InventedInputs((category("b", 3), category("c", 9)))
    codes = np.array([[2, k] for k in range(8)], dtype=np.int32)
    assert ListedColumns.fit(codes, encoder).columns(codes).shape == (8, 1)
    assert ListedColumns.fit(codes[:3], encoder).columns(codes).shape == (8, 0)


def test_new_leads_are_listed_as_training_leads_were() -> None:
    listed = ListedColumns.fit(usual_codes(300, seed=1), INPUTS)
    columns = listed.columns(usual_codes(50, seed=2))
    assert columns.shape == (50, 2 + sum(len(common) for common in listed.levels if common))


def test_categories_are_the_inputs_that_are_not_numbers() -> None:
    assert categories_of(INPUTS) == [1, 2, 4]
