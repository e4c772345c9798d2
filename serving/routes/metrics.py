"""``/metrics``: what Prometheus reads, added up over workers."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from serving.dependencies import Service
from serving.process.exposition import CONTENT_TYPE, Standing, exposition
from serving.process.told_counts import Counts, add_up, counts_of_others
from serving.scoring.recent_codes import drift_of

__all__ = ["router"]

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Give the counts of all workers, and how things stand."""
    service: Service = request.app.state.service
    counts = _counts(service)
    standing = await _standing(service, counts)
    return Response(exposition(counts, standing), media_type=CONTENT_TYPE)


def _counts(service: Service) -> Counts:
    meter = service.meter
    own = meter.counts()
    others = [] if meter.folder is None else counts_of_others(meter.folder, own["process"])
    return add_up([own, *others])


async def _standing(service: Service, counts: Counts) -> Standing:
    store_up = await service.readiness.has_store(service.store.check)
    model = service.models.model
    if model is None:
        return Standing(store_up)
    approval, proposed = model.approval, service.proposals.state.proposed
    is_new = proposed not in service.models.approved
    return Standing(
        store_up=store_up,
        approved_seconds=(service.clock() - approval.approved_at).total_seconds(),
        is_last_good=bool(service.models.warning),
        proposed=proposed if is_new else "",
        drift=drift_of(model.scorer, counts["codes"].get(approval.digest, ())),
    )
