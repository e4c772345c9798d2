"""`lead-train retrain`: the loop that a clock can run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.console import Json, answer, app, progress
from training.settings import TrainSettings

__all__ = ["EXIT_CODES", "retrain"]

EXIT_CODES = {"proposed": 0, "nothing_new": 10, "refused": 11}
RUNNING = 12


@app.command()
def retrain(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of leads*, events* and behaviours* files.")
    ] = None,
    leads: Annotated[
        list[Path] | None, typer.Option("--leads", help="Exported files instead of a folder.")
    ] = None,
    source_map: Annotated[
        Path | None, typer.Option(help="How the exported files are read (YAML).")
    ] = None,
    definition: Annotated[
        Path | None, typer.Option(help="The agreement (YAML); the champion's by default.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Registered model; LEAD_MODEL_NAME by default.")
    ] = None,
    again: Annotated[
        bool, typer.Option(help="Train although these files have been learnt from.")
    ] = False,
    use_good_rows: Annotated[
        bool, typer.Option(help="Leave out rows with findings instead of stopping.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Learn a challenger from new files, judge it against the champion, propose it if it passes.

    Exit codes: 0 proposed, 10 nothing new, 11 kept out by the gate, 12 another one is running.
    """
    from training.retrain import AlreadyRunning, Files, retrain_files

    if (folder is None) == (not leads) or (leads is not None and bool(leads) != bool(source_map)):
        raise typer.BadParameter("give either a folder, or --leads files with a --source-map")
    settings = TrainSettings()
    try:
        with progress() as tell:
            done = retrain_files(
                Files(folder, tuple(leads or ()), source_map, definition),
                settings,
                name=name,
                again=again,
                use_good_rows=use_good_rows,
                tell=tell,
            )
    except AlreadyRunning as running:
        typer.echo(str(running), err=True)
        raise typer.Exit(RUNNING) from running
    answer(as_json, done.document(), done.in_words())
    raise typer.Exit(EXIT_CODES[done.status])
