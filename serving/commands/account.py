"""``lead-serve account``: the people who sign in to the pages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from serving.commands.who import account_name
from serving.settings import read_settings

if TYPE_CHECKING:
    from serving.store.accounts import Accounts

__all__ = ["account_app"]

account_app = typer.Typer(
    name="account", help="The people who sign in to the pages.", no_args_is_help=True
)

NameArgument = Annotated[str, typer.Argument(help="The name the person signs in with.")]


@contextmanager
def _accounts() -> Iterator[Accounts]:
    from serving.store import open_store
    from serving.store.accounts import Accounts

    store = open_store(read_settings().database_address)
    try:
        store.migrate()
        yield Accounts(store)
    finally:
        store.close()


@account_app.command("add")
def add(
    name: NameArgument,
    scope: Annotated[
        list[str],
        typer.Option(help="What the person may do; read opens the pages. Several with commas."),
    ] = ["read"],  # noqa: B006 - the command line's default, never changed
) -> None:
    """Make an account. The password is asked for, or read from standard input."""
    from serving.guard.accounts import make_account

    account = make_account(name, scope, _password(), datetime.now(UTC))
    with _accounts() as accounts:
        accounts.add(account, account_name())
    typer.echo(f"{account.name} may sign in ({', '.join(sorted(account.scopes))}).")


@account_app.command("list")
def show() -> None:
    """List all accounts."""
    with _accounts() as accounts:
        found = accounts.all()
    if not found:
        typer.echo("There is no account yet. Make one: lead-serve account add NAME")
    for account in found:
        state = "" if account.disabled_at is None else f"  disabled {account.disabled_at:%F}"
        rights = ",".join(sorted(account.scopes))
        typer.echo(f"{account.name}  {rights}  since {account.made_at:%F}{state}")


@account_app.command("disable")
def disable(name: NameArgument) -> None:
    """Let a person in no more, and end what they have open."""
    with _accounts() as accounts:
        accounts.disable(name, datetime.now(UTC), account_name())
    typer.echo(f"{name} is signed out and may not sign in. A new password opens the account again.")


@account_app.command("password")
def password(name: NameArgument) -> None:
    """Set a new password, asked for or read from standard input; open sessions end."""
    from serving.guard.accounts import hash_password

    hashed = hash_password(_password())
    with _accounts() as accounts:
        accounts.set_password(name, hashed, datetime.now(UTC), account_name())
    typer.echo(f"{name} has a new password.")


def _password() -> str:
    # Never an argument: every user of the machine can read those.
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")
