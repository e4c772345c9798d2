"""``GET /``: a search for a lead, and the leads scored last."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from serving.dependencies import LanguageDep, ServiceDep
from serving.errors import StoreUnavailable
from serving.pages.view import render, shown_time
from serving.store import Prediction

__all__ = ["router"]

router = APIRouter()


@router.get("/")
def home(request: Request, service: ServiceDep, language: LanguageDep) -> Response:
    """Show the search and the leads scored last."""
    model = service.models.model
    latest: list[Prediction] = []
    try:
        latest = service.predictions.latest(10)
        problem = ""
    except StoreUnavailable as error:
        problem = str(error)
    zone = ZoneInfo("UTC") if model is None else model.definition.zone
    rows = [
        {
            "lead_id": one.lead_id,
            "score": f"{one.score:.0f}",
            "grade": one.grade,
            "decision": one.decision,
            "probability": one.probability,
            "when": shown_time(one.as_of, zone, language),
        }
        for one in latest
    ]
    values = {"latest": rows, "problem": problem, "has_model": model is not None}
    return render(request, "home.html", language, values)


@router.get("/leads")
def search(
    request: Request,
    lead_id: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
) -> Response:
    """Go to the page of the lead that was searched for; to the search when none was."""
    if lead_id is None:
        address = request.url_for("home")
    else:
        address = request.url_for("lead_page", lead_id=lead_id.strip() or "-")
    lang = request.query_params.get("lang")
    if lang in ("ja", "en"):
        address = address.include_query_params(lang=lang)
    # Only the path: the host that a caller names is not to be trusted with a redirect.
    return RedirectResponse(
        address.path + (f"?{address.query}" if address.query else ""), status_code=303
    )
