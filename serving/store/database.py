"""The store: who writes when, how long anybody waits, how the tables come to be."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from serving.errors import StoreUnavailable
from serving.store.engine import PATIENCE_SECONDS, as_unavailable, insert_alone, make_engine

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = [
    "NEWEST",
    "VERSION_TABLE",
    "Store",
    "as_unavailable",
    "migration_config",
    "open_store",
    "upgrade",
]

log = logging.getLogger("lead_serve")

VERSION_TABLE = "lead_serve_version"
"""Alembic's table; MLflow keeps its own beside it when both share a database."""

NEWEST = "0003"
"""The newest migration; known here, so that a start with new tables need not load Alembic."""

_KNOWN = ("0001", "0002", NEWEST)
_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_SECONDS = 600.0
_MIGRATION_LOCK = 0x1EAD5E12
_TRIES = 6
_GAP_SECONDS = 0.002
_AGAIN = frozenset({"40001", "40P01"})
"""PostgreSQL's "could not serialise" and "deadlock": the same transaction may go through later."""

_Told = TypeVar("_Told")


class Store:
    """The service's database.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Made by `open_store`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(
            lead_reads_only=True, lead_patience=PATIENCE_SECONDS
        )
        self._writer = engine.execution_options(lead_patience=PATIENCE_SECONDS)
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._turn = threading.Lock()
        self._free_since = 0.0

    @property
    def engine(self) -> sa.Engine:
        """What connects; for backup and doctor, which begin transactions of their own kind."""
        return self._engine

    @contextmanager
    def writing(self, patience: float = PATIENCE_SECONDS) -> Iterator[sa.Connection]:
        """Give a transaction that holds the right to write from its first statement.

        Parameters
        ----------
        patience : float
            Seconds to wait for other writers of this process, and again for other processes.

        Raises
        ------
        StoreUnavailable
            If the database cannot be reached, or stays locked.
        """
        engine = self._writer
        if patience != PATIENCE_SECONDS:
            engine = engine.execution_options(lead_patience=patience)
        with self._in_turn(patience), as_unavailable(), engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection for reading; several may read while one writes."""
        with as_unavailable(), self._reader.connect() as connection:
            yield connection

    def write(self, work: Callable[[sa.Connection], _Told]) -> _Told:
        """Return what `work` returns; its transaction is run again when others were in its way.

        Raises
        ------
        StoreUnavailable
            If the database cannot be reached, or stays locked.
        """
        for attempt in range(_TRIES):
            try:
                with self.writing() as connection:
                    return work(connection)
            except StoreUnavailable as error:
                if attempt == _TRIES - 1 or _state_of(error) not in _AGAIN:
                    raise
                time.sleep(random.uniform(0.005, 0.03) * (attempt + 1))
        raise AssertionError  # the last attempt returns or raises

    def insert_at_once(self, statement: str, values: Sequence[Any]) -> int:
        """Commit one statement of SQLite by itself, and return how many rows it inserted.

        That is a transaction of one call to the driver.

        Each call lets go of the interpreter, and to get it back from a busy event loop takes up to
        five milliseconds; a transaction of many calls would spend most of its time on that.
        """
        with self._in_turn(PATIENCE_SECONDS), as_unavailable():
            n_rows = insert_alone(self._engine, statement, values)
            if n_rows is None:
                with self._writer.begin() as connection:
                    n_rows = connection.exec_driver_sql(statement, tuple(values)).rowcount
            return n_rows

    def forget(self) -> None:
        """Leave nothing of deleted rows behind in the write-ahead log, where there is one.

        Raises
        ------
        StoreUnavailable
            If others read from the log for too long: then it still holds what was deleted.
        """
        if not self._is_sqlite:
            return
        ends = time.monotonic() + PATIENCE_SECONDS
        while True:
            with as_unavailable(), self._engine.connect() as connection:
                raw: Any = connection.connection.driver_connection
                is_kept = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if not is_kept:
                return
            if time.monotonic() > ends:
                raise StoreUnavailable(
                    "The rows are deleted, but the write-ahead log could not be emptied while "
                    "others read from it. Delete again in a moment."
                )
            time.sleep(random.uniform(0.005, 0.03))

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to a version, the newest by default, all or nothing.

        Two processes may try at the same time: one does the work, the other waits for it. Tables
        of a newer program are left as they are.
        """
        found = self._version()
        if revision == "head" and found is not None and found not in _KNOWN:
            log.warning("the tables are those of a newer release (%s); they stay so", found)
            return
        if found == (NEWEST if revision == "head" else revision):
            return
        with self.writing(_MIGRATION_SECONDS) as connection:
            if not self._is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            if found is not None and (revision == "base" or revision < found):
                downgrade(connection, revision)
            else:
                upgrade(connection, revision)

    def check(self) -> None:
        """Ask the database for a sign of life.

        Raises
        ------
        StoreUnavailable
            If there is none.
        """
        with self.reading() as connection:
            connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def _in_turn(self, patience: float) -> Iterator[None]:
        # SQLite lets one write at a time, and those who wait would only ask again and again.
        if not self._is_sqlite:
            yield
            return
        if not self._turn.acquire(timeout=patience):
            raise StoreUnavailable(
                "The database of scores and approvals is busy: others have been writing for "
                f"{patience:g} seconds. Try again."
            )
        try:
            # Who waits in another process asks every millisecond, and has to come in between.
            time.sleep(max(0.0, self._free_since + _GAP_SECONDS - time.monotonic()))
            yield
        finally:
            self._free_since = time.monotonic()
            self._turn.release()

    def _version(self) -> str | None:
        with self.reading() as connection:
            if not sa.inspect(connection).has_table(VERSION_TABLE):
                return None
            asked = sa.text(f"SELECT version_num FROM {VERSION_TABLE}")
            return connection.execute(asked).scalar()


def open_store(address: str) -> Store:
    """Return the store at an SQLAlchemy address; nothing is connected yet.

    Raises
    ------
    SettingsInvalid
        If the address cannot be read or its driver is not installed; it is not repeated, since it
        may hold a password.
    """
    return Store(make_engine(address))


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Bring the tables up to a version, inside the transaction of `connection`."""
    from alembic import command

    config = migration_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def downgrade(connection: sa.Connection, revision: str) -> None:
    """Take the tables back to a version, with what later ones hold, inside the transaction."""
    from alembic import command

    config = migration_config()
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


def migration_config() -> Config:
    """Return where the migrations lie and which table counts them."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["version_table"] = VERSION_TABLE
    return config


def _state_of(error: StoreUnavailable) -> str:
    driver: Any = getattr(error.__cause__, "orig", None)
    return str(getattr(driver, "sqlstate", ""))
