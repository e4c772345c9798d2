"""``GET /v1/insight/…``: what sales thinks of leads against what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from features.definition import LeadDefinition
from serving.answers import told
from serving.answers_reports import DisagreementsAnswer, ReasonsAnswer, SourcesAnswer
from serving.decision.insight import disagreements, reasons_given, sources
from serving.decision.stories import Story
from serving.dependencies import Service, ServiceDep
from serving.routes.handoff import After, Limit
from serving.strict_json import JSONBytes

__all__ = ["router"]

router = APIRouter(prefix="/v1/insight", tags=["insight"])

Days = Annotated[int, Query(ge=30, le=3_650)]
_USUAL_DAYS = 730


@router.get("/sources", response_class=JSONBytes, responses=told(SourcesAnswer, 401, 403, 422, 503))
async def insight_sources(service: ServiceDep, days: Days = _USUAL_DAYS) -> JSONBytes:
    """Return for each channel what sales accepts, and what is won."""

    def report(
        stories: Sequence[Story], definition: LeadDefinition, now: datetime
    ) -> dict[str, Any]:
        rows = sources(stories, definition, now)
        return {"days": days, "n": len(rows), "rows": rows}

    return await _told(service, days, report)


@router.get("/reasons", response_class=JSONBytes, responses=told(ReasonsAnswer, 401, 403, 422, 503))
async def insight_reasons(service: ServiceDep, days: Days = _USUAL_DAYS) -> JSONBytes:
    """Return why leads were turned away, by channel, and what became of them."""

    def report(
        stories: Sequence[Story],
        definition: LeadDefinition,
        now: datetime,  # noqa: ARG001
    ) -> dict[str, Any]:
        rows = reasons_given(stories, definition)
        return {"days": days, "n": len(rows), "rows": rows}

    return await _told(service, days, report)


@router.get(
    "/disagreements",
    response_class=JSONBytes,
    responses=told(DisagreementsAnswer, 401, 403, 422, 503),
)
async def insight_disagreements(
    service: ServiceDep, days: Days = _USUAL_DAYS, limit: Limit = 100, after: After = None
) -> JSONBytes:
    """Return the leads that turned out other than sales said, and where they come from."""

    def report(
        stories: Sequence[Story], definition: LeadDefinition, now: datetime
    ) -> dict[str, Any]:
        return {"days": days} | disagreements(stories, definition, now, limit, after)

    return await _told(service, days, report)


async def _told(
    service: Service,
    days: int,
    report: Callable[[Sequence[Story], LeadDefinition, datetime], dict[str, Any]],
) -> JSONBytes:
    definition = service.models.require().definition
    now = service.clock()

    def made() -> dict[str, Any]:
        return report(service.stories.read(definition, now, days), definition, now)

    return JSONBytes(await service.reports.told(made))
