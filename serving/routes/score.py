"""``POST /v1/score`` and ``/v1/score/batch``."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from serving.answers import BatchAnswer, NotScored, Scored, told
from serving.asked import MOST_LEADS, BatchIn, ScoreIn
from serving.dependencies import Service, ServiceDep, language_for
from serving.scoring import Answered, AskedLead, ScoreService
from serving.store import Prediction
from serving.strict_json import JSONBytes, StrictRoute
from serving.texts import Language

__all__ = ["BATCH_PATH", "MOST_LEADS", "SCORE_PATH", "answer_batch", "answer_score", "router"]

router = APIRouter(route_class=StrictRoute, tags=["score"])

SCORE_PATH = "/v1/score"
BATCH_PATH = "/v1/score/batch"

_REFUSALS = (400, 413, 415, 422, 503)


@router.post(SCORE_PATH, response_class=JSONBytes, responses=told(Scored | NotScored, *_REFUSALS))
async def score(asked: ScoreIn, request: Request, service: ServiceDep) -> Response:
    """Score one lead, record the score, and say why in plain words."""
    language = language_for(service, request, asked.language)
    written = await answer_score(service, asked.asked(), language, asked.record)
    return Response(written, media_type="application/json")


@router.post(BATCH_PATH, response_class=JSONBytes, responses=told(BatchAnswer, *_REFUSALS))
async def score_batch(asked: BatchIn, request: Request, service: ServiceDep) -> Response:
    """Score up to 1,000 leads; `results` are in the order of the leads."""
    language = language_for(service, request, asked.language)
    leads = [lead.asked() for lead in asked.leads]
    written = await answer_batch(service, leads, language, asked.record)
    return Response(written, media_type="application/json")


async def answer_score(
    service: Service, asked: AskedLead, language: Language, is_recorded: bool
) -> bytes:
    """Score a lead, record the score if asked to, and return the answer as JSON.

    Raises
    ------
    NoModel, RequestRefused
        If it cannot be scored.
    """
    scoring = service.scoring()
    answered = scoring.score(asked, language)
    _count(service, answered)
    if not is_recorded or answered.scored is None:
        return orjson.dumps(answered.body)
    # Written before it is known whether the commit succeeds: what is stored is what is told.
    answered.body["recorded"] = True
    written = orjson.dumps(answered.body)
    if await service.recorder.record([scoring.prediction(answered, written)]):
        return written
    service.meter.unrecorded()
    answered.body["recorded"] = False
    return orjson.dumps(answered.body)


async def answer_batch(
    service: Service, asked: list[AskedLead], language: Language, is_recorded: bool
) -> bytes:
    """Score leads, record the scores if asked to, and return the answers as JSON.

    Raises
    ------
    NoModel, RequestRefused
        If they cannot be scored.
    """
    scoring = service.scoring()
    answered = await run_in_threadpool(scoring.score_many, asked, language)
    for one in answered:
        _count(service, one)
    scored = [one for one in answered if one.scored is not None]
    if is_recorded and scored:
        for one in scored:
            one.body["recorded"] = True
        written = await run_in_threadpool(_written, answered)
        if await service.recorder.record(_predictions(scoring, answered, written)):
            return _batch(len(scored), [orjson.Fragment(one) for one in written])
        service.meter.unrecorded(len(scored))
        for one in scored:
            one.body["recorded"] = False
    return await run_in_threadpool(_batch, len(scored), [one.body for one in answered])


def _written(answered: list[Answered]) -> list[bytes]:
    # The writer leaves its whole buffer, four times the text, in what it returns; copies are exact.
    return [bytes(memoryview(orjson.dumps(one.body))) for one in answered]


def _predictions(
    scoring: ScoreService, answered: list[Answered], written: list[bytes]
) -> list[Prediction]:
    return [
        scoring.prediction(one, body)
        for one, body in zip(answered, written, strict=True)
        if one.scored is not None
    ]


def _batch(n_scored: int, results: list[Any]) -> bytes:
    return orjson.dumps({"n": len(results), "n_scored": n_scored, "results": results})


def _count(service: Service, answered: Answered) -> None:
    body, scored = answered.body, answered.scored
    if scored is None:
        told = {"status": body["status"], "why": body["why"], "warnings": body["warnings"]}
        service.meter.scored(told)
        return
    service.meter.scored(
        {
            "status": body["status"],
            "score": body["score"],
            "grade": body["grade"],
            "decision": body["decision"],
            "warnings": body["warnings"],
        },
        scored.codes,
    )
