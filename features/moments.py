"""Dates and times as people write them, Japanese eras included."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from features.writing import LONGEST_SCALAR, Unreadable, is_blank, read_scalar

__all__ = ["local_time", "parse_time"]

_ERAS = {
    "明治": (1867, 45),
    "大正": (1911, 15),
    "昭和": (1925, 64),
    "平成": (1988, 31),
    "令和": (2018, 99),
}
_ERAS |= dict(zip("MTSHR", list(_ERAS.values()), strict=True))
_ZONES = {"Z": 0, "UTC": 0, "GMT": 0, "JST": 9 * 60}
_CLOCK = (
    r"(?:(?:\s*\([^()]{1,9}\))?(?:\s+|\s?T\s?|(?<=[日)]))?"
    r"(?P<half>午前|午後|AM|PM)?\s?(?P<hour>\d{1,2})(?::|時)(?:(?P<minute>\d{1,2})分?)?"
    r"(?::?(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?秒?)?(?:\s?(?P<half_after>AM|PM))?"
    r"\s?(?P<offset>Z|UTC|GMT|JST|[+-]\d{2}:?(?:\d{2})?)?)?(?:\s*\([^()]{1,9}\))?"
)
_WRITTEN = re.compile(
    r"(?:(?P<era>明治|大正|昭和|平成|令和|[MTSHR])\s?(?P<era_year>元|\d{1,2})|(?P<year>\d{4}))"
    r"\s?(?:年|[-/.])\s?(?P<month>\d{1,2})\s?(?:月|[-/.])\s?(?P<day>\d{1,2})日?" + _CLOCK,
    re.ASCII | re.IGNORECASE,
)
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[T ]?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?)?",
    re.ASCII,
)
_MILLISECONDS = re.compile(r"\d{13}", re.ASCII)
_SLASHED = re.compile(r"\d{4}/\d{2}/\d{2}(?: \d{2}:\d{2}(?::\d{2})?)?", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_STEADY_YEAR = 1971


def parse_time(value: object, zone: ZoneInfo, formats: Sequence[str] = ()) -> datetime | None:
    """Read a moment, in `zone`; a time without offset is meant in `zone`, a date is its midnight.

    `formats` (as of `datetime.strptime`) are tried first; they are needed where the day or the
    month comes before the year. Always read: ISO 8601, ``2026/1/5 13:05``, ``2026年1月5日``,
    ``令和8年1月5日``, ``R8.1.5``, ``20260105``, 13-digit milliseconds since 1970.

    Raises
    ------
    Unreadable
        If it is no moment between the years 1900 and 2200.

    Examples
    --------
    >>> parse_time("令和8年1月5日 午後1時5分", ZoneInfo("Asia/Tokyo")).isoformat()
    '2026-01-05T13:05:00+09:00'
    """
    if isinstance(value, str):
        if value[4:5] == "-" and not formats and len(value) <= 32:
            # Nearly every time is written like this: read without another call.
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                moment = None
        else:
            moment = None if formats or len(value) > 32 else _as_programs_write(value)
    elif isinstance(value, datetime):
        moment = None if is_blank(value) else value
    elif isinstance(value, date):
        moment = datetime.combine(value, time())
    else:
        moment = None
    if moment is None:
        text = read_scalar(None if isinstance(value, datetime) else value, LONGEST_SCALAR)
        if text is None:
            return None
        moment = _by_formats(text, formats) or _iso(text) or _written(text)
    if not _FIRST_YEAR < moment.year < _LAST_YEAR:
        raise Unreadable(f"a year outside {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def local_time(value: str, offset: timezone) -> datetime | None:
    """Read a moment in one of the commonest forms, in a zone that has always had this offset.

    None leaves it to `parse_time`, which says the same of what is read here.
    """
    moment = _as_programs_write(value) if len(value) <= 32 else None
    if moment is None or not _STEADY_YEAR < moment.year < _LAST_YEAR - 1:
        return None
    return moment if moment.tzinfo is None else moment.astimezone(offset)


def _as_programs_write(value: str) -> datetime | None:
    """Read the commonest forms at once; None leaves a text to the readers of all forms."""
    try:
        if value[4:5] == "-":
            return datetime.fromisoformat(value)
        if _SLASHED.fullmatch(value) is not None:
            return datetime.fromisoformat(value.replace("/", "-"))
    except ValueError:
        pass
    return None


def _iso(text: str) -> datetime | None:
    if not (text[:1].isdigit() and text[4:5] == "-"):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _by_formats(text: str, formats: Sequence[str]) -> datetime | None:
    for form in formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the caller adds the zone
        except ValueError:
            continue
    return None


def _written(text: str) -> datetime:
    try:
        if (found := _WRITTEN.fullmatch(text) or _COMPACT.fullmatch(text)) is not None:
            return _from_parts(found.groupdict())
        if _MILLISECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable("a date or time that does not exist") from error
    raise Unreadable(
        "not a date or time in a known form; day- or month-first dates need a date format"
    )


def _from_parts(part: dict[str, str | None]) -> datetime:
    year = int(part["year"]) if part["year"] else _era_year(str(part["era"]), str(part["era_year"]))
    hour = int(part["hour"] or 0)
    half = (part.get("half") or part.get("half_after") or "").upper()
    if half:
        if hour > 12:
            raise ValueError("an hour above 12 beside AM or PM")
        hour = hour % 12 + (12 if half in ("午後", "PM") else 0)
    return datetime(
        year,
        int(part["month"] or 0),
        int(part["day"] or 0),
        hour,
        int(part["minute"] or 0),
        int(part["second"] or 0),
        int((part.get("fraction") or "0")[:6].ljust(6, "0")),
        tzinfo=_offset(part.get("offset")),
    )


def _era_year(era: str, written: str) -> int:
    before, last = _ERAS[era.upper()]
    year = 1 if written == "元" else int(written)
    if not 1 <= year <= last:
        raise ValueError("a year outside its era")
    return before + year


def _offset(written: str | None) -> timezone | None:
    if written is None:
        return None
    if (named := _ZONES.get(written.upper())) is not None:
        return timezone(timedelta(minutes=named))
    digits = written[1:].replace(":", "").ljust(4, "0")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-span if written[0] == "-" else span)
