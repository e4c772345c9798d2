"""What exports read: page after page in order of lead, each page a short transaction of its own.

A reader that stays keeps SQLite's writers waiting; a page of a thousand rows does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from serving.store.database import Store
from serving.store.events import Event
from serving.store.tables import EVENTS, PREDICTIONS

__all__ = ["Drawn", "Exports", "RecordedInput"]

_AT_ONCE = 1_000
_EVENT_COLUMNS = tuple(Event.__slots__)


class RecordedInput(NamedTuple):
    """What a score was made from."""

    lead_id: str
    as_of: datetime
    inputs: Mapping[str, Any]


class Drawn(NamedTuple):
    """A score below the line, and whether it was drawn for the audit lane."""

    lead_id: str
    recorded_at: datetime
    probability: float
    is_drawn: bool


class Exports:
    """The rows of a store in the order in which they are exported."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def inputs(self) -> Iterator[list[RecordedInput]]:
        """Give what scores were made from, by lead and time."""
        order = (PREDICTIONS.c.lead_id, PREDICTIONS.c.as_of, PREDICTIONS.c.id)
        asked = sa.select(*order, PREDICTIONS.c.inputs)
        for page in self._pages(asked, order):
            yield [RecordedInput(row["lead_id"], row["as_of"], row["inputs"]) for row in page]

    def events(self) -> Iterator[list[Event]]:
        """Give events by lead and time."""
        order = (EVENTS.c.lead_id, EVENTS.c.at, EVENTS.c.id)
        for page in self._pages(sa.select(EVENTS), order):
            yield [Event(**{name: row[name] for name in _EVENT_COLUMNS}) for row in page]

    def drawn(self, lead_ids: Sequence[str]) -> list[Drawn]:
        """Return the scores of some leads that stood below the line, the oldest first."""
        columns = PREDICTIONS.c
        asked = (
            sa.select(
                columns.lead_id, columns.recorded_at, columns.audit_probability, columns.is_audited
            )
            .where(columns.lead_id.in_(lead_ids), columns.audit_probability > 0)
            .order_by(columns.id)
        )
        with self._store.reading() as connection:
            return [Drawn(*row) for row in connection.execute(asked)]

    def _pages(
        self, asked: sa.Select[Any], order: Sequence[sa.Column[Any]]
    ) -> Iterator[Sequence[sa.RowMapping]]:
        ordered = asked.order_by(*order).limit(_AT_ONCE)
        last: tuple[Any, ...] | None = None
        while True:
            page = ordered
            if last is not None:
                given = [sa.literal(one, by.type) for one, by in zip(last, order, strict=True)]
                page = ordered.where(sa.tuple_(*order) > sa.tuple_(*given))
            with self._store.reading() as connection:
                rows = connection.execute(page).mappings().all()
            if rows:
                yield rows
            if len(rows) < _AT_ONCE:
                return
            last = tuple(rows[-1][column.name] for column in order)
