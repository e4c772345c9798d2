"""Every row of every table: out in one consistent view, and in again all or nothing.

Rows travel as plain JSON values, so that what came out of SQLite goes into PostgreSQL and back with
every bit of every number.
"""

from __future__ import annotations

import base64
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from features.errors import LeadQualityError
from serving.store.database import (
    VERSION_TABLE,
    Store,
    as_unavailable,
    migration_config,
    open_store,
    upgrade,
)
from serving.store.tables import METADATA, UtcTime

__all__ = [
    "NOT_KEPT",
    "RowsRefused",
    "Snapshot",
    "is_known_version",
    "n_rows_in",
    "refill",
    "snapshot",
    "table_names",
]

NOT_KEPT = frozenset({"deletions", "removals", "sessions"})
"""Tables that a backup leaves out: a copy must not open a sign-in again that has ended, and nobody
still writes into it what came before a deletion."""

PATIENCE_SECONDS = 30.0
"""How long the service's own transactions are waited for."""

_AT_ONCE = 500


class RowsRefused(LeadQualityError):
    """The database or the backup is not what the operation needs."""


class Snapshot:
    """All rows as they were at one moment.

    Attributes
    ----------
    schema_version : str
        Which migration made the tables.
    tables : tuple of str
        Tables that are there and are kept, referenced ones first.
    """

    def __init__(self, connection: sa.Connection, schema_version: str) -> None:
        self._connection = connection
        self.schema_version = schema_version
        inspector = sa.inspect(connection)
        there = set(inspector.get_table_names())
        self._columns = {
            str(table.name): {column["name"] for column in inspector.get_columns(table.name)}
            for table in _kept()
            if table.name in there
        }
        self.tables = tuple(self._columns)

    def n_rows(self, name: str) -> int:
        """Return how many rows a table has."""
        counted = sa.select(sa.func.count()).select_from(METADATA.tables[name])
        return int(self._connection.execute(counted).scalar_one())

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Give a table's rows in the order of its primary key, as JSON values."""
        table = METADATA.tables[name]
        columns = [column for column in table.columns if column.name in self._columns[name]]
        asked = sa.select(*columns).order_by(*table.primary_key.columns)
        streamed = self._connection.execution_options(yield_per=_AT_ONCE).execute(asked)
        for row in streamed:
            yield {
                str(column.name): _told(value) for column, value in zip(columns, row, strict=True)
            }

    def models(self) -> list[tuple[str, str | None]]:
        """Return the model digest and manifest digest of every model that was ever approved."""
        columns = [
            METADATA.tables["approvals"].c[name]
            for name in ("digest", "manifest_digest")
            if name in self._columns["approvals"]
        ]
        asked = sa.select(*columns).distinct().order_by(*columns)
        return [
            (row[0], row[1] if len(row) > 1 else None) for row in self._connection.execute(asked)
        ]


def table_names() -> list[str]:
    """Return the tables that a backup of this version holds."""
    return [str(table.name) for table in _kept()]


def is_known_version(version: str) -> bool:
    """Whether this program has the migration that made tables of a version."""
    scripts = ScriptDirectory.from_config(migration_config())
    return version in {script.revision for script in scripts.walk_revisions()}


@contextmanager
def snapshot(store: Store, scratch: Path) -> Iterator[Snapshot]:
    """Give all rows as of now; the service may go on writing meanwhile.

    Parameters
    ----------
    scratch : Path
        An empty private folder. An SQLite file is first copied there whole, because reading it row
        by row would keep its writers waiting where the write-ahead log is not in use.

    Raises
    ------
    StoreUnavailable
        If the database cannot be read.
    RowsRefused
        If it has no tables, or tables of a newer program.
    """
    copied: Store | None = None
    try:
        with as_unavailable():
            if store.engine.dialect.name == "sqlite":
                copied = _copy_of(store, scratch)
            how = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            reader = (copied or store).engine.execution_options(
                **({"lead_reads_only": True} if copied is not None else how)
            )
            with reader.connect() as connection:
                yield Snapshot(connection, _version_of(connection))
    finally:
        if copied is not None:
            copied.close()


def _copy_of(store: Store, scratch: Path) -> Store:
    path = scratch / "copy.db"
    with store.engine.connect() as connection:
        connection.rollback()
        source = connection.connection.driver_connection
        if not isinstance(source, sqlite3.Connection):
            raise TypeError("an SQLite engine connects by the driver of the standard library")
        target = sqlite3.connect(path)
        try:
            # All pages in one step: in small ones every write of the service would begin it anew.
            source.backup(target, pages=-1, progress=_patiently())
        finally:
            target.close()
    return open_store(f"sqlite:///{path}")


def _patiently() -> Callable[[int, int, int], None]:
    ends = time.monotonic() + PATIENCE_SECONDS

    def look(status: int, _left: int, _of: int) -> None:
        # The driver would ask for ever when another process holds the file locked.
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > ends:
            raise sqlite3.OperationalError("locked")

    return look


def n_rows_in(store: Store) -> int:
    """Return how many rows all our tables have; 0 when there are none."""
    with store.reading() as connection:
        there = set(sa.inspect(connection).get_table_names())
        return sum(
            int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for table in METADATA.sorted_tables
            if table.name in there
        )


def refill(
    store: Store,
    schema_version: str,
    rows_of: Callable[[str], Iterator[Mapping[str, Any]]],
    tables: tuple[str, ...],
    *,
    replaces: bool,
    before_commit: Callable[[], None] = lambda: None,
) -> dict[str, int]:
    """Make the tables anew as of a version, fill them, bring them up to date: one transaction.

    Parameters
    ----------
    rows_of : callable
        Gives the rows of a table, as `Snapshot.rows` told them.
    replaces : bool
        Whether rows that are there may go.
    before_commit : callable
        Called when all rows are in; what it raises undoes everything.

    Returns
    -------
    dict of str to int
        Rows of each table.

    Raises
    ------
    RowsRefused
        If rows are there and may not go, or a row is not one of its table.
    StoreUnavailable
        If the database cannot be written.
    """
    with store.writing(PATIENCE_SECONDS) as connection:
        _make_room(connection, replaces)
        upgrade(connection, schema_version)
        written = {name: _fill(connection, name, rows_of(name)) for name in tables}
        upgrade(connection)
        _continue_numbers(connection)
        before_commit()
    return written


def _make_room(connection: sa.Connection, replaces: bool) -> None:
    there = set(sa.inspect(connection).get_table_names())
    ours = [table for table in METADATA.sorted_tables if table.name in there]
    if not replaces:
        for table in ours:
            if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
                raise RowsRefused(
                    "The database is not empty, and nothing was changed. Restore into a new one "
                    "(LEAD_HOME, LEAD_DATABASE_URL), or replace what is there: --replace."
                )
    METADATA.drop_all(connection, tables=ours, checkfirst=False)
    connection.execute(sa.text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))


def _fill(connection: sa.Connection, name: str, rows: Iterator[Mapping[str, Any]]) -> int:
    table = METADATA.tables[name]
    there = {column["name"] for column in sa.inspect(connection).get_columns(name)}
    readers = {
        column.name: _reader(column.type) for column in table.columns if column.name in there
    }
    n_written = 0
    gathered: list[dict[str, Any]] = []

    def write() -> None:
        nonlocal n_written
        try:
            if gathered:
                connection.execute(sa.insert(table), gathered)
        except (DataError, IntegrityError, StatementError) as error:
            if isinstance(error, DBAPIError) and not isinstance(error, (DataError, IntegrityError)):
                raise
            raise RowsRefused(
                f"Rows {n_written + 1:,} to {n_written + len(gathered):,} of {name} cannot be "
                f"written ({type(error).__name__}). Nothing was changed."
            ) from None
        n_written += len(gathered)
        gathered.clear()

    for row in rows:
        try:
            if row.keys() != readers.keys():
                raise KeyError(name)
            gathered.append({column: read(row[column]) for column, read in readers.items()})
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RowsRefused(
                f"Row {n_written + len(gathered) + 1:,} of {name} in the backup is not one of this "
                "table. Nothing was changed."
            ) from None
        if len(gathered) == _AT_ONCE:
            write()
    write()
    return n_written


def _continue_numbers(connection: sa.Connection) -> None:
    """Let PostgreSQL number new rows after the restored ones; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in METADATA.sorted_tables:
        column = table.columns.get("id")
        if column is not None and table.name not in NOT_KEPT:
            last = connection.execute(sa.select(sa.func.max(column))).scalar()
            if last is not None:
                sequence = sa.func.pg_get_serial_sequence(table.name, "id")
                connection.execute(sa.select(sa.func.setval(sequence, last)))


def _kept() -> list[sa.Table]:
    return [table for table in METADATA.sorted_tables if table.name not in NOT_KEPT]


def _version_of(connection: sa.Connection) -> str:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        raise RowsRefused("The database has no tables of this service; there is nothing to keep.")
    found = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    version = str(found or "")
    if not is_known_version(version):
        raise RowsRefused(
            "The tables were made by a newer version of this program. Use that one for the backup."
        )
    return version


def _told(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def _reader(kind: sa.types.TypeEngine[Any]) -> Callable[[Any], Any]:
    """Return how a column's values are read from JSON."""
    if isinstance(kind, UtcTime):
        return _or_none(_moment)
    if isinstance(kind, sa.Date):
        return _or_none(date.fromisoformat)
    if isinstance(kind, sa.Double):
        return _or_none(float)
    if isinstance(kind, sa.LargeBinary):
        return _or_none(lambda text: base64.b64decode(text, validate=True))
    if isinstance(kind, sa.JSON):
        return lambda value: value
    wanted = next((of for known, of in _PLAIN.items() if isinstance(kind, known)), str)
    return _or_none(lambda value: _exactly(wanted, value))


_PLAIN: dict[type[Any], type] = {sa.Boolean: bool, sa.Integer: int}


def _exactly(wanted: type, value: Any) -> Any:
    if type(value) is not wanted:
        raise TypeError(wanted.__name__)
    return value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a stored time needs a time zone")
    return moment


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)
