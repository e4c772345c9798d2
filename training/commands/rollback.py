"""`lead-train rollback`: the champion before this one is champion again."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from training.commands.console import Json, answer, app, check_store, progress
from training.settings import TrainSettings

__all__ = ["rollback"]


@app.command()
def rollback(
    name: Annotated[
        str | None, typer.Option(help="Registered model; LEAD_MODEL_NAME by default.")
    ] = None,
    by: Annotated[str, typer.Option(help="Who goes back; kept in the registry.")] = "",
    why: Annotated[str, typer.Option(help="The reason; kept in the registry.")] = "",
    as_json: Json = False,
) -> None:
    """Go back to the champion before this one."""
    from training.promotion import rollback as go_back

    settings = TrainSettings()
    check_store(settings)
    with progress() as tell:
        tell("Asking the registry")
        done = go_back(settings, name or settings.model_name, by=by, why=why)
    found = done.registered
    named = "" if found.name == settings.model_name else f" --name {shlex.quote(found.name)}"
    answer(
        as_json,
        done.document(),
        f"Version {found.version} of {found.name} is the champion again, instead of "
        f"{done.before}. The service goes on with what was approved last; to take it back too: "
        f"lead-serve approve {found.version}{named} --why '…'",
    )
