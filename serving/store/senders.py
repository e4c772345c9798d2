"""What one caller has sent, for taking it back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from serving.decision.lead_state import SalesEvent, taken_back
from serving.store.database import Store
from serving.store.events import Event
from serving.store.lines import EVENT_FIELDS
from serving.store.tables import EVENTS

__all__ = ["Senders"]

_AT_ONCE = 500
_COLUMNS = tuple(Event.__slots__)


class Senders:
    """The events in a store by who sent them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def standing(self, sender: str, since: datetime) -> Iterator[list[Event]]:
        """Give what `sender` sent since a moment and nobody else has taken back, in portions."""
        last = 0
        while True:
            page = (
                sa.select(EVENTS)
                .where(
                    EVENTS.c.id > last,
                    EVENTS.c.received_from == sender,
                    EVENTS.c.received_at >= since,
                )
                .order_by(EVENTS.c.id)
                .limit(_AT_ONCE)
            )
            with self._store.reading() as connection:
                rows = connection.execute(page).mappings().all()
                gone = self._taken_back(connection, sender, rows)
            if not rows:
                return
            yield [
                Event(**{name: row[name] for name in _COLUMNS})
                for row in rows
                if row["event_id"] not in gone.get(row["lead_id"], ())
            ]
            last = rows[-1]["id"]

    def _taken_back(self, connection: sa.Connection, sender: str, rows: Any) -> dict[str, set[str]]:
        # The sender's own retractions do not count: they are taken back too.
        asked = sa.select(*EVENT_FIELDS).where(
            EVENTS.c.kind == "retracted",
            EVENTS.c.received_from != sender,
            EVENTS.c.lead_id.in_({row["lead_id"] for row in rows}),
        )
        by_lead: dict[str, list[SalesEvent]] = {}
        for row in connection.execute(asked):
            by_lead.setdefault(row[0], []).append(SalesEvent(*row))
        return {lead_id: taken_back(retractions) for lead_id, retractions in by_lead.items()}
