"""From a field a person typed to the values a model reads.

A job title gives a rank and a department, an e-mail address whether its domain is a free-mail one:
one typed field, one or more inputs. The table below is the only place where that is said.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache, cached_property
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

from features import text, titles
from features.definition import LeadField, Names
from features.moments import local_time

__all__ = [
    "ARRIVAL",
    "MISSING",
    "OTHER",
    "PARSERS_VERSION",
    "WEEKDAYS",
    "Derivation",
    "Habits",
    "Input",
    "Value",
    "derivations_of",
    "reader_of",
    "stored_input",
    "synonyms_of",
]

PARSERS_VERSION = 1
"""Raised when a parser reads a value differently than before; a model keeps its own number."""

ARRIVAL = "arrived_at"
"""A field of this name is the time of arrival; where it is not given, the scoring time is."""

MISSING = 0
OTHER = 1
"""Codes of a value that is not there, and of a category without a code of its own."""

Value = float | str | None
Kind = Literal["number", "category"]
_INSTANT = timedelta(microseconds=1)
_LONGEST_BLANK = 1000
_STEADY_SINCE = 1970
_STEADY_START = datetime(_STEADY_SINCE, 1, 1, tzinfo=UTC)
_STEADY_DAYS = 70 * 366
"""From then on zones follow rules that come again each year."""


@dataclass(frozen=True)
class Input:
    """One input of the model.

    Attributes
    ----------
    name : str
        Field or behaviour name, with the derived part after a dot: ``job_title.rank``.
    field : str
        The field or behaviour a person knows it by; contributions are grouped back to it.
    group : str
        Fit, interest, timing or data.
    kind : {"number", "category"}
        Numbers have ordered codes.
    edges : tuple of float
        Upper ends of all bins but the last; a value on an edge belongs to the bin below it.
    centres, lows, highs : tuple of float
        Median, least and greatest training value of each bin.
    levels : tuple of str
        Kept categories; the code of ``levels[0]`` is 2.
    shown : tuple of str
        How each level was mostly written.
    """

    name: str
    field: str
    group: str
    kind: Literal["number", "category"]
    edges: tuple[float, ...] = ()
    centres: tuple[float, ...] = ()
    lows: tuple[float, ...] = ()
    highs: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of codes, missing and other included."""
        return len(self.edges) + 2 if self.kind == "number" else len(self.levels) + 2

    @cached_property
    def code_of_level(self) -> dict[str, int]:
        """The code of each kept level."""
        return {level: OTHER + 1 + position for position, level in enumerate(self.levels)}

    def code(self, value: Value) -> int:
        """Return the code of a value that its derivation has read."""
        if value is None:
            return MISSING
        if isinstance(value, str):
            return self.code_of_level.get(value, OTHER)
        return 1 + bisect_left(self.edges, value)


@dataclass(frozen=True)
class Habits:
    """How a company writes; part of the model, so that leads are read later as they were learnt.

    Attributes
    ----------
    zone : ZoneInfo
        What a time without offset is meant in.
    blanks : tuple of str
        What stands for nothing, e.g. ``Select``.
    date_formats : tuple of str
        As of `datetime.strptime`, tried before the general forms.
    """

    zone: ZoneInfo
    blanks: tuple[str, ...] = ()
    date_formats: tuple[str, ...] = ()

    @cached_property
    def _blank_keys(self) -> frozenset[str | None]:
        return frozenset(text.category_key(blank) for blank in self.blanks)

    @cached_property
    def is_steady(self) -> bool:
        """Whether the zone's clocks have never been changed since 1970, and never will be."""
        return _is_steady(self.zone)

    @cached_property
    def steady(self) -> timezone | None:
        """The zone as a plain offset, where clocks are steady and dates have no form of their own.

        Reckoning with it takes a fraction of the time.
        """
        offset = _STEADY_START.astimezone(self.zone).utcoffset()
        if self.date_formats or offset is None or not self.is_steady:
            return None
        return timezone(offset)

    def is_blank(self, raw: object) -> bool:
        """Return whether a value is one of the company's ways to write nothing."""
        if not self.blanks or not isinstance(raw, str) or len(raw) > _LONGEST_BLANK:
            return False
        try:
            return text.category_key(raw) in self._blank_keys
        except text.Unreadable:
            return False


@cache  # 0.03 s, which every model of a company would take again
def _is_steady(zone: ZoneInfo) -> bool:
    days = (_STEADY_START + timedelta(days=day) for day in range(_STEADY_DAYS))
    return len({day.astimezone(zone).utcoffset() for day in days}) == 1


@dataclass(frozen=True, slots=True)
class Derivation:
    """One input of a field.

    Attributes
    ----------
    suffix : str
        Appended to the field's name; empty when the field is its own only input.
    kind : {"number", "category"}
        How the encoder treats it.
    read : callable
        From a raw value and a company's habits to a number, a category or None.
    """

    suffix: str
    kind: Kind
    read: Callable[[object, Habits], Value]


def _boolean(raw: object, _: Habits) -> Value:
    answer = text.parse_boolean(raw)
    return None if answer is None else "yes" if answer else "no"


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _weekday_and_hour(raw: object, habits: Habits) -> tuple[Value, ...]:
    """Return day of the week and hour; no hour for a date without a time, read as its start."""
    if type(raw) is str and (steady := habits.steady) is not None:
        at_once = local_time(raw, steady)
        if at_once is not None:
            return WEEKDAYS[at_once.weekday()], _hour_of(at_once)
    written = text.parse_time(raw, habits.zone, habits.date_formats)
    if written is None:
        return None, None
    if habits.is_steady and written.year > _STEADY_SINCE:
        return WEEKDAYS[written.weekday()], _hour_of(written)
    # By way of UTC, so that a time that a clock change skipped is read as the one after it.
    instant = written.astimezone(UTC)
    moment = instant.astimezone(habits.zone)
    just_before = (instant - _INSTANT).astimezone(habits.zone)
    hour = float(moment.hour) if just_before.date() == moment.date() else None
    return WEEKDAYS[moment.weekday()], hour


def _hour_of(written: datetime) -> float | None:
    hour = written.hour
    if hour or written.minute or written.second or written.microsecond:
        return float(hour)
    return None


ReadField = Callable[[object, Habits], tuple[Value, ...]]
_TYPES: Mapping[str, tuple[tuple[tuple[str, Kind], ...], ReadField]] = {
    "number": ((("", "number"),), lambda raw, _: (text.parse_number(raw),)),
    "category": ((("", "category"),), lambda raw, _: (text.category_key(raw),)),
    "boolean": ((("", "category"),), lambda raw, habits: (_boolean(raw, habits),)),
    "time": ((("weekday", "category"), ("hour", "number")), _weekday_and_hour),
    "job_title": (
        (("rank", "category"), ("department", "category")),
        lambda raw, _: (titles.title_rank(raw), titles.title_department(raw)),
    ),
    "email": (
        (("domain_kind", "category"), ("domain", "category")),
        lambda raw, _: text.email_kind_and_domain(raw),
    ),
    "phone": ((("kind", "category"),), lambda raw, _: (text.phone_kind(raw),)),
    "company": ((("form", "category"),), lambda raw, _: (text.company_form(raw),)),
    "text": ((("length", "number"),), lambda raw, _: (text.text_length(raw),)),
}


def reader_of(kind: str) -> ReadField:
    """Return what reads every value that a field of type `kind` gives, in one go.

    It raises Unreadable if one of them cannot be read.
    """
    return _TYPES[kind][1]


def _one_of(read: ReadField, place: int) -> Callable[[object, Habits], Value]:
    return lambda raw, habits: read(raw, habits)[place]


_DERIVATIONS: Mapping[str, tuple[Derivation, ...]] = {
    kind: tuple(
        Derivation(suffix, value_kind, _one_of(read, place))
        for place, (suffix, value_kind) in enumerate(given)
    )
    for kind, (given, read) in _TYPES.items()
}


def derivations_of(field: LeadField) -> tuple[Derivation, ...]:
    """Return the inputs that a field of this type gives."""
    return _DERIVATIONS[field.type]


def synonyms_of(values: Mapping[str, Names]) -> dict[str, str]:
    """Return normalised code and names of a category's values, each with the code it stands for."""
    synonyms: dict[str, str] = {}
    for code, names in values.items():
        for written in (names.ja, names.en, code):
            key = text.category_key(written)
            if key is not None:
                synonyms[key] = code
    return synonyms


def stored_input(stored: Mapping[str, Any]) -> Input:
    """Read one input out of a stored encoder; ValueError where its parts do not fit."""
    given = Input(
        name=str(stored["name"]),
        field=str(stored["field"]),
        group=str(stored["group"]),
        kind=stored["kind"],
        edges=tuple(float(edge) for edge in stored["edges"]),
        centres=tuple(float(centre) for centre in stored["centres"]),
        lows=tuple(float(low) for low in stored["lows"]),
        highs=tuple(float(high) for high in stored["highs"]),
        levels=tuple(str(level) for level in stored["levels"]),
        shown=tuple(str(form) for form in stored["shown"]),
    )
    is_number = given.kind == "number"
    if given.kind not in ("number", "category") or (given.levels if is_number else given.edges):
        raise ValueError("edges belong to numbers, levels to categories")
    if is_number and (
        not len(given.centres) == len(given.lows) == len(given.highs) == len(given.edges) + 1
        or not all(map(math.isfinite, given.edges))
        or any(later <= earlier for earlier, later in pairwise(given.edges))
    ):
        raise ValueError("edges must ascend, with one centre more than edges")
    if len(given.shown) != len(given.levels) or len(set(given.levels)) != len(given.levels):
        raise ValueError("levels must differ, each with its spelling")
    return given
