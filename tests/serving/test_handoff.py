"""Who gets the places of the week, and who comes back when: from stores of both kinds."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.scorer import LeadScorer
from serving.decision.band import model_band
from serving.decision.decide import make_desk
from serving.decision.handoff import HandoffService, make_plan
from serving.decision.line import break_even_line
from serving.decision.recycle import find_returns
from serving.errors import RequestRefused
from serving.model_life.models import ServingModel
from serving.store import Store
from serving.store.insight import Journal, LatestScore
from tests.serving.sales_history import (
    AGREED,
    NOW,
    model_of,
    opened,
    score_of,
    write_event,
    write_scores,
)

MONDAY = date(2026, 11, 16)


def serving(capacity: int = 40, audit_share: float = 0.05) -> ServingModel:
    base = model_of(capacity, audit_share)
    model = ServingModel(base.scorer, base.approval)
    line = break_even_line(model.definition, "lead-quality", base.approval.digest, MONDAY, NOW)
    model.desk = make_desk(line, model.definition)
    return model


def plan_of(store: Store, model: ServingModel | None = None, **asked: Any) -> dict[str, Any]:
    given = {"slots": None, "limit": 1_000, "after": None} | asked
    return HandoffService(model or serving(), Journal(store)).plan(NOW, **given)


def by_standing(plan: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"placed": [], "waiting": [], "audit": []}
    for lead in plan["leads"]:
        found[lead["standing"]].append(lead["lead_id"])
    return found


def latest(name: str, probability: float, **changes: Any) -> LatestScore:
    told = {"acceptance": 0.6, "was_audited": False, "decision": "handoff"} | changes
    return LatestScore(
        name,
        told.get("as_of", NOW),
        probability,
        told["acceptance"],
        60.0,
        "B",
        told["decision"],
        "webinar",
        "7",
        told["was_audited"],
    )


def test_open_leads_get_the_places_in_falling_probability(address: str) -> None:
    with opened(address) as store:
        write_scores(
            store,
            score_of("good", 0.5),
            score_of("best", 0.9),
            score_of("fair", 0.2),
            score_of("floor", 0.075),
            score_of("poor", 0.07),
            score_of("old", 0.9, days_ago=15),
            *(score_of(f"gone-{kind}", 0.95) for kind in ("accepted", "rejected", "won", "lost")),
            score_of("duplicate", 0.95),
            score_of("fallen", 0.9, days_ago=3),
            score_of("fallen", 0.01, days_ago=2),
            score_of("back", 0.3),
        )
        for kind in ("accepted", "won"):
            write_event(store, f"gone-{kind}", kind)
        write_event(store, "gone-rejected", "rejected", "no_fit")
        write_event(store, "gone-lost", "lost", "lost_price")
        write_event(store, "duplicate", "rejected", "duplicate")
        taken_back = write_event(store, "back", "rejected", "no_fit")
        write_event(store, "back", "retracted", taken_back)

        plan = plan_of(store, slots=3)
        more = plan_of(store, slots=50)

    assert by_standing(plan) == {
        "placed": ["best", "good", "back"],
        "waiting": ["fair", "floor"],
        "audit": [],
    }
    assert (plan["line"], plan["n_placed"], plan["n_waiting"]) == (0.3, 3, 2)
    assert plan["expected_wins"] == pytest.approx(0.9 + 0.5 + 0.3)
    reach = 1.96 * math.sqrt(0.09 + 0.25 + 0.21)
    assert plan["expected_wins_low"] == pytest.approx(1.7 - reach, abs=1e-3)
    assert plan["expected_wins_high"] == pytest.approx(min(3, 1.7 + reach), abs=1e-3)
    assert plan["leads"][0]["waits_until"] == "2026-12-03T09:30:00+09:00"
    assert more["line"] == more["break_even"] == 0.075
    assert more["n_waiting"] == 0


def test_places_that_sales_has_used_this_week_are_not_given_again(address: str) -> None:
    with opened(address) as store:
        write_scores(store, *(score_of(f"L{k}", 0.3 + k / 100) for k in range(20)))
        for k in range(4):
            write_event(store, f"L{k}", "accepted", days_ago=0.2)
        write_event(store, "L5", "accepted", days_ago=6)  # last week
        write_event(store, "L6", "accepted", days_ago=6)
        write_event(store, "L6", "accepted", days_ago=0.1)  # said twice
        undone = write_event(store, "L7", "accepted", days_ago=0.3)
        write_event(store, "L7", "retracted", undone, days_ago=0.2)

        plan = plan_of(store, serving(capacity=10, audit_share=0.1))

    assert (plan["capacity"], plan["audit_places"], plan["taken_up"]) == (10, 1, 4)
    assert plan["slots"] == plan["n_placed"] == 5
    assert "L7" in by_standing(plan)["placed"] + by_standing(plan)["waiting"]


def test_audited_leads_stand_apart_and_keep_their_own_places(address: str) -> None:
    drawn = {"is_audited": True, "audit_probability": 0.1, "decision": "nurture"}
    with opened(address) as store:
        write_scores(
            store,
            score_of("above", 0.5),
            *(score_of(f"A{k}", 0.02 + k / 1000, **drawn) for k in range(30)),
            score_of("still", 0.05, days_ago=8, **drawn),
            score_of("still", 0.05, days_ago=1),
            score_of("risen", 0.05, days_ago=4, **drawn),
            score_of("risen", 0.4, days_ago=1),
            score_of("worked", 0.05, **drawn),
        )
        write_event(store, "worked", "accepted", days_ago=0.1)

        plan = plan_of(store)
        again = plan_of(store)

    found = by_standing(plan)
    assert found["placed"] == ["above", "risen"]
    assert set(found["audit"]) == {f"A{k}" for k in range(30)} | {"still"}
    assert found["audit"] == by_standing(again)["audit"]
    chances = [lead["probability"] for lead in plan["leads"] if lead["standing"] == "audit"]
    assert chances not in (sorted(chances), sorted(chances, reverse=True))
    assert (plan["audit_places"], plan["audit_taken_up"], plan["taken_up"]) == (2, 1, 0)


def test_without_leads_there_is_nothing_to_hand_over(address: str) -> None:
    with opened(address) as store:
        plan = plan_of(store)

    assert (plan["n"], plan["leads"], plan["expected_wins"]) == (0, [], 0.0)
    assert "model_low" not in plan
    assert "next" not in plan


def test_portions_are_complete_and_hold_nobody_twice(address: str) -> None:
    with opened(address) as store:
        equal = [score_of(f"L{k}", 0.2 + (k % 3) / 10) for k in range(25)]
        drawn = [score_of(f"A{k}", 0.05, is_audited=True, decision="nurture") for k in range(5)]
        write_scores(store, *equal, *drawn)
        whole = [lead["lead_id"] for lead in plan_of(store, slots=7)["leads"]]
        mark, seen = None, []
        while True:
            part = plan_of(store, slots=7, limit=4, after=mark)
            seen += [lead["lead_id"] for lead in part["leads"]]
            mark = part.get("next")
            if mark is None:
                break

    assert len(whole) == len(set(whole)) == 30
    assert seen == whole


@pytest.mark.parametrize("mark", ["x", "W10x!", "e30", "a" * 3_000, "WzEsWzJdXQ", "WyJhIiwxXQ"])
def test_a_mark_that_is_none_is_refused(mark: str) -> None:
    with opened("sqlite://") as store:
        write_scores(store, score_of("L1", 0.5), score_of("L2", 0.4))

        with pytest.raises(RequestRefused, match="not a mark of this list"):
            plan_of(store, after=mark)


@given(
    chances=st.lists(st.sampled_from([0.01, 0.075, 0.1, 0.1, 0.3, 0.9]), max_size=12),
    slots=st.integers(0, 8),
)
def test_a_plan_places_the_best_and_forgets_nobody(chances: list[float], slots: int) -> None:
    leads = [latest(f"L{k:02}", p) for k, p in enumerate(chances)]

    plan = make_plan(leads, slots, 0.075, lambda _: 0.5)

    worth = [p for p in chances if p >= 0.075]
    assert len(plan.placed) == min(slots, len(worth))
    assert sorted(one.probability for one in [*plan.placed, *plan.waiting]) == sorted(worth)
    if plan.placed and plan.waiting:
        assert plan.placed[-1].probability >= plan.waiting[0].probability
    assert all(one.probability >= plan.line for one in plan.placed)
    assert plan.wins_low <= plan.wins <= plan.wins_high <= len(plan.placed)


def test_the_band_holds_the_promise_between_no_shift_and_a_strong_one() -> None:
    chances = [(0.2, 0.7), (0.4, 0.3), (0.1, 0.95)]

    band = model_band(chances, AGREED, 180, {"no_fit": 60, "unresponsive": 40})

    assert band is not None
    assert band.low < 0.7 < band.high
    sure = model_band([(0.2, 1.0)], AGREED, 180, {})
    assert sure == (pytest.approx(0.2), pytest.approx(0.2))


def test_where_the_assumption_does_not_enter_there_is_no_band() -> None:
    assert model_band([(0.2, None)], AGREED, 180, {}) is None
    assert model_band([(0.2, 0.5)], AGREED, 180, {"unresponsive": 9}) is None
    assert model_band([], AGREED, 180, {}) is None


def test_a_snapshot_model_has_its_band_at_the_one_horizon() -> None:
    assert model_band([(0.2, 0.5)], AGREED, 0, {}) == model_band([(0.2, 0.5)], AGREED, 180, {})


def test_base_rates_have_a_plan_but_no_band() -> None:
    base = model_of()
    learnt = base.scorer
    scorer = LeadScorer(
        learnt.encoder,
        learnt.raw_tables,
        learnt.acceptance,
        replace(learnt.calibration, method="base_rate"),
    )
    approval = replace(base.approval, digest=scorer.model_digest)
    with opened("sqlite://") as store:
        write_scores(store, *(score_of(f"L{k}", 0.1) for k in range(50)))

        plan = plan_of(store, ServingModel(scorer, approval), slots=20)

    assert (plan["n_placed"], plan["n_waiting"], plan["line"]) == (20, 30, 0.1)
    assert "model_low" not in plan


# -- who comes back --------------------------------------------------------------------------------


def returns(store: Store, until: date, **asked: Any) -> dict[str, Any]:
    given = {"queue": None, "limit": 1_000, "after": None} | asked
    return find_returns(Journal(store), AGREED, until, **given)


TODAY = date(2026, 11, 20)


def test_leads_come_back_on_the_stated_day_or_after_the_reasons_usual_time(address: str) -> None:
    with opened(address) as store:
        for lead, reason, days_ago in (
            ("timing-due", "bad_timing", 90),
            ("timing-later", "bad_timing", 89),
            ("silent", "unresponsive", 60),
            ("ask", None, 1),
            ("person", "no_authority", 1),
            ("unknown", "gone_code", 1),
            ("capacity", "capacity", 0.1),
            ("no-fit", "no_fit", 900),
            ("spam", "competitor_student_spam", 900),
            ("twice", "duplicate", 900),
        ):
            write_event(store, lead, "rejected", reason, days_ago=days_ago)
        write_event(store, "stated", "rejected", "no_budget", 5, return_on=TODAY)
        write_event(
            store, "stated-later", "rejected", "bad_timing", 300, return_on=date(2027, 1, 5)
        )
        write_event(store, "stated-drop", "rejected", "no_fit", 300, return_on=TODAY)
        write_event(store, "price", "lost", "lost_price", 181)
        write_event(store, "accepted-since", "rejected", "bad_timing", 200)
        write_event(store, "accepted-since", "accepted", days_ago=10)
        write_event(store, "won-since", "lost", "lost_price", 300)
        write_event(store, "won-since", "won", days_ago=10)
        write_event(store, "taken-back", "rejected", "bad_timing", 200)
        write_event(store, "taken-back", "recycled", days_ago=10)
        write_scores(store, score_of("stated", 0.1, 30), score_of("stated", 0.3, 3))

        due = returns(store, TODAY)
        all_ = returns(store, date(2030, 1, 1))
        fronts = returns(store, TODAY, queue="front")

    days = {lead["lead_id"]: lead["return_on"] for lead in due["leads"]}
    assert days == {
        "capacity": "2026-11-20",
        "timing-due": "2026-11-20",
        "silent": "2026-11-20",
        "ask": "2026-11-19",
        "person": "2026-11-19",
        "unknown": "2026-11-19",
        "stated": "2026-11-20",
        "price": "2026-11-19",
    }
    assert due["leads"][0]["lead_id"] == "capacity"  # back in line first
    stated = next(lead for lead in due["leads"] if lead["lead_id"] == "stated")
    assert (stated["is_stated"], stated["probability"], stated["queue"]) == (True, 0.3, "recycle")
    assert {lead["lead_id"] for lead in all_["leads"]} - set(days) == {
        "timing-later",
        "stated-later",
    }
    assert [lead["lead_id"] for lead in fronts["leads"]] == ["capacity"]
    assert (due["n_front"], due["n_due"], fronts["n_due"]) == (1, 8, 1)


def test_a_lead_without_capacity_waits_if_somebody_said_until_when(address: str) -> None:
    with opened(address) as store:
        write_event(store, "L1", "rejected", "capacity", 3, return_on=TODAY + timedelta(days=4))

        assert returns(store, TODAY)["leads"] == []
        assert returns(store, TODAY + timedelta(days=4))["leads"][0]["queue"] == "front"


def test_returning_leads_come_in_portions_without_doubles(address: str) -> None:
    with opened(address) as store:
        for k in range(12):
            write_event(
                store, f"L{k}", "rejected", "capacity" if k % 3 else "unresponsive", 61 + k % 2
            )
        mark, seen = None, []
        while True:
            part = returns(store, TODAY, limit=5, after=mark)
            seen += [lead["lead_id"] for lead in part["leads"]]
            mark = part.get("next")
            if mark is None:
                break

    assert len(seen) == len(set(seen)) == 12
    assert part["n_due"] == 12
