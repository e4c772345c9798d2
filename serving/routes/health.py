"""``/livez``: the process runs. ``/readyz``: it can score, and what else is amiss."""

from __future__ import annotations

from fastapi import APIRouter, Response

from serving.answers import Alive, Ready, told
from serving.dependencies import ServiceDep
from serving.errors import RETRY_SECONDS, StoreUnavailable
from serving.strict_json import JSONBytes

__all__ = ["router"]

router = APIRouter(tags=["health"])

_READY = told(Ready) | {503: {"model": Ready, "description": "No model is approved."}}


@router.head("/livez", include_in_schema=False)
@router.get("/livez", response_class=JSONBytes, responses=told(Alive))
async def livez() -> Response:
    """Say that the process runs."""
    return JSONBytes({"status": "alive"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_class=JSONBytes, responses=_READY)
def readyz(service: ServiceDep) -> Response:
    """Say whether leads can be scored, and whether scores are being recorded."""
    model = service.models.model
    try:
        service.store.check()
        store = "ok"
    except StoreUnavailable:
        store = "unavailable"
    body = {
        "status": "ready" if model is not None else "not_ready",
        "model": "none" if model is None else model.approval.version,
        "store": store,
        "warning": "" if model is None else model.warning,
    }
    if model is None:
        return JSONBytes(body, status_code=503, headers={"Retry-After": str(RETRY_SECONDS)})
    return JSONBytes(body)
