"""From a request or a file to stored events: check all of it, then store all of it once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final

from features.definition import LeadDefinition
from features.events import BLANK_REASONS, EVENT_KINDS
from features.moments import parse_time
from features.source_map import ReasonColumn
from features.writing import Unreadable, category_key, id_key
from serving.errors import EventConflict, EventsRefused
from serving.store.events import Clash, Event, Events, content_digest

__all__ = [
    "AHEAD",
    "MOST_EVENTS",
    "AskedEvent",
    "EventService",
    "Fault",
    "faults_of",
    "refuse_clashes",
]

AHEAD: Final = timedelta(minutes=5)
"""How far ahead of the clock an event may lie (clocks that run fast)."""

MOST_EVENTS: Final = 1_000
LONGEST: Final = 200
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST_RETURN = date(2199, 12, 31)
_MOST_FAULTS = 20
_CLASHES: Final = {
    "event_id": "is known with another content",
    "reason": "names an event of another lead, and a retraction takes back one of its own lead",
}
_OFFSET = re.compile(r"(Z|[+-]\d\d:?(\d\d)?)$")


@dataclass(frozen=True, slots=True)
class AskedEvent:
    """An event as the caller wrote it; a text that is empty counts as left out."""

    lead_id: str
    at: str
    kind: str
    event_id: str | None = None
    reason: str | None = None
    amount: float | None = None
    actor: str | None = None
    source: str | None = None
    return_on: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one event: its place (from 0), the part, and what was expected."""

    place: int
    part: str
    words: str


class _Unfit(ValueError):
    """One part of an event cannot be used; the message says what was expected."""


class EventService:
    """Checks events by the serving definition and stores them.

    Parameters
    ----------
    events : Events
        Where they go.
    clock : callable
        Gives the present, with a time zone.
    definition : LeadDefinition or None
        Of the serving model; None: reasons and naive times cannot be checked, so only the shape is.
    """

    def __init__(
        self,
        events: Events,
        clock: Callable[[], datetime],
        definition: LeadDefinition | None,
    ) -> None:
        self._events = events
        self._clock = clock
        self._definition = definition
        self._codes: Mapping[str, str] = {} if definition is None else _codes(definition)

    def check(
        self, asked: Sequence[AskedEvent], received_from: str
    ) -> tuple[list[Event], list[Fault]]:
        """Return what can be stored, and everything that is wrong, in the order of the events."""
        now = self._clock()
        read: list[Event] = []
        faults: list[Fault] = []
        for place, one in enumerate(asked):
            found = self._read(place, one, now, received_from)
            if isinstance(found, Event):
                read.append(found)
            else:
                faults += found
        return read, faults

    def checked(self, asked: Sequence[AskedEvent], received_from: str) -> list[Event]:
        """Return the events to store.

        Raises
        ------
        EventsRefused
            With everything that is wrong; nothing is to be stored then.
        """
        read, faults = self.check(asked, received_from)
        if faults:
            raise EventsRefused(_told(faults, len(asked) == 1))
        return read

    def store(self, events: Sequence[Event]) -> None:
        """Store events, all or none; they are committed when this returns.

        Raises
        ------
        EventConflict
            If an id is known with another content, or an event of another lead would be taken
            back.
        StoreUnavailable
            If the database does not answer.
        """
        (clashes,) = self._events.add([events])
        refuse_clashes(clashes, len(events) == 1)

    # -- one event -----------------------------------------------------------------------------

    def _read(
        self, place: int, asked: AskedEvent, now: datetime, received_from: str
    ) -> Event | list[Fault]:
        faults: list[Fault] = []

        def attempt(part: str, read: Callable[[], object]) -> object:
            try:
                return read()
            except _Unfit as error:
                faults.append(Fault(place, part, str(error)))
                return None

        event_id = attempt("event_id", lambda: _id(asked.event_id))
        lead_id = attempt("lead_id", lambda: _required(_id(asked.lead_id)))
        kind = attempt("kind", lambda: _kind(asked.kind))
        at = attempt("at", lambda: self._moment(asked.at, now))
        reason = attempt("reason", lambda: self._reason(asked.kind, _text(asked.reason)))
        actor = attempt("actor", lambda: _text(asked.actor))
        source = attempt("source", lambda: _text(asked.source))
        return_on = attempt("return_on", lambda: _day(asked.return_on))
        if faults or not isinstance(at, datetime):
            return faults
        said: dict[str, Any] = {
            "lead_id": lead_id,
            "at": at,
            "kind": kind,
            "reason": reason,
            "amount": asked.amount,
            "actor": actor,
            "source": source,
            "return_on": return_on,
        }
        digest = content_digest(**said)
        return Event(
            event_id=str(event_id or f"h-{digest}"),
            received_at=now,
            received_from=received_from,
            digest=digest,
            **said,
        )

    def _moment(self, written: str, now: datetime) -> datetime:
        zone: tzinfo = UTC if self._definition is None else self._definition.zone
        try:
            at = parse_time(written, zone)  # type: ignore[arg-type]
        except (Unreadable, OverflowError) as error:
            raise _Unfit("is not a time; expected ISO 8601 with an offset") from error
        if at is None:
            raise _Unfit("is missing")
        if self._definition is None and not _OFFSET.search(written.strip()):
            raise _Unfit("needs an offset such as +09:00 while no model serves")
        if at > now + AHEAD:
            raise _Unfit("lies more than five minutes ahead")
        if at < _EARLIEST:
            raise _Unfit("lies before 1990")
        return at

    def _reason(self, kind: str, written: str | None) -> str | None:
        if kind == "retracted":
            named = _id(written)
            if named is None:
                raise _Unfit("is missing; of a retracted event it names the event_id taken back")
            return named
        definition = self._definition
        if definition is None:
            return written
        if written is None:
            code = BLANK_REASONS.get(kind)
            if code is not None and code not in definition.reasons:
                raise _Unfit(f"is missing, and the definition has no {code} for that")
            return code
        code = self._codes.get(category_key(written) or "")
        if code is None:
            raise _Unfit("is neither code nor name of a reason of the definition")
        is_loss = definition.reasons[code].kind == "loss"
        if (kind == "rejected" and is_loss) or (kind == "lost" and not is_loss):
            raise _Unfit("is of another kind: a loss was worked before, a rejection was not")
        return code


def faults_of(clashes: Sequence[Clash]) -> list[Fault]:
    """Return clashes as faults, in words."""
    return [Fault(one.place, one.part, _CLASHES[one.part]) for one in clashes]


def refuse_clashes(clashes: Sequence[Clash], is_single: bool) -> None:
    """Raise `EventConflict` when there are clashes."""
    if clashes:
        raise EventConflict(
            f"{_told(faults_of(clashes), is_single)} A correction is a new event: retract the old "
            "one and send the right one."
        )


def _told(faults: Sequence[Fault], is_single: bool) -> str:
    lines = [
        f"{'' if is_single else f'events[{one.place}].'}{one.part}: {one.words}"
        for one in faults[:_MOST_FAULTS]
    ]
    more = f" and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
    return f"Nothing was stored. {'; '.join(lines)}{more}."


def _codes(definition: LeadDefinition) -> dict[str, str]:
    """Return the reason code of every way to write it, as training reads it."""
    told = ReasonColumn(column="reason").codes(definition)
    return {category_key(written) or written: code for written, code in told.items()}


def _text(given: str | None) -> str | None:
    if given is None or not given.strip():
        return None
    if len(given) > LONGEST:
        raise _Unfit(f"must be at most {LONGEST} characters long")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in given):
        raise _Unfit("must not hold control characters")
    return given


def _id(given: str | None) -> str | None:
    """Return an id in the form in which ids are compared."""
    text = _text(given)
    return None if text is None else _text(id_key(text))  # the form may be longer


def _required(found: str | None) -> str:
    if found is None:
        raise _Unfit("must not be blank")
    return found


def _kind(given: str) -> str:
    if given not in EVENT_KINDS:
        raise _Unfit(f"must be one of {', '.join(EVENT_KINDS)}")
    return given


def _day(given: str | None) -> date | None:
    if given is None or not given.strip():
        return None
    try:
        day = date.fromisoformat(given.strip())
    except ValueError as error:
        raise _Unfit("is not a day; expected YYYY-MM-DD") from error
    if not _EARLIEST.date() <= day <= _LATEST_RETURN:
        raise _Unfit("is not a day between 1990 and 2199")
    return day
