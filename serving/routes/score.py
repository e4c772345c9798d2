"""``POST /v1/score`` and ``/v1/score/batch``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from serving.answers import BatchAnswer, NotScored, Scored, told
from serving.dependencies import Service, ServiceDep, language_for
from serving.scoring.asked import MOST_LEADS, BatchIn, ScoreIn
from serving.scoring.service import Answered, AskedLead, ScoreService
from serving.store import Prediction
from serving.strict_json import JSONBytes, StrictRoute
from serving.texts import Language

__all__ = [
    "BATCH_PATH",
    "MOST_LEADS",
    "SCORE_PATH",
    "answer_batch",
    "answer_score",
    "router",
    "score_one",
]

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
    written = score_one(service, asked, language, is_recorded)
    return written if isinstance(written, bytes) else await written()


def score_one(
    service: Service, asked: AskedLead, language: Language, is_recorded: bool
) -> bytes | Callable[[], Awaitable[bytes]]:
    """Score a lead, and return the answer as JSON, or what records it and then returns it.

    Raises
    ------
    NoModel, RequestRefused
        If it cannot be scored.
    """
    scoring = service.scoring()
    answered = scoring.score(asked, language)
    _count(service, answered)
    if not is_recorded or answered.scored is None:
        return answered.written.saying(False)
    return partial(_record, service, scoring, answered)


async def _record(service: Service, scoring: ScoreService, answered: Answered) -> bytes:
    # Written before it is known whether the commit succeeds: what is stored is what is told.
    written = answered.written.saying(True)
    if await service.recorder.record([scoring.prediction(answered, written)]):
        return written
    service.meter.unrecorded()
    return answered.written.saying(False)


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
        written = await run_in_threadpool(_written, answered, True)
        if await service.recorder.record(_predictions(scoring, answered, written)):
            return _batch(len(scored), written)
        service.meter.unrecorded(len(scored))
    return await run_in_threadpool(_batch_of, len(scored), answered)


def _written(answered: list[Answered], is_recorded: bool) -> list[bytes]:
    return [one.written.saying(is_recorded and one.scored is not None) for one in answered]


def _batch_of(n_scored: int, answered: list[Answered]) -> bytes:
    return _batch(n_scored, _written(answered, False))


def _predictions(
    scoring: ScoreService, answered: list[Answered], written: list[bytes]
) -> list[Prediction]:
    return [
        scoring.prediction(one, body)
        for one, body in zip(answered, written, strict=True)
        if one.scored is not None
    ]


def _batch(n_scored: int, results: list[bytes]) -> bytes:
    head = b'{"n":%d,"n_scored":%d,"results":[' % (len(results), n_scored)
    return b"%b%b]}" % (head, b",".join(results))


def _count(service: Service, answered: Answered) -> None:
    scored = answered.scored
    service.meter.scored(answered.told, None if scored is None else scored.codes)
