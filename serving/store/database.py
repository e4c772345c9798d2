"""The engine: how transactions begin, how long anybody waits, how the tables come to be."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from serving.errors import StoreUnavailable
from serving.settings import SettingsInvalid

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["VERSION_TABLE", "Store", "migration_config", "open_store", "upgrade"]

VERSION_TABLE = "lead_serve_version"
"""Alembic's table; MLflow keeps its own beside it when both share a database."""

BUSY_SECONDS = 5
_MIGRATIONS = Path(__file__).parent / "migrations"


class Store:
    """The service's database.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Made by `open_store`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @property
    def engine(self) -> sa.Engine:
        """What connects; for backup and doctor, which begin transactions of their own kind."""
        return self._engine

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give a transaction that holds the right to write from its first statement.

        Raises
        ------
        StoreUnavailable
            If the database cannot be reached, or stays locked.
        """
        with _as_unavailable(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection for reading; several may read while one writes."""
        reader = self._engine.execution_options(lead_reads_only=True)
        with _as_unavailable(), reader.connect() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the tables to the newest version, all or nothing."""
        with self.writing() as connection:
            upgrade(connection)

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


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Bring the tables to a version, inside the transaction of `connection`."""
    from alembic import command

    config = migration_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def migration_config() -> Config:
    """Return where the migrations lie and which table counts them."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["version_table"] = VERSION_TABLE
    return config


def open_store(address: str) -> Store:
    """Return the store at an SQLAlchemy address; nothing is connected yet.

    Raises
    ------
    SettingsInvalid
        If the address cannot be read or its driver is not installed; it is not repeated, since it
        may hold a password.
    """
    try:
        url = sa.make_url(address)
        if url.get_backend_name() == "postgresql" and url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() == "sqlite":
            return Store(_sqlite(url))
        return Store(
            _engine(url, pool_pre_ping=True, pool_timeout=5, connect_args={"connect_timeout": 5})
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise SettingsInvalid(
            "LEAD_DATABASE_URL cannot be used: it is no SQLAlchemy address, or its driver is "
            "not installed. Expected sqlite:///FILE, or postgresql://… with the extra "
            "lead-quality[postgresql]."
        ) from error


def _engine(url: sa.URL, **options: Any) -> sa.Engine:
    return sa.create_engine(
        url,
        json_serializer=lambda content: orjson.dumps(content).decode(),
        json_deserializer=orjson.loads,
        **options,
    )


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(url, connect_args={"timeout": BUSY_SECONDS})
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(
        f"PRAGMA journal_mode={'WAL' if _is_wal_safe(sqlite3.sqlite_version_info) else 'DELETE'}"
    )
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A deferred transaction that turns into a writing one fails at once when another process
    # writes, whatever the busy time-out; so the right to write is taken at the start.
    reads_only = connection.get_execution_options().get("lead_reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def _is_wal_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite is free of the WAL-reset fault (fixed in 3.51.3, 3.50.7 and 3.44.6)."""
    return (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreUnavailable(
            f"The database of scores and approvals does not answer ({type(error).__name__}). "
            "Check that it runs, that its file can be written, and `lead-serve migrate`."
        ) from error
