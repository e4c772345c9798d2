"""``GET /v1/model`` and ``GET /v1/definition``: who is speaking, and by what agreement."""

from __future__ import annotations

from fastapi import APIRouter

from features.definition import EVER
from serving.answers import DefinitionAnswer, ModelAnswer, told
from serving.dependencies import ServiceDep
from serving.strict_json import JSONBytes

__all__ = ["router"]

router = APIRouter(tags=["model"])


@router.get("/v1/model", response_class=JSONBytes, responses=told(ModelAnswer, 503))
def model(service: ServiceDep) -> JSONBytes:
    """Return the serving model: version, approval, horizons, inputs, and how good it was."""
    serving = service.models.require()
    scorer, approval = serving.scorer, serving.approval
    return JSONBytes(
        {
            "model_name": approval.model_name,
            "model_version": approval.version,
            "model_digest": approval.digest,
            "approved_by": approval.approved_by,
            "approved_at": approval.approved_at.isoformat(),
            "why": approval.why,
            "warning": service.models.warning,
            "registry": service.proposals.state.status,
            "proposed": service.proposals.state.proposed,
            "mode": scorer.mode,
            "method": scorer.method,
            "curve": scorer.curve,
            "horizons": [days for days in scorer.horizons if days != EVER],
            **({} if scorer.main_horizon == EVER else {"horizon_days": scorer.main_horizon}),
            "line": serving.line,
            "definition_version": serving.definition.version,
            "definition_fingerprint": serving.definition.fingerprint,
            "inputs": [
                {"name": given.name, "field": given.field, "group": given.group, "kind": given.kind}
                for given in scorer.encoder.inputs
            ],
            "evaluation": dict(scorer.evaluation),
        }
    )


@router.get("/v1/definition", response_class=JSONBytes, responses=told(DefinitionAnswer, 503))
def definition(service: ServiceDep) -> JSONBytes:
    """Return the agreement by which the serving model scores."""
    agreed = service.models.require().definition
    return JSONBytes({"fingerprint": agreed.fingerprint} | agreed.model_dump(mode="json"))
