"""`lead-train train`: the main job."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from training.commands.console import Json, answer, app, messages, progress
from training.settings import TrainSettings

__all__ = ["train"]


@app.command()
def train(
    leads: Annotated[list[Path], typer.Option("--leads", help="Exported files, one or more.")],
    source_map: Annotated[Path, typer.Option(help="How the files are read (YAML).")],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="More files.")
    ] = None,
    definition: Annotated[
        Path | None, typer.Option(help="The agreement (YAML); packaged one by default.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Registered model; LEAD_MODEL_NAME by default.")
    ] = None,
    use_good_rows: Annotated[
        bool, typer.Option(help="Leave out rows with findings instead of stopping.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train on exported files, judge the model on the newest leads, and register it.

    All that is random starts from the setting LEAD_SEED.
    """
    from training.pipeline import Rules
    from training.pipeline import train as train_files
    from training.recipe import Recipe
    from training.registry import load_champion

    settings = TrainSettings()
    started = time.monotonic()
    with progress() as tell:
        tell("Asking the registry for the champion")
        champion = load_champion(settings, name or settings.model_name)
        model = train_files(
            [*leads, *(more or [])],
            source_map,
            definition,
            recipe=Recipe(seed=settings.seed),
            rules=Rules(
                champion, settings.choice_seconds, settings.home / "trials", settings.draws
            ),
            use_good_rows=use_good_rows,
            tell=tell,
        )
        tell("Logging the run and registering the model")
        registered = model.log(settings, name=name)
    for finding in model.findings:
        messages.print(f"[yellow]note[/yellow] {finding}", markup=True)
    document = {
        "name": registered.name,
        "version": registered.version,
        "run_id": registered.run_id,
        "model_digest": registered.model_digest,
        "seconds": round(time.monotonic() - started, 1),
        **model.summary(),
    }
    answer(as_json, document, model.in_words(registered))
