"""``POST /v1/score`` and ``/v1/score/batch``."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool

from serving.answers import BatchAnswer, NotScored, Scored, told
from serving.dependencies import ServiceDep, language_for
from serving.scoring import AskedEvent, AskedLead
from serving.strict_json import JSONBytes, StrictRoute
from serving.texts import LANGUAGES, Language

__all__ = ["BATCH_PATH", "MOST_LEADS", "router"]

router = APIRouter(route_class=StrictRoute, tags=["score"])

BATCH_PATH = "/v1/score/batch"
MOST_LEADS = 1_000
MOST_EVENTS = 10_000
MOST_FIELDS = 1_000

_REFUSALS = (400, 413, 415, 422, 503)


def _as_id(given: object) -> object:
    if isinstance(given, bool) or not isinstance(given, (str, int)):
        # The parser reads a whole number of more than 64 bits as a float, which has lost digits.
        raise PydanticCustomError("lead_id_type", "not an id")
    return str(given)


def _can_be_shown(given: str) -> str:
    if not given.strip():
        raise PydanticCustomError("lead_id_blank", "blank")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in given):
        raise PydanticCustomError("lead_id_control", "control character")
    return given


def _primary_language(given: object) -> object:
    """Read ``ja-JP`` as ``ja``, and an empty text as no language."""
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    primary = (
        given.strip().replace("_", "-").partition("-")[0].lower() if isinstance(given, str) else ""
    )
    if primary not in LANGUAGES:
        raise PydanticCustomError("language", "unknown language")
    return primary


LeadId = Annotated[
    str,
    Field(min_length=1, max_length=200),
    BeforeValidator(_as_id),
    AfterValidator(_can_be_shown),
]
AskedLanguage = Annotated[Language | None, BeforeValidator(_primary_language)]


class EventIn(BaseModel):
    """Something the lead did: ``{"kind": "page_view", "at": "2026-11-19T10:00:00+09:00"}``."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    kind: str = Field(min_length=1, max_length=64)
    at: str = Field(min_length=1, max_length=64)
    amount: float | None = None


class LeadIn(BaseModel):
    """A lead to score; keys that are not listed are passed over."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    lead_id: LeadId
    as_of: str | None = Field(default=None, max_length=64)
    fields: dict[str, Any] = Field(max_length=MOST_FIELDS)
    events: list[EventIn] | None = Field(default=None, max_length=MOST_EVENTS)

    def asked(self) -> AskedLead:
        """Return the lead as the use case knows it."""
        events = self.events
        return AskedLead(
            self.lead_id,
            self.as_of,
            self.fields,
            None
            if events is None
            else [AskedEvent(one.kind, one.at, one.amount) for one in events],
        )


class ScoreIn(LeadIn):
    """One lead, with the language of the flat texts."""

    language: AskedLanguage = None


class BatchIn(BaseModel):
    """Up to 1,000 leads."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    leads: list[LeadIn] = Field(min_length=1, max_length=MOST_LEADS)
    language: AskedLanguage = None


@router.post("/v1/score", response_class=JSONBytes, responses=told(Scored | NotScored, *_REFUSALS))
async def score(asked: ScoreIn, request: Request, service: ServiceDep) -> JSONBytes:
    """Score one lead, record the score, and say why in plain words."""
    language = language_for(service, request, asked.language)
    answered = service.scoring().score(asked.asked(), language)
    recorded = answered.prediction is not None and await service.recorder.record(
        [answered.prediction]
    )
    return JSONBytes(_with_record(answered.body, recorded))


@router.post(BATCH_PATH, response_class=JSONBytes, responses=told(BatchAnswer, *_REFUSALS))
async def score_batch(asked: BatchIn, request: Request, service: ServiceDep) -> JSONBytes:
    """Score up to 1,000 leads; `results` are in the order of the leads."""
    language = language_for(service, request, asked.language)
    leads = [lead.asked() for lead in asked.leads]
    answered = await run_in_threadpool(service.scoring().score_many, leads, language)
    predictions = [one.prediction for one in answered if one.prediction is not None]
    recorded = await service.recorder.record(predictions)
    answers = [_with_record(one.body, recorded and one.prediction is not None) for one in answered]
    return JSONBytes({"n": len(answers), "n_scored": len(predictions), "results": answers})


def _with_record(body: dict[str, Any], recorded: bool) -> dict[str, Any]:
    # Flat scalars stay in front of the nested part.
    flat = {name: value for name, value in body.items() if not isinstance(value, (list, dict))}
    return flat | {"recorded": recorded} | body
