"""Deleting: all of one lead on request, and what is older than the operator keeps."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from serving.store.actions import Action, note_action
from serving.store.database import Store
from serving.store.late_rows import begin_writing, mark_removed, note_deletion
from serving.store.tables import EVENTS, PREDICTIONS

__all__ = ["Removal", "Removed"]

AT_ONCE = 500
"""Rows of one transaction: writers between two of them wait for milliseconds."""


class Removed(NamedTuple):
    """How much was deleted."""

    scores: int
    events: int


class Removal:
    """Takes rows out of a store for good.

    SQLite overwrites what it deletes (``secure_delete``) and keeps no copy in its journal.
    PostgreSQL makes the room of deleted rows free for others when it vacuums.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def of_lead(self, lead_id: str, actor: str, at: datetime) -> Removed:
        """Delete the scores and events of a lead, and write down that it was done, not to whom.

        What somebody still writes that was made before `at` is taken out again.

        Raises
        ------
        StoreUnavailable
            If the database does not answer; nothing is deleted then.
        """

        def remove(connection: sa.Connection) -> Removed:
            mark_removed(connection, lead_id, at)
            of_scores = sa.delete(PREDICTIONS).where(PREDICTIONS.c.lead_id == lead_id)
            of_events = sa.delete(EVENTS).where(EVENTS.c.lead_id == lead_id)
            removed = Removed(
                connection.execute(of_scores).rowcount, connection.execute(of_events).rowcount
            )
            note_deletion(connection)
            note_action(connection, Action(at, actor, "lead_deleted", removed._asdict()))
            return removed

        removed = self._store.write(remove)
        self._store.forget()
        return removed

    def older_scores(self, before: datetime) -> int:
        """Delete some of the scores recorded before a moment; 0: there are no more."""
        asked = (
            sa.select(PREDICTIONS.c.id)
            .where(PREDICTIONS.c.recorded_at < before)
            .order_by(PREDICTIONS.c.recorded_at)
            .limit(AT_ONCE)
        )
        with self._store.writing() as connection:
            begin_writing(connection)
            ids = list(connection.execute(asked).scalars())
            if ids:
                connection.execute(sa.delete(PREDICTIONS).where(PREDICTIONS.c.id.in_(ids)))
                note_deletion(connection)
        return len(ids)

    def older_events(
        self, before: datetime, kept_reasons: Collection[str] = (), after: int = 0
    ) -> tuple[int, int | None]:
        """Delete those events received before a moment that are among the next ones in the table.

        A retraction stays as long as what it takes back: without it, that would hold again.

        Parameters
        ----------
        kept_reasons : collection of str
            Events with these reasons stay: who asked not to be contacted stays uncontacted.
        after : int
            Row number from which to go on.

        Returns
        -------
        n_deleted : int
            How many went.
        after : int or None
            Where to go on; None at the end of the table.
        """
        stays = EVENTS.c.reason.in_(sorted(kept_reasons))
        following = (
            sa.select(EVENTS.c.id, EVENTS.c.received_at, EVENTS.c.kind, stays.label("stays"))
            .where(EVENTS.c.id > after)
            .order_by(EVENTS.c.id)
            .limit(AT_ONCE)
        )
        with self._store.reading() as connection:
            rows = connection.execute(following).all()
        old = [row for row in rows if row.received_at < before and not row.stays]
        n_deleted = 0
        if old:
            plain = [row.id for row in old if row.kind != "retracted"]
            retractions = [row.id for row in old if row.kind == "retracted"]
            taken_back = EVENTS.alias("taken_back")
            is_needed = sa.exists(
                sa.select(sa.literal(1)).where(taken_back.c.event_id == EVENTS.c.reason)
            )
            with self._store.writing() as connection:
                begin_writing(connection)
                for gone in (
                    EVENTS.c.id.in_(plain),
                    sa.and_(EVENTS.c.id.in_(retractions), ~is_needed),
                ):
                    n_deleted += connection.execute(sa.delete(EVENTS).where(gone)).rowcount
                if n_deleted:
                    note_deletion(connection)
        return n_deleted, rows[-1][0] if len(rows) == AT_ONCE else None

    def forget(self) -> None:
        """Leave no copy of what was deleted beside the database."""
        self._store.forget()
