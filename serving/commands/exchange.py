"""``lead-serve export``, ``import-events``, ``prune``: what leaves the store, enters, and ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.errors import LeadQualityError
from serving.commands.who import account_name
from serving.settings import ServeSettings, read_settings

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from serving.store import Store

__all__ = ["export", "import_events", "prune"]


class DefinitionMissing(LeadQualityError):
    """No approved model is there whose definition says what to do."""


def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write leads.csv and the others to.")],
) -> None:
    """Write recorded scores, events and behaviour as files that `lead-train retrain` reads."""
    from serving.records.exchange import export_folder
    from serving.store import Exports

    with _store() as (settings, store):
        written = export_folder(Exports(store), _definition(settings, store), folder)
        _note(store, "export", {"what": "folder", **written._asdict()})
    typer.echo(
        f"{folder} holds {written.leads:,} recorded input(s), {written.events:,} event(s) and "
        f"{written.behaviours:,} act(s). Learn from them: lead-train retrain {folder}"
    )


def import_events(
    file: Annotated[Path, typer.Argument(help="CSV with lead_id, at, kind, event_id and others.")],
) -> None:
    """Store the events of a CSV file, each once; nothing is stored when anything is wrong."""
    from serving.records.event_file import import_events as read_in
    from serving.records.events import EventService
    from serving.store import Events

    with _store() as (settings, store):
        events = Events(store)
        definition = _definition(settings, store)
        service = EventService(events, lambda: datetime.now(UTC), definition)
        read = read_in(file, service, events, account_name())
        _note(store, "events_imported", read._asdict())
    typer.echo(f"{read.n_new:,} event(s) stored; {read.n - read.n_new:,} were there already.")


def prune(
    days: Annotated[
        int | None,
        typer.Option(min=1, max=36_500, help="Days to keep; LEAD_RETENTION_DAYS by default."),
    ] = None,
) -> None:
    """Delete recorded scores and events that are older than is kept."""
    from serving.records.retention import kept_reasons
    from serving.records.retention import prune as delete_old
    from serving.store import Removal

    with _store() as (settings, store):
        kept_days = days or settings.retention_days
        if not kept_days:
            raise typer.BadParameter("say how many days are kept, or set LEAD_RETENTION_DAYS")
        before = datetime.now(UTC) - timedelta(days=kept_days)
        kept = kept_reasons(_definition(settings, store))
        removed = delete_old(Removal(store), before, kept)
        _note(store, "pruned", {"days": kept_days, **removed._asdict()})
    typer.echo(
        f"{removed.scores:,} score(s) and {removed.events:,} event(s) older than {kept_days:,} "
        "days deleted."
    )


@contextmanager
def _store() -> Iterator[tuple[ServeSettings, Store]]:
    from serving.store import open_store

    settings = read_settings()
    store = open_store(settings.database_address)
    try:
        store.migrate()
        yield settings, store
    finally:
        store.close()


def _definition(settings: ServeSettings, store: Store) -> LeadDefinition:
    from serving.model_life.holder import load_approved
    from serving.store import Approvals

    model = load_approved(settings.models_folder, Approvals(store), settings.model_name)
    if model is None:
        raise DefinitionMissing(
            f"No approved model of {settings.model_name} is whole, and its definition says what "
            'the fields and reasons are. Approve one: lead-serve approve VERSION --why "…".'
        )
    return model.definition


def _note(store: Store, action: str, detail: dict[str, object]) -> None:
    from serving.store.actions import Action, Actions

    Actions(store).add(Action(datetime.now(UTC), account_name(), action, detail))
