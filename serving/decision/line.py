"""The hand-off line of a week: how good a lead must be for the places that sales has.

The line is the higher of two: break-even (what a call costs over what a win brings), and the
probability that only as many leads reach as there are places. Leads that stand exactly at the line
share the places that are left, by lot; else a model that knows few distinct probabilities would
hand over all of them or none.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from features.definition import LeadDefinition

__all__ = [
    "LEAST_WEEKS",
    "WEEKS",
    "Arrival",
    "Line",
    "break_even_line",
    "draw_line",
    "history_begins",
    "midnight",
    "week_of",
]

WEEKS = 8
"""Weeks of arrivals that a line is drawn from."""

LEAST_WEEKS = 2
"""With fewer whole weeks of arrivals on record, the line is break-even."""

ENOUGH_OWN = 200
"""From so many arrivals on, a model's line is drawn from its own probabilities alone."""

MOST_AUDITED = 0.5
"""No lead below the line is drawn for the audit lane more often than this."""

_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Arrival:
    """The first score of a lead.

    Attributes
    ----------
    at : datetime
        As of when it was scored, with a time zone.
    probability : float
        0 to 1.
    model_digest : str
        The model that gave it.
    """

    at: datetime
    probability: float
    model_digest: str


@dataclass(frozen=True, slots=True)
class Line:
    """The line of a week, for one model.

    Attributes
    ----------
    week : date
        Its Monday, in the definition's time zone.
    line : float
        Probability from which on a lead is handed off (0 to 1).
    tie_share : float
        Share of the leads exactly at the line that have a place, above 0 to 1.
    break_even : float
        Cost of working a lead over the value of a win; the line is never below it.
    capacity : int
        Leads that sales can work in the week, those of the audit lane included.
    expected_arrivals : float
        Leads a week; 0 where nothing is known of them.
    audit_probability : float
        Chance of a lead below the line to be drawn for the audit lane.
    n_scores : int
        Probabilities that the line was drawn from; 0 where it is break-even for want of them.
    made_at : datetime
        When it was drawn.
    """

    week: date
    model_name: str
    model_digest: str
    line: float
    tie_share: float
    break_even: float
    capacity: int
    expected_arrivals: float
    audit_probability: float
    n_scores: int
    made_at: datetime

    @property
    def is_break_even(self) -> bool:
        """Whether there are places for every lead that is worth a call, as far as is known."""
        return self.line <= self.break_even


def week_of(moment: datetime, zone: ZoneInfo) -> date:
    """Return the Monday of the week of a moment.

    >>> from datetime import UTC
    >>> week_of(datetime(2026, 11, 22, 15, 0, tzinfo=UTC), ZoneInfo("Asia/Tokyo"))
    datetime.date(2026, 11, 23)
    """
    day = moment.astimezone(zone).date()
    return day - timedelta(days=day.weekday())


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day, such as the Monday that a week begins with."""
    return datetime.combine(day, time(), zone)


def history_begins(week: date, zone: ZoneInfo) -> datetime:
    """Return from when on arrivals matter: one week more, to tell whether the first is whole."""
    return midnight(week - (WEEKS + 1) * _WEEK, zone)


def break_even_line(
    definition: LeadDefinition, model_name: str, model_digest: str, week: date, made_at: datetime
) -> Line:
    """Return the line where nothing is known of arrivals; nobody is drawn for the audit lane."""
    economics = definition.economics
    return Line(
        week,
        model_name,
        model_digest,
        economics.break_even,
        1.0,
        economics.break_even,
        economics.capacity_per_week,
        0.0,
        0.0,
        0,
        made_at,
    )


def draw_line(
    arrivals: Sequence[Arrival],
    definition: LeadDefinition,
    model_name: str,
    model_digest: str,
    week: date,
    made_at: datetime,
) -> Line:
    """Return the line of a week.

    Parameters
    ----------
    arrivals : sequence of Arrival
        First scores from `history_begins` to the start of the week, in any order. Those of other
        models count for the number of leads, and for the line until the model has enough of its
        own.
    week : date
        A Monday.
    """
    economics = definition.economics
    nothing = break_even_line(definition, model_name, model_digest, week, made_at)
    counts = _whole_weeks(arrivals, week, definition.zone)
    expected = expected_arrivals(counts)
    if len(counts) < LEAST_WEEKS or expected == 0.0:
        return nothing
    first = midnight(week - WEEKS * _WEEK, definition.zone).astimezone(UTC)
    last = midnight(week, definition.zone).astimezone(UTC)
    recent = [one for one in arrivals if first <= one.at < last]
    own = [one.probability for one in recent if one.model_digest == model_digest]
    used = own if len(own) >= ENOUGH_OWN else [one.probability for one in recent]
    used.sort(reverse=True)

    places = economics.capacity_per_week * (1.0 - economics.audit_share)
    line, tie_share = _lowest_with_a_place(used, places / expected, economics.break_even)
    n_above = sum(chance > line for chance in used)
    n_at = sum(chance == line for chance in used)
    below = expected * (1.0 - (n_above + tie_share * n_at) / len(used))
    audit = 0.0
    if economics.audit_share > 0.0:
        audited_places = economics.audit_share * economics.capacity_per_week
        audit = min(MOST_AUDITED, audited_places / max(below, 1e-9))
    return Line(
        week,
        model_name,
        model_digest,
        float(line),
        float(tie_share),
        economics.break_even,
        economics.capacity_per_week,
        float(expected),
        float(audit),
        len(used),
        made_at,
    )


def expected_arrivals(counts: Sequence[int]) -> float:
    """Return how many leads to expect in a week, from those of whole weeks, the oldest first."""
    return sum(counts) / len(counts) if counts else 0.0


def _lowest_with_a_place(falling: list[float], share: float, floor: float) -> tuple[float, float]:
    """Return the line for a share of all leads, and the share of those exactly at it."""
    wanted = share * len(falling)
    if wanted >= len(falling):
        return floor, 1.0
    line = falling[max(0, math.ceil(wanted) - 1)]
    if line <= floor:
        return floor, 1.0
    n_above = sum(chance > line for chance in falling)
    n_at = sum(chance == line for chance in falling)
    return line, min(1.0, (wanted - n_above) / n_at)


def _whole_weeks(arrivals: Sequence[Arrival], week: date, zone: ZoneInfo) -> list[int]:
    """Count arrivals in each of the weeks before `week`, from the first that is whole.

    The week in which records begin is not whole; a later week without a single lead is.
    """
    # Boundaries in UTC: asking the zone of every arrival would take seconds for busy services.
    starts = [
        midnight(week - back * _WEEK, zone).astimezone(UTC) for back in range(WEEKS + 1, -1, -1)
    ]
    counts = [0] * (len(starts) + 1)
    for one in arrivals:
        counts[bisect_right(starts, one.at)] += 1
    whole = counts[1:-1]
    begun = next((place for place, n in enumerate(whole) if n), len(whole))
    return whole[begun + 1 :]
