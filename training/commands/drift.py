"""`lead-train drift`: are the newest leads still those that the model learnt from?"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from training.commands.console import Json, answer, app, check_store, messages, progress
from training.settings import TrainSettings

__all__ = ["ALARM", "drift"]

ALARM = 3
"""Exit code of a watch that found a change."""


@app.command()
def drift(
    leads: Annotated[list[Path], typer.Option("--leads", help="Exported files, one or more.")],
    source_map: Annotated[Path, typer.Option(help="How the files are read (YAML).")],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="More files.")
    ] = None,
    definition: Annotated[
        Path | None, typer.Option(help="The agreement (YAML); the model's own by default.")
    ] = None,
    version: Annotated[str, typer.Option(help="Version of the model, or champion.")] = "champion",
    name: Annotated[
        str | None, typer.Option(help="Registered model; LEAD_MODEL_NAME by default.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day to look at; the last week by default."),
    ] = None,
    use_good_rows: Annotated[
        bool, typer.Option(help="Leave out rows with findings instead of stopping.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare the newest leads with those that a model learnt from, and say what changed.

    Exit codes: 0 nothing has clearly changed; 3 something has; 1 the files or the model cannot be
    used; 2 wrong use.
    """
    from features.definition import load_definition
    from features.leads import read_history
    from features.source_map import load_source_map
    from training.drift import watch_drift
    from training.registry import load_version

    settings = TrainSettings()
    check_store(settings)
    with progress() as tell:
        tell("Fetching the model")
        scorer = load_version(settings, name or settings.model_name, version)
        agreed = scorer.definition if definition is None else load_definition(definition)
        tell("Reading and checking the leads")
        history = read_history(
            [*leads, *(more or [])],
            agreed,
            load_source_map(source_map),
            use_good_rows=use_good_rows,
        )
        tell("Comparing")
        first = None if since is None else since.replace(tzinfo=agreed.zone)
        watch = watch_drift(scorer, history, agreed, since=first)
    for finding in history.findings:
        messages.print(f"note {finding}", markup=False)
    answer(as_json, watch.document(), watch.in_words(agreed.zone, agreed.language))
    if watch.alarms:
        raise typer.Exit(ALARM)
