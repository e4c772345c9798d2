"""Events: what sales did and what became of leads. Rows are only added; one id is one effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from serving.errors import StoreUnavailable
from serving.store.database import Store
from serving.store.tables import EVENTS

__all__ = ["Event", "Events"]

_AT_ONCE = 400
"""Ids asked for in one statement; SQLite once took at most 999 values."""

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that sales did, or that became of a lead.

    Attributes
    ----------
    kind : str
        One of `features.events.EVENT_KINDS`.
    reason : str or None
        Code of the definition; of a ``retracted`` event the id of the event it takes back.
    return_on : date or None
        When to come back to the lead, as somebody said.
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

    def add(self, groups: Sequence[Sequence[Event]]) -> list[tuple[int, ...]]:
        """Store groups of events in one transaction, each group whole or not at all.

        An event that is known with the same content counts as stored.

        Returns
        -------
        list of tuple of int
            For each group the places of events whose id is known with another content; empty: all
            of the group is committed.

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

    def digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the digest of each of these events that is stored."""
        with self._store.reading() as connection:
            return _digests(connection, ids)

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
    ) -> list[tuple[int, ...]] | None:
        """Return the clashes of each group; None to begin again, since somebody was quicker."""
        ids = sorted({one.event_id for group in groups for one in group})
        known = _digests(connection, ids)
        added: dict[str, Event] = {}
        clashes: list[tuple[int, ...]] = []
        for group in groups:
            own: dict[str, Event] = {}
            found = []
            for place, one in enumerate(group):
                told = known.get(one.event_id) or own.setdefault(one.event_id, one).digest
                if told != one.digest:
                    found.append(place)
            clashes.append(tuple(found))
            if not found:
                fresh = {name: one for name, one in own.items() if name not in known}
                added |= fresh
                known |= {name: one.digest for name, one in fresh.items()}
        # One order for all writers: two that take the same ids wait for each other, not in a ring.
        rows = [dict(zip(_COLUMNS, _IN_ORDER(added[name]), strict=True)) for name in sorted(added)]
        if rows:
            connection.execute(self._insert, rows)
        if rows and not self._is_alone:
            stored = _digests(connection, sorted(added))
            if any(stored.get(name) != one.digest for name, one in added.items()):
                connection.rollback()
                return None
        return clashes


def _digests(connection: sa.Connection, ids: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        asked = sa.select(EVENTS.c.event_id, EVENTS.c.digest).where(EVENTS.c.event_id.in_(some))
        found.update((row[0], row[1]) for row in connection.execute(asked))
    return found


def _event(row: Mapping[Any, Any]) -> Event:
    return Event(**{name: row[name] for name in _COLUMNS})
