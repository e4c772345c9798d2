from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definition import load_definition
from features.errors import DefinitionInvalid
from tests.training.histories import day, definition_with, history_of
from training.labels import HistoryLabels, ReasonCount, label_history, label_snapshot

DEFINITION = load_definition()
OTHERS = [("x", 1, "accepted"), ("y", 1, "rejected", "no_fit")]
"""A history in which sales decides, so that silence means something."""


def label_one(*events: tuple[Any, ...], as_of: float = 200, arrived: float = 0) -> dict[str, Any]:
    """Return the labels of lead ``a``, among leads on which sales decided."""
    own = [("a", *event) for event in events]
    leads = {"a": arrived, "x": 0, "y": 0, "w": 0}
    recorded = [("w", 0, "accepted"), ("w", 0, "won")]
    labels = label_history(history_of(leads, [*own, *OTHERS, *recorded]), DEFINITION, day(as_of))
    names = (
        "state", "reason", "turned_away", "lost", "recycled", "audited",
        "entry_days", "follow_up_days", "won_days", "accepted",
    )  # fmt: skip
    return {name: getattr(labels, name)[0] for name in names}


def arrays(labels: HistoryLabels) -> list[np.ndarray]:
    return [
        labels.state, labels.reason.astype(str), labels.turned_away, labels.lost, labels.recycled,
        labels.audited, labels.entry_days, labels.follow_up_days, labels.won_days, labels.accepted,
        labels.decision, labels.decided_days,
    ]  # fmt: skip


def test_an_accepted_lead_is_worked_from_its_arrival() -> None:
    lead = label_one((3, "accepted"))
    assert (lead["state"], lead["entry_days"], lead["accepted"]) == ("worked", 0.0, 1.0)
    assert lead["follow_up_days"] == 200.0
    assert np.isnan(lead["won_days"])


def test_a_rejection_keeps_its_reason_and_does_not_count_as_worked() -> None:
    lead = label_one((3, "rejected", "no_budget"))
    assert (lead["state"], lead["reason"], lead["accepted"]) == ("rejected", "no_budget", 0.0)
    assert lead["turned_away"]


def test_a_rejection_without_a_reason_is_read_as_no_reason() -> None:
    assert label_one((3, "rejected"))["reason"] == "no_reason"


def test_a_lead_given_back_after_acceptance_stays_at_risk() -> None:
    lead = label_one((3, "accepted"), (50, "rejected", "no_budget"))
    assert (lead["state"], lead["reason"], lead["accepted"]) == ("worked", None, 1.0)
    assert not lead["turned_away"]


def test_a_lost_lead_stays_at_risk_to_the_cut_off() -> None:
    lead = label_one((3, "accepted"), (50, "lost", "lost_price"))
    assert (lead["state"], lead["reason"]) == ("worked", "lost_price")
    assert lead["lost"]
    assert lead["follow_up_days"] == 200.0


def test_a_rejection_with_a_reason_of_loss_means_it_was_worked() -> None:
    lead = label_one((9, "rejected", "chose_competitor"))
    assert (lead["state"], lead["reason"], lead["accepted"]) == ("worked", "chose_competitor", 1.0)


@pytest.mark.parametrize("kind", ["won", "lost"])
def test_an_outcome_on_which_nobody_decided_counts_as_worked(kind: str) -> None:
    lead = label_one((40, kind))
    assert (lead["state"], lead["entry_days"], lead["accepted"]) == ("worked", 0.0, 1.0)


def test_a_rejected_lead_that_won_on_its_own_stays_rejected() -> None:
    events = [("a", 2, "rejected", "no_fit"), ("a", 30, "won"), *OTHERS]
    labels = label_history(history_of({"a": 0, "x": 0, "y": 0}, events), DEFINITION, day(90))
    assert labels.state[0] == "rejected"
    assert labels.won_days[0] == 30.0
    assert labels.accepted[0] == 0.0
    assert labels.rejected_then_won.tolist() == [True, False, False]
    assert labels.n_wins == 0


@pytest.mark.parametrize("outcome", [[], [("won",)]])
def test_a_lead_taken_back_enters_when_it_was_taken_back_whether_it_won_or_not(
    outcome: list[tuple[str]],
) -> None:
    won = [(70, "won")] if outcome else []
    lead = label_one((2, "rejected", "bad_timing"), (60, "recycled"), *won)
    assert (lead["state"], lead["entry_days"], lead["reason"]) == ("worked", 60.0, "bad_timing")
    assert lead["recycled"]
    assert lead["accepted"] == 0.0


def test_a_lead_accepted_after_a_rejection_enters_at_the_acceptance() -> None:
    lead = label_one((2, "rejected", "capacity"), (20, "accepted"))
    assert (lead["state"], lead["entry_days"], lead["accepted"]) == ("worked", 20.0, 1.0)
    assert not lead["recycled"]


@pytest.mark.parametrize(
    ("events", "decision", "days"),
    [
        ([(3, "accepted"), (9, "rejected", "no_fit")], 1.0, 3.0),
        ([(2, "rejected", "capacity"), (20, "accepted")], 1.0, 20.0),
        ([(2, "rejected", "no_fit"), (20, "accepted")], 0.0, 2.0),
        ([(5, "won"), (8, "rejected", "no_fit")], 1.0, 5.0),
        ([(2, "rejected", "capacity")], np.nan, np.nan),
        ([(4, "accepted"), (6, "rejected", "duplicate")], np.nan, np.nan),
    ],
)
def test_the_first_decision_that_says_something_has_its_day(events, decision, days) -> None:
    own = [("a", *event) for event in events]
    labels = label_history(
        history_of({"a": 0, "x": 0, "y": 0}, [*own, *OTHERS]), DEFINITION, day(25)
    )

    np.testing.assert_array_equal(labels.decision[0], decision)
    np.testing.assert_array_equal(labels.decided_days[0], days)
    assert np.isnan(labels.accepted).all()  # at 25 days all of them are too young to learn from


def test_recycling_without_a_rejection_before_it_says_nothing() -> None:
    assert label_one((20, "recycled"))["state"] == "untouched"


def test_the_audit_lane_works_leads_that_sales_would_not() -> None:
    before = label_one((1, "audit"), (2, "rejected", "no_fit"))
    after = label_one((2, "rejected", "no_fit"), (5, "audit"))
    for lead in (before, after):
        assert (lead["state"], lead["reason"], lead["accepted"]) == ("worked", "no_fit", 0.0)
        assert lead["audited"]
        assert lead["turned_away"]
    assert (before["entry_days"], after["entry_days"]) == (0.0, 5.0)


@pytest.mark.parametrize("reason", ["duplicate", "already_customer", "do_not_contact"])
def test_what_is_not_a_lead_is_dropped_even_when_found_late(reason: str) -> None:
    lead = label_one((3, "accepted"), (50, "rejected", reason))
    assert (lead["state"], lead["reason"]) == ("not_a_lead", reason)
    assert np.isnan(lead["accepted"])


def test_a_customer_made_by_winning_is_still_a_win() -> None:
    lead = label_one((3, "accepted"), (50, "won"), (60, "rejected", "already_customer"))
    assert (lead["state"], lead["won_days"]) == ("worked", 50.0)


@pytest.mark.parametrize("reason", ["capacity", "bad_data"])
def test_reasons_that_say_nothing_of_the_lead_are_left_out(reason: str) -> None:
    lead = label_one((3, "rejected", reason))
    assert lead["state"] == "left_out"
    assert np.isnan(lead["accepted"])


def test_silence_is_pending_while_young_or_touched_and_untouched_after() -> None:
    assert label_one(as_of=29)["state"] == "pending"
    assert label_one(as_of=31)["state"] == "untouched"
    assert label_one((5, "touched"), as_of=90)["state"] == "pending"


def test_acceptance_waits_thirty_days() -> None:
    assert np.isnan(label_one((3, "accepted"), as_of=29)["accepted"])
    assert label_one((3, "accepted"), as_of=30)["accepted"] == 1.0


def test_unreachable_after_too_few_tries_says_nothing_about_acceptance() -> None:
    tries = [(k, "touched") for k in range(1, 6)]
    few = label_one(*tries[:4], (9, "rejected", "unresponsive"))
    enough = label_one(*tries, (9, "rejected", "unresponsive"))
    assert np.isnan(few["accepted"])
    assert few["state"] == enough["state"] == "rejected"
    assert enough["accepted"] == 0.0


def test_where_touches_are_not_recorded_unreachable_is_believed() -> None:
    assert label_one((9, "rejected", "unresponsive"))["accepted"] == 0.0


def test_the_first_decision_that_says_something_teaches_acceptance() -> None:
    assert label_one((2, "rejected", "capacity"), (9, "rejected", "no_fit"))["accepted"] == 0.0
    assert label_one((2, "rejected", "no_fit"), (9, "accepted"))["accepted"] == 0.0


def test_without_any_decision_every_lead_is_worked_from_arrival() -> None:
    history = history_of({"a": 0, "b": 10, "c": 99}, [("a", 40, "won"), ("b", 45, "touched")])
    labels = label_history(history, DEFINITION, day(100))
    assert not labels.has_decisions
    assert labels.state.tolist() == ["worked"] * 3
    assert np.isnan(labels.accepted).all()


def test_recording_began_on_the_day_of_the_first_win_in_the_definitions_zone() -> None:
    # 20:00 UTC is already the next day in Tokyo.
    history = history_of({"a": 0, "b": 50}, [("a", 39 + 20 / 24, "won")])
    labels = label_history(history, DEFINITION, day(100))
    assert labels.recording_began == datetime(2026, 2, 10, tzinfo=DEFINITION.zone)
    assert labels.entry_days == pytest.approx([39 + 15 / 24, 0.0])
    assert labels.n_wins == 1


def test_the_definitions_start_of_recording_wins_over_the_data() -> None:
    definition = definition_with(recording_began="2026-03-01", time_zone="UTC")
    history = history_of({"a": 0, "b": 80}, [("a", 40, "won")])
    labels = label_history(history, definition, day(100))
    assert labels.recording_began is not None
    assert labels.recording_began.date() == date(2026, 3, 1)
    assert labels.entry_days.tolist() == [59.0, 0.0]
    assert labels.n_wins == 0


def test_without_wins_nothing_is_cut_off() -> None:
    labels = label_history(history_of({"a": 0}, [("a", 1, "accepted")]), DEFINITION, day(100))
    assert labels.recording_began is None
    assert labels.entry_days.tolist() == [0.0]


def test_a_win_dated_before_the_arrival_counts_at_arrival() -> None:
    labels = label_history(history_of({"a": 10}, [("a", 8, "won")]), DEFINITION, day(100))
    assert labels.won_days.tolist() == [0.0]
    assert labels.until_days.tolist() == [0.0]


def test_a_lead_of_unknown_or_later_arrival_is_not_there() -> None:
    labels = label_history(
        history_of({"a": None, "b": 150, "c": 0}, [("a", 1, "rejected", "no_fit")]),
        DEFINITION,
        day(100),
    )
    assert labels.state.tolist() == ["not_arrived", "not_arrived", "untouched"]
    assert labels.reason.tolist() == [None, None, None]
    assert np.isnan(labels.follow_up_days).tolist() == [True, True, False]
    assert labels.counts == ()


def test_a_retracted_event_never_happened() -> None:
    events = [(3, "rejected", "no_fit", "r1"), (4, "retracted", "r1"), (5, "accepted")]
    lead = label_one(*events)
    assert (lead["state"], lead["entry_days"], lead["reason"]) == ("worked", 0.0, None)


def test_a_retraction_that_is_itself_retracted_has_no_effect() -> None:
    lead = label_one(
        (3, "rejected", "no_fit", "r1"), (4, "retracted", "r1", "r2"), (5, "retracted", "r2")
    )
    assert (lead["state"], lead["reason"]) == ("rejected", "no_fit")


def test_a_retraction_of_another_leads_event_has_no_effect() -> None:
    told = [("b", 1, "accepted"), ("a", 3, "rejected", "no_fit", "r1")]
    told += [("b", 4, "retracted", "r1", "r2")]
    again = [*told, ("b", 5, "retracted", "r3", "r4"), ("a", 6, "retracted", "r1", "r3")]
    for events, state in ((told, "rejected"), (again, "untouched")):
        labels = label_history(history_of({"a": 0, "b": 0}, events), DEFINITION, day(50))
        assert labels.state.tolist() == [state, "worked"]


def test_events_of_one_moment_are_read_as_a_story_whatever_their_place() -> None:
    forth = label_one((3, "rejected", "bad_timing"), (3, "recycled"), (3, "won"))
    back = label_one((3, "won"), (3, "recycled"), (3, "rejected", "bad_timing"))
    assert forth["state"] == back["state"] == "worked"
    assert forth["recycled"]
    assert back["recycled"]


def test_events_of_strangers_are_passed_over() -> None:
    labels = label_history(history_of({"a": 0}, [("zz", 1, "accepted")]), DEFINITION, day(50))
    assert labels.state.tolist() == ["untouched"]


def test_every_reason_is_counted_with_its_treatment() -> None:
    events = [
        ("a", 1, "rejected", "no_fit"),
        ("b", 1, "rejected", "no_fit"),
        ("c", 1, "rejected", "competitor_student_spam"),
        ("d", 1, "accepted"),
        ("d", 2, "lost", "lost_price"),
        ("e", 1, "rejected", "capacity"),
        ("f", 1, "rejected", "duplicate"),
        ("g", 1, "rejected", "competitor_student_spam"),
        ("g", 9, "recycled"),
    ]
    labels = label_history(history_of(dict.fromkeys("abcdefg", 0), events), DEFINITION, day(90))
    assert labels.counts == (
        ReasonCount("capacity", "leave_out", 1),
        ReasonCount("competitor_student_spam", "worked", 1),
        ReasonCount("competitor_student_spam", "zero", 1),
        ReasonCount("duplicate", "leave_out", 1),
        ReasonCount("lost_price", "worked", 1),
        ReasonCount("no_fit", "shift", 2),
    )


def test_reasons_without_treatment_are_refused_by_name() -> None:
    history = history_of({"a": 0}, [("a", 1, "rejected", "mood"), ("a", 2, "lost", "weather")])
    with pytest.raises(DefinitionInvalid, match=r"mood, weather\. Add them under reasons"):
        label_history(history, DEFINITION, day(50))
    reasons = definition_with().model_dump(mode="json")["reasons"]
    del reasons["no_reason"]
    with pytest.raises(DefinitionInvalid, match="no_reason"):
        label_history(
            history_of({"a": 0}, [("a", 1, "rejected")]),
            definition_with(reasons=reasons),
            day(50),
        )


def test_a_cut_off_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        label_history(history_of({"a": 0}), DEFINITION, datetime(2026, 4, 1))


KINDS = ["accepted", "rejected", "touched", "won", "lost", "recycled", "audit", "retracted"]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d"]),
        st.floats(0, 120).map(lambda number: round(number, 2)),
        st.sampled_from(KINDS),
        st.sampled_from(["no_fit", "duplicate", "capacity", "lost_price", "unresponsive", "e2"]),
    ),
    max_size=14,
)
ARRIVALS = {"a": 0.0, "b": 10.0, "c": 20.5, "d": 70.0}


def history_with(events: list[tuple[Any, ...]]) -> Any:
    reasoned = [
        (*event[:3], "e2" if event[2] == "retracted" else None if event[3] == "e2" else event[3])
        for event in events
    ]
    return history_of(ARRIVALS, reasoned)


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.floats(1, 120))
def test_nothing_after_the_cut_off_ever_changes_a_label(
    events: list[tuple[Any, ...]], as_of: float
) -> None:
    history = history_with(events)
    whole = label_history(history, DEFINITION, day(as_of))
    is_past = np.asarray(history.events["at"] <= pd.Timestamp(day(as_of)))
    cut = replace(history, events=history.events[is_past])
    for with_future, without in zip(
        arrays(whole), arrays(label_history(cut, DEFINITION, day(as_of))), strict=True
    ):
        np.testing.assert_array_equal(with_future, without)


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_rows_in_the_event_file_does_not_matter(
    events: list[tuple[Any, ...]], random: Any
) -> None:
    history = history_with(events)
    first = label_history(history, DEFINITION, day(120))
    places = list(range(len(history.events)))
    random.shuffle(places)
    shuffled = replace(history, events=history.events.iloc[places].reset_index(drop=True))
    for before, after in zip(
        arrays(first), arrays(label_history(shuffled, DEFINITION, day(120))), strict=True
    ):
        np.testing.assert_array_equal(before, after)


@settings(max_examples=40, deadline=None)
@given(EVENTS)
def test_every_lead_gets_one_known_state_and_sane_days(events: list[tuple[Any, ...]]) -> None:
    labels = label_history(history_with(events), DEFINITION, day(120))
    known = {"worked", "rejected", "pending", "untouched", "left_out", "not_a_lead"}
    assert set(labels.state) <= known
    assert (labels.entry_days >= 0).all()
    assert (labels.until_days >= 0).all()
    assert (labels.until_days <= labels.follow_up_days).all()
    assert set(labels.accepted[~np.isnan(labels.accepted)]) <= {0.0, 1.0}
    assert all(labels.reason[row] for row in np.flatnonzero(labels.turned_away))


def snapshot(*marks: tuple[str, str, str | None]) -> Any:
    leads = {lead: None for lead, _, _ in marks}
    events = [(lead, None, kind, reason) for lead, kind, reason in marks]
    return history_of(leads, events, mode="snapshot")


def test_a_snapshot_reads_the_strongest_mark() -> None:
    labels = label_snapshot(
        snapshot(
            ("won", "accepted", None), ("won", "won", None), ("won", "rejected", "duplicate"),
            ("out", "rejected", "duplicate"), ("out", "lost", "lost_price"),
            ("lost", "lost", "lost_price"), ("lost", "accepted", None),
            ("bare", "lost", None),
            ("no", "rejected", "bad_timing"), ("no", "touched", None),
            ("gone", "rejected", "capacity"),
            ("open", "accepted", None), ("tried", "touched", None), ("quiet", "recycled", None),
        ),
        DEFINITION,
    )  # fmt: skip
    assert labels.state.tolist() == [
        "worked", "not_a_lead", "worked", "worked", "rejected",
        "left_out", "pending", "pending", "untouched",
    ]  # fmt: skip
    nan = np.nan
    np.testing.assert_array_equal(labels.outcome, [1, nan, 0, 0, nan, nan, nan, nan, nan])
    np.testing.assert_array_equal(labels.accepted, [1, nan, 1, 1, 0, nan, 1, nan, nan])
    assert labels.reason[2] == "lost_price"
    assert labels.turned_away.tolist() == [False] * 4 + [True, True] + [False] * 3
    assert labels.n_wins == 1
    assert labels.worked.sum() == 3
    assert ReasonCount("bad_timing", "shift", 1) in labels.counts


def test_a_snapshot_without_decisions_teaches_nothing_about_acceptance() -> None:
    labels = label_snapshot(snapshot(("a", "won", None), ("b", "lost", None)), DEFINITION)
    assert np.isnan(labels.accepted).all()
    np.testing.assert_array_equal(labels.outcome, [1.0, 0.0])
