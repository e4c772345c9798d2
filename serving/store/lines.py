"""The lines of past weeks, the arrivals that a new one is drawn from, and who is not for sales."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from serving.decision.lead_state import SalesEvent
from serving.decision.line import Arrival, Line
from serving.store.database import Store
from serving.store.tables import EVENTS, LINES, PREDICTIONS

__all__ = ["AHEAD", "EVENT_FIELDS", "Lines", "SaidOff", "no_earlier_score", "spans"]

AHEAD = timedelta(days=1)
"""How far before its scoring time a score may have been recorded (clocks that run fast)."""

EVENT_FIELDS = tuple(EVENTS.c[name] for name in SalesEvent._fields)

_UNSETTLED = 10_000
"""On PostgreSQL a smaller id may be committed after a greater one; so far back is looked again."""

_MOST_ASKED = 500


def no_earlier_score(score: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a row of the scores is the first of its lead."""
    earlier = PREDICTIONS.alias("earlier")
    return ~sa.exists(
        sa.select(sa.literal(1)).where(
            earlier.c.lead_id == score.c.lead_id,
            sa.tuple_(earlier.c.as_of, earlier.c.id) < sa.tuple_(score.c.as_of, score.c.id),
        )
    )


def spans(
    column: sa.ColumnElement[datetime], since: datetime, now: datetime, step: timedelta
) -> Iterator[sa.ColumnElement[bool]]:
    """Split a time column into short spans, the last without an end."""
    while since + step < now:
        yield sa.and_(column >= since, column < since + step)
        since += step
    yield column >= since


class Lines:
    """The lines in a store; one for each week and model, the first that is drawn."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, week: date, model_name: str, model_digest: str) -> Line | None:
        """Return the line of a week, if one was drawn."""
        asked = sa.select(LINES).where(
            LINES.c.week == week,
            LINES.c.model_name == model_name,
            LINES.c.model_digest == model_digest,
        )
        with self._store.reading() as connection:
            row = connection.execute(asked).mappings().one_or_none()
        return None if row is None else Line(**row)

    def add(self, line: Line) -> Line:
        """Keep a line unless another worker was faster; return the one that holds."""
        with self._store.writing() as connection:
            insert: Any = sqlite.insert
            if connection.dialect.name == "postgresql":
                from sqlalchemy.dialects.postgresql import insert
            connection.execute(insert(LINES).on_conflict_do_nothing(), [asdict(line)])
        return self.of(line.week, line.model_name, line.model_digest) or line

    def arrivals(self, since: datetime, until: datetime) -> list[Arrival]:
        """Return the first score of each lead that was first scored as of this span.

        A lead that was not for sales from the start has never arrived.
        """
        score = PREDICTIONS.alias("score")
        asked = sa.select(score.c.as_of, score.c.probability, score.c.model_digest).where(
            score.c.as_of >= since,
            score.c.as_of < until,
            score.c.decision != "suppress",
            no_earlier_score(score),
        )
        found: list[Arrival] = []
        # When a score was recorded has an index, and bounds what it may be as of.
        for span in spans(score.c.recorded_at, since - AHEAD, until, timedelta(days=7)):
            with self._store.reading() as connection:
                found += [Arrival(*row) for row in connection.execute(asked.where(span))]
        return found


class SaidOff:
    """The events that take leads out of sales' hands, and those that may take them back."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def everything(self, reasons: Collection[str]) -> tuple[list[SalesEvent], int]:
        """Return all events with one of the reasons, all retractions, and the newest event's id."""
        asked = sa.select(*EVENT_FIELDS).where(_says_off(reasons))
        with self._store.reading() as connection:
            newest = connection.execute(sa.select(sa.func.max(EVENTS.c.id))).scalar() or 0
            return [SalesEvent(*row) for row in connection.execute(asked)], int(newest)

    def touched_since(self, event_id: int, reasons: Collection[str]) -> tuple[set[str], int]:
        """Return leads about which something was said after an event, and the newest event's id."""
        with self._store.reading() as connection:
            newest = int(connection.execute(sa.select(sa.func.max(EVENTS.c.id))).scalar() or 0)
            since = event_id
            if connection.dialect.name == "postgresql":
                since = max(0, event_id - _UNSETTLED)
            elif newest <= event_id:
                return set(), event_id
            asked = sa.select(EVENTS.c.lead_id).where(EVENTS.c.id > since, _says_off(reasons))
            return set(connection.execute(asked).scalars()), max(event_id, newest)

    def of_leads(self, lead_ids: Iterable[str], reasons: Collection[str]) -> list[SalesEvent]:
        """Return such events of these leads."""
        asked = sorted(set(lead_ids))
        found: list[SalesEvent] = []
        with self._store.reading() as connection:
            for start in range(0, len(asked), _MOST_ASKED):
                some = sa.select(*EVENT_FIELDS).where(
                    EVENTS.c.lead_id.in_(asked[start : start + _MOST_ASKED]), _says_off(reasons)
                )
                found += [SalesEvent(*row) for row in connection.execute(some)]
        return found


def _says_off(reasons: Collection[str]) -> sa.ColumnElement[bool]:
    told = sa.and_(EVENTS.c.kind.in_(("rejected", "lost")), EVENTS.c.reason.in_(sorted(reasons)))
    return sa.or_(told, EVENTS.c.kind == "retracted")
