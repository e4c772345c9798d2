"""``POST /v1/events``: what sales did and what became of leads, once each."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from starlette.concurrency import run_in_threadpool

from serving.answers import EventsStored, EventStored, told
from serving.dependencies import ServiceDep
from serving.errors import StoreUnavailable
from serving.guard.callers import caller_of
from serving.records.events import LONGEST, MOST_EVENTS, AskedEvent, refuse_clashes
from serving.scoring.asked import Amount, LeadId
from serving.strict_json import JSONBytes, StrictRoute

__all__ = ["EVENTS_PATH", "router"]

router = APIRouter(route_class=StrictRoute, tags=["events"])

EVENTS_PATH = "/v1/events"
_FEW = 50
_TURNING = frozenset({"rejected", "lost", "retracted"})
"""Kinds that can take a lead out of sales' hands, or give it back."""

Text = Annotated[str, Field(max_length=LONGEST)]
When = Annotated[str, Field(min_length=1, max_length=64)]


class SalesEventIn(BaseModel):
    """Something that sales did: ``{"lead_id": "L-1", "at": "2026-11-20T10:00:00+09:00", …}``."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    event_id: Text | None = None
    lead_id: LeadId
    at: When
    kind: Annotated[str, Field(min_length=1, max_length=20)]
    reason: Text | None = None
    amount: Amount = None
    actor: Text | None = None
    source: Text | None = None
    return_on: Annotated[str, Field(max_length=40)] | None = None

    def asked(self) -> AskedEvent:
        """Return the event as the use case knows it."""
        return AskedEvent(**dict(self))


class EventsIn(BaseModel):
    """Up to 1,000 events; all are stored, or none."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    events: list[SalesEventIn] = Field(min_length=1, max_length=MOST_EVENTS)


def _form(given: Any) -> str:
    if isinstance(given, BaseModel):
        return "many" if isinstance(given, EventsIn) else "one"
    return "many" if isinstance(given, dict) and "events" in given else "one"


Asked = Annotated[
    Annotated[SalesEventIn, Tag("one")] | Annotated[EventsIn, Tag("many")], Discriminator(_form)
]


@router.post(
    EVENTS_PATH,
    response_class=JSONBytes,
    responses=told(EventStored | EventsStored, 400, 413, 415, 422, 503),
)
async def events(asked: Asked, request: Request, service: ServiceDep) -> JSONBytes:
    """Store one event or up to 1,000; answered 200 once they are committed."""
    given = (
        [one.asked() for one in asked.events] if isinstance(asked, EventsIn) else [asked.asked()]
    )
    caller = caller_of(request.scope)
    use_case = service.recording()
    if len(given) <= _FEW:
        checked = use_case.checked(given, caller.name)
    else:
        checked = await run_in_threadpool(use_case.checked, given, caller.name)
    clashes = await service.event_commits.committed(checked)
    refuse_clashes(clashes, not isinstance(asked, EventsIn))
    if any(one.kind in _TURNING for one in checked):
        leads = {one.lead_id for one in checked}
        with suppress(StoreUnavailable):  # committed all the same; the watch will learn of it
            await service.asking.told(partial(service.suppression.learn, leads))
    ids = [one.event_id for one in checked]
    if isinstance(asked, EventsIn):
        return JSONBytes({"status": "stored", "n": len(ids), "event_ids": ids})
    return JSONBytes({"status": "stored", "event_id": ids[0]})
