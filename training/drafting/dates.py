"""Which date formats a column needs beside those that are always read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from features.text import Unreadable, parse_time

__all__ = ["DateForms", "find_date_forms", "read_moment"]

_DAYS = (
    ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "-/."),
    ("%d{0}%m{0}%y", "%m{0}%d{0}%y", "-/."),
)
_NAMED = (
    "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%y", "%b %d %Y",
    "%a, %d %b %Y", "%d/%b/%Y",
)  # fmt: skip
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %I:%M %p", ", %H:%M",
           "T%H:%M:%S", " %H:%M:%S.%f")  # fmt: skip
_MAY_BE_DATE = re.compile(r"(?=.*\d).{6,40}")
_NEEDS_FORMAT = re.compile(
    r"(?:[a-z]{3}, ?)?(?:\d{1,2}[-/. ](?:\d{1,2}|[a-z]{3,9})[-/. ]\d{2,4}"
    r"|[a-z]{3,9} \d{1,2},? \d{4})\b.*",
    re.IGNORECASE,
)
_MOST_FORMATS = 4
_ENOUGH = 0.5
_MOST_TRIED = 1_000


@dataclass(frozen=True, slots=True)
class DateForms:
    """How a column writes dates.

    Attributes
    ----------
    share : float
        Share of distinct values that can be read as a time, 0 to 1.
    formats : tuple of str
        What `strptime` needs to be told, in the order in which they are tried.
    other : tuple of str
        Formats that fit just as well, with day and month the other way round; then only a person
        can say which, and `formats` holds the day-first ones.
    """

    share: float
    formats: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


def find_date_forms(values: Sequence[str]) -> DateForms:
    """Return how these distinct values write dates; they are tried in their order, the first 1,000.

    Only formats that read a value are kept. Day and month are told apart by days above 12.
    """
    tried = list(values[:_MOST_TRIED])
    if not tried or sum(bool(_MAY_BE_DATE.fullmatch(one)) for one in tried) < len(tried) / 2:
        return DateForms(0.0)
    rest = [one for one in tried if read_moment(one, ZoneInfo("UTC")) is None]
    if not rest:
        return DateForms(1.0)
    if sum(bool(_NEEDS_FORMAT.fullmatch(one)) for one in rest) < len(rest) / 2:
        return DateForms(1 - len(rest) / len(tried))
    day_first, left_day = _cover(rest, [pair[0] for pair in _pairs()])
    month_first, left_month = _cover(rest, [pair[1] for pair in _pairs()])
    first, second = (day_first, month_first), (left_day, left_month)
    chosen = 0 if second[0] <= second[1] else 1
    formats, n_left = first[chosen], second[chosen]
    share = 1 - n_left / len(tried)
    if share < _ENOUGH:
        return DateForms(share)
    is_unclear = second[0] == second[1] and first[0] != first[1]
    return DateForms(share, formats, month_first if is_unclear else ())


def read_moment(value: str, zone: ZoneInfo, formats: Sequence[str] = ()) -> datetime | None:
    """Return a time in UTC without zone; None for what is none."""
    try:
        moment = parse_time(value, zone, formats)
        return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (Unreadable, OverflowError):
        return None


def _pairs() -> list[tuple[str, str]]:
    written = [
        (day.format(mark), month.format(mark)) for day, month, marks in _DAYS for mark in marks
    ]
    written += [(form, form) for form in _NAMED]
    return [(day + clock, month + clock) for clock in _CLOCKS for day, month in written]


def _cover(values: Sequence[str], formats: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Take formats, the one that reads most first, until all is read; count what is left."""
    left, taken = list(values), list[str]()
    while left and len(taken) < _MOST_FORMATS:
        sample = left[:50]
        best = max(formats, key=lambda form: sum(_fits(one, form) for one in sample))
        remaining = [one for one in left if not _fits(one, best)]
        if len(remaining) == len(left):
            break
        taken.append(best)
        left = remaining
    return tuple(taken), len(left)


def _fits(value: str, form: str) -> bool:
    try:
        return datetime.strptime(value, form).year > 1900  # noqa: DTZ007 - only its form counts
    except ValueError:
        return False
