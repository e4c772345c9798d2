"""``lead-serve migrate``: bring the tables of the database up to date."""

from __future__ import annotations

import typer

from serving.settings import read_settings

__all__ = ["migrate"]


def migrate() -> None:
    """Bring the tables of the database up to date."""
    from serving.store import open_store

    store = open_store(read_settings().database_address)
    try:
        store.migrate()
    finally:
        store.close()
    typer.echo("The tables are up to date.")
