"""``lead-serve approve``, ``rollback`` and ``models``: which model version may serve."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from serving.commands.who import account_name
from serving.settings import ServeSettings, read_settings

if TYPE_CHECKING:
    from serving.model_life.approving import Approver
    from serving.store import Approvals

__all__ = ["approve", "models", "rollback"]

Why = Annotated[str, typer.Option(help="Why this model may serve; kept for those who ask later.")]
Name = Annotated[str | None, typer.Option(help="Registered model; LEAD_MODEL_NAME by default.")]
Who = Annotated[str | None, typer.Option(help="Who approves; the account's name by default.")]


def approve(
    version: Annotated[str, typer.Argument(help="Version number in the registry, or champion.")],
    why: Why,
    name: Name = None,
    who: Who = None,
) -> None:
    """Fetch a model version from MLflow, verify it, and let it serve."""
    _check(why)
    served = read_settings().model_name
    settings = read_settings(model_name=name)
    with _approver(settings) as (approver, _):
        approval = approver.approve(version, why.strip(), who or account_name())
    if approval.model_name == served:
        then = "A running service takes it within seconds."
    else:
        start = f"LEAD_MODEL_NAME={shlex.quote(approval.model_name)} lead-serve serve"
        then = f"A service of that name takes it within seconds; start one with: {start}"
    typer.echo(
        f"Version {approval.version} of {approval.model_name} may serve "
        f"(digest {approval.digest[:12]}…). {then}"
    )


def rollback(why: Why, name: Name = None, who: Who = None) -> None:
    """Let the model serve again that was approved before the newest one."""
    _check(why)
    settings = read_settings(model_name=name)
    with _approver(settings) as (approver, _):
        approval = approver.roll_back(None, why.strip(), who or account_name())
    typer.echo(
        f"Version {approval.version} of {approval.model_name} may serve again "
        f"(digest {approval.digest[:12]}…). A running service takes it within seconds."
    )


def models(name: Name = None) -> None:
    """List the approvals, the latest first, and what is wrong with their files."""
    from features.artefact import read_artefact
    from features.errors import ArtefactRefused
    from serving.model_life.holder import folder_of

    settings = read_settings(model_name=name)
    with _approver(settings) as (_, approvals):
        given = approvals.newest_first(settings.model_name)
    if not given:
        typer.echo(f"Nothing of {settings.model_name} is approved yet.")
    for approval in given:
        try:
            read_artefact(folder_of(settings.models_folder, approval), approval.manifest_digest)
            state = "whole"
        except ArtefactRefused as error:
            state = f"cannot serve ({error.code}): {error}"
        typer.echo(
            f"{approval.approved_at:%Y-%m-%d %H:%M} UTC  version {approval.version}  "
            f"{approval.digest[:12]}…  by {approval.approved_by}: {approval.why}  [{state}]"
        )


def _check(why: str) -> None:
    if not why.strip():
        raise typer.BadParameter("say in a few words why the model may serve", param_hint="--why")


@contextmanager
def _approver(settings: ServeSettings) -> Iterator[tuple[Approver, Approvals]]:
    from datetime import UTC, datetime

    from serving.model_life.approving import Approver
    from serving.model_life.registry import Registry
    from serving.store import Approvals, open_store

    store = open_store(settings.database_address)
    try:
        store.migrate()
        approvals = Approvals(store)
        registry = Registry(settings)
        yield Approver(settings, approvals, registry, lambda: datetime.now(UTC)), approvals
    finally:
        store.close()
