"""``lead-serve retract``: take back what one caller has sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from serving.commands.who import account_name
from serving.settings import read_settings

__all__ = ["retract"]


def retract(
    sender: Annotated[str, typer.Argument(help="Name of the key or account that sent it.")],
    since: Annotated[
        str, typer.Option(help="When it came, at the earliest: 2026-11-20T09:00+09:00.")
    ],
) -> None:
    """Take back every event that one caller has sent since a moment, such as with a stolen key."""
    from serving.records.taking_back import take_back
    from serving.store import open_store
    from serving.store.actions import Action, Actions

    begin = _moment(since)
    store = open_store(read_settings().database_address)
    try:
        store.migrate()
        by = account_name()
        told = {"sender": sender, "since": begin.isoformat()}
        # Noted first: when the database fails in between, a part has been taken back.
        Actions(store).add(Action(datetime.now(UTC), by, "retraction_begun", told))
        n = take_back(store, sender, begin, f"retract {by}", lambda: datetime.now(UTC))
        Actions(store).add(Action(datetime.now(UTC), by, "events_retracted", told | {"n": n}))
    finally:
        store.close()
    typer.echo(f"{n:,} event(s) taken back. Nothing was deleted.")


def _moment(written: str) -> datetime:
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise typer.BadParameter("--since is a time such as 2026-11-20T09:00+09:00") from error
    if found.tzinfo is None:
        raise typer.BadParameter("--since needs an offset, such as +09:00")
    return found.astimezone(UTC)
