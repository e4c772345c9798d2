"""What `lead-train` can do: make a world, train, propose.

With ``--json`` standard output carries one JSON document; all else goes to standard error.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from features.errors import LeadQualityError
from training.settings import TrainSettings, describe_settings

__all__ = ["NoStoreYet", "app"]

app = typer.Typer(
    name="lead-train",
    help="Train models of lead quality and propose them.",
    epilog=describe_settings(),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
_messages = Console(stderr=True, soft_wrap=True, highlight=False)


class Encoding(StrEnum):
    """What CSV files of Japanese companies come in."""

    UTF_8 = "utf-8"
    UTF_8_BOM = "utf-8-sig"
    CP932 = "cp932"


class NoStoreYet(LeadQualityError):
    """Nothing has been trained, so there is no registry to ask."""

    status = 404


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


@app.command()
def world(
    out: Annotated[Path, typer.Option(help="Folder to write; must not exist or be empty.")],
    leads: Annotated[
        int, typer.Option(min=200, max=2_000_000, help="Leads of the history.")
    ] = 8000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same files, byte for byte.")] = 7,
    prejudice: Annotated[
        float,
        typer.Option(min=0, max=10, help="How strongly sales dislikes small firms and webinars."),
    ] = 1.5,
    encoding: Annotated[Encoding, typer.Option(help="Encoding of the CSV files.")] = Encoding.UTF_8,
    as_json: Json = False,
) -> None:
    """Invent the history of a Japanese B2B company and write it as its CRM would export it."""
    from training.worlds import WorldSettings, make_world, write_world

    with _progress() as tell:
        tell("Inventing the history")
        made = make_world(WorldSettings(n_leads=leads, seed=seed, prejudice=prejudice))
        write_world(
            made,
            out,
            encoding=encoding.value,
            progress=lambda file, share: tell(f"Writing {file}" if share < 1 else "Written"),
        )
    files = sorted(path.name for path in out.iterdir() if path.is_file())
    _answer(
        as_json,
        {"folder": str(out), "leads": leads, "seed": seed, "files": files},
        f"Wrote {len(files)} files to {out}.",
    )


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
    from training.pipeline import train as train_files
    from training.recipe import Recipe

    settings = TrainSettings()
    started = time.monotonic()
    with _progress() as tell:
        model = train_files(
            [*leads, *(more or [])],
            source_map,
            definition,
            recipe=Recipe(seed=settings.seed),
            use_good_rows=use_good_rows,
            tell=tell,
        )
        tell("Logging the run and registering the model")
        registered = model.log(settings, name=name)
    for finding in model.findings:
        _messages.print(f"[yellow]note[/yellow] {finding}", markup=True)
    document = {
        "name": registered.name,
        "version": registered.version,
        "run_id": registered.run_id,
        "model_digest": registered.model_digest,
        "seconds": round(time.monotonic() - started, 1),
        **model.summary(),
    }
    _answer(as_json, document, model.in_words(registered))


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
    _check_store(settings)
    with _progress() as tell:
        tell("Asking the registry")
        found = propose(settings, name or settings.model_name, version)
    named = "" if found.name == settings.model_name else f" --name {shlex.quote(found.name)}"
    _answer(
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


@app.command()
def results(
    data: Annotated[Path, typer.Option(help="Folder with the real data sets.")],
    examples: Annotated[
        Path, typer.Option(help="Folder with their definitions and source maps.")
    ] = Path("docs/examples"),
    markdown: Annotated[bool, typer.Option(help="Write docs/results.md too.")] = False,
    task: Annotated[str, typer.Option(help="Only tasks whose name holds this.")] = "",
) -> None:
    """Print the figures on real data, one JSON object for each task and model."""
    from training.results import TASKS, as_markdown, real_results

    rows = []
    with _progress() as tell:
        chosen = [known for known in TASKS if task in known.name]
        for row in real_results(data, examples, tasks=chosen, tell=tell):
            rows.append(row)
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()
    if markdown:
        page = examples.parent / "results.md"
        page.write_text(as_markdown(rows), encoding="utf-8")
        _messages.print(f"Wrote {page}.")


def _check_store(settings: TrainSettings) -> None:
    """Refuse before MLflow would make an empty store where there is none."""
    address = settings.tracking_address
    if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).is_file():
        raise NoStoreYet(
            f"There is no MLflow store yet at {address}; train first: lead-train train. "
            "If you trained elsewhere, set LEAD_HOME or LEAD_TRACKING_URI as you did there."
        )


@contextmanager
def _progress() -> Iterator[Any]:
    """Show the current step with its time on standard error; plain lines without a terminal."""
    if not _messages.is_terminal:
        started = time.monotonic()
        yield lambda step: _messages.print(
            f"{time.monotonic() - started:6.1f} s  {step}", markup=False
        )
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=_messages, transient=False) as shown:
        current: list[Any] = []

        def tell(step: str) -> None:
            for task in current:
                shown.update(task, total=1, completed=1)
            current[:] = [shown.add_task(step, total=None)]

        yield tell
        for task in current:
            shown.update(task, total=1, completed=1)


def _answer(as_json: bool, document: dict[str, Any], words: str) -> None:
    if as_json:
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        typer.echo(words)
