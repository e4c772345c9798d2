"""Events in the database: once each, whole or not at all, and unchanged; on both databases."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.definition import load_definition
from features.writing import id_key
from serving.errors import EventsRefused
from serving.records.events import AskedEvent, EventService
from serving.store import Clash, Event, Events, Prediction, Predictions, Store, open_store
from tests.serving.test_store import prediction

NOW = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
AGREED = load_definition()


def event(event_id: str, digest: str = "d", minutes: int = 0, **told: object) -> Event:
    plain = Event(
        event_id=event_id,
        lead_id="L",
        at=NOW + timedelta(minutes=minutes),
        kind="touched",
        reason=None,
        amount=None,
        actor=None,
        source=None,
        return_on=None,
        received_at=NOW,
        received_from="key",
        digest=digest * 64,
    )
    return Event(**{name: told.get(name, getattr(plain, name)) for name in Event.__slots__})


def ids(events: list[Event]) -> list[str]:
    return [one.event_id for one in events]


def test_an_event_comes_back_as_it_was(store: Store) -> None:
    events = Events(store)
    given = event(
        "e-1", kind="lost", reason="lost_price", amount=0.1 + 0.2, actor="営業 花子", source="CRM",
        return_on=date(2027, 1, 4),
    )  # fmt: skip

    assert events.add([[given]]) == [()]

    assert events.of_lead("L") == [given]
    assert events.of_lead("nobody") == []


def test_a_repeat_is_stored_once_and_a_clash_not_at_all(store: Store) -> None:
    events = Events(store)
    events.add([[event("e-1")]])

    told = events.add(
        [
            [event("e-1"), event("e-2")],
            [event("e-3"), event("e-1", "x")],
            [event("e-4"), event("e-4"), event("e-4", "y")],
            [],
        ]
    )

    assert told == [(), (Clash(1, "event_id"),), (Clash(2, "event_id"),), ()]
    assert ids(events.of_lead("L")) == ["e-1", "e-2"]


def test_groups_of_one_transaction_see_each_other(store: Store) -> None:
    told = Events(store).add([[event("e-1")], [event("e-1")], [event("e-1", "x"), event("e-2")]])

    assert told == [(), (), (Clash(0, "event_id"),)]
    assert ids(Events(store).of_lead("L")) == ["e-1"]


def test_a_retraction_of_another_leads_event_keeps_its_group_out(store: Store) -> None:
    events = Events(store)
    events.add([[event("a"), event("early", kind="retracted", reason="late")]])

    told = events.add(
        [
            [event("b"), event("x", kind="retracted", reason="a", lead_id="M")],
            [event("c", kind="retracted", reason="a")],
            [event("d", lead_id="M")],
            [event("late", lead_id="M"), event("e", kind="retracted", reason="d")],
            [event("early", kind="retracted", reason="late"), event("late", lead_id="M")],
        ]
    )

    assert told == [(Clash(1, "reason"),), (), (), (Clash(1, "reason"),), ()]
    assert ids(events.of_lead("L")) == ["a", "c", "early"]
    assert ids(events.of_lead("M")) == ["d", "late"]


def test_events_of_a_lead_are_told_by_time_then_id_the_latest_kept(store: Store) -> None:
    events = Events(store)
    events.add([[event("b", minutes=1), event("c"), event("a", minutes=1), event("d", minutes=-5)]])

    assert ids(events.of_lead("L")) == ["d", "c", "a", "b"]
    assert ids(events.of_lead("L", limit=2)) == ["a", "b"]


def test_events_are_read_on_from_where_a_reader_stopped(store: Store) -> None:
    events = Events(store)
    events.add([[event(f"e-{k}") for k in range(5)]])

    first = events.after(0, limit=3)
    then = events.after(first[-1][0])

    assert ids([one for _, one in first + then]) == [f"e-{k}" for k in range(5)]
    assert events.after(then[-1][0]) == []


def test_a_thousand_events_fit_into_one_transaction(store: Store) -> None:
    many = [event(f"e-{k:04}") for k in range(1_000)]
    events = Events(store)

    assert events.add([many]) == [()]
    assert events.add([many]) == [()]

    assert len(events.of_lead("L", limit=2_000)) == 1_000
    assert len(events.known(many)) == 1_000


# --- any text survives, or is refused -----------------------------------------------------------

TEXT = st.one_of(
    st.text(max_size=220),
    st.text(alphabet="\x00\ud800 'é展\u202e😀=\t\n\x7f", min_size=1, max_size=9),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    if request.param == "sqlite":
        where = f"sqlite:///{tmp_path_factory.mktemp('texts') / 'store.db'}"
    else:
        where = request.getfixturevalue("cluster").create()
    opened = open_store(where)
    opened.migrate()
    yield opened
    opened.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.tuples(TEXT, TEXT, TEXT, TEXT),
    amount=st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    seconds=st.integers(0, 36 * 365 * 86_400),
)
def test_any_event_is_told_as_it_was_given_or_refused(
    kept_store: Store, texts: tuple[str, ...], amount: float | None, seconds: int
) -> None:
    lead_id, event_id, actor, source = texts
    events = Events(kept_store)
    at = (datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=7)).isoformat()
    asked = AskedEvent(lead_id, at, "won", event_id or None, None, amount, actor, source)
    try:
        (checked,) = EventService(events, lambda: NOW, AGREED).checked([asked], "test")
    except EventsRefused:
        return

    if events.add([[checked]]) != [()]:
        return  # the same id with another content came before

    kept_id = id_key(lead_id)
    assert kept_id is not None
    stored = {one.event_id: one for one in events.of_lead(kept_id, limit=10_000)}
    found = stored[checked.event_id]
    assert (found.lead_id, found.at, found.amount) == (kept_id, checked.at, amount)
    assert (found.actor or "", found.source or "") == tuple(
        text if text.strip() else "" for text in (actor, source)
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    inputs=st.dictionaries(
        st.sampled_from(["source", "employees"]),
        st.one_of(
            st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200),
            st.booleans(),
            st.integers(-(2**63), 2**64 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
    ),
    probability=st.floats(0, 1),
)
def test_any_recorded_input_is_told_bit_by_bit(
    kept_store: Store, inputs: dict[str, object], probability: float
) -> None:
    predictions = Predictions(kept_store)
    given = prediction("入力")
    values = {name: getattr(given, name) for name in Prediction.__slots__}
    given = Prediction(**values | {"inputs": {"fields": inputs}, "probability": probability})

    predictions.add([given])

    (found,) = predictions.of_lead("入力", limit=1)
    assert found.inputs == {"fields": inputs}
    assert math.copysign(1, found.probability) == math.copysign(1, probability)
    assert found.probability == probability
