"""How many requests are in work at once: so many, a queue behind them, and a clear no beyond."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.errors import problem

__all__ = ["UNGATED", "Gate", "Places"]

UNGATED = frozenset({"/livez", "/readyz", "/metrics"})
"""Answered however busy the service is: whoever looks must see it."""

SLOW = ("/v1/insight/", "/v1/export/", "/v1/handoff", "/v1/recycle")
"""Reports over many leads. They have few places of their own: those who ask for them, and go away
before they are told, would otherwise keep everybody from being scored."""

_SLOW_PLACES = 4
_SLOW_WAITING = 12


class Places:
    """So many places, and a queue for them.

    Parameters
    ----------
    most : int
        Requests in work at once.
    most_waiting : int
        Requests that may wait for a place.
    """

    def __init__(self, most: int, most_waiting: int) -> None:
        self._most = most
        self._most_waiting = most_waiting
        self._queue: deque[asyncio.Future[None]] = deque()
        self.n_taken = 0

    @property
    def n_waiting(self) -> int:
        """Requests that wait for a place."""
        return len(self._queue)

    def take(self) -> bool:
        """Take a place if one is free."""
        if self.n_taken < self._most:
            self.n_taken += 1
            return True
        return False

    async def wait(self) -> bool:
        """Wait for a place, first come, first served; False at once where too many wait."""
        if len(self._queue) >= self._most_waiting:
            return False
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()  # the place had been given in the same moment
            raise
        return True

    def leave(self) -> None:
        """Give the place to the first that still waits; only without one does it become free."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.n_taken -= 1


class Gate:
    """Lets a request through when it has a place, and answers 503 where too many wait.

    It stands behind the one that reads bodies, so that a client that sends slowly holds no place.

    Parameters
    ----------
    places : Places
        Of this process.
    refused : callable
        Told of every refusal.
    """

    def __init__(self, app: ASGIApp, places: Places, refused: Callable[[str], None]) -> None:
        self.app = app
        self.places = places
        self._slow = Places(_SLOW_PLACES, _SLOW_WAITING)
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in UNGATED:
            await self.app(scope, receive, send)
            return
        places = self._slow if scope["path"].startswith(SLOW) else self.places
        if not places.take() and not await places.wait():
            self._refused("busy")
            answer = problem(
                Request(scope), 503, "busy", "Too many requests are in work. Try again shortly."
            )
            answer.headers["retry-after"] = "1"
            await answer(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            places.leave()
