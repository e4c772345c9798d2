"""What sales thinks against what became of leads: stories, rates, and their refusals to be few."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import serving.decision.stories
from features.definition import LeadDefinition
from serving.decision.insight import disagreements, reasons_given, sources
from serving.decision.line import midnight
from serving.decision.stories import NOT_SCORED, Stories, Story, read_stories, story_of
from serving.store import Removal, Store
from serving.store.insight import FirstScore, Journal
from tests.serving.sales_history import (
    AGREED,
    NOW,
    opened,
    score_of,
    write_event,
    write_scores,
)
from tests.serving.test_lead_state import START, event, histories


def told(*kinds: tuple[str, str | None]) -> Story:
    events = [event(24 * k, kind, reason) for k, (kind, reason) in enumerate(kinds)]
    return story_of("L-1", "webinar", START, events, AGREED.reasons)


def stories_of(store: Store, days: int = 730) -> list[Story]:
    return read_stories(Journal(store), AGREED.reasons, NOW - timedelta(days=days), NOW)


def tell(store: Store, lead: str, channel: str, arrived: float, *events: Any) -> None:
    """Record a lead that arrived so many days ago, and events so many days after that."""
    write_scores(store, score_of(lead, 0.2, arrived, channel=channel))
    for kind, reason, after in events:
        write_event(store, lead, kind, reason, days_ago=arrived - after)


@pytest.mark.parametrize(
    ("kinds", "decision", "reason", "is_worked", "is_won", "is_lead"),
    [
        ((), None, None, False, False, True),
        ((("accepted", None), ("won", None)), "accepted", None, True, True, True),
        ((("rejected", "no_fit"),), "rejected", "no_fit", False, False, True),
        ((("rejected", "capacity"),), None, "capacity", False, False, True),
        ((("rejected", "capacity"), ("accepted", None)), "accepted", "capacity", True, False, True),
        ((("rejected", "no_fit"), ("won", None)), "rejected", "no_fit", False, True, True),
        ((("rejected", "no_fit"), ("audit", None)), "rejected", "no_fit", True, False, True),
        ((("accepted", None), ("rejected", "no_fit")), "accepted", None, True, False, True),
        ((("won", None),), "accepted", None, True, True, True),
        ((("lost", "lost_price"),), "accepted", None, True, False, True),
        ((("recycled", None),), None, None, False, False, True),
        ((("rejected", "duplicate"),), None, None, False, False, False),
    ],
)
def test_a_story_says_what_sales_said_first_and_what_came_of_it(
    kinds: Any, decision: str, reason: str, is_worked: bool, is_won: bool, is_lead: bool
) -> None:
    found = told(*kinds)

    assert (found.decision, found.reason, found.is_lead) == (decision, reason, is_lead)
    assert (found.worked_at is not None, found.won_at is not None) == (is_worked, is_won)


@given(events=histories(), random=st.randoms(use_true_random=False))
def test_a_story_does_not_depend_on_the_order_of_deliveries(events: Any, random: Any) -> None:
    again = [*events, *events]
    random.shuffle(again)

    one = story_of("L-1", "webinar", START, events, AGREED.reasons)
    assert story_of("L-1", "webinar", START, again, AGREED.reasons) == one


def test_sources_set_what_is_accepted_beside_what_is_won(address: str) -> None:
    with opened(address) as store:
        for k in range(40):
            won = (("won", None, 60),) if k < 10 else (("won", None, 120),) if k < 14 else ()
            tell(store, f"W{k}", "webinar", 400 + k, ("accepted", None, 1), *won)
        for k in range(20):
            tell(store, f"N{k}", "webinar", 100, ("rejected", "no_fit", 1))
        for k in range(5):
            tell(store, f"Y{k}", "referral", 20, ("accepted", None, 1), ("won", None, 3))
        tell(store, "dup", "webinar", 100, ("rejected", "duplicate", 1))
        tell(store, "quiet", "webinar", 100)
        write_event(store, "stranger", "won")

        rows = sources(stories_of(store), AGREED, NOW)

    by_channel = {row["channel"]: row for row in rows}
    assert list(by_channel) == ["all", "webinar", "referral"]
    webinar = by_channel["webinar"]
    assert (webinar["channel_ja"], webinar["channel_en"]) == ("ウェビナー", "Webinar")
    assert (webinar["n_leads"], webinar["n_accepted"], webinar["n_accepted_of"]) == (61, 40, 60)
    assert webinar["accepted"] == pytest.approx(40 / 60)
    assert webinar["accepted_low"] < 2 / 3 < webinar["accepted_high"]
    assert (webinar["n_won_90"], webinar["n_won_90_of"], webinar["won_90"]) == (10, 40, 0.25)
    assert (webinar["n_won_365"], webinar["won_365"]) == (14, 0.35)
    few = by_channel["referral"]
    assert (few["n_accepted"], few["n_accepted_of"]) == (5, 5)
    assert (few["n_won_90_of"], by_channel["all"]["n_won_90_of"]) == (0, 40)
    assert not {"accepted", "accepted_low", "won_90", "won_365"} & set(few)


def test_reasons_tell_what_became_of_those_turned_away(address: str) -> None:
    with opened(address) as store:
        for k in range(30):
            after = (("won", None, 90),) if k < 3 else (("recycled", None, 50),) if k < 8 else ()
            tell(store, f"B{k}", "exhibition", 300, ("rejected", "bad_timing", 1), *after)
        for k in range(10):
            tell(store, f"F{k}", "exhibition", 300, ("rejected", "no_fit", 1))
        write_event(store, "stranger", "rejected", "no_fit", days_ago=50)

        rows = reasons_given(stories_of(store), AGREED)

    found = {(row["channel"], row["reason"]): row for row in rows}
    assert set(found) == {
        ("all", "bad_timing"),
        ("all", "no_fit"),
        ("exhibition", "bad_timing"),
        ("exhibition", "no_fit"),
        ("not_scored", "no_fit"),
    }
    timing = found["exhibition", "bad_timing"]
    assert (timing["n"], timing["n_of"], timing["share"]) == (30, 40, 0.75)
    assert (timing["n_worked_later"], timing["n_won_later"], timing["won_later"]) == (5, 3, 0.1)
    assert "won_later" not in found["exhibition", "no_fit"]
    assert found["all", "no_fit"]["n"] == 11
    assert found["not_scored", "no_fit"]["channel_en"] == "Never scored"
    assert timing["reason_ja"] == "時期尚早"


def test_disagreements_name_the_leads_and_count_by_channel_and_reason(address: str) -> None:
    with opened(address) as store:
        for k in range(40):
            won = (("won", None, 60),) if k < 4 else ()
            tell(store, f"R{k:02}", "webinar", 200, ("rejected", "no_fit", 1), *won)
        tell(store, "dead", "referral", 200, ("accepted", None, 1), ("lost", "lost_price", 90))
        tell(store, "silent", "referral", 500, ("accepted", None, 1))
        tell(store, "alive", "referral", 200, ("accepted", None, 1))
        tell(store, "won", "referral", 500, ("accepted", None, 1), ("won", None, 20))

        found = disagreements(stories_of(store), AGREED, NOW, 100, None)
        first = disagreements(stories_of(store), AGREED, NOW, 4, None)
        rest = disagreements(stories_of(store), AGREED, NOW, 4, first["next"])

    cells = {(c["kind"], c["channel"], c["reason"]): c for c in found["counts"]}
    total = cells["rejected_then_won", "all", "all"]
    assert (total["n_differing"], total["n_differing_of"], total["differing"]) == (4, 40, 0.1)
    assert cells["rejected_then_won", "webinar", "all"]["n_differing"] == 4
    assert cells["rejected_then_won", "all", "no_fit"]["n_differing"] == 4
    dead = cells["accepted_then_dead", "referral", "all"]
    assert (dead["n_differing"], dead["n_differing_of"]) == (2, 4)
    assert "differing" not in dead
    assert cells["accepted_then_dead", "all", "lost_price"]["n_differing"] == 1
    assert cells["accepted_then_dead", "all", "silent"]["reason_en"].startswith("No outcome")
    assert [one["lead_id"] for one in found["leads"]] == [
        "dead",
        "silent",
        *(f"R{k:02}" for k in range(4)),
    ]
    assert first["leads"] + rest["leads"] == found["leads"]
    assert "next" not in rest
    assert "actor" not in str(found)


def test_only_leads_of_the_asked_days_are_told_of(address: str) -> None:
    with opened(address) as store:
        tell(store, "old", "webinar", 100, ("accepted", None, 95), ("won", None, 99))
        tell(store, "new", "webinar", 20, ("accepted", None, 1))
        again = score_of("old", 0.4, 5, channel="referral")
        write_scores(store, again)

        found = stories_of(store, days=30)
        everyone = stories_of(store, days=365)

    assert [one.lead_id for one in found] == ["new"]
    assert {one.lead_id: one.channel for one in everyone} == {"old": "webinar", "new": "webinar"}
    old = next(one for one in everyone if one.lead_id == "old")
    assert old.won_at is not None
    assert old.won_at - old.arrived_at == timedelta(days=99)


def test_without_any_record_reports_are_empty(address: str) -> None:
    with opened(address) as store:
        nobody = stories_of(store)

    assert [row["n_leads"] for row in sources(nobody, AGREED, NOW)] == [0]
    assert reasons_given(nobody, AGREED) == []
    assert disagreements(nobody, AGREED, NOW, 10, None)["counts"] == []


# -- folded once -----------------------------------------------------------------------------------


class Counted(Journal):
    """A journal that counts how often everything is read."""

    n_read = 0

    def first_scores(self, since: datetime, now: datetime) -> list[FirstScore]:
        self.n_read += 1
        return super().first_scores(since, now)


def test_stories_are_folded_once_until_something_is_added_or_deleted(address: str) -> None:
    with opened(address) as store:
        journal = Counted(store)
        kept = Stories(journal)

        def read(days: int = 730, agreed: LeadDefinition = AGREED) -> list[tuple[str, str]]:
            found = [kept.read(agreed, NOW, days) for _ in range(2)]
            assert found[0] is found[1]
            day = midnight(NOW.date() - timedelta(days=days), agreed.zone)
            assert found[0] == read_stories(Journal(store), agreed.reasons, day, NOW)
            return sorted((one.lead_id, one.state) for one in found[0])

        assert read() == []
        tell(store, "L-1", "webinar", 40, ("accepted", None, 1))
        tell(store, "L-2", "webinar", 9, ("rejected", "no_budget", 1))
        assert read() == [("L-1", "accepted"), ("L-2", "rejected")]
        write_event(store, "L-2", "recycled")
        assert read() == [("L-1", "accepted"), ("L-2", "open")]
        assert read(days=30) == [("L-2", "open")]
        assert journal.n_read == 4
        Removal(store).of_lead("L-1", "test", NOW - timedelta(days=1))  # neither row is the last
        assert read() == [("L-2", "open")]
        tell(store, "L-3", "webinar", 5)
        assert read() == [("L-2", "open"), ("L-3", "open")]
        assert Removal(store).older_scores(NOW - timedelta(days=7)) == 1
        assert [one.channel for one in kept.read(AGREED, NOW, 730)] == ["webinar", NOT_SCORED]
        another = AGREED.model_copy(update={"reasons": dict(AGREED.reasons)})
        assert read(agreed=another) == [("L-2", "open"), ("L-3", "open")]
        assert journal.n_read == 8


def test_more_stories_than_there_is_room_for_are_not_kept(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.decision.stories, "MOST_KEPT", 1)
    with opened(address) as store:
        journal = Counted(store)
        tell(store, "L-1", "webinar", 9)
        tell(store, "L-2", "webinar", 9)
        kept = Stories(journal)

        assert kept.read(AGREED, NOW, 30) == kept.read(AGREED, NOW, 30)
        assert journal.n_read == 2
