"""``/v1/keys``: make, list and revoke keys; ``/v1/actions``: who did what."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from serving.answers import ActionList, KeyList, KeyMade, KeyRevoked, told
from serving.dependencies import ServiceDep
from serving.errors import RightMissing
from serving.guard.callers import Right, caller_of
from serving.guard.keys import make_key
from serving.store.keys import Key
from serving.strict_json import JSONBytes, StrictRoute

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute, tags=["keys"])

MOST_DAYS = 3_650


class KeyIn(BaseModel):
    """A key to make."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=200)
    scopes: list[Right] = Field(min_length=1, max_length=6)
    days: int | None = Field(default=None, ge=1, le=MOST_DAYS)


@router.get("/v1/keys", response_class=JSONBytes, responses=told(KeyList, 401, 403, 503))
def list_keys(service: ServiceDep) -> JSONBytes:
    """Return every key that was ever made, the latest first; never a secret."""
    now = service.clock()
    keys = [_shown(key) | {"is_active": key.is_active(now)} for key in service.callers.keys.all()]
    return JSONBytes({"n": len(keys), "keys": keys})


@router.post(
    "/v1/keys", response_class=JSONBytes, responses=told(KeyMade, 400, 401, 403, 415, 422, 503)
)
def add_key(asked: KeyIn, request: Request, service: ServiceDep) -> JSONBytes:
    """Make a key; this answer is the only place that ever shows it."""
    caller = caller_of(request.scope)
    lacking = sorted(set(asked.scopes) - caller.scopes)
    if lacking:
        raise RightMissing(f"Nobody gives a right that they lack: {', '.join(lacking)}.")
    key, shown = make_key(
        asked.name, asked.scopes, by=caller.name, now=service.clock(), days=asked.days
    )
    service.callers.keys.add(key)
    service.callers.ring.refresh()
    return JSONBytes({"key": shown, **_shown(key)})


@router.delete(
    "/v1/keys/{key_id}",
    response_class=JSONBytes,
    responses=told(KeyRevoked, 401, 403, 404, 422, 503),
)
def revoke_key(
    key_id: Annotated[str, Path(min_length=1, max_length=40, pattern=r"^[^\x00]+$")],
    request: Request,
    service: ServiceDep,
) -> JSONBytes:
    """Revoke a key: here at once, in other workers within two seconds."""
    revoked = service.callers.keys.revoke(key_id, service.clock(), caller_of(request.scope).name)
    service.callers.ring.refresh()
    return JSONBytes({"key_id": revoked.key_id, "name": revoked.name, "revoked": True})


@router.get("/v1/actions", response_class=JSONBytes, responses=told(ActionList, 401, 403, 422, 503))
def list_actions(
    service: ServiceDep, limit: Annotated[int, Query(ge=1, le=1_000)] = 100
) -> JSONBytes:
    """Return who made keys, approved, exported or deleted, the latest first."""
    found = [
        {"at": one.at.isoformat(), "actor": one.actor, "action": one.action, "detail": one.detail}
        for one in service.callers.actions.newest(limit)
    ]
    return JSONBytes({"n": len(found), "actions": found})


def _shown(key: Key) -> dict[str, Any]:
    moments = {
        name: moment.isoformat()
        for name in ("expires_at", "revoked_at", "last_used_at")
        if (moment := getattr(key, name)) is not None
    }
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "made_at": key.made_at.isoformat(),
        "made_by": key.made_by,
        **moments,
    }
