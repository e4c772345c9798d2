"""The desk that every worker keeps: line, week, model and who is not for sales, on both stores."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from serving.decision.decide import decide
from serving.decision.desk import DeskKeeper
from serving.decision.suppression import Suppression
from serving.model_life.models import ServingModel
from serving.store import Store, open_store
from serving.store.lines import Lines, SaidOff
from tests.serving.sales_history import (
    NOW,
    model_of,
    opened,
    score_of,
    write_event,
    write_scores,
)

MONDAY = date(2026, 11, 16)
NEXT_MONDAY = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
"""0:00 in Tokyo."""


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def fresh(model: ServingModel) -> ServingModel:
    return ServingModel(model.scorer, model.approval)


def keeper_of(store: Store, clock: Clock) -> tuple[DeskKeeper, Suppression]:
    suppression = Suppression(SaidOff(store))
    return DeskKeeper(Lines(store), suppression, clock), suppression


def write_weeks(store: Store, n: int = 50, weeks: int = 9, digest: str = "old") -> None:
    """Record so many leads in each of the weeks before this one, at Tuesday noon and later."""
    first = datetime(2026, 11, 10, 3, tzinfo=UTC)
    write_scores(
        store,
        *(
            score_of(
                f"W{week}-{k}",
                (k + 1) / (2 * n),
                as_of=first - timedelta(days=7 * week, minutes=k),
                recorded_at=first - timedelta(days=7 * week, minutes=k),
                model_digest=digest,
            )
            for week in range(weeks)
            for k in range(n)
        ),
    )


def test_all_workers_read_the_line_that_the_first_one_drew(address: str) -> None:
    model = model_of(capacity=10, audit_share=0.0)
    one, other = fresh(model), fresh(model)
    with opened(address) as store:
        write_weeks(store)
        assert keeper_of(store, Clock())[0].refresh(one)
        write_scores(store, *(score_of(f"late-{k}", 0.9, days_ago=6.0) for k in range(500)))
        assert keeper_of(store, Clock(NOW + timedelta(hours=1)))[0].refresh(other)

    assert one.desk.line == other.desk.line
    assert one.line == 41 / 100  # the tenth best of fifty
    assert one.desk.line.week == MONDAY
    assert not one.desk.is_provisional


def test_a_lead_arrives_once_however_often_it_is_scored(address: str) -> None:
    with opened(address) as store:
        write_scores(
            store,
            score_of("L-1", 0.2, days_ago=30),
            score_of("L-1", 0.9, days_ago=20),
            score_of("L-2", 0.3, days_ago=200),
            score_of("L-2", 0.8, days_ago=20),
            score_of("L-3", 0.4, days_ago=20, decision="suppress"),
            score_of("L-4", 0.5, days_ago=400, recorded_at=NOW),
            score_of("L-5", 0.6, days_ago=20, recorded_at=NOW),
        )
        found = Lines(store).arrivals(NOW - timedelta(days=60), NOW - timedelta(days=5))

    assert sorted(one.probability for one in found) == [0.2, 0.6]


def test_the_line_changes_on_monday_at_midnight_in_the_definitions_zone(address: str) -> None:
    model, clock = fresh(model_of(capacity=10, audit_share=0.0)), Clock(NEXT_MONDAY)
    with opened(address) as store:
        write_weeks(store)
        keeper, _ = keeper_of(store, clock)
        clock.now = NEXT_MONDAY - timedelta(microseconds=1)
        keeper.refresh(model)
        before = model.desk
        assert (before.line.week, keeper.refresh(model)) == (MONDAY, True)
        assert model.desk is before
        clock.now = NEXT_MONDAY
        keeper.refresh(model)

    assert model.desk.line.week == date(2026, 11, 23)
    # The week that ended had no lead: 7 weeks of 50 and one of none are expected.
    assert model.desk.line.expected_arrivals == pytest.approx(50 * 7 / 8)


def test_a_model_that_comes_in_mid_week_has_its_line_before_it_serves(address: str) -> None:
    old, new = fresh(model_of(capacity=10, audit_share=0.0)), fresh(model_of(capacity=20))
    with opened(address) as store:
        write_weeks(store)
        keeper, _ = keeper_of(store, Clock())
        keeper.refresh(old)
        keeper.refresh(new)
        again = fresh(old)
        keeper.refresh(again)

    assert old.desk.line.model_digest != new.desk.line.model_digest
    assert new.line < old.line  # more places
    assert again.desk.line == old.desk.line  # rolled back: the line that it had this week


def test_own_events_take_a_lead_out_at_once_and_others_with_the_next_look(address: str) -> None:
    model = fresh(model_of())
    with opened(address) as store:
        keeper, suppression = keeper_of(store, Clock())
        keeper.refresh(model)
        assert decide(0.9, 0.9, "L-1", model.desk).decision == "handoff"

        said = write_event(store, "L-1", "rejected", "do_not_contact")
        suppression.learn(["L-1"])
        assert decide(0.9, 0.9, "L-1", model.desk).decision == "suppress"
        assert "L-2" not in suppression.leads

        write_event(store, "L-2", "lost", "already_customer")
        write_event(store, "L-3", "rejected", "no_fit")
        write_event(store, "L-1", "retracted", said)
        keeper.refresh(model)
        assert suppression.leads == {"L-2": "already_customer"}


def test_a_worker_that_starts_knows_who_is_not_for_sales(address: str) -> None:
    with opened(address) as store:
        write_event(store, "L-1", "rejected", "duplicate")
        taken_back = write_event(store, "L-2", "rejected", "duplicate")
        write_event(store, "L-2", "retracted", taken_back, days_ago=0.1)
        suppression = Suppression(SaidOff(store))
        suppression.refresh(model_of().definition.reasons)
        # A second retraction takes the first one back, in whatever order they are read.
        write_event(store, "L-2", "retracted", f"L-2-retracted-0.1-{taken_back}", days_ago=0.05)
        suppression.refresh(model_of().definition.reasons)

    assert suppression.leads == {"L-1": "duplicate", "L-2": "duplicate"}


def test_a_deleted_lead_is_forgotten(address: str) -> None:
    from serving.store.tables import EVENTS

    with opened(address) as store:
        write_event(store, "L-1", "rejected", "duplicate")
        suppression = Suppression(SaidOff(store))
        suppression.refresh(model_of().definition.reasons)
        with store.writing() as connection:
            connection.execute(EVENTS.delete())
        suppression.learn(["L-1"])

    assert suppression.leads == {}


def test_without_a_database_the_last_line_goes_on_and_at_first_break_even(tmp_path: Path) -> None:
    away = open_store(f"sqlite:///{tmp_path}/never-migrated.db")
    model, clock = fresh(model_of(capacity=10, audit_share=0.0)), Clock()
    lost, _ = keeper_of(away, clock)

    assert not lost.refresh(model)
    assert model.line == model.definition.economics.break_even
    assert model.desk.is_provisional
    assert model.desk.line.week == MONDAY

    with opened(f"sqlite:///{tmp_path}/there.db") as store:
        write_weeks(store)
        keeper, _ = keeper_of(store, clock)
        assert keeper.refresh(model)
    assert model.line == 41 / 100

    clock.now = NEXT_MONDAY
    assert not lost.refresh(model)
    assert (model.line, model.desk.line.week) == (41 / 100, date(2026, 11, 23))
    assert model.desk.is_provisional
    away.close()
