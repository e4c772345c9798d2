"""``/livez``: the process runs. ``/readyz``: it can score, and what else is amiss."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from serving.answers import Alive, Ready, told
from serving.dependencies import Service
from serving.errors import RETRY_SECONDS
from serving.strict_json import JSONBytes

__all__ = ["router"]

router = APIRouter(tags=["health"])

_READY = told(Ready) | {
    503: {"model": Ready, "description": "No model is approved, or the process is ending."}
}


@router.head("/livez", include_in_schema=False)
@router.get("/livez", response_class=JSONBytes, responses=told(Alive))
async def livez() -> Response:
    """Say that the process runs."""
    return JSONBytes({"status": "alive"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_class=JSONBytes, responses=_READY)
async def readyz(request: Request) -> Response:
    """Say whether leads can be scored, and whether scores are being recorded."""
    service: Service = request.app.state.service
    model, readiness = service.models.model, service.readiness
    readiness.note_look()
    store = "ok" if await readiness.has_store(service.store.check) else "unavailable"
    is_ready = model is not None and not readiness.is_ending
    body = {
        "status": "ready" if is_ready else "ending" if readiness.is_ending else "not_ready",
        "model": "none" if model is None else model.approval.version,
        "store": store,
        "warning": service.models.warning,
        "registry": service.proposals.state.status,
        "proposed": service.proposals.state.proposed,
    }
    if not is_ready:
        return JSONBytes(body, status_code=503, headers={"Retry-After": str(RETRY_SECONDS)})
    return JSONBytes(body)
