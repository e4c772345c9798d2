"""`lead-train promote`: propose a version as champion."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from training.commands.console import Json, answer, app, check_store, progress
from training.settings import TrainSettings

__all__ = ["promote"]


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="Version that `lead-train train` printed.")],
    name: Annotated[
        str | None, typer.Option(help="Registered model; LEAD_MODEL_NAME by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Propose a version as champion; `lead-serve approve` decides whether it is served."""
    from training.registry import promote as propose

    settings = TrainSettings()
    check_store(settings)
    with progress() as tell:
        tell("Asking the registry")
        found = propose(settings, name or settings.model_name, version)
    named = "" if found.name == settings.model_name else f" --name {shlex.quote(found.name)}"
    answer(
        as_json,
        {
            "name": found.name,
            "version": found.version,
            "alias": "champion",
            "model_digest": found.model_digest,
        },
        f"Version {found.version} of {found.name} is now the champion. "
        f"Let it serve with: lead-serve approve {found.version}{named} --why '…'",
    )
