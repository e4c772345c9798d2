"""`lead-train world`: an invented company, as its CRM would export it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from training.commands.console import Json, answer, app, progress

__all__ = ["Encoding", "world"]


class Encoding(StrEnum):
    """What CSV files of Japanese companies come in."""

    UTF_8 = "utf-8"
    UTF_8_BOM = "utf-8-sig"
    CP932 = "cp932"


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

    with progress() as tell:
        tell("Inventing the history")
        made = make_world(WorldSettings(n_leads=leads, seed=seed, prejudice=prejudice))
        write_world(
            made,
            out,
            encoding=encoding.value,
            progress=lambda file, share: tell(f"Writing {file}" if share < 1 else "Written"),
        )
    files = sorted(path.name for path in out.iterdir() if path.is_file())
    answer(
        as_json,
        {"folder": str(out), "leads": leads, "seed": seed, "files": files},
        f"Wrote {len(files)} files to {out}.",
    )
