"""A plain request to score one lead, from its bytes to those of the answer in one call.

What every request passes is written as layers: each wraps the next, reads the headers for itself
and hands messages on. Here the same rules of the same layers are asked one after the other, over
headers that were read once. What is not plain, or what any of them does not let through at once,
goes by way of the layers as if this were not here: nothing is refused, worded or counted here.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.dependencies import Service, language_of
from serving.guard.access import Row, row_of
from serving.guard.security import Guard
from serving.process.gate import Gate
from serving.process.limits import BodyLimit, Envelope, head_of_json, request_id_of
from serving.routes.score import SCORE_PATH, score_one
from serving.scoring.asked import plain_score
from serving.scoring.fast_lane import JSON_TYPES, send_json

__all__ = ["ShortWay"]

_NOT_PLAIN: Final = frozenset({b"content-encoding", b"transfer-encoding", b"expect"})
_METHOD: Final = "POST"


class ShortWay:
    """Answers a plain scoring request whose body has come whole.

    Parameters
    ----------
    app : Starlette
        Whose `state` holds the running service.
    envelope, guard, limit, gate : Envelope, Guard, BodyLimit, Gate
        The layers whose rules are asked.
    """

    path: Final = SCORE_PATH.encode("ascii")

    def __init__(
        self, app: Starlette, envelope: Envelope, guard: Guard, limit: BodyLimit, gate: Gate
    ) -> None:
        self._app = app
        self._envelope = envelope
        self._guard = guard
        self._places = gate.places
        self._most = limit.most(SCORE_PATH)
        row = row_of(_METHOD, SCORE_PATH)
        assert row is not None
        self._row: Row = row
        self._head = head_of_json(SCORE_PATH) + b"%b"

    def __call__(self, scope: Scope, body: bytes) -> bytes | ASGIApp | None:
        """Return headers and body of the answer, an application that gives it, or None.

        None leaves the request to the layers, with the scope as it is now.
        """
        started = time.perf_counter()
        headers = dict(scope["headers"])
        if (
            len(headers) != len(scope["headers"])
            or headers.get(b"content-type") not in JSON_TYPES
            or not _NOT_PLAIN.isdisjoint(headers)
            or len(body) > self._most
        ):
            return None
        service: Service = self._app.state.service
        if not self._guard.lets_in_at_once(scope, service, self._row, headers):
            return None
        if not self._places.take():
            return None
        written = _score(service, headers.get(b"accept-language"), body)
        if not callable(written):
            self._places.leave()
        if written is None:
            return None
        given = headers.get(b"x-request-id")
        request_id = request_id_of(() if given is None else (given,))
        if callable(written):
            return self._finishing(written, request_id, started)
        self._envelope.tell(_METHOD, SCORE_PATH, 200, started, request_id)
        return self._head % (len(written), request_id.encode("ascii"), written)

    def _finishing(
        self, record: Callable[[], Awaitable[bytes]], request_id: str, started: float
    ) -> ASGIApp:
        """Return an application that records a score and then answers; it holds a place."""

        async def answer(_: Scope, __: Receive, send: Send) -> None:
            await send_json(send, await record())

        async def finish(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                scope["route"] = self._row
                await self._envelope.enclose(answer, scope, receive, send, request_id, started)
            finally:
                self._places.leave()

        return finish


def _score(
    service: Service, accepted: bytes | None, body: bytes
) -> bytes | Callable[[], Awaitable[bytes]] | None:
    try:
        asked = plain_score(orjson.loads(body))
        if asked is None:
            return None
        accepts = None if accepted is None else accepted.decode("latin-1")
        language = language_of(service, accepts, asked.language)
        return score_one(service, asked.lead, language, asked.is_recorded)
    except Exception:  # noqa: BLE001 - behind the layers it comes again: worded, and a bug logged
        return None
