"""`lead-train inspect`: draft the two files that people edit, and say what is suspect."""

from __future__ import annotations

import shlex
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from training.commands.console import Json, answer, app, progress

__all__ = ["Language", "inspect"]


class Language(StrEnum):
    """Of questions and comments."""

    JA = "ja"
    EN = "en"


@app.command()
def inspect(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Exports: CSV, Excel or Parquet.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the two drafts.")],
    earlier: Annotated[
        Path | None,
        typer.Option(help="The lead table exported earlier: shows which fields change later."),
    ] = None,
    language: Annotated[
        Language | None, typer.Option(help="Of questions and comments; that of the headings.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace drafts that are there already.")] = False,
    as_json: Json = False,
) -> None:
    """Draft a definition and a source map for exports of leads, and list what is suspect."""
    from training.drafting.draft import draft_files
    from training.drafting.saving import check_folder, write_files
    from training.drafting.summary import summarise
    from training.drafting.words import DEFINITION_FILE, SOURCE_MAP_FILE

    names = [DEFINITION_FILE, SOURCE_MAP_FILE]
    check_folder(out, names, force=force)
    with progress() as tell:
        draft = draft_files(
            files,
            today=date.today(),  # noqa: DTZ011 - the day of whoever asks
            earlier=earlier,
            language=None if language is None else language.value,
            tell=tell,
        )
        tell("Writing the drafts")
        texts = {DEFINITION_FILE: draft.definition_text, SOURCE_MAP_FILE: draft.source_map_text}
        write_files(out, texts, force=force)
    command = shlex.join(
        ["lead-train", "train", "--leads", *map(str, files),
         "--source-map", str(out / SOURCE_MAP_FILE), "--definition", str(out / DEFINITION_FILE)]
    )  # fmt: skip
    answer(
        as_json,
        draft.document() | {"folder": str(out), "next": command},
        summarise(draft, out, command),
    )
