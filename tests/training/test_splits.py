from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import NotEnoughEvidence
from tests.training.histories import day, history_of
from training.splits import earlier_part, following_spans, last_span, origin_at, time_order
from training.verdicts import since_epoch, to_microseconds

YEAR = history_of({f"L{k}": float(k) for k in range(365)})


def test_an_origin_knows_the_leads_before_it_and_asks_about_those_after() -> None:
    origin = origin_at(YEAR, day(100), 30)
    assert np.flatnonzero(origin.train).tolist() == list(range(100))
    assert np.flatnonzero(origin.test).tolist() == list(range(100, 130))


def test_the_last_span_is_the_newest_share_that_can_be_judged() -> None:
    span = last_span(YEAR, day(365), share=0.2, follow_days=64.5)
    assert span.cut_off == day(241)
    assert np.flatnonzero(span.train).tolist() == list(range(241))
    assert np.flatnonzero(span.test).tolist() == list(range(241, 301))


def test_leads_of_one_moment_fall_on_one_side() -> None:
    history = history_of({f"L{k}": float(k // 10) for k in range(100)})
    span = last_span(history, day(50), share=0.25)
    assert span.test.sum() == 20 or span.test.sum() == 30
    assert (span.train | span.test).all()


@pytest.mark.parametrize("days", [[], [3.0] * 5, [None, None]])
def test_too_short_a_history_has_no_last_span(days: list[float | None]) -> None:
    history = history_of({f"L{k}": at for k, at in enumerate(days)})
    with pytest.raises(NotEnoughEvidence, match="too short"):
        last_span(history, day(50))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_nothing_or_all_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        last_span(YEAR, day(365), share=share)
    with pytest.raises(ValueError, match="between 0 and 1"):
        earlier_part(YEAR, share=share)


def test_leads_go_by_time_then_by_the_file_and_untimed_ones_come_last() -> None:
    history = history_of({"a": 5.0, "b": None, "c": 1.0, "d": 5.0, "e": None})
    assert time_order(history).tolist() == [2, 0, 3, 1, 4]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.booleans(), min_size=1, max_size=80), st.floats(0.05, 0.95))
def test_the_earlier_part_is_the_share_rounded_down_and_never_later_than_the_rest(
    rows: list[bool], share: float
) -> None:
    history = history_of({f"L{k}": float((7 * k) % len(rows)) for k in range(len(rows))})
    mask = np.array(rows)
    earlier, later = earlier_part(history, mask, share=share)
    assert ((earlier | later) == mask).all()
    assert not (earlier & later).any()
    assert earlier.sum() == int(mask.sum() * share)
    arrived = history.leads["arrived_at"]
    if earlier.any() and later.any():
        assert arrived[earlier].max() <= arrived[later].min()


def test_three_quarters_of_the_public_task_are_as_published() -> None:
    earlier, later = earlier_part(history_of({f"L{k}": float(k) for k in range(7340)}))
    assert (earlier.sum(), later.sum()) == (5505, 1835)


def test_following_spans_ask_each_later_lead_once_and_none_that_is_known_at_its_cut_off() -> None:
    arrived = to_microseconds(YEAR.leads["arrived_at"])
    asked = np.arange(len(arrived)) % 3 > 0

    spans = following_spans(arrived, asked, (0.5, 0.75))

    times_asked = sum(rows.astype(int) for _, rows in spans)
    is_later = asked & (arrived > since_epoch(spans[0][0]))
    assert times_asked.tolist() == is_later.astype(int).tolist()
    for cut_off, rows in spans:
        origin = origin_at(YEAR, cut_off, 30)
        known = arrived <= since_epoch(cut_off)
        assert rows.any()
        assert not (rows & (origin.train | known)).any()
