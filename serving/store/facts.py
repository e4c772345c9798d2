"""What the database says of itself, for `lead-serve doctor`: versions, modes, counts, ages."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from serving.store.database import NEWEST, VERSION_TABLE, Store
from serving.store.engine import is_wal_safe
from serving.store.tables import ACCOUNTS, EVENTS, KEYS, METADATA, PREDICTIONS

__all__ = ["NEWEST", "KeyFacts", "StoreFacts", "file_of", "read_facts"]


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """When a key was made, used, and ends; never its name or secret."""

    key_id: str
    made_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Whether it opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """The state of a database.

    Attributes
    ----------
    backend : str
        ``sqlite`` or ``postgresql``.
    version : str
        Version of SQLite or of the PostgreSQL server.
    tables : str
        The migration that made the tables; empty when there are none.
    modes : mapping of str to str
        Settings that durability depends on, by the database's own names.
    is_wal_safe : bool
        Whether this SQLite has no fault in its write-ahead log.
    says_now : datetime or None
        The database server's clock.
    n_rows : mapping of str to int
        Rows of each table.
    oldest, newest : datetime or None
        When the first and the last score or event came.
    """

    backend: str
    version: str
    tables: str
    modes: Mapping[str, str]
    is_wal_safe: bool = True
    says_now: datetime | None = None
    n_rows: Mapping[str, int] = field(default_factory=dict)
    oldest: datetime | None = None
    newest: datetime | None = None
    keys: tuple[KeyFacts, ...] = ()
    n_accounts: int = 0


def file_of(address: str) -> Path | None:
    """Return the file behind an SQLite address; None for anything else."""
    try:
        url = sa.make_url(address)
    except ArgumentError:
        return None
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if is_file else None


def read_facts(store: Store) -> StoreFacts:
    """Ask a database for its state.

    Raises
    ------
    StoreUnavailable
        If it does not answer.
    """
    with store.reading() as connection:
        about = _about(connection)
        if about["tables"] != NEWEST:
            return StoreFacts(**about)
        counted = {
            str(table.name): _one(connection, sa.select(sa.func.count()).select_from(table))
            for table in METADATA.sorted_tables
        }
        times = [
            _one(connection, sa.select(end(column)))
            for end in (sa.func.min, sa.func.max)
            for column in (PREDICTIONS.c.recorded_at, EVENTS.c.received_at)
        ]
        known = [time for time in times if time is not None]
        columns = [KEYS.c[name] for name in KeyFacts.__slots__]
        keys = tuple(KeyFacts(*row) for row in connection.execute(sa.select(*columns)))
        may_sign_in = sa.select(sa.func.count()).select_from(ACCOUNTS)
        n_accounts = _one(connection, may_sign_in.where(ACCOUNTS.c.disabled_at.is_(None)))
        return StoreFacts(
            **about,
            n_rows=counted,
            oldest=min(known, default=None),
            newest=max(known, default=None),
            keys=keys,
            n_accounts=n_accounts,
        )


def _about(connection: sa.Connection) -> dict[str, Any]:
    tables = ""
    if sa.inspect(connection).has_table(VERSION_TABLE):
        tables = str(_one(connection, sa.text(f"SELECT version_num FROM {VERSION_TABLE}")) or "")
    if connection.dialect.name == "sqlite":
        modes = {
            name: str(_one(connection, sa.text(f"PRAGMA {name}")))
            for name in ("journal_mode", "synchronous", "secure_delete")
        }
        return {
            "backend": "sqlite",
            "version": sqlite3.sqlite_version,
            "tables": tables,
            "modes": modes,
            "is_wal_safe": is_wal_safe(sqlite3.sqlite_version_info),
        }
    # `reset_val` is what the server gives; this program's own sessions may ask for more.
    asked = sa.text(
        "SELECT name, reset_val FROM pg_settings "
        "WHERE name IN ('synchronous_commit', 'fsync', 'full_page_writes', 'server_encoding')"
    )
    says_now = _one(connection, sa.text("SELECT clock_timestamp()"))
    return {
        "backend": "postgresql",
        "version": str(_one(connection, sa.text("SHOW server_version"))),
        "tables": tables,
        "modes": {str(name): str(value) for name, value in connection.execute(asked)},
        "says_now": says_now.astimezone(UTC),
    }


def _one(connection: sa.Connection, asked: sa.Executable) -> Any:
    return connection.execute(asked).scalar()
