"""`lead-train report`: fetch the report of a version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.console import Json, answer, app, check_store, progress
from training.settings import TrainSettings

__all__ = ["report"]


@app.command()
def report(
    version: Annotated[str, typer.Argument(help="Version, or champion for the model in use.")],
    out: Annotated[Path, typer.Option(help="File to write; an existing one is replaced.")],
    name: Annotated[
        str | None, typer.Option(help="Registered model; LEAD_MODEL_NAME by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the report of a version to a file: one page in Japanese and English."""
    from training.registry import load_report

    settings = TrainSettings()
    check_store(settings)
    with progress() as tell:
        tell("Asking the registry")
        found, page = load_report(settings, name or settings.model_name, version)
        out.write_text(page, encoding="utf-8")
    answer(
        as_json,
        {"name": found.name, "version": found.version, "file": str(out)},
        f"Wrote the report of version {found.version} of {found.name} to {out}.",
    )
