"""``lead-serve``: every command of the service."""

from __future__ import annotations

import sys

import typer

from features.errors import LeadQualityError
from serving.commands.account import account_app
from serving.commands.approve import approve, models, rollback
from serving.commands.backup import backup, restore
from serving.commands.doctor import doctor
from serving.commands.exchange import export, import_events, prune
from serving.commands.key import key_app
from serving.commands.migrate import migrate
from serving.commands.retract import retract
from serving.commands.serve import serve
from serving.settings import describe_settings

__all__ = ["app", "main"]

_SETTINGS = "\n\n".join(
    f"**{name}** (default {default or 'empty'}): {meaning}"
    for name, default, meaning in describe_settings()
)

app = typer.Typer(
    name="lead-serve",
    help="Scores leads over HTTP and says why, in Japanese and English.",
    epilog=f"Settings are environment variables.\n\n{_SETTINGS}",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    serve,
    approve,
    rollback,
    models,
    migrate,
    doctor,
    backup,
    restore,
    export,
    import_events,
    retract,
    prune,
):
    app.command()(command)
for family in (key_app, account_app):
    app.add_typer(family)


def main() -> None:
    """Run the command line: 0 done, 1 the input says no, 2 wrong use."""
    try:
        app()
    except LeadQualityError as error:
        from rich.console import Console

        Console(stderr=True, highlight=False, soft_wrap=True).print(str(error), markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
