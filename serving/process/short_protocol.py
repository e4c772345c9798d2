"""Plain scoring requests, answered while they are read.

The server makes a task, an event and a scope of many parts for each request, checks every header of
its answer again, and writes the answer in two pieces. For the requests that carry the load all of
that costs as much as their score. One that has come whole in one piece, with nothing before it on
its connection, is handed to ``wire.short_way`` here, and what that returns is written at once.
Everything else, and what the short way leaves, takes the usual way.
"""

from __future__ import annotations

from typing import Any, cast

from starlette.types import ASGIApp, Scope
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from serving.process.protocol import GuardedProtocol

__all__ = ["ShortProtocol"]

_OK = STATUS_LINE[200]


class ShortProtocol(GuardedProtocol):
    """The guarded protocol with a short way for plain scoring requests."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._may_be_short = False
        self._is_held = False
        self._held_body = b""
        self._finish: ASGIApp | None = None

    def data_received(self, data: bytes) -> None:
        """Parse what came; a request that is not whole by then takes the usual way."""
        self._may_be_short = True
        super().data_received(data)
        if self._is_held:
            self._is_held = False
            if not self._refusal:
                self._begin()

    def _take_up(self) -> None:
        if self._may_be_short and self._is_plain():
            self._may_be_short = False  # one for each piece: others get their turn too
            self._is_held, self._held_body = True, b""
            return
        super()._take_up()

    def _is_plain(self) -> bool:
        wire, parser = self.wire, self.parser
        return (
            wire.short_way is not None
            and self.url == wire.short_way.path
            and self._is_free()
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not wire.is_ending
            and not self.flow.write_paused
        )

    def _is_free(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if self._is_held:
            self._held_body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer at once what can be."""
        if self._is_held:
            self._is_held = False
            self._is_reading = False
            assert self.wire.short_way is not None
            answer = self.wire.short_way(cast("Scope", self.scope), self._held_body)
            if isinstance(answer, bytes):
                dated = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
                self.transport.write(b"".join([_OK, *dated, answer]))
                self.server_state.total_requests += 1
                self._since = self.loop.time()
                return
            self._finish = answer
            self._begin()
        super().on_message_complete()

    def _begin(self) -> None:
        super()._take_up()
        if self._held_body:
            super().on_body(self._held_body)
            self._held_body = b""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        finish, self._finish = self._finish, None
        super()._start_asgi_task(cycle, app if finish is None else cast("ASGI3Application", finish))
