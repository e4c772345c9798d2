"""`lead-train promote`: propose a version as champion, if the gate or a named person lets it."""

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
    override: Annotated[
        bool, typer.Option("--override", help="Propose it although the gate keeps it out.")
    ] = False,
    by: Annotated[str, typer.Option(help="With --override: who answers for it.")] = "",
    why: Annotated[
        str, typer.Option(help="With --override: the reason, 10 to 500 characters.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Propose a version as champion; `lead-serve approve` decides whether it is served.

    A version that the gate keeps out ends with exit code 1 and what stands in the way.
    """
    from training.gate_words import verdict_text
    from training.promotion import Override, OverrideInvalid
    from training.promotion import promote as propose

    if (by or why) and not override:
        raise typer.BadParameter("--by and --why belong to --override; give that too")
    settings = TrainSettings()
    try:
        answers = Override(by, why) if override else None
    except OverrideInvalid as error:
        raise typer.BadParameter(str(error)) from error
    check_store(settings)
    with progress() as tell:
        tell("Asking the registry")
        done = propose(settings, name or settings.model_name, version, override=answers)
    found = done.registered
    named = "" if found.name == settings.model_name else f" --name {shlex.quote(found.name)}"
    words = [f"Version {found.version} of {found.name} is now the champion."]
    if done.gate:
        words.append(verdict_text(done.gate))
    if done.change is not None and done.change.failed:
        words.append(f"{done.change.by} answers for: {', '.join(done.change.failed)}.")
    words.append(f"Let it serve with: lead-serve approve {found.version}{named} --why '…'")
    answer(as_json, done.document(), " ".join(words))
