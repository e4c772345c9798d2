from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from features.definition import load_definition
from tests.training.histories import day, definition_with, history_of
from training.labels import HistoryLabels
from training.recipe import Recipe, teach
from training.shifts import ReasonShifts, ShiftEstimate, estimate_shifts
from training.soft_labels import soft_labels

DEFINITION = load_definition()


def audited_history(true_shift: float, n: int = 3000, audit: float = 0.25, seed: int = 3) -> Any:
    """Half the leads rejected as no fit; `audit` of those worked; hazards e^shift times as high."""
    random = np.random.default_rng(seed)
    arrivals = np.sort(random.uniform(0, 500, n))
    source = random.choice(["webinar", "exhibition", "referral"], n)
    is_out = random.random(n) < np.where(source == "referral", 0.2, 0.6)
    is_audited = is_out & (random.random(n) < audit)
    rate = 0.5 * np.exp(0.8 * (source == "webinar") + true_shift * is_out)
    won_after = random.exponential(365.25 / rate)
    events: list[tuple[Any, ...]] = []
    for k in range(n):
        name = f"L{k}"
        if is_out[k]:
            events.append((name, arrivals[k] + 1, "rejected", "no_fit"))
        if is_audited[k]:
            events.append((name, arrivals[k] + 2, "audit"))
        elif not is_out[k]:
            events.append((name, arrivals[k] + 1, "accepted"))
        if (is_audited[k] or not is_out[k]) and 2 < won_after[k] < 365:
            events.append((name, arrivals[k] + won_after[k], "won"))
    return history_of(
        {f"L{k}": arrivals[k] for k in range(n)}, events, {"source": [str(s) for s in source]}
    )


@cache
def measured(true_shift: float, audit: float = 0.25) -> ReasonShifts | None:
    history = audited_history(true_shift, audit=audit)
    return teach(history, definition_with(), day(600), recipe=Recipe()).shifts


@pytest.mark.parametrize("true_shift", [0.0, -0.7, -1.5])
def test_a_shift_is_recovered_from_the_audit_lane(true_shift: float) -> None:
    found = measured(true_shift)
    assert found is not None
    assert found.pooled.shift == pytest.approx(true_shift, abs=0.3)
    assert found.pooled.low < true_shift < found.pooled.high
    own = found.by_reason["no_fit"]
    assert (own.n_audited, own.n_won) == (found.pooled.n_audited, found.pooled.n_won)
    assert own.shift == pytest.approx(true_shift, abs=0.35)


def test_without_an_audit_lane_nothing_is_estimated() -> None:
    assert measured(-0.7, audit=0.0) is None


def test_a_reason_without_audited_leads_moves_with_the_others_unless_it_says_nothing() -> None:
    found = measured(-1.5)
    assert found is not None
    assert found.by_reason["no_budget"].n_audited == 0
    assert found.by_reason["no_budget"].shift < -1.1
    assert found.by_reason["unresponsive"].shift == pytest.approx(0.0, abs=0.01)
    assert set(found.by_reason) == {
        code for code, reason in DEFINITION.reasons.items() if isinstance(reason.conversion, tuple)
    }


def test_a_handful_of_audited_leads_does_not_exclude_what_was_assumed() -> None:
    found = measured(-0.7, audit=0.004)
    assert found is not None
    assert 0 < found.pooled.n_audited < 15
    own = found.by_reason["no_fit"]
    assert own.low < own.prior < own.high
    assert abs(own.moved) < 0.7
    wide = found.pooled.high - found.pooled.low
    narrow = measured(-0.7)
    assert narrow is not None
    assert wide > 2 * (narrow.pooled.high - narrow.pooled.low)


def test_the_teacher_does_not_learn_from_the_leads_that_measure_it() -> None:
    history = audited_history(-1.5)
    taught = teach(history, definition_with(), day(600))
    labels = taught.labels
    assert taught.teacher is not None
    assert taught.teacher.n_leads == int((labels.worked & ~labels.audited).sum())


def shifts_moved_by(moved: float) -> ReasonShifts:
    def one(prior: float) -> ShiftEstimate:
        return ShiftEstimate(prior + moved, prior - 1, prior + 1, 40, 5, prior)

    return ReasonShifts(one(-0.6), {"no_fit": one(-0.7), "bad_timing": one(-1.0)})


def test_measured_shifts_move_the_level_and_keep_the_pattern_over_horizons() -> None:
    moved = shifts_moved_by(-0.5)
    found = [moved.shift(DEFINITION, "bad_timing", days) for days in DEFINITION.horizons]
    assert found == pytest.approx([-3.5, -2.5, -1.5, -0.5])
    assert moved.shift(DEFINITION, "no_budget", 90) == DEFINITION.shift("no_budget", 90)


def test_a_lead_turned_away_is_never_taken_for_better_than_one_accepted() -> None:
    raised = shifts_moved_by(+0.9)
    found = [raised.shift(DEFINITION, "bad_timing", days) for days in DEFINITION.horizons]
    assert found == pytest.approx([-2.1, -1.1, -0.1, 0.0])
    assert raised.shift(DEFINITION, "no_fit", 90) == 0.0


def test_soft_labels_take_the_measured_shift_instead_of_the_assumed_one() -> None:
    labels = teach(audited_history(-0.7, n=400), definition_with(), day(600)).labels
    teacher = np.full((400, 4), 0.2)
    assumed = soft_labels(teacher, labels, DEFINITION)
    moved = soft_labels(teacher, labels, DEFINITION, shifts_moved_by(-0.5))
    away = labels.turned_away[moved.rows]
    odds = moved.probabilities / (1 - moved.probabilities)
    np.testing.assert_allclose(odds[away], 0.25 * np.exp(-1.2), rtol=1e-12)
    np.testing.assert_array_equal(moved.probabilities[~away], assumed.probabilities[~away])


def test_the_document_holds_each_reason_with_its_counts_and_what_was_assumed() -> None:
    document = shifts_moved_by(-0.5).document()
    assert document["pooled"]["shift"] == pytest.approx(-1.1)
    assert document["by_reason"]["no_fit"]["assumed"] == -0.7
    assert set(document["by_reason"]["no_fit"]) == {
        "shift", "low", "high", "n_audited", "n_won", "assumed",
    }  # fmt: skip


def test_leads_outside_the_chosen_rows_do_not_count() -> None:
    taught = teach(audited_history(-0.7), definition_with(), day(600))
    labels: HistoryLabels = taught.labels
    assert taught.teacher is not None
    half = np.arange(len(labels.state)) % 2 == 0
    found = estimate_shifts(taught.teacher, taught.codes, taught.encoder, labels, rows=half)
    assert found is not None
    assert found.pooled.n_audited == int((labels.audited & half).sum())
    none = replace(labels, audited=np.zeros(len(half), dtype=bool))
    assert estimate_shifts(taught.teacher, taught.codes, taught.encoder, none) is None
