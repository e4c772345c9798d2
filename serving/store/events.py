"""Events: what sales did and what became of leads. Rows are only added; one id is one effect."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from serving.decision.lead_state import SalesEvent
from serving.errors import StoreUnavailable
from serving.store.database import Store
from serving.store.late_rows import begin_writing, drop_late
from serving.store.tables import EVENTS

__all__ = ["Clash", "Event", "Events", "Known", "clashes_of", "content_digest"]

_AT_ONCE = 400
"""Ids asked for in one statement; SQLite once took at most 999 values."""

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it is stored: what it says (see `SalesEvent`), and how it came.

    Attributes
    ----------
    received_from : str
        Name of the caller.
    digest : str
        SHA-256 over what the event says, without its id: tells a repeat from a clash.
    """

    event_id: str
    lead_id: str
    at: datetime
    kind: str
    reason: str | None
    amount: float | None
    actor: str | None
    source: str | None
    return_on: date | None
    received_at: datetime
    received_from: str
    digest: str

    @property
    def deciding(self) -> SalesEvent:
        """The part from which follows where the lead stands."""
        return SalesEvent(
            self.lead_id, self.event_id, self.at, self.kind, self.reason, self.return_on
        )


def content_digest(
    *,
    lead_id: str,
    at: datetime,
    kind: str,
    reason: str | None,
    amount: float | None,
    actor: str | None,
    source: str | None,
    return_on: date | None,
) -> str:
    """Return the SHA-256 over what an event says, without its id."""
    said = {
        "lead_id": lead_id,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "kind": kind,
        "reason": reason,
        "amount": amount,
        "actor": actor,
        "source": source,
        "return_on": return_on,
    }
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Known(NamedTuple):
    """What is compared with a stored event."""

    digest: str
    lead_id: str


class Clash(NamedTuple):
    """An event that cannot be stored beside others.

    Attributes
    ----------
    place : int
        Of the event in its group, from 0.
    part : {"event_id", "reason"}
        Its id is known with another content; or it would take back an event of another lead.
    """

    place: int
    part: Literal["event_id", "reason"]


def clashes_of(group: Sequence[Event], known: Mapping[str, Known]) -> tuple[Clash, ...]:
    """Return what keeps events out, by place.

    Parameters
    ----------
    known : mapping of str to Known
        What is stored of the ids that the events have and name. A retraction may come before what
        it takes back; then there is nothing to compare yet, and if that turns out to be of another
        lead, the retraction is without effect.
    """
    own: dict[str, Known] = {}
    found = []
    for place, one in enumerate(group):
        told = known.get(one.event_id) or own.setdefault(
            one.event_id, Known(one.digest, one.lead_id)
        )
        if told.digest != one.digest:
            found.append(Clash(place, "event_id"))
    for place, one in enumerate(group):
        if one.kind == "retracted" and one.event_id not in known:  # else it is a repeat
            named = known.get(one.reason or "") or own.get(one.reason or "")
            if named is not None and named.lead_id != one.lead_id:
                found.append(Clash(place, "reason"))
    return tuple(sorted(found))


_COLUMNS = tuple(Event.__slots__)
_IN_ORDER = attrgetter(*_COLUMNS)


class Events:
    """The events in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_alone = store.engine.dialect.name == "sqlite"
        dialect: Any = sqlite
        if not self._is_alone:
            from sqlalchemy.dialects import postgresql as dialect
        self._insert = dialect.insert(EVENTS).on_conflict_do_nothing(index_elements=["event_id"])

    def add(self, groups: Sequence[Sequence[Event]]) -> list[tuple[Clash, ...]]:
        """Store groups of events in one transaction, each group whole or not at all.

        An event that is known with the same content counts as stored.

        Returns
        -------
        list of tuple of Clash
            What keeps each group out; empty: all of it is committed.

        Raises
        ------
        StoreUnavailable
            If nothing could be committed.
        """
        if not any(groups):
            return [()] * len(groups)
        for _ in range(_TRIES):
            clashes = self._store.write(lambda connection: self._add(connection, groups))
            if clashes is not None:
                return clashes
        raise StoreUnavailable("Others store events of the same ids. Try again.")

    def known(self, events: Sequence[Event]) -> dict[str, Known]:
        """Return what is stored of the ids that some events have and take back."""
        with self._store.reading() as connection:
            return _known(connection, _ids_of(events))

    def of_lead(self, lead_id: str, limit: int = 1_000) -> list[Event]:
        """Return the latest `limit` events of a lead, by time and id."""
        asked = (
            sa.select(EVENTS)
            .where(EVENTS.c.lead_id == lead_id)
            .order_by(EVENTS.c.at.desc(), EVENTS.c.event_id.desc())
            .limit(limit)
        )
        return self._read(asked)[::-1]

    def after(self, last: int, limit: int = 1_000) -> list[tuple[int, Event]]:
        """Return events in the order in which they were stored, after row number `last`."""
        asked = sa.select(EVENTS).where(EVENTS.c.id > last).order_by(EVENTS.c.id).limit(limit)
        with self._store.reading() as connection:
            rows = connection.execute(asked).mappings().all()
        return [(row["id"], _event(row)) for row in rows]

    def _read(self, asked: sa.Select[Any]) -> list[Event]:
        with self._store.reading() as connection:
            return [_event(row) for row in connection.execute(asked).mappings()]

    def _add(
        self, connection: sa.Connection, groups: Sequence[Sequence[Event]]
    ) -> list[tuple[Clash, ...]] | None:
        """Return the clashes of each group; None to begin again, since somebody was quicker."""
        begin_writing(connection)
        known = _known(connection, _ids_of([one for group in groups for one in group]))
        added: dict[str, Event] = {}
        clashes: list[tuple[Clash, ...]] = []
        for group in groups:
            found = clashes_of(group, known)
            clashes.append(found)
            if not found:
                fresh = {one.event_id: one for one in group if one.event_id not in known}
                added |= fresh
                known |= {name: Known(one.digest, one.lead_id) for name, one in fresh.items()}
        # One order for all writers: two that take the same ids wait for each other, not in a ring.
        rows = [dict(zip(_COLUMNS, _IN_ORDER(added[name]), strict=True)) for name in sorted(added)]
        if rows:
            connection.execute(self._insert, rows)
        if rows and not self._is_alone:
            stored = _known(connection, added)
            if any(stored[name].digest != one.digest for name, one in added.items()):
                connection.rollback()
                return None
        if rows:
            made = [(one.lead_id, one.received_at) for one in added.values()]
            drop_late(connection, EVENTS, made)
        return clashes


def _ids_of(events: Sequence[Event]) -> set[str]:
    taken_back = {one.reason for one in events if one.kind == "retracted" and one.reason}
    return taken_back | {one.event_id for one in events}


def _known(connection: sa.Connection, ids: Collection[str]) -> dict[str, Known]:
    wanted = sorted(ids)
    found: dict[str, Known] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        asked = sa.select(EVENTS.c.event_id, EVENTS.c.digest, EVENTS.c.lead_id).where(
            EVENTS.c.event_id.in_(some)
        )
        found.update((row[0], Known(row[1], row[2])) for row in connection.execute(asked))
    return found


def _event(row: Mapping[Any, Any]) -> Event:
    return Event(**{name: row[name] for name in _COLUMNS})
