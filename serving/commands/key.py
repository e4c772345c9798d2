"""``lead-serve key``: make, list, rotate and revoke the keys by which programs call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from serving.commands.who import account_name
from serving.settings import read_settings

if TYPE_CHECKING:
    from serving.store.keys import Key, Keys

__all__ = ["key_app"]

key_app = typer.Typer(
    name="key", help="The keys by which programs call the service.", no_args_is_help=True
)

ScopeOption = Annotated[
    list[str],
    typer.Option(
        help="What it may do: score, events, read, export, promote, admin. Give it several times, "
        "or several with commas."
    ),
]
DaysOption = Annotated[
    int | None, typer.Option(min=1, max=3_650, help="Days until it expires; never if left out.")
]
KeyIdArgument = Annotated[str, typer.Argument(help="The eight characters after lq_.")]


@contextmanager
def _keys() -> Iterator[Keys]:
    from serving.store import open_store
    from serving.store.keys import Keys

    store = open_store(read_settings().database_address)
    try:
        store.migrate()
        yield Keys(store)
    finally:
        store.close()


@key_app.command("add")
def add(
    name: Annotated[str, typer.Option(help="What it is for, such as hubspot.")],
    scope: ScopeOption,
    days: DaysOption = None,
) -> None:
    """Make a key. It is printed once, on standard output, and kept nowhere."""
    from serving.guard.keys import make_key

    key, shown = make_key(name, scope, by=account_name(), now=datetime.now(UTC), days=days)
    with _keys() as keys:
        keys.add(key)
    _show_once(key, shown)


@key_app.command("list")
def show() -> None:
    """List all keys, the latest first; never a secret."""
    now = datetime.now(UTC)
    with _keys() as keys:
        found = keys.all()
    if not found:
        typer.echo("There is no key yet. Make one: lead-serve key add --name first --scope score")
    for key in found:
        if key.revoked_at is not None:
            state = f"revoked {key.revoked_at:%Y-%m-%d}"
        elif not key.is_active(now):
            state = f"expired {key.expires_at:%Y-%m-%d}"
        else:
            state = "opens for good" if key.expires_at is None else f"until {key.expires_at:%F}"
        used = "never used" if key.last_used_at is None else f"used {key.last_used_at:%F %H:%M}Z"
        rights = ",".join(sorted(key.scopes))
        typer.echo(f"lq_{key.key_id}_…  {key.name}  {rights}  {state}  {used}")


@key_app.command("rotate")
def rotate(
    key_id: KeyIdArgument,
    days: DaysOption = None,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=24 * 90, help="How long the old one still opens.")
    ] = 24.0,
) -> None:
    """Make the next key of the same name and rights; the old one ends after an overlap."""
    from serving.guard.keys import make_key

    now = datetime.now(UTC)
    with _keys() as keys:
        old = keys.one(_bare(key_id))
        key, shown = make_key(old.name, old.scopes, by=account_name(), now=now, days=days)
        keys.rotate(old.key_id, key, now + timedelta(hours=overlap_hours))
    _show_once(key, shown)
    rest = f"still opens for {overlap_hours:g} hours" if overlap_hours else "opens no more"
    typer.echo(f"lq_{old.key_id}_… {rest}.", err=True)


@key_app.command("revoke")
def revoke(key_id: KeyIdArgument) -> None:
    """End a key; running services turn it away within two seconds."""
    with _keys() as keys:
        key = keys.revoke(_bare(key_id), datetime.now(UTC), account_name())
    typer.echo(f"lq_{key.key_id}_… ({key.name}) is revoked.")


def _bare(key_id: str) -> str:
    # As `key list` shows it, or only the eight characters; of a whole key nothing more is used.
    return key_id.removeprefix("lq_")[:8]


def _show_once(key: Key, shown: str) -> None:
    rights = ", ".join(sorted(key.scopes))
    ends = "does not expire" if key.expires_at is None else f"expires on {key.expires_at:%Y-%m-%d}"
    typer.echo(
        f"Key lq_{key.key_id}_… for {key.name} may: {rights}. It {ends}, and is shown only now:",
        err=True,
    )
    typer.echo(shown)
