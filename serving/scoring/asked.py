"""What a scoring request may look like: as a schema, and its plain form read without one.

`plain_score` and `plain_batch` know the form that nearly every request has. What they take, the
schema takes too, with the same meaning (a test compares them); of everything else, right or wrong,
they say None, and the schema decides.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError, PydanticKnownError

from features.quantities import parse_number
from features.writing import Unreadable, id_key, normalise
from serving.scoring.service import AskedLead
from serving.texts import LANGUAGES, Language

__all__ = [
    "MOST_LEADS",
    "Amount",
    "BatchIn",
    "LeadId",
    "PlainBatch",
    "PlainScore",
    "ScoreIn",
    "plain_batch",
    "plain_score",
]

MOST_LEADS = 1_000
MOST_EVENTS = 10_000
MOST_FIELDS = 1_000
LONGEST_ID = 200
LONGEST_WORD = 64
LONGEST_AMOUNT = 100


# -- as a schema -----------------------------------------------------------------------------------


def _as_id(given: object) -> object:
    if isinstance(given, bool) or not isinstance(given, (str, int)):
        # The parser reads a whole number of more than 64 bits as a float, which has lost digits.
        raise PydanticCustomError("lead_id_type", "not an id")
    return str(given)


def _kept_form(given: str) -> str:
    """Return an id that can be shown, in the form in which ids are compared and kept."""
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in given):
        raise PydanticCustomError("lead_id_control", "control character")
    kept = id_key(given)
    if kept is None:
        raise PydanticCustomError("lead_id_blank", "blank")
    if len(kept) > LONGEST_ID:
        raise PydanticKnownError("string_too_long", {"max_length": LONGEST_ID})
    return kept


def _primary_language(given: object) -> object:
    """Read ``ja-JP`` as ``ja``, and an empty text as no language."""
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    primary = (
        given.strip().replace("_", "-").partition("-")[0].lower() if isinstance(given, str) else ""
    )
    if primary not in LANGUAGES:
        raise PydanticCustomError("language", "unknown language")
    return primary


def _number(given: object) -> object:
    """Read a number that is written as text, as MA tools send all they know."""
    if not isinstance(given, str):
        return given
    try:
        return parse_number(given)
    except Unreadable:
        return given  # refused as no number


Amount = Annotated[
    float | None,
    BeforeValidator(
        _number,
        json_schema_input_type=float | Annotated[str, Field(max_length=LONGEST_AMOUNT)] | None,
    ),
]
"""A number, or one written as text; of an act as of a sales event. A blank is None."""

LeadId = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_ID),
    BeforeValidator(_as_id),
    AfterValidator(_kept_form),
]
AskedLanguage = Annotated[Language | None, BeforeValidator(_primary_language)]
AskedRecord = Annotated[
    bool, Field(description="false: score only; nothing is recorded, and nothing learns from it.")
]


class EventIn(BaseModel):
    """Something the lead did: ``{"kind": "page_view", "at": "2026-11-19T10:00:00+09:00"}``."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    kind: str = Field(min_length=1, max_length=LONGEST_WORD)
    at: str = Field(min_length=1, max_length=LONGEST_WORD)
    amount: Amount = None


class LeadIn(BaseModel):
    """A lead to score; keys that are not listed are passed over."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    lead_id: LeadId
    as_of: str | None = Field(default=None, max_length=LONGEST_WORD)
    fields: dict[str, Any] = Field(max_length=MOST_FIELDS)
    events: list[EventIn] | None = Field(default=None, max_length=MOST_EVENTS)

    def asked(self) -> AskedLead:
        """Return the lead as the use case knows it."""
        events = self.events
        return AskedLead(
            self.lead_id,
            self.as_of,
            self.fields,
            None if events is None else [one.__dict__ for one in events],
        )


class ScoreIn(LeadIn):
    """One lead, with the language of the flat texts."""

    language: AskedLanguage = None
    record: AskedRecord = True


class BatchIn(BaseModel):
    """Up to 1,000 leads."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    leads: list[LeadIn] = Field(min_length=1, max_length=MOST_LEADS)
    language: AskedLanguage = None
    record: AskedRecord = True


# -- in its plain form -----------------------------------------------------------------------------


class PlainScore(NamedTuple):
    """A request to score one lead."""

    lead: AskedLead
    language: Language | None
    is_recorded: bool


class PlainBatch(NamedTuple):
    """A request to score many leads."""

    leads: list[AskedLead]
    language: Language | None
    is_recorded: bool


_LEAD_KEYS = frozenset({"lead_id", "as_of", "fields", "events"})
_HOW_KEYS = frozenset({"language", "record"})
_SCORE_KEYS = _LEAD_KEYS | _HOW_KEYS
_BATCH_KEYS = _HOW_KEYS | {"leads"}
_SCALARS = frozenset({str, int, float, bool, type(None)})
_NUMBERS = frozenset({int, float})
_ASKED_LANGUAGES = frozenset({None, *LANGUAGES})


def plain_score(parsed: Any) -> PlainScore | None:
    """Return what a parsed body asks, if it is a plain request to score one lead."""
    if type(parsed) is not dict or not parsed.keys() <= _SCORE_KEYS:
        return None
    language, is_recorded = parsed.get("language"), parsed.get("record", True)
    lead = _plain_lead(parsed)
    if lead is None or not _is_plain_how(language, is_recorded):
        return None
    return PlainScore(lead, language, is_recorded)


def plain_batch(parsed: Any) -> PlainBatch | None:
    """Return what a parsed body asks, if it is a plain request to score many leads."""
    if type(parsed) is not dict or not parsed.keys() <= _BATCH_KEYS:
        return None
    given = parsed.get("leads")
    language, is_recorded = parsed.get("language"), parsed.get("record", True)
    if type(given) is not list or not 0 < len(given) <= MOST_LEADS:
        return None
    if not _is_plain_how(language, is_recorded):
        return None
    leads = []
    for one in given:
        if type(one) is not dict or not one.keys() <= _LEAD_KEYS:
            return None
        lead = _plain_lead(one)
        if lead is None:
            return None
        leads.append(lead)
    return PlainBatch(leads, language, is_recorded)


def _is_plain_how(language: Any, is_recorded: Any) -> bool:
    return (
        type(is_recorded) is bool
        and (language is None or type(language) is str)
        and language in _ASKED_LANGUAGES
    )


def _plain_lead(given: dict[str, Any]) -> AskedLead | None:
    lead_id, as_of = given.get("lead_id"), given.get("as_of")
    fields, events = given.get("fields"), given.get("events")
    if type(lead_id) is int:
        lead_id = str(lead_id)
    if (
        type(lead_id) is not str
        or len(lead_id) > LONGEST_ID
        or not lead_id.isprintable()
        or not lead_id
        or normalise(lead_id) != lead_id  # kept in another form
        or type(fields) is not dict
        or len(fields) > MOST_FIELDS
        or not (as_of is None or (type(as_of) is str and len(as_of) <= LONGEST_WORD))
    ):
        return None
    for value in fields.values():
        if type(value) not in _SCALARS:  # nested values can nest too deep
            return None
    if events is not None:
        if type(events) is not list or len(events) > MOST_EVENTS:
            return None
        for event in events:
            if type(event) is not dict:
                return None
            kind, at, amount = event.get("kind"), event.get("at"), event.get("amount")
            if (
                type(kind) is not str
                or type(at) is not str
                or not 0 < len(kind) <= LONGEST_WORD
                or not 0 < len(at) <= LONGEST_WORD
                or not (amount is None or type(amount) in _NUMBERS)
                or len(event) - ("amount" in event) != 2  # other keys can nest too deep
            ):
                return None
    return AskedLead(lead_id, as_of, fields, events)
