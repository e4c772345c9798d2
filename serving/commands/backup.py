"""``lead-serve backup`` and ``restore``: all rows and models, in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.settings import read_settings

if TYPE_CHECKING:
    from serving.records.backup import Contents

__all__ = ["backup", "restore"]


def backup(
    file: Annotated[Path, typer.Argument(help="File to write, e.g. leads-2026-11-22.zip.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite a file that is there already.")
    ] = False,
) -> None:
    """Write all rows and approved models into one file, while the service runs."""
    from serving.records.backup import back_up

    settings = read_settings()
    with _progress() as tell:
        contents = back_up(settings, file, replaces=replace, tell=tell)
    typer.echo(f"{file} holds {_told(contents)}.")
    for digest in contents.left_out:
        typer.echo(
            f"Left out: approved model {digest[:12]}…, whose folder is missing or damaged.",
            err=True,
        )
    typer.echo("It holds personal data as the database does: keep it where only you can read it.")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `lead-serve backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete what the database holds now.")
    ] = False,
) -> None:
    """Read a backup into the database and the home, all or nothing; SQLite and PostgreSQL alike."""
    from serving.records.restore import restore as put_back

    settings = read_settings()
    with _progress() as tell:
        contents = put_back(settings, file, replaces=replace, tell=tell)
    typer.echo(f"Restored {_told(contents)}, as of {contents.made_at}.")
    typer.echo(
        "Leads deleted and keys revoked since then are back: delete and revoke them again. "
        "People sign in again. Check with: lead-serve doctor"
    )


def _told(contents: Contents) -> str:
    n_rows = sum(contents.rows.values())
    return f"{n_rows:,} row(s) of {len(contents.rows)} tables and {len(contents.models)} model(s)"


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int | None], None]]:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    shown: dict[str, TaskID] = {}
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:

        def tell(what: str, done: int, of: int | None) -> None:
            if what not in shown:
                shown[what] = progress.add_task(what, total=of)
            progress.update(shown[what], completed=done, total=of)

        yield tell
