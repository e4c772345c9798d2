"""Where a lead stands, whatever the order and number of deliveries; and the audit event of a lead."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.definition import load_definition
from features.events import EVENT_KINDS
from serving.decision.audit import AuditWork, Draw, audit_work
from serving.decision.lead_state import SalesEvent, lead_state, standing

REASONS = load_definition().reasons
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
CODES = ("no_fit", "bad_timing", "duplicate", "do_not_contact", "lost_price", "gone_code", None)


def event(number: int, kind: str, reason: str | None = None, hour: int | None = None) -> SalesEvent:
    at = START + timedelta(hours=number if hour is None else hour)
    return SalesEvent("L-1", f"e{number}", at, kind, reason)


@st.composite
def histories(draw: st.DrawFn) -> list[SalesEvent]:
    n = draw(st.integers(0, 8))
    told = []
    for number in range(n):
        kind = draw(st.sampled_from(EVENT_KINDS))
        if kind == "retracted":
            reason = f"e{draw(st.integers(0, n))}"
        else:
            reason = draw(st.sampled_from(CODES)) if kind in ("rejected", "lost") else None
        told.append(event(number, kind, reason, hour=draw(st.integers(0, 4))))
    return told


@given(told=histories(), random=st.randoms(use_true_random=False))
def test_any_order_and_repetition_of_deliveries_gives_the_same_state(
    told: list[SalesEvent], random: object
) -> None:
    again = told + [one for one in told if random.random() < 0.5]  # type: ignore[attr-defined]
    random.shuffle(again)  # type: ignore[attr-defined]

    assert lead_state(again, REASONS) == lead_state(told, REASONS)
    assert standing(again) == standing(told)


@given(told=histories())
def test_a_retracted_event_leaves_no_trace(told: list[SalesEvent]) -> None:
    never = [one for one in told if one.event_id != "e0" and one.reason != "e0"]
    undone = [*never, event(0, "rejected", "no_fit"), event(99, "retracted", "e0")]

    assert lead_state(undone, REASONS) == lead_state(never, REASONS)


@pytest.mark.parametrize(
    ("told", "state", "reason"),
    [
        ([], "open", None),
        ([("touched", None)], "open", None),
        ([("accepted", None)], "accepted", None),
        ([("audit", None)], "accepted", None),
        ([("rejected", None)], "rejected", "no_reason"),
        ([("lost", None)], "lost", "lost_other"),
        ([("rejected", "gone_code")], "rejected", "gone_code"),
        ([("rejected", "bad_timing"), ("recycled", None)], "open", None),
        ([("rejected", "bad_timing"), ("accepted", None)], "accepted", None),
        ([("accepted", None), ("rejected", "no_fit")], "rejected", "no_fit"),
        ([("accepted", None), ("lost", "lost_price"), ("won", None)], "won", None),
        ([("won", None), ("lost", "lost_price")], "won", None),
        ([("rejected", "duplicate"), ("accepted", None)], "suppressed", "duplicate"),
        ([("won", None), ("rejected", "do_not_contact")], "suppressed", "do_not_contact"),
        ([("lost", "already_customer"), ("recycled", None)], "suppressed", "already_customer"),
    ],
)
def test_the_latest_event_decides_but_a_win_and_a_no_stay(
    told: list[tuple[str, str | None]], state: str, reason: str | None
) -> None:
    found = lead_state([event(k, *one) for k, one in enumerate(told)], REASONS)

    assert (found.state, found.reason) == (state, reason)


def test_events_of_one_moment_tell_a_story() -> None:
    told = [event(0, "won", hour=1), event(1, "accepted", hour=1), event(2, "touched", hour=1)]

    assert lead_state(told, REASONS).state == "won"


def test_a_retraction_can_be_taken_back() -> None:
    told = [
        event(0, "rejected", "duplicate"),
        event(1, "retracted", "e0"),
        event(2, "retracted", "e1"),
    ]

    assert lead_state(told[:2], REASONS).state == "open"
    assert lead_state(told, REASONS).state == "suppressed"


def test_the_stated_day_belongs_to_the_event_that_decides() -> None:
    first = event(0, "rejected", "bad_timing")._replace(return_on=date(2027, 1, 5))
    later = event(1, "rejected", "no_budget")

    assert lead_state([first], REASONS).return_on == date(2027, 1, 5)
    assert lead_state([first, later], REASONS).return_on is None


# -- the audit event of an export ----------------------------------------------------------------

WEEK = date(2026, 11, 2)


def drawn(week: int, chance: float, is_drawn: bool = False, day: int = 0) -> Draw:
    at = START + timedelta(days=7 * week + day)
    return Draw(at, WEEK + timedelta(days=7 * week), chance, is_drawn)


def test_a_drawn_lead_that_sales_works_gives_an_audit_event_with_its_chance() -> None:
    accepted = event(30, "accepted")

    found = audit_work([drawn(0, 0.05, is_drawn=True)], [accepted])

    assert found == AuditWork(accepted.at, pytest.approx(0.05))


@pytest.mark.parametrize(
    "told",
    [
        [],
        [event(30, "rejected", "no_fit")],
        [event(30, "touched"), event(31, "rejected", "no_fit")],
        [event(30, "audit"), event(31, "accepted")],
        [event(30, "accepted"), event(31, "retracted", "e30")],
        [event(-30, "accepted")],
    ],
)
def test_without_work_after_the_draw_there_is_no_audit_event(told: list[SalesEvent]) -> None:
    assert audit_work([drawn(0, 0.05, is_drawn=True)], told) is None


def test_a_lead_that_was_not_drawn_gives_no_audit_event() -> None:
    assert audit_work([drawn(0, 0.05)], [event(30, "accepted")]) is None
    assert audit_work([], [event(30, "accepted")]) is None


def test_a_call_after_the_rejection_is_work() -> None:
    told = [event(30, "touched"), event(31, "rejected", "no_fit"), event(40, "touched")]

    found = audit_work([drawn(0, 0.05, is_drawn=True)], told)

    assert found is not None
    assert found.at == told[2].at


def test_only_the_chance_of_the_first_week_below_the_line_counts() -> None:
    accepted = [event(24 * 15, "accepted")]
    first = [drawn(0, 0.1), drawn(0, 0.2, is_drawn=True, day=2), drawn(1, 0.5, is_drawn=True)]
    later = [drawn(0, 0.1), drawn(1, 0.2), drawn(2, 0.5, is_drawn=True)]

    both = [audit_work(draws, accepted) for draws in (first, later)]

    assert [one.share for one in both if one is not None] == [0.2, 1.0]


def test_drawn_leads_stand_for_all_that_ever_stood_below_the_line() -> None:
    random, n = Random(7), 20_000
    stood_for = 0.0
    for _ in range(n):
        chances = [random.choice((0.05, 0.2, 0.4)) for _ in range(random.randint(1, 5))]
        draws = [drawn(week, p, random.random() < p) for week, p in enumerate(chances)]
        found = audit_work(draws, [event(24 * 60, "accepted")])
        stood_for += 0.0 if found is None or found.share == 1.0 else 1.0 / found.share

    # The variance of one lead is E(1/p) - 1 = 9.83 - 1.
    assert abs(stood_for - n) < 4.5 * sqrt(n * 8.83)


def test_a_win_that_is_told_twice_is_won_since_the_first() -> None:
    won = lead_state([event(1, "won"), event(2, "touched"), event(3, "won")], REASONS)

    assert (won.state, won.since) == ("won", event(1, "won").at)
