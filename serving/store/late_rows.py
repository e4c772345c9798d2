"""Rows of a deleted lead that somebody still writes: in another worker, or after giving up on them.

Whoever deletes a lead leaves a mark for a while. Whoever writes looks for marks in the same
transaction, after the rows are in, and takes out what was made before the lead was deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from serving.store.tables import DELETIONS, EVENTS, PREDICTIONS, REMOVALS

__all__ = ["KEPT", "begin_writing", "drop_late", "mark_removed", "note_deletion", "writers"]

KEPT = timedelta(minutes=10)
"""How long a mark is looked at: a row is given up after seconds, and a worker that hangs for a
minute is replaced."""

_LOCK = 0x1EAD5E13
_AT_ONCE = 400
_MADE_AT = {"predictions": PREDICTIONS.c.recorded_at, "events": EVENTS.c.received_at}


def mark_removed(connection: sa.Connection, lead_id: str, at: datetime) -> None:
    """Mark a lead as deleted at a moment, in the transaction that deletes it.

    PostgreSQL's writers see each other's work only after it is committed, so they are kept out
    meanwhile: who wrote before is done now and loses the rows, who writes later finds the mark.
    """
    _wait_for_turn(connection, "pg_advisory_xact_lock")
    digest = _digest(lead_id)
    connection.execute(sa.delete(REMOVALS).where(REMOVALS.c.lead_sha256 == digest))
    connection.execute(sa.insert(REMOVALS), [{"lead_sha256": digest, "at": at}])


def begin_writing(connection: sa.Connection) -> None:
    """Wait until no lead is being deleted; deletions then wait until this transaction is over."""
    _wait_for_turn(connection, "pg_advisory_xact_lock_shared")


def note_deletion(connection: sa.Connection) -> None:
    """Let those know who keep what they read, in the transaction that deletes scores or events."""
    connection.execute(sa.delete(DELETIONS))
    connection.execute(sa.insert(DELETIONS).values())


def writers(connection: sa.Connection) -> tuple[str, ...]:
    """Return which transactions have called `begin_writing`, or delete a lead, and are not over.

    On PostgreSQL one of them may still commit a smaller number than others have committed. None on
    SQLite, which lets one transaction write at a time.
    """
    if connection.dialect.name != "postgresql":
        return ()
    asked = (
        "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 "
        f"AND objid = {_LOCK} AND objsubid = 1 AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1"
    )
    return tuple(connection.exec_driver_sql(asked).scalars())


def drop_late(
    connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[str, datetime]]
) -> None:
    """Take out again what was made of a lead before it was deleted, and marks that are too old.

    Parameters
    ----------
    rows : sequence of (str, datetime)
        Lead and moment of what has just been inserted in this transaction, which began with
        `begin_writing`.
    """
    if not rows:
        return
    lead_ids = {_digest(lead_id): lead_id for lead_id, _ in rows}
    too_old = max(made_at for _, made_at in rows) - KEPT
    has_old = False
    for some in _chunks(list(lead_ids)):
        asked = sa.select(REMOVALS.c.lead_sha256, REMOVALS.c.at).where(
            sa.or_(REMOVALS.c.lead_sha256.in_(some), REMOVALS.c.at < too_old)
        )
        for digest, removed_at in connection.execute(asked).all():
            has_old = has_old or removed_at < too_old
            if digest in some:
                is_of_lead = table.c.lead_id == lead_ids[digest]
                is_late = _MADE_AT[table.name] < removed_at
                connection.execute(sa.delete(table).where(is_of_lead, is_late))
    if has_old:
        connection.execute(sa.delete(REMOVALS).where(REMOVALS.c.at < too_old))


def _chunks(digests: list[str]) -> Iterator[set[str]]:
    for start in range(0, len(digests), _AT_ONCE):
        yield set(digests[start : start + _AT_ONCE])


def _wait_for_turn(connection: sa.Connection, lock: str) -> None:
    # A lock of our own: one on the tables would wait for VACUUM, and all writers behind it.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT {lock}({_LOCK})")


def _digest(lead_id: str) -> str:
    return hashlib.sha256(lead_id.encode()).hexdigest()
