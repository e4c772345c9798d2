"""`lead-train results`: figures on the real data sets."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from training.commands.console import app, messages, progress

__all__ = ["results"]


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
    with progress() as tell:
        chosen = [known for known in TASKS if task in known.name]
        for row in real_results(data, examples, tasks=chosen, tell=tell):
            rows.append(row)
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()
    if markdown:
        page = examples.parent / "results.md"
        before = page.read_text("utf-8") if page.exists() else ""
        page.write_text(as_markdown(rows, before), encoding="utf-8")
        messages.print(f"Wrote {page}.")
