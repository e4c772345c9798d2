from __future__ import annotations

import numpy as np
import pytest

from features.encoder import LeadEncoder
from features.scorer import Calibration, LeadScorer
from tests.builders import random_tables
from tests.training.histories import day, definition_with, history_of
from training.drift_fields import adjusted, settled
from training.drift_outcomes import (
    acceptance_logits,
    count_decisions,
    count_wins,
    describe_decisions,
)
from training.drift_reference import describe_recent
from training.labels import HistoryLabels, label_history, label_snapshot

DEFINITION = definition_with()


def company(
    n: int = 600, seed: int = 1, *, alternates: bool = False, share: float = 0.5
) -> tuple[LeadScorer, np.ndarray, HistoryLabels]:
    """Return a scorer, codes and labels of 20 weeks of leads, decided within ten days.

    Where it alternates, every other week brings webinar leads only.
    """
    random = np.random.default_rng(seed)
    arrivals = np.sort(random.uniform(0, 140, n))
    week = ((140 - arrivals) // 7).astype(int)
    webinar = np.where(alternates, week % 2 == 0, random.random(n) < 0.5)
    events = []
    for k in range(n):
        kind = ("accepted",) if random.random() < share else ("rejected", "no_fit")
        events.append((f"L{k}", arrivals[k] + random.uniform(0.1, 10), *kind))
    fields = {"source": ["webinar" if one else "exhibition" for one in webinar]}
    history = history_of({f"L{k}": arrivals[k] for k in range(n)}, events, fields)
    encoder = LeadEncoder.fit(history, DEFINITION)
    tables = random_tables(encoder.sizes, DEFINITION.horizons)
    scorer = LeadScorer(encoder, tables, None, Calibration("history", "student", 180))
    return scorer, encoder.encode_history(history), label_history(history, DEFINITION, day(140))


def test_a_lead_followed_for_a_whole_horizon_promises_its_chance_of_that_horizon():
    scorer, _, _ = company()
    history = history_of({"a": 0.0}, [("a", 200.0, "won")], {"source": ["webinar"]})
    codes = scorer.encoder.encode_history(history)
    labels = label_history(history, definition_with(recording_began="2025-12-01"), day(180))

    wins = count_wins(scorer, codes, labels, span_days=500)

    # Nobody ever decides here, so that leads are watched from the first day on.
    assert wins.cuts[0] == 0.0
    hazard = -np.log1p(-scorer.probabilities(codes)[0])
    assert wins.expected.sum() == pytest.approx(hazard[DEFINITION.horizons.index(180)])
    assert wins.observed.sum() == 0
    assert wins.n == 1


def test_only_the_days_inside_the_span_promise_wins():
    scorer, _, _ = company()
    history = history_of(
        {"a": 0.0, "b": 60.0},
        [("a", 100.0, "won"), ("b", 65.0, "won")],
        {"source": ["webinar"] * 2},
    )
    codes = scorer.encoder.encode_history(history)
    labels = label_history(history, definition_with(recording_began="2025-12-01"), day(110))

    late = count_wins(scorer, codes, labels, span_days=20)

    # The lead that won on day 100 was watched from day 90 to 100; the other had won before.
    hazard = -np.log1p(-scorer.probabilities(codes)[0])
    a_day = (hazard[2] - hazard[1]) / (180 - 90)
    assert late.expected.sum() == pytest.approx(10 * a_day)
    assert late.observed.tolist() == [0, 0, 0, 0, 1, 0, 0, 0]
    assert late.n == 1


def test_decisions_are_those_expected_when_nothing_has_changed():
    scorer, codes, labels = company(4000)
    logits = acceptance_logits(scorer, codes)
    is_old = labels.follow_up_days > 40
    before = describe_decisions(logits, labels, is_old)
    assert before is not None
    assert before["accepted"][-1] == pytest.approx(labels.decision[is_old].mean())

    found = count_decisions(logits, labels, labels.follow_up_days < 14, before)

    assert found is not None
    assert abs(found.accepted - found.expected) < 3 * np.sqrt(found.variance)
    assert found.share_decided == pytest.approx(found.share_decided_before, abs=0.1)


def test_early_decisions_are_compared_with_early_ones():
    """Acceptances come on the second day, rejections on the twentieth: young leads look liked."""
    n = 400
    arrivals = np.linspace(0, 100, n)
    events = [
        (f"L{k}", arrivals[k] + (2, 20)[k % 2], *(("accepted",), ("rejected", "no_fit"))[k % 2])
        for k in range(n)
    ] + [(f"L{k}", arrivals[k] + 1, "rejected", "no_fit") for k in range(0, n, 8)]
    history = history_of({f"L{k}": arrivals[k] for k in range(n)}, events)
    labels = label_history(history, DEFINITION, day(100))
    logits = np.zeros(n)
    before = describe_decisions(logits, labels, labels.follow_up_days > 30)
    assert before is not None

    found = count_decisions(logits, labels, labels.follow_up_days < 18, before)

    assert found is not None
    assert found.accepted / found.n > 0.7
    assert found.expected / found.n == pytest.approx(found.accepted / found.n, abs=0.06)


def test_too_few_decisions_are_not_described():
    scorer, codes, labels = company(60, share=1.0)

    assert describe_decisions(acceptance_logits(scorer, codes), labels, labels.worked) is None
    assert describe_recent(scorer, codes, labels)["decisions"] is None


def test_the_newest_quarter_stands_for_the_past():
    scorer, codes, labels = company(6000)

    recent = describe_recent(scorer, codes, labels)

    assert recent["n"] == 1500
    assert recent["until"] == day(140).isoformat()
    assert sum(recent["counts"][0]) == sum(recent["scores"]["counts"]) == 1500
    assert recent["week"] == pytest.approx(300, rel=0.05)
    assert sum(recent["wins"]["observed"]) == 0


def test_a_small_past_is_taken_whole_up_to_a_thousand_leads():
    scorer, codes, labels = company(1300)

    assert describe_recent(scorer, codes, labels)["n"] == 1000


def test_weeks_that_differ_by_chance_have_no_spread_and_alternating_ones_have_much():
    quiet, loud = company(3000), company(3000, alternates=True)

    assert describe_recent(*quiet)["spread"][0] == 1.0
    assert describe_recent(*loud)["spread"][0] > 20.0
    assert describe_recent(*quiet)["decisions"]["spread"] == 1.0


def test_a_snapshot_is_described_without_weeks_decisions_and_wins():
    scorer, codes, _ = company(200)
    history = history_of({f"L{k}": None for k in range(200)}, mode="snapshot")

    recent = describe_recent(scorer, codes, label_snapshot(history, DEFINITION))

    assert recent["n"] == 200
    assert [recent[name] for name in ("week", "until", "decisions", "wins")] == [None] * 4


def test_two_weeks_that_agree_weigh_as_much_as_one_extreme_week():
    assert settled(0.02, 0.02) < 0.001
    assert settled(0.02, 0.5) == pytest.approx(0.04)
    assert settled(1.0, 1.0) == 1.0


def test_the_more_is_asked_the_clearer_a_change_must_be():
    assert adjusted([0.001]) == [0.001]
    assert adjusted([0.001, *[0.5] * 49])[0] == pytest.approx(0.05)
    assert adjusted([]) == []
