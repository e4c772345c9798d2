"""``GET /v1/handoff``: who gets sales' places. ``GET /v1/recycle``: who comes back, and when."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from serving.answers import told
from serving.answers_reports import HandoffAnswer, RecycleAnswer
from serving.decision.handoff import HandoffService
from serving.decision.recycle import find_returns
from serving.dependencies import ServiceDep
from serving.strict_json import JSONBytes

__all__ = ["After", "Limit", "router"]

router = APIRouter(tags=["sales"])

Limit = Annotated[int, Query(ge=1, le=1_000)]
After = Annotated[str | None, Query(max_length=2_000)]
Queue = Literal["front", "recycle", "nurture", "other_contact", "fix", "ask", "read"]
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)


@router.get(
    "/v1/handoff", response_class=JSONBytes, responses=told(HandoffAnswer, 401, 403, 422, 503)
)
async def handoff(
    service: ServiceDep,
    slots: Annotated[int | None, Query(ge=0, le=100_000)] = None,
    limit: Limit = 100,
    after: After = None,
) -> JSONBytes:
    """Return who gets the places that are left this week, who waits, and who is audited."""
    plans = HandoffService(service.models.require(), service.journal)
    now = service.clock()
    return JSONBytes(await service.reports.told(partial(plans.plan, now, slots, limit, after)))


@router.get(
    "/v1/recycle", response_class=JSONBytes, responses=told(RecycleAnswer, 401, 403, 422, 503)
)
async def recycle(
    service: ServiceDep,
    until: Annotated[date | None, Query(ge=_FIRST_DAY, le=_LAST_DAY)] = None,
    queue: Queue | None = None,
    limit: Limit = 100,
    after: After = None,
) -> JSONBytes:
    """Return the rejected and lost leads that come back by a day, today by default."""
    definition = service.models.require().definition
    day = until or service.clock().astimezone(definition.zone).date()
    ask = partial(find_returns, service.journal, definition, day, queue, limit, after)
    return JSONBytes(await service.reports.told(ask))
