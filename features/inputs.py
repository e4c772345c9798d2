"""From a field a person typed to the values a model reads.

A job title gives a rank and a department, an e-mail address whether its domain is a free-mail one:
one typed field, one or more inputs. The table below is the only place where that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from features import text, titles
from features.definition import LeadField, Names

__all__ = ["ARRIVAL", "PARSERS_VERSION", "Derivation", "Value", "derivations_of", "synonyms_of"]

PARSERS_VERSION = 1
"""Raised when a parser reads a value differently than before; a model keeps its own number."""

ARRIVAL = "arrived_at"
"""A field of this name is the time of arrival; where it is not given, the scoring time is."""

Value = float | str | None
Kind = Literal["number", "category"]


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
        From a raw value and the definition's time zone to a number, a category or None.
    """

    suffix: str
    kind: Kind
    read: Callable[[object, ZoneInfo], Value]


def _boolean(raw: object, _: ZoneInfo) -> Value:
    answer = text.parse_boolean(raw)
    return None if answer is None else "yes" if answer else "no"


def _local(raw: object, zone: ZoneInfo) -> datetime | None:
    moment = text.parse_time(raw, zone)
    return None if moment is None else moment.astimezone(zone)


def _weekday(raw: object, zone: ZoneInfo) -> Value:
    moment = _local(raw, zone)
    return (
        None
        if moment is None
        else ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[moment.weekday()]
    )


def _hour(raw: object, zone: ZoneInfo) -> Value:
    moment = _local(raw, zone)
    return None if moment is None else float(moment.hour)


_DERIVATIONS: Mapping[str, tuple[Derivation, ...]] = {
    "number": (Derivation("", "number", lambda raw, _: text.parse_number(raw)),),
    "category": (Derivation("", "category", lambda raw, _: text.category_key(raw)),),
    "boolean": (Derivation("", "category", _boolean),),
    "time": (Derivation("weekday", "category", _weekday), Derivation("hour", "number", _hour)),
    "job_title": (
        Derivation("rank", "category", lambda raw, _: titles.title_rank(raw)),
        Derivation("department", "category", lambda raw, _: titles.title_department(raw)),
    ),
    "email": (
        Derivation("domain_kind", "category", lambda raw, _: text.email_domain_kind(raw)),
        Derivation("domain", "category", lambda raw, _: text.email_domain(raw)),
    ),
    "phone": (Derivation("kind", "category", lambda raw, _: text.phone_kind(raw)),),
    "company": (Derivation("form", "category", lambda raw, _: text.company_form(raw)),),
    "text": (Derivation("length", "number", lambda raw, _: text.text_length(raw)),),
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
