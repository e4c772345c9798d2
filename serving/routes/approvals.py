"""``/v1/models``, ``/v1/approvals``, ``/v1/rollback``: which model may serve, and who said so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool

from serving.answers import ApprovalAnswer, ModelsAnswer, told
from serving.dependencies import Service, ServiceDep
from serving.guard.callers import caller_of
from serving.model_life.registry import ALIAS
from serving.model_life.sources import is_version
from serving.store import Approval
from serving.strict_json import JSONBytes, StrictRoute

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute, tags=["model"])

MOST_WHY = 500
LOOK_SECONDS = 0.5
_REFUSALS = (400, 409, 413, 415, 422, 503)


def _as_version(given: object) -> object:
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


def _known_form(given: str) -> str:
    if given != ALIAS and not is_version(given):
        raise PydanticCustomError("model_version", "no version")
    return given


def _said(given: str) -> str:
    if not given.strip():
        raise PydanticCustomError("why_blank", "blank")
    return given.strip()


Why = Annotated[str, Field(min_length=1, max_length=MOST_WHY), AfterValidator(_said)]


class ApprovalIn(BaseModel):
    """A version of the registry, or ``champion``, and why it may serve."""

    model_config = ConfigDict(strict=True)

    version: Annotated[str, BeforeValidator(_as_version), AfterValidator(_known_form)]
    why: Why


class RollbackIn(BaseModel):
    """Why the model before the serving one is to serve again."""

    model_config = ConfigDict(strict=True)

    why: Why


@router.get("/v1/models", response_class=JSONBytes, responses=told(ModelsAnswer, 503))
def models(service: ServiceDep) -> JSONBytes:
    """Return the approvals, the latest first, which of them serves, and what is proposed."""
    given = service.approvals.newest_first(service.settings.model_name)
    model, proposals = service.models.model, service.proposals.state
    return JSONBytes(
        {
            "model_name": service.settings.model_name,
            "serving": "" if model is None else model.approval.version,
            "warning": service.models.warning,
            "registry": proposals.status,
            "proposed": proposals.proposed,
            "n": len(given),
            "approvals": [_answer(service, approval) for approval in given],
        }
    )


@router.post("/v1/approvals", response_class=JSONBytes, responses=told(ApprovalAnswer, *_REFUSALS))
async def approve(asked: ApprovalIn, request: Request, service: ServiceDep) -> JSONBytes:
    """Fetch a version from MLflow, verify it, and let it serve: at once here, soon elsewhere."""
    who = caller_of(request.scope).name

    def fetch_and_swap() -> Approval:
        approval = service.approver.approve(asked.version, asked.why, who)
        service.models.refresh()
        return approval

    return JSONBytes(_answer(service, await _done_or_ended(service, fetch_and_swap)))


@router.post("/v1/rollback", response_class=JSONBytes, responses=told(ApprovalAnswer, *_REFUSALS))
async def roll_back(asked: RollbackIn, request: Request, service: ServiceDep) -> JSONBytes:
    """Approve again what was approved before the serving model."""
    who = caller_of(request.scope).name

    def go_back() -> Approval:
        model = service.models.model
        serving = None if model is None else model.approval
        approval = service.approver.roll_back(serving, asked.why, who)
        service.models.refresh()
        return approval

    return JSONBytes(_answer(service, await _done_or_ended(service, go_back)))


async def _done_or_ended(service: Service, work: Callable[[], Approval]) -> Approval:
    """Wait for a thread; when the process is told to end, no child holds it up."""
    running = asyncio.ensure_future(run_in_threadpool(work))
    while not running.done():
        await asyncio.wait((running,), timeout=LOOK_SECONDS)
        if service.readiness.is_ending:
            service.registry.stop()
    return await running


def _answer(service: Service, approval: Approval) -> dict[str, Any]:
    model = service.models.model
    return {
        "model_name": approval.model_name,
        "version": approval.version,
        "model_digest": approval.digest,
        "manifest_digest": approval.manifest_digest or "",
        "approved_by": approval.approved_by,
        "approved_at": approval.approved_at.isoformat(),
        "why": approval.why,
        "serves": model is not None and model.approval == approval,
    }
