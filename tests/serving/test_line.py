"""The line of the week: capacity, break-even, ties, weeks, and models that change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definition import LeadDefinition, load_definition
from serving.decision.line import Arrival, Line, draw_line, midnight, week_of

TOKYO = ZoneInfo("Asia/Tokyo")
MONDAY = date(2026, 11, 16)
NOW = datetime(2026, 11, 16, 0, 0, 5, tzinfo=TOKYO)


DEFAULT = load_definition()


def agreed(capacity: int = 40, audit_share: float = 0.05) -> LeadDefinition:
    economics = DEFAULT.economics.model_copy(
        update={"capacity_per_week": capacity, "audit_share": audit_share}
    )
    return DEFAULT.model_copy(update={"economics": economics})


def arrivals_of(
    chances: list[float], weeks: int = 8, digest: str = "ab", last: date = MONDAY
) -> list[Arrival]:
    """Return the same chances in each of so many weeks, and one lead in the week before them."""
    found = [Arrival(midnight(last - timedelta(days=7 * (weeks + 1)), TOKYO), 0.01, digest)]
    for back in range(1, weeks + 1):
        start = midnight(last - timedelta(days=7 * back), TOKYO)
        step = timedelta(days=6) / max(1, len(chances))
        found += [Arrival(start + k * step, p, digest) for k, p in enumerate(chances)]
    return found


def drawn(arrivals: list[Arrival], definition: LeadDefinition, digest: str = "ab") -> Line:
    return draw_line(arrivals, definition, "lead-quality", digest, MONDAY, NOW)


RISING = [k / 200 for k in range(1, 101)]


def test_the_line_lets_as_many_leads_through_as_there_are_places() -> None:
    line = drawn(arrivals_of(RISING), agreed(capacity=40, audit_share=0.05))

    assert line.expected_arrivals == 100.0
    assert sum(p >= line.line for p in RISING) == 38  # 40 places, two of them for the audit lane
    assert line.n_scores == 800
    assert line.audit_probability == pytest.approx(2 / 62)


def test_the_line_is_never_below_break_even() -> None:
    poor = [p / 10 for p in RISING]

    line = drawn(arrivals_of(poor), agreed())

    assert line.line == line.break_even == 0.075
    assert line.is_break_even


@pytest.mark.parametrize("capacity", [106, 5_000])
def test_with_more_places_than_leads_the_line_is_break_even(capacity: int) -> None:
    line = drawn(arrivals_of(RISING), agreed(capacity=capacity))

    assert line.line == line.break_even
    assert line.audit_probability == pytest.approx(min(0.5, 0.05 * capacity / 14))


@pytest.mark.parametrize("weeks", [0, 1])
def test_with_fewer_than_two_whole_weeks_the_line_is_break_even(weeks: int) -> None:
    line = drawn(arrivals_of(RISING, weeks), agreed())

    assert (line.line, line.audit_probability, line.n_scores) == (0.075, 0.0, 0)


def test_without_any_record_the_line_is_break_even() -> None:
    line = drawn([], agreed())

    assert (line.line, line.expected_arrivals) == (0.075, 0.0)


def test_two_whole_weeks_are_enough() -> None:
    line = drawn(arrivals_of(RISING, 2), agreed())

    assert line.expected_arrivals == 100.0
    assert line.line > line.break_even


def test_the_week_in_which_records_begin_does_not_count_as_a_slow_one() -> None:
    began = Arrival(midnight(MONDAY - timedelta(days=15), TOKYO), 0.2, "ab")

    line = drawn([began, *arrivals_of(RISING, 2)[1:]], agreed())

    assert line.expected_arrivals == 100.0


def test_a_week_without_leads_counts_as_such() -> None:
    holiday = midnight(MONDAY - timedelta(days=14), TOKYO)
    arrivals = [
        one for one in arrivals_of(RISING, 4) if not holiday <= one.at < holiday + timedelta(days=7)
    ]

    assert drawn(arrivals, agreed()).expected_arrivals == 75.0


def test_leads_at_the_line_share_the_places_left() -> None:
    chances = [0.3] * 10 + [0.1] * 60 + [0.05] * 30

    line = drawn(arrivals_of(chances), agreed(capacity=40, audit_share=0.05))

    assert line.line == 0.1
    assert line.tie_share == pytest.approx(28 / 60)
    assert line.audit_probability == pytest.approx(2 / 62)


def test_one_probability_for_all_leads_still_fills_the_places() -> None:
    line = drawn(arrivals_of([0.1] * 100), agreed(capacity=40, audit_share=0.0))

    assert (line.line, line.tie_share, line.audit_probability) == (0.1, 0.4, 0.0)


def test_a_model_with_enough_leads_of_its_own_is_judged_by_them_alone() -> None:
    strange = [Arrival(one.at, 0.9, "old") for one in arrivals_of([0.9] * 100)]

    few = drawn(strange + arrivals_of([0.2] * 20), agreed())
    enough = drawn(strange + arrivals_of([0.2] * 50), agreed())

    assert few.line == 0.9
    assert (enough.line, enough.n_scores) == (0.2, 400)
    assert enough.expected_arrivals == 150.0


@pytest.mark.parametrize(
    ("moment", "monday"),
    [
        ("2026-11-22T14:59:59.999999+00:00", date(2026, 11, 16)),
        ("2026-11-22T15:00:00+00:00", date(2026, 11, 23)),
        ("2026-11-23T00:00:00+09:00", date(2026, 11, 23)),
        ("2026-01-01T00:00:00+09:00", date(2025, 12, 29)),
    ],
)
def test_a_week_begins_on_monday_at_midnight_in_the_zone(moment: str, monday: date) -> None:
    assert week_of(datetime.fromisoformat(moment), TOKYO) == monday


def test_a_week_is_whole_when_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    monday = date(2026, 10, 26)

    assert week_of(midnight(monday, berlin), berlin) == monday
    before = midnight(monday, berlin).astimezone(UTC) - timedelta(microseconds=1)
    assert week_of(before, berlin) == date(2026, 10, 19)


@settings(deadline=None, max_examples=60)
@given(
    chances=st.lists(
        st.sampled_from([0.02, 0.05, 0.1, 0.1, 0.2, 0.3, 0.7]), min_size=1, max_size=12
    ),
    capacity=st.integers(1, 60),
    audit_share=st.sampled_from([0.0, 0.05, 0.3]),
)
def test_what_a_line_lets_through_fits_the_places_or_stands_on_break_even(
    chances: list[float], capacity: int, audit_share: float
) -> None:
    definition = agreed(capacity, audit_share)
    line = drawn(arrivals_of(chances), definition)

    above = sum(p > line.line for p in chances)
    through = above + line.tie_share * sum(p == line.line for p in chances)
    places = capacity * (1 - audit_share)

    assert 0 < line.tie_share <= 1
    assert line.line >= line.break_even
    if not line.is_break_even:
        assert through == pytest.approx(places)
    else:
        assert through <= places + 1e-9 or line.expected_arrivals == 0
    below = len(chances) - through
    assert 0 <= line.audit_probability <= 0.5
    if line.audit_probability < 0.5:
        assert line.audit_probability * below == pytest.approx(audit_share * capacity)


def test_after_weeks_of_silence_the_line_is_break_even() -> None:
    begun = midnight(MONDAY - timedelta(days=7 * 8), TOKYO)

    line = drawn([Arrival(begun, 0.9, "ab")], agreed())

    assert (line.line, line.expected_arrivals, line.n_scores) == (0.075, 0.0, 0)


def test_with_as_many_places_as_leads_the_line_is_break_even() -> None:
    chances = [0.1, 0.2, 0.4, 0.8]

    assert drawn(arrivals_of(chances), agreed(4, 0.0)).is_break_even
    assert drawn(arrivals_of(chances), agreed(3, 0.0)).line == 0.2


@pytest.mark.parametrize("capacity", [1, 7, 29, 50])
def test_not_a_lead_more_or_less_gets_through_where_no_two_are_alike(capacity: int) -> None:
    n, weeks = 60, 8
    first = arrivals_of([], weeks)
    chances = [0.1 + 0.8 * k / (n * weeks) for k in range(n * weeks)]
    starts = [midnight(MONDAY - timedelta(days=7 * back), TOKYO) for back in range(1, weeks + 1)]
    each = [
        Arrival(starts[k % weeks] + timedelta(minutes=k), chance, "ab")
        for k, chance in enumerate(chances)
    ]

    line = drawn(first + each, agreed(capacity, 0.0))

    assert sum(chance >= line.line for chance in chances) == capacity * weeks
    assert line.tie_share == pytest.approx(1.0)


@pytest.mark.parametrize(("n_own", "is_own"), [(199, False), (200, True)])
def test_from_two_hundred_leads_on_a_model_is_judged_by_its_own(n_own: int, is_own: bool) -> None:
    own = arrivals_of([0.9] * 25, digest="new")[1:][:n_own]
    others = arrivals_of([0.2] * 25, digest="old")

    line = drawn(others + own, agreed(10), digest="new")

    assert line.n_scores == (n_own if is_own else 200 + n_own)


def test_what_came_before_the_eight_weeks_or_since_monday_does_not_count() -> None:
    told = drawn(arrivals_of(RISING), agreed())
    long_ago = arrivals_of([0.9] * 500, weeks=1, last=MONDAY - timedelta(days=7 * 9))
    since = [Arrival(midnight(MONDAY, TOKYO), 0.9, "ab")] * 300

    assert drawn(long_ago + arrivals_of(RISING) + since, agreed()) == told
