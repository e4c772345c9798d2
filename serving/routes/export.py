"""``GET /v1/export/*.csv``: what training reads, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from serving.answers import Problem
from serving.dependencies import Service, ServiceDep
from serving.guard.callers import caller_of
from serving.records.exchange import Rows, behaviour_rows, event_rows, lead_rows, written
from serving.store import Exports
from serving.store.actions import Action, Actions

__all__ = ["router"]

router = APIRouter(tags=["export"])

_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The file."},
    503: {"model": Problem, "description": "No model is approved, or the database is away."},
}


@router.get("/v1/export/leads.csv", response_class=Response, responses=_CSV)
async def leads(request: Request, service: ServiceDep) -> Response:
    """Give every recorded input: a row for each score, without personal fields."""
    definition = service.models.require().definition
    return await _told(service, request, "leads", lead_rows(Exports(service.store), definition))


@router.get("/v1/export/events.csv", response_class=Response, responses=_CSV)
async def events(request: Request, service: ServiceDep) -> Response:
    """Give every event, with the audit events that follow from recorded draws."""
    zone = service.models.require().definition.zone
    return await _told(service, request, "events", event_rows(Exports(service.store), zone))


@router.get("/v1/export/behaviours.csv", response_class=Response, responses=_CSV)
async def behaviours(request: Request, service: ServiceDep) -> Response:
    """Give what leads did, as it was sent along with scores."""
    definition = service.models.require().definition
    rows = behaviour_rows(Exports(service.store), definition)
    return await _told(service, request, "behaviours", rows)


async def _told(service: Service, request: Request, name: str, rows: Rows) -> Response:
    action = partial(_note, service, caller_of(request.scope).name, service.clock(), name)
    await service.asking.told(action)
    pieces = written(rows)
    # The first piece before the answer begins: a database that is away is still a 503.
    first = await service.asking.told(partial(next, pieces))
    return StreamingResponse(
        _bytes(chain([first], pieces)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _note(service: Service, actor: str, at: datetime, name: str) -> None:
    Actions(service.store).add(Action(at, actor, "export", {"what": name}))


def _bytes(pieces: Iterator[str]) -> Iterator[bytes]:
    return (piece.encode() for piece in pieces)
