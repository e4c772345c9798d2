from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.histories import day, definition_with, history_of
from training.calibrate import (
    CalibrationShift,
    Fold,
    calibration_shift,
    pooled_shift,
    shrunk_shift,
)
from training.labels import HistoryLabels, label_history

DEFINITION = definition_with(recording_began="2026-01-01", time_zone="UTC")


def leads(
    n: int, as_of: float, *, every: int = 4, win_at: float = 20, arrived: float = 0
) -> HistoryLabels:
    """Return labels of `n` leads of one day, of which each `every`-th won after `win_at` days."""
    ids = {f"L{k}": arrived for k in range(n)}
    wins = [(f"L{k}", arrived + win_at, "won") for k in range(0, n, every)]
    return label_history(history_of(ids, wins), DEFINITION, day(as_of))


def test_the_shift_is_the_log_of_observed_over_promised_shrunk_by_the_wins() -> None:
    outcome = np.array([1.0] * 30 + [0.0] * 70)
    promised = np.full(100, 0.15)
    assert shrunk_shift(outcome, promised) == pytest.approx(np.log(2) * 30 / 40)
    weight = np.where(np.arange(100) < 15, 2.0, np.where(np.arange(100) < 30, 0.0, 1.0))
    assert shrunk_shift(outcome, promised, weight) == pytest.approx(np.log(2) * 15 / 25)


def test_without_wins_or_promises_nothing_is_shifted() -> None:
    assert shrunk_shift(np.zeros(50), np.full(50, 0.1)) == 0.0
    assert shrunk_shift(np.ones(50), np.zeros(50)) == 0.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0.001, 0.999)), min_size=1, max_size=50))
def test_the_shift_never_goes_beyond_what_was_observed(rows: list[tuple[bool, float]]) -> None:
    outcome = np.array([row[0] for row in rows], dtype=float)
    promised = np.array([row[1] for row in rows])
    shift = shrunk_shift(outcome, promised)
    full = np.log(max(outcome.sum(), 1e-12) / promised.sum())
    assert abs(shift) <= abs(full) + 1e-12
    assert shift * full >= 0


def test_it_is_measured_at_the_longest_horizon_that_enough_leads_reached() -> None:
    promised = np.tile([0.1, 0.2, 0.3, 0.4], (400, 1))

    def found(labels: HistoryLabels, **choice: Any) -> CalibrationShift:
        return calibration_shift(promised, labels, (30, 90, 180, 365), 180, **choice)

    assert found(leads(400, 200)).horizon == 180
    assert found(leads(400, 400)).horizon == 180  # never beyond the main horizon
    at_90 = found(leads(400, 100))
    assert (at_90.horizon, at_90.n_won) == (90, 100)
    assert at_90.shift == pytest.approx(np.log(100 / 80) * 100 / 110)
    assert (at_90.observed, at_90.predicted) == (pytest.approx(100), pytest.approx(80))
    few = found(leads(400, 200), rows=np.arange(400) < 150)
    assert few == CalibrationShift(0.0, None, 0, 0.0, 0.0)
    assert found(leads(400, 20)).horizon is None


def test_only_worked_leads_that_were_always_under_observation_count() -> None:
    ids = {f"L{k}": -50.0 if k < 300 else 0.0 for k in range(900)}
    events = [(f"L{k}", 30, "won") for k in range(300, 600, 3)]
    events += [(f"L{k}", 1, "accepted") for k in range(300, 600)]
    events += [(f"L{k}", 1, "rejected", "no_fit") for k in range(600, 900)]
    labels = label_history(history_of(ids, events), DEFINITION, day(100))
    shift = calibration_shift(np.full((900, 1), 0.25), labels, (90,), 90)
    assert (shift.n_won, shift.predicted) == (100, pytest.approx(75))


def folds(*promised: float) -> tuple[list[Fold], HistoryLabels]:
    """Return folds of 400 leads of which a quarter won, each promised something else."""
    n = 400 * len(promised)
    chances = np.repeat(promised, 400)[:, None]
    place = np.repeat(np.arange(len(promised)), 400)
    return [Fold(chances, place == k) for k in range(len(promised))], leads(n, 200)


def test_folds_that_agree_are_believed_more_than_one_alone() -> None:
    alone, four = (pooled_shift(*folds(*[0.2] * n), (90,), 90) for n in (1, 4))
    error = np.log(100.5 / 80.5)
    precision = 1 / (1 / 100.5 + 0.3**2)
    assert alone.shift == pytest.approx(error * precision / (precision + 25))
    assert four.shift == pytest.approx(error * 4 * precision / (4 * precision + 25))
    assert (four.n_won, four.predicted) == (400, pytest.approx(320))


def test_folds_that_contradict_each_other_shift_next_to_nothing() -> None:
    both, labels = folds(0.2, 0.3125)
    assert abs(pooled_shift(both, labels, (90,), 90).shift) < 0.01
    assert pooled_shift(both[:1], labels, (90,), 90).shift > 0.05


def test_a_fold_without_a_win_pulls_down() -> None:
    labels = leads(400, 200, every=1000)
    promised = Fold(np.full((400, 1), 0.1), np.arange(400) >= 1)
    found = pooled_shift([promised], labels, (90,), 90)
    assert found.n_won == 0
    assert -0.5 < found.shift < 0.0


def test_nothing_measured_shifts_nothing() -> None:
    assert pooled_shift([], leads(400, 200), (90,), 90) == CalibrationShift(0.0, None, 0, 0.0, 0.0)
