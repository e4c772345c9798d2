from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.histories import day, definition_with, history_of
from training.labels import label_history
from training.periods import CUTS, days_by_period, period_cuts, person_periods

DEFINITION = definition_with(recording_began="2026-01-01", time_zone="UTC")


def periods_of(arrivals: dict[str, float], wins: dict[str, float], as_of: float, **choice: Any):
    events = [(lead, at, "won") for lead, at in wins.items()]
    labels = label_history(history_of(arrivals, events), DEFINITION, day(as_of))
    return person_periods(labels, **choice), labels


def test_a_lead_is_cut_at_the_ends_of_periods_and_at_its_win() -> None:
    rows, _ = periods_of({"a": 0, "b": 0}, {"a": 40}, 70)
    assert rows.lead.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert rows.period.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert rows.exposure_days.tolist() == [14, 16, 10, 14, 16, 30, 10]
    assert rows.is_won.tolist() == [False, False, True, False, False, False, False]


def test_a_win_on_a_cut_belongs_to_the_period_it_ends() -> None:
    rows, _ = periods_of({"a": 0}, {"a": 30}, 70)
    assert rows.period.tolist() == [0, 1]
    assert rows.is_won.tolist() == [False, True]


def test_a_win_at_once_has_an_hour_of_exposure() -> None:
    rows, _ = periods_of({"a": 5}, {"a": 5}, 70)
    assert rows.exposure_days.tolist() == [1 / 24]
    assert rows.is_won.tolist() == [True]


def test_time_and_wins_before_recording_began_do_not_count() -> None:
    rows, labels = periods_of({"early": -50, "late": -20}, {"early": -10, "late": 3}, 70)
    assert set(rows.lead.tolist()) == {1}
    assert rows.exposure_days.tolist() == [3.0]
    assert rows.period.tolist() == [1]
    assert rows.is_won.tolist() == [True]
    assert labels.n_wins == 1


def test_a_win_after_the_last_cut_is_no_event() -> None:
    rows, _ = periods_of({"a": 0}, {"a": 400}, 500)
    assert rows.exposure_days.sum() == 365
    assert not rows.is_won.any()


def test_only_chosen_rows_are_used() -> None:
    rows, _ = periods_of({"a": 0, "b": 0}, {"a": 40}, 70, rows=np.array([False, True]))
    assert set(rows.lead.tolist()) == {1}


def test_rates_are_wins_per_day_with_a_little_prior() -> None:
    rows, _ = periods_of({"a": 0, "b": 0}, {"a": 10}, 14)
    assert rows.rates[0] == pytest.approx(1.05 / 74)
    assert rows.rates[1] == pytest.approx(0.05 / 50)


def test_periods_go_on_to_the_longest_horizon() -> None:
    assert period_cuts((30, 180)) == CUTS
    assert period_cuts((30, 730)) == (*CUTS, 730.0)


def test_days_by_period_add_up_to_the_horizon() -> None:
    days = days_by_period((30, 100, 365), CUTS)
    np.testing.assert_allclose(days.sum(axis=0), [30, 100, 365])
    assert days[:, 1].tolist() == [14, 16, 30, 30, 10, 0, 0, 0]


LEADS = st.lists(
    st.tuples(st.floats(-100, 300), st.one_of(st.none(), st.floats(0.1, 500))),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(LEADS, st.floats(10, 400))
def test_exposure_adds_up_to_the_time_under_observation(
    leads: list[tuple[float, float | None]], as_of: float
) -> None:
    arrivals = {f"L{k}": arrived for k, (arrived, _) in enumerate(leads)}
    wins = {f"L{k}": at + wait for k, (at, wait) in enumerate(leads) if wait is not None}
    rows, labels = periods_of(arrivals, wins, as_of)
    expected = np.clip(np.minimum(labels.until_days, 365) - labels.entry_days, 0, None)
    expected[~labels.worked] = 0
    total = np.bincount(rows.lead, weights=rows.exposure_days, minlength=len(leads))
    # A win in the very hour of its period gets that hour.
    np.testing.assert_allclose(total, expected, atol=1 / 24 + 1e-6)
    assert (rows.exposure_days > 0).all()
    assert np.bincount(rows.lead, weights=rows.is_won, minlength=1).max(initial=0) <= 1
    seen = labels.worked & (labels.won_days >= labels.entry_days) & (labels.won_days <= 365)
    assert rows.is_won.sum() == seen.sum()


def test_a_half_life_counts_back_from_the_cut_off_to_the_middle_of_each_row() -> None:
    rows, _ = periods_of({"a": 0, "b": 60}, {}, 70, half_life_days=10)
    middle = np.array([7, 22, 45, 65, 65])
    assert rows.lead.tolist() == [0, 0, 0, 0, 1]
    np.testing.assert_allclose(rows.weight, 0.5 ** ((70 - middle) / 10))
    plain, _ = periods_of({"a": 0, "b": 60}, {}, 70)
    assert plain.weight is None


def test_rates_count_recent_rows_for_more() -> None:
    wins = {"a": 5.0, "b": 205.0, "c": 206.0}
    arrivals = {"a": 0, "b": 200, "c": 200, "d": 0, "e": 0}
    recent, _ = periods_of(arrivals, wins, 220, half_life_days=20)
    assert recent.rates[0] == pytest.approx(
        (recent.weight[(recent.period == 0) & recent.is_won].sum() + 0.05)
        / ((recent.weight * recent.exposure_days)[recent.period == 0].sum() + 50.0)
    )
    assert recent.weight[recent.lead == 0].max() < 0.001
