"""What all commands of `lead-train` share: the application, its messages, its answers.

With ``--json`` standard output carries one JSON document; all else goes to standard error.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from features.errors import LeadQualityError
from training.settings import TrainSettings, describe_settings

__all__ = ["Json", "NoStoreYet", "answer", "app", "check_store", "messages", "progress"]

app = typer.Typer(
    name="lead-train",
    help="Train models of lead quality and propose them.",
    epilog=describe_settings(),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
messages = Console(stderr=True, soft_wrap=True, highlight=False)


class NoStoreYet(LeadQualityError):
    """Nothing has been trained, so there is no registry to ask."""

    status = 404


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def check_store(settings: TrainSettings) -> None:
    """Refuse before MLflow would make an empty store where there is none."""
    from training.model_store import has_store

    if not has_store(settings):
        raise NoStoreYet(
            f"There is no MLflow store yet at {settings.tracking_address}; train first: "
            "lead-train train. If you trained elsewhere, set LEAD_HOME or LEAD_TRACKING_URI as "
            "you did there."
        )


@contextmanager
def progress() -> Iterator[Any]:
    """Show the current step with its time on standard error; plain lines without a terminal."""
    if not messages.is_terminal:
        started = time.monotonic()
        yield lambda step: messages.print(
            f"{time.monotonic() - started:6.1f} s  {step}", markup=False
        )
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=False) as shown:
        current: list[Any] = []

        def tell(step: str) -> None:
            for task in current:
                shown.update(task, total=1, completed=1)
            current[:] = [shown.add_task(step, total=None)]

        yield tell
        for task in current:
            shown.update(task, total=1, completed=1)


def answer(as_json: bool, document: dict[str, Any], words: str) -> None:
    if as_json:
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        typer.echo(words)
