"""Every failure as ``{"error", "detail", "request_id"}``, without a byte of the request."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from features.errors import LeadQualityError
from serving.strict_json import JSONBytes

__all__ = [
    "AccountUnknown",
    "ApprovalUnderWay",
    "EventConflict",
    "EventsRefused",
    "KeyUnknown",
    "LeadUnknown",
    "ModelRefused",
    "ModelUnavailable",
    "NoModel",
    "NothingToRollBack",
    "RequestRefused",
    "RightMissing",
    "RowRefused",
    "StoreUnavailable",
    "VersionInvalid",
    "add_error_handlers",
    "problem",
]

log = logging.getLogger("lead_serve")

MAX_PROBLEMS = 20
RETRY_SECONDS = 30

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "not_json",
    422: "wrong_shape",
    429: "too_many",
    503: "unavailable",
}


class NoModel(LeadQualityError):
    """No approved model is loaded, so nothing can be scored."""

    status = 503


class StoreUnavailable(LeadQualityError):
    """The database of scores and approvals cannot be reached."""

    status = 503


class RowRefused(StoreUnavailable):
    """The database answers but does not take a row; others may go through."""


class EventConflict(LeadQualityError):
    """An event id is known with another content."""

    status = 422


class EventsRefused(LeadQualityError):
    """Events say what cannot be; the message names each by its place, never by its content."""

    status = 422


class LeadUnknown(LeadQualityError):
    """No score was recorded for this lead."""

    status = 404


class KeyUnknown(LeadQualityError):
    """There is no key of this id."""

    status = 404


class AccountUnknown(LeadQualityError):
    """There is no account of this name."""

    status = 404


class RightMissing(LeadQualityError):
    """The caller may not do this."""

    status = 403


class ModelUnavailable(LeadQualityError):
    """The model store does not answer, or has no such version."""

    status = 503


class ModelRefused(LeadQualityError):
    """The model is damaged, foreign, or lies where it must not; it was not approved."""

    status = 422


class VersionInvalid(LeadQualityError):
    """No version of any model can have this number, or no model this name."""

    status = 422


class NothingToRollBack(LeadQualityError):
    """There is no earlier approval."""

    status = 409


class ApprovalUnderWay(LeadQualityError):
    """Another approval of this home has not ended."""

    status = 503


class RequestRefused(LeadQualityError):
    """The request is well formed but asks for what cannot be."""

    status = 422


_NAMES: dict[type[Exception], str] = {
    NoModel: "no_model",
    StoreUnavailable: "store_unavailable",
    RowRefused: "store_unavailable",
    EventConflict: "event_conflict",
    EventsRefused: "event_refused",
    LeadUnknown: "unknown_lead",
    KeyUnknown: "unknown_key",
    ModelUnavailable: "registry_unavailable",
    ModelRefused: "model_refused",
    VersionInvalid: "refused",
    NothingToRollBack: "nothing_to_roll_back",
    ApprovalUnderWay: "busy",
    AccountUnknown: "unknown_account",
    RightMissing: "forbidden",
    RequestRefused: "refused",
}


def add_error_handlers(app: FastAPI) -> None:
    """Make every failure of `app` answer in the one shape."""
    app.add_exception_handler(RequestValidationError, _wrong_shape)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(LeadQualityError, _known_error)
    app.add_exception_handler(Exception, _bug)


def problem(request: Request, status: int, error: str, detail: str) -> Response:
    """Return an error answer."""
    body = {"error": error, "detail": detail, "request_id": request.scope.get("request_id", "")}
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None
    return JSONBytes(body, status_code=status, headers=headers)


def _wrong_shape(request: Request, error: Exception) -> Response:
    found: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else ()
    problems = [f"{_place(one['loc'])}: {_sentence(one)}" for one in found]
    more = f" and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
    return problem(request, 422, "wrong_shape", "; ".join(problems[:MAX_PROBLEMS]) + more + ".")


def _sentence(one: Mapping[str, Any]) -> str:
    if one["loc"][-1] == "limit":
        return "must be a whole number from 1 to 1,000"
    # What is filled in are limits and choices of ours, never what was sent.
    told = one.get("ctx") or {}
    ours = {name: told.get(name, "what docs/guide/api.md says") for name in _FILLED}
    limits = {name: f"{at:,}" if type(at) is int else str(at) for name, at in ours.items()}
    return _SENTENCES.get(one["type"], "has the wrong shape").format_map(limits)


_FILLED = ("expected", "ge", "le", "max_length")
_SENTENCES = {
    "missing": "is missing",
    "model_version": "must be a version's number, or champion",
    "why_blank": "must not be blank",
    "string_type": "must be a text",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters long",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must not be empty",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
    "less_than_equal": "must be at most {le}",
    "greater_than_equal": "must be at least {ge}",
    "date_from_datetime_parsing": "must be a day such as 2026-11-20",
    "date_from_datetime_inexact": "must be a day such as 2026-11-20",
    "date_parsing": "must be a day such as 2026-11-20",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "holds characters it must not hold",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "value_error": "cannot be used",
    "lead_id_type": "must be a text, or a whole number below 2^64 (send a longer one as text)",
    "lead_id_blank": "must not be blank",
    "lead_id_control": "must not hold control characters",
    "language": "must be ja or en; leave it out for the default",
}
_OURS = frozenset(
    {
        "path",
        "query",
        "lead_id",
        "as_of",
        "fields",
        "events",
        "language",
        "record",
        "leads",
        "event_id",
        "kind",
        "reason",
        "actor",
        "source",
        "return_on",
        "at",
        "amount",
        "limit",
        "version",
        "why",
        "name",
        "scopes",
        "days",
        "slots",
        "after",
        "until",
        "queue",
    }
)


def _place(where: Sequence[object]) -> str:
    """Return where in the request, as in `events[0].at`; places are counted from 0.

    Only our own names and list positions: a key that the caller invented may hold anything.
    """
    told = ""
    for part in where:
        if isinstance(part, int):
            told += f"[{part}]"
        elif part in _OURS:
            told += f".{part}" if told else str(part)
    return told or "body"


def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    if status == 404:
        detail = "There is nothing at this address. docs/guide/api.md lists the addresses."
    answer = problem(request, status, _CODES.get(status, "refused"), detail)
    if isinstance(error, HTTPException) and error.headers:
        answer.headers.update(error.headers)
    return answer


def _known_error(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, LeadQualityError) else 500
    return problem(
        request,
        status,
        _NAMES.get(type(error), "unavailable" if status == 503 else "refused"),
        str(error),
    )


def _bug(request: Request, error: Exception) -> Response:
    log.error(
        "unexpected %s in request %s", type(error).__name__, request.scope.get("request_id", "")
    )
    return problem(
        request, 500, "internal", "This is a bug of the service. Report it with the request_id."
    )
