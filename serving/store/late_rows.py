"""Rows of a deleted lead that somebody still writes: in another worker, or after giving up on them.

Whoever deletes a lead leaves a mark for a while. Whoever writes looks for marks in the same
transaction, after the rows are in, and takes out what was made before the lead was deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from serving.store.tables import EVENTS, PREDICTIONS, REMOVALS

__all__ = ["KEPT", "drop_late", "mark_removed"]

KEPT = timedelta(minutes=10)
"""How long a mark is looked at: a row is given up after seconds, and a worker that hangs for a
minute is replaced."""

_MADE_AT = {"predictions": PREDICTIONS.c.recorded_at, "events": EVENTS.c.received_at}


def mark_removed(connection: sa.Connection, lead_id: str, at: datetime) -> None:
    """Mark a lead as deleted at a moment, in the transaction that deletes it.

    PostgreSQL's writers see each other's work only after it is committed, so they are kept out
    meanwhile: who wrote before is done now and loses the rows, who writes later finds the mark.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE predictions, events IN SHARE ROW EXCLUSIVE MODE")
    digest = _digest(lead_id)
    connection.execute(sa.delete(REMOVALS).where(REMOVALS.c.lead_sha256 == digest))
    connection.execute(sa.insert(REMOVALS), [{"lead_sha256": digest, "at": at}])


def drop_late(
    connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[str, datetime]]
) -> None:
    """Take out again what was made of a lead before it was deleted.

    Parameters
    ----------
    rows : sequence of (str, datetime)
        Lead and moment of what has just been inserted in this transaction.
    """
    asked = sa.select(REMOVALS.c.lead_sha256, REMOVALS.c.at)
    marks = {row.lead_sha256: row.at for row in connection.execute(asked)}
    if not marks or not rows:
        return
    for lead_id in {lead_id for lead_id, _ in rows}:
        removed_at = marks.get(_digest(lead_id))
        if removed_at is not None:
            connection.execute(
                sa.delete(table).where(
                    table.c.lead_id == lead_id, _MADE_AT[table.name] < removed_at
                )
            )
    too_old = max(made_at for _, made_at in rows) - KEPT
    if min(marks.values()) < too_old:
        connection.execute(sa.delete(REMOVALS).where(REMOVALS.c.at < too_old))


def _digest(lead_id: str) -> str:
    return hashlib.sha256(lead_id.encode()).hexdigest()
