from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import NotEnoughEvidence
from training.naive_bayes import FrequencyNaiveBayes

OUTCOME = np.array([1.0, 1, 0, 0, 0, 0])
CODES = np.array([[2, 1], [2, 2], [2, 2], [3, 2], [3, 0], [0, 0]], dtype=np.int32)


def test_frequencies_multiply_as_counted_by_hand() -> None:
    model = FrequencyNaiveBayes.fit(CODES, (5, 3), ("category", "number"), OUTCOME)
    won = 2 * (2.1 / 2) * (1.1 / 2)
    lost = 4 * (1.1 / 4) * (2.1 / 4)
    found = model.probabilities(np.array([[2, 2]], dtype=np.int32))
    assert found[0] == pytest.approx(won / (won + lost))


def test_blanks_and_values_never_seen_are_passed_over() -> None:
    model = FrequencyNaiveBayes.fit(CODES, (5, 3), ("category", "number"), OUTCOME)
    blank = np.array([[0, 0], [1, 0], [4, 0]], dtype=np.int32)
    np.testing.assert_allclose(model.probabilities(blank), 2 / 6)
    # The first code of a number is a value, that of a category stands for all unseen ones.
    assert model.probabilities(np.array([[0, 1]], dtype=np.int32))[0] > 2 / 6


def test_answers_stay_between_one_in_ten_thousand_and_its_mirror() -> None:
    codes = np.tile(np.where(np.arange(4000)[:, None] < 2000, 2, 3), (1, 3)).astype(np.int32)
    outcome = (np.arange(4000) < 2000).astype(float)
    model = FrequencyNaiveBayes.fit(codes, (4, 4, 4), ("category",) * 3, outcome)
    found = model.probabilities(codes)
    assert (found.min(), found.max()) == (0.0001, 0.9999)


def test_one_outcome_alone_is_not_enough() -> None:
    for outcome in (np.zeros(6), np.ones(6)):
        with pytest.raises(NotEnoughEvidence, match="won and lost"):
            FrequencyNaiveBayes.fit(CODES, (5, 3), ("category", "number"), outcome)


@given(st.permutations(range(6)))
def test_the_order_of_leads_does_not_matter(order: list[int]) -> None:
    kinds = ("category", "number")
    model = FrequencyNaiveBayes.fit(CODES, (5, 3), kinds, OUTCOME)
    again = FrequencyNaiveBayes.fit(CODES[order], (5, 3), kinds, OUTCOME[order])
    np.testing.assert_array_equal(model.probabilities(CODES), again.probabilities(CODES))
