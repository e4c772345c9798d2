"""Taking leads by score: gains, and the best of each week against a plain loop."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from tests.training.histories import day, definition_with, history_of
from tests.training.rolled import written_judgement
from training.gains import gains_table, judge_capacity
from training.labels import label_history

DEFINITION = definition_with(
    time_zone="Asia/Tokyo",
    recording_began="2025-12-01",
    economics={"cost_of_working": 1, "value_of_win": 10, "capacity_per_week": 3},
)


def company(n=240, seed=0):
    """Return a history of `n` leads over 60 days, two thirds worked, and a chance for each."""
    random = np.random.default_rng(seed)
    arrivals = np.sort(random.uniform(0, 60, n))
    worked, chance = random.random(n) < 0.66, random.uniform(0.05, 0.6, n).round(2)
    events = []
    for k in range(n):
        if worked[k]:
            events.append((f"L{k}", arrivals[k] + 0.1, "accepted"))
            if random.random() < chance[k]:
                events.append((f"L{k}", arrivals[k] + 10, "won"))
        else:
            events.append((f"L{k}", arrivals[k] + 0.1, "rejected", "no_fit"))
    history = history_of({f"L{k}": arrivals[k] for k in range(n)}, events)
    known = label_history(history, DEFINITION, day(200))
    spans = np.array_split(np.arange(n), 3)
    return history, written_judgement(history, known, 90, {"student": chance}, tuple(spans)), chance


def test_the_best_of_each_week_are_those_of_a_plain_loop():
    history, judgement, chance = company()
    weeks = {}
    for k, stamp in enumerate(history.leads["arrived_at"]):
        local = stamp.tz_convert("Asia/Tokyo").date()
        weeks.setdefault(local - timedelta(days=local.weekday()), []).append(k)
    known = judgement.newest.known
    taken, everyone = [], []
    for monday in sorted(weeks)[1:-1]:
        best = sorted(weeks[monday], key=lambda k: -chance[k])[:3]
        taken += [k for k in best if known.worked[k]]
        everyone += [k for k in weeks[monday] if known.worked[k]]
    won = ~np.isnan(known.won_days)

    found = judge_capacity(judgement, history, DEFINITION)

    assert found.weeks == len(weeks) - 2
    assert found.n == len(taken) < 3 * found.weeks  # some of the best were turned away
    assert found.precision.value == pytest.approx(won[taken].mean())
    assert found.everyone == pytest.approx(won[everyone].mean())
    assert found.observed_wins == won[taken].sum()
    assert found.expected_wins == pytest.approx(chance[taken].sum())
    assert found.precision.low < found.precision.value < found.precision.high


def test_leads_without_times_stand_in_no_weekly_line():
    history, judgement, _ = company()
    history.leads.loc[3, "arrived_at"] = None

    assert judge_capacity(judgement, history, DEFINITION) is None


def test_gains_count_the_wins_among_the_best():
    outcome = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0], dtype=float)
    judgement = SimpleNamespace(
        told=lambda: np.ones(10, dtype=bool),
        main=0,
        outcome=outcome[:, None],
        weight=np.ones((10, 1)),
        probabilities={"student": np.linspace(0.9, 0.1, 10)[:, None]},
    )

    table = gains_table(judgement)

    assert [gain.share for gain in table] == pytest.approx([k / 10 for k in range(1, 11)])
    assert [gain.won_share for gain in table] == pytest.approx(
        [1 / 3, 2 / 3, 2 / 3, 1, 1, 1, 1, 1, 1, 1]
    )
    assert [gain.rate for gain in table[:4]] == pytest.approx([1, 1, 2 / 3, 0.75])
    assert table[-1].rate == pytest.approx(0.3)
    assert all(gain.rate_low <= gain.rate <= gain.rate_high for gain in table)


def test_equal_scores_gain_nothing():
    judgement = SimpleNamespace(
        told=lambda: np.ones(10, dtype=bool),
        main=0,
        outcome=np.array([1.0] * 2 + [0.0] * 8)[:, None],
        weight=np.ones((10, 1)),
        probabilities={"student": np.full((10, 1), 0.2)},
    )

    assert [gain.won_share for gain in gains_table(judgement)] == pytest.approx(
        [k / 10 for k in range(1, 11)]
    )
