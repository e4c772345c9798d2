"""``/v1/leads/{lead_id}``: what was said of a lead and what became of it; and forgetting it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator

from features.writing import id_key
from serving.answers import LeadAnswer, LeadDeleted, told
from serving.decision.lead_state import lead_state
from serving.dependencies import Service, ServiceDep
from serving.errors import LeadUnknown
from serving.guard.callers import caller_of
from serving.store import Event, Prediction, Removal
from serving.strict_json import JSONBytes

__all__ = ["MOST_EVENTS", "LeadIdInPath", "router"]

router = APIRouter(tags=["leads"])

MOST_EVENTS = 1_000
"""The latest events of a lead that are shown and that its state follows from."""

LeadIdInPath = Annotated[
    str,
    Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$"),
    AfterValidator(lambda given: id_key(given) or ""),
]
"""A lead id in the form in which ids are kept."""


@router.get(
    "/v1/leads/{lead_id:path}",
    response_class=JSONBytes,
    responses=told(LeadAnswer, 404, 422, 503),
)
async def lead(
    lead_id: LeadIdInPath,
    service: ServiceDep,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> JSONBytes:
    """Return where a lead stands, its events, and its recorded scores, the latest first."""

    def read() -> tuple[list[Prediction], list[Event]]:
        scores = service.predictions.of_lead(lead_id, limit)
        return scores, service.events.of_lead(lead_id, MOST_EVENTS)

    recorded, events = await service.asking.told(read)
    if not recorded and not events:
        raise LeadUnknown("Nothing is recorded for this lead. Score it first: POST /v1/score.")
    scores = [
        {"recorded_at": one.recorded_at.isoformat(), **one.answer, "inputs": one.inputs}
        for one in recorded
    ]
    return JSONBytes(
        {
            "lead_id": lead_id,
            **_state(service, events),
            "n": len(scores),
            "scores": scores,
            "events": [_shown(one) for one in events],
        }
    )


@router.delete(
    "/v1/leads/{lead_id:path}", response_class=JSONBytes, responses=told(LeadDeleted, 404, 422, 503)
)
async def delete_lead(lead_id: LeadIdInPath, request: Request, service: ServiceDep) -> JSONBytes:
    """Delete everything recorded of a lead; answered once nothing of it is left."""
    actor = caller_of(request.scope).name

    def remove() -> dict[str, Any]:
        removed = Removal(service.store).of_lead(lead_id, actor, service.clock())
        service.suppression.learn([lead_id])
        return {"status": "deleted", **removed._asdict()}

    return JSONBytes(await service.asking.told(remove))


def _state(service: Service, events: list[Event]) -> dict[str, Any]:
    model = service.models.model
    reasons = {} if model is None else model.definition.reasons
    now = lead_state([one.deciding for one in events], reasons)
    return {"state": now.state} | {
        name: told
        for name, told in (
            ("state_reason", now.reason),
            ("state_since", None if now.since is None else now.since.isoformat()),
            ("return_on", None if now.return_on is None else now.return_on.isoformat()),
        )
        if told is not None
    }


def _shown(one: Event) -> dict[str, Any]:
    told = {
        "event_id": one.event_id,
        "at": one.at.isoformat(),
        "kind": one.kind,
        "reason": one.reason,
        "amount": one.amount,
        "actor": one.actor,
        "source": one.source,
        "return_on": None if one.return_on is None else one.return_on.isoformat(),
        "received_at": one.received_at.isoformat(),
    }
    return {name: value for name, value in told.items() if value is not None}
