"""How connections are set up: durable, impatient, forgetting what was deleted."""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
)

from features.private_folders import make_private
from serving.errors import RowRefused, StoreUnavailable
from serving.settings import SettingsInvalid

__all__ = ["PATIENCE_SECONDS", "as_unavailable", "insert_alone", "is_wal_safe", "make_engine"]

log = logging.getLogger("lead_serve")

PATIENCE_SECONDS = 1.2
"""How long one wait for a lock may take; a caller waits at most twice as long (docs 0008)."""

_ASK_SECONDS = 0.02
"""What SQLite itself waits for a lock before it is asked again."""
_WAITS = "lead_waits"
_CONNECT_SECONDS = 2
_POOL_SECONDS = 2
_GONE_AFTER = {
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,  # milliseconds
}
"""A server that vanished without a word (its machine, the network) is otherwise waited for for a
quarter of an hour, and nothing is recorded meanwhile."""


def make_engine(address: str) -> sa.Engine:
    """Return the engine of an SQLAlchemy address; nothing is connected yet.

    Raises
    ------
    SettingsInvalid
        If the address cannot be read or its driver is not installed; it is not repeated, since it
        may hold a password.
    """
    try:
        url = sa.make_url(address)
        if url.get_backend_name() == "sqlite":
            return _sqlite(url)
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        return _server(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise SettingsInvalid(
            "LEAD_DATABASE_URL cannot be used: it is no SQLAlchemy address, or its driver is "
            "not installed. Expected sqlite:///FILE, or postgresql://… with the extra "
            "lead-quality[postgresql]."
        ) from error


@contextmanager
def as_unavailable() -> Iterator[None]:
    """Turn what the database says into a `StoreUnavailable` without addresses or values."""
    try:
        yield
    except (DataError, IntegrityError, sqlite3.DataError, sqlite3.IntegrityError) as error:
        raise RowRefused(
            f"The database refuses a row ({type(error).__name__}). Nothing of it is recorded."
        ) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreUnavailable(
            f"The database of scores and approvals does not answer ({type(error).__name__}). "
            "Check that it runs, that its file can be written, and `lead-serve migrate`."
        ) from error


def _engine(url: sa.URL, **options: Any) -> sa.Engine:
    return sa.create_engine(
        url,
        json_serializer=lambda content: orjson.dumps(content).decode(),
        json_deserializer=orjson.loads,
        hide_parameters=True,  # they hold what leads wrote, and errors are logged
        **options,
    )


# --- PostgreSQL ----------------------------------------------------------------------------------


def _server(url: sa.URL) -> sa.Engine:
    connecting = {"connect_timeout": _CONNECT_SECONDS}
    if url.drivername == "postgresql+psycopg":
        connecting |= _GONE_AFTER
    engine = _engine(url, pool_pre_ping=True, pool_timeout=_POOL_SECONDS, connect_args=connecting)
    if engine.dialect.name == "postgresql":
        sa.event.listen(engine, "connect", _set_up_postgresql)
        sa.event.listen(engine, "begin", _begin_postgresql)
    return engine


def _set_up_postgresql(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT current_setting('synchronous_commit'), current_setting('fsync')")
    commits, flushes = cursor.fetchone()
    if commits == "off":
        # An answered 2xx means committed; a session may ask for that whatever the server is set to.
        cursor.execute("SET SESSION synchronous_commit TO on")
        log.warning("the database has synchronous_commit=off; this service turns it on for itself")
    if flushes == "off":
        log.warning("the database has fsync=off: what was answered may be lost with the power")
    cursor.execute("SET SESSION TimeZone TO 'UTC'")
    connection.commit()
    cursor.close()


def _begin_postgresql(connection: sa.Connection) -> None:
    seconds = connection.get_execution_options().get("lead_patience")
    if seconds is not None:
        connection.exec_driver_sql(
            f"SET LOCAL statement_timeout = {int(2000 * seconds)};"
            f"SET LOCAL lock_timeout = {int(1000 * seconds)}"
        )


# --- SQLite --------------------------------------------------------------------------------------


def _sqlite(url: sa.URL) -> sa.Engine:
    is_file = bool(url.database) and url.database != ":memory:"
    if is_file:
        make_private(Path(str(url.database)).parent)
    options = {"pool_timeout": _POOL_SECONDS} if is_file else {}
    engine = _engine(url, connect_args={"timeout": PATIENCE_SECONDS}, **options)
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    sa.event.listen(engine, "handle_error", _drop_the_read_only)
    if is_file:
        _make_private_file(engine, Path(str(url.database)))
        _follow_the_file(engine, Path(str(url.database)))
    return engine


def _make_private_file(engine: sa.Engine, path: Path) -> None:
    """Make a missing file for this account only; SQLite gives its journals the same rights."""

    def make(*_: object) -> None:
        with suppress(OSError):  # what is there stays as it is, and SQLite tells the rest
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    sa.event.listen(engine, "do_connect", make)


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    # A rollback journal that is cut to nothing costs one change of the folder less than one that
    # is removed; one that is kept (PERSIST) would go on holding what was deleted.
    journal = "WAL" if is_wal_safe(sqlite3.sqlite_version_info) else "TRUNCATE"
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute("PRAGMA journal_size_limit=16777216")
        cursor.execute("PRAGMA busy_timeout=0")
        _take(cursor, f"PRAGMA journal_mode={journal}", PATIENCE_SECONDS)
        cursor.execute(f"PRAGMA busy_timeout={int(1000 * _ASK_SECONDS)}")
        cursor.close()
    except sqlite3.Error:
        connection.close()
        raise


def _drop_the_read_only(context: sa.engine.ExceptionContext) -> None:
    # A file that could only be read when it was opened stays so for its connection, for ever.
    if "readonly database" in str(context.original_exception) and context.connection is not None:
        raw: Any = context.connection.connection.driver_connection
        raw.rollback()  # a connection that is given up is not rolled back, and would hold its lock
        context.is_disconnect = True


def _begin_sqlite(connection: sa.Connection) -> None:
    # A deferred transaction that turns into a writing one fails at once when another process
    # writes, whatever the busy time-out; so the right to write is taken at the start.
    options = connection.get_execution_options()
    patience = options.get("lead_patience", PATIENCE_SECONDS)
    # Past SQLAlchemy's statements, which cost more than the transaction: this is in every score.
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA busy_timeout=0")
    connection.info[_WAITS] = True
    if options.get("lead_reads_only", False):
        cursor.execute("BEGIN")
        _take(cursor, "PRAGMA schema_version", patience)
    else:
        _take(cursor, "BEGIN IMMEDIATE", patience)
    cursor.execute(f"PRAGMA busy_timeout={int(1000 * patience)}")
    cursor.close()


def insert_alone(engine: sa.Engine, statement: str, values: Sequence[Any]) -> int | None:
    """Commit one statement by itself; return its number of rows, None if others were in its way."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        if connection.info.pop(_WAITS, False):
            cursor.execute(f"PRAGMA busy_timeout={int(1000 * _ASK_SECONDS)}")
        cursor.execute(statement, values)
        return int(cursor.rowcount)
    except sqlite3.OperationalError as error:
        if _is_busy(error):
            return None
        # One that could only be read when it was opened would stay so for ever.
        connection.invalidate()
        raise
    finally:
        connection.close()


def _take(cursor: Any, statement: str, seconds: float) -> None:
    """Run a statement that takes a lock, as soon as the lock is free.

    SQLite itself asks again at longer and longer intervals, up to a tenth of a second, and never
    hits the moment between two transactions of a process that writes without a pause.
    """
    ends = time.monotonic() + seconds
    while True:
        try:
            cursor.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > ends:
                raise
        time.sleep(random.uniform(0.0003, 0.0015))


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _follow_the_file(engine: sa.Engine, path: Path) -> None:
    """Drop a connection whose file was removed or put in another's place: it would go on alone."""

    def note(connection: sqlite3.Connection, record: Any) -> None:  # noqa: ARG001
        record.info["lead_file"] = _identity(path)

    def compare(connection: sqlite3.Connection, record: Any, proxy: object) -> None:  # noqa: ARG001
        if record.info.get("lead_file") != _identity(path):
            raise sa.exc.DisconnectionError("the database file is another one")

    sa.event.listen(engine, "connect", note)
    sa.event.listen(engine, "checkout", compare)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_wal_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite is free of the WAL-reset fault (fixed in 3.51.3, 3.50.7 and 3.44.6)."""
    return (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )
