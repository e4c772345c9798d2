"""``lead-serve approve``: let a model version serve."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Annotated

import typer

from serving.settings import read_settings

__all__ = ["approve"]


def approve(
    version: Annotated[str, typer.Argument(help="Version number in the registry, or champion.")],
    why: Annotated[
        str, typer.Option(help="Why this model may serve; kept for those who ask later.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Registered model; LEAD_MODEL_NAME by default.")
    ] = None,
    who: Annotated[
        str | None, typer.Option(help="Who approves; the account's name by default.")
    ] = None,
) -> None:
    """Fetch a model version from MLflow, verify it, and let it serve."""
    from serving import champion
    from serving.store import Approvals, open_store

    if not why.strip():
        raise typer.BadParameter("say in a few words why the model may serve", param_hint="--why")
    served = read_settings().model_name
    settings = read_settings(model_name=name)
    store = open_store(settings.database_address)
    try:
        store.migrate()
        approval = champion.approve(
            settings,
            Approvals(store),
            version,
            why.strip(),
            clock=lambda: datetime.now(UTC),
            who=who,
        )
    finally:
        store.close()
    if approval.model_name == served:
        then = "A running service takes it within seconds."
    else:
        start = f"LEAD_MODEL_NAME={shlex.quote(approval.model_name)} lead-serve serve"
        then = f"A service of that name takes it within seconds; start one with: {start}"
    typer.echo(
        f"Version {approval.version} of {approval.model_name} may serve "
        f"(digest {approval.digest[:12]}…). {then}"
    )
