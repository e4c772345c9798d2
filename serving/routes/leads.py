"""``GET /v1/leads/{lead_id}``: what was said of a lead, and when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from serving.answers import LeadAnswer, told
from serving.dependencies import ServiceDep
from serving.errors import LeadUnknown
from serving.strict_json import JSONBytes

__all__ = ["LeadIdInPath", "router"]

router = APIRouter(tags=["leads"])

LeadIdInPath = Annotated[str, Path(min_length=1, max_length=200)]


@router.get(
    "/v1/leads/{lead_id:path}",
    response_class=JSONBytes,
    responses=told(LeadAnswer, 404, 422, 503),
)
def lead(
    lead_id: LeadIdInPath,
    service: ServiceDep,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> JSONBytes:
    """Return the recorded scores of a lead, the latest first."""
    recorded = service.predictions.of_lead(lead_id, limit)
    if not recorded:
        raise LeadUnknown("No score was recorded for this lead. Score it first: POST /v1/score.")
    scores = [
        {"recorded_at": one.recorded_at.isoformat(), **one.answer, "inputs": one.inputs}
        for one in recorded
    ]
    return JSONBytes({"lead_id": lead_id, "n": len(scores), "scores": scores})
