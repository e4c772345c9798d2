"""HTTP on the wire with deadlines and caps, which the server itself does not have.

A connection is in one of three states, and only the first two can time out:

- *silent*: no request has begun since it was opened or since the last answer; closed after
  ``idle_seconds``;
- *reading*: a request has begun and is not whole; answered 408 and closed once header and body
  together have taken ``read_seconds``, however regularly bytes drip in;
- *in work*: the request is whole and its answer is not; never cut.

Beside that, a client that does not take its answer is dropped. There is no timer for a request:
`sweep` looks at all connections about once a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httptools
import orjson
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from serving.process.request_target import has_one_host

if TYPE_CHECKING:
    from serving.scoring.short_way import ShortWay

__all__ = ["MOST_HEADERS", "MOST_HEADER_BYTES", "GuardedProtocol", "Wire"]

MOST_HEADERS = 100
MOST_HEADER_BYTES = 32 * 1024
"""Names and values, and 4 bytes each for colon, blank and line end."""
MOST_ADDRESS_BYTES = 8 * 1024
MOST_PIPELINED = 64
MOST_CONNECTIONS = 4_096
LEAST_TAKEN = 16 * 1024
"""Bytes of an answer that a client must take within ``read_seconds``, or it is dropped."""
LINGER_SECONDS = 1.0
"""How long a refused client is heard: closing at once would reset what it has just been told."""
STOP_READ_SECONDS = 2.0
"""Time that a half-sent request has left once the service ends."""

_OF_UPGRADES = frozenset({b"connection", b"upgrade", b"http2-settings"})

_REFUSALS = {
    400: ("bad_request", b"Bad Request", "This is not HTTP/1.1 as the standard has it."),
    408: ("too_slow", b"Request Timeout", "The request was not whole in time. Send it at once."),
    414: ("address_too_long", b"URI Too Long", "The address is longer than 8 KiB."),
    431: (
        "headers_too_large",
        b"Request Header Fields Too Large",
        "At most 100 headers and 32 KiB of them are taken.",
    ),
}


class _Refused(Exception):
    """Raised inside the parser's callbacks; leaves it as `HttpParserCallbackError`."""


@dataclass(slots=True)
class Wire:
    """What all connections of a process share.

    Attributes
    ----------
    read_seconds : float
        In which header and body must have come, and in which a client must take some of its answer.
    idle_seconds : float
        After which a silent connection is closed.
    refused : callable
        Told the reason of every refusal and every cut.
    n_changed : callable
        Told how many connections are open, whenever one comes or goes.
    is_leaving : bool
        From then on every answer says ``Connection: close``: other workers go on.
    stopping_since : float or None
        On the loop's clock; from then on every answer says so, and half a request has little time.
    short_way : ShortWay or None
        Answers plain scoring requests without a task; see `serving.process.short_protocol`.
    """

    read_seconds: float
    idle_seconds: float
    refused: Callable[[str], None] = lambda _: None
    n_changed: Callable[[int], None] = lambda _: None
    is_leaving: bool = False
    stopping_since: float | None = None
    short_way: ShortWay | None = None

    @property
    def is_ending(self) -> bool:
        """Whether connections are closed after their next answer."""
        return self.is_leaving or self.stopping_since is not None

    @property
    def tick_seconds(self) -> float:
        """How often to sweep; what would be late at the next sweep is closed at this one."""
        return min(1.0, self.read_seconds / 4, self.idle_seconds / 4)

    def sweep(self, connections: set[Any], now: float) -> None:
        """Close what has been silent, half-sent or not taken for too long."""
        for connection in list(connections):
            if isinstance(connection, GuardedProtocol):
                connection.look_at(now)


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol with deadlines, caps on headers, and back-pressure.

    Parameters
    ----------
    wire : Wire
        Deadlines and counters, shared by all connections.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        wire: Wire,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.wire = wire
        self.access_log = False
        self._since = self.loop.time()  # the request began, or the silence
        self._is_reading = False
        self._in_head = False
        self._began_here = False
        self._is_upgrade = False
        self._head_bytes = 0
        self._raw_bytes = 0
        self._running: RequestResponseCycle | None = None
        self._refusal = 0
        self._is_ended = False
        self._unsent = 0
        self._took_at = 0.0

    # -- what the transport says -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; where there are too many, those that wait longest go."""
        if len(self.connections) >= MOST_CONNECTIONS:
            self._make_room()
        super().connection_made(transport)
        self.wire.n_changed(len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        super().connection_lost(exc)
        self.wire.n_changed(len(self.connections))

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._refusal or self._is_ended:
            return
        self._began_here = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as told:
            self._without_upgrade(data[told.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(self._broken_by())
            return
        if self._in_head:
            # A header that never ends reaches no callback. Where it began inside this piece, its
            # share of it is unknown: the next pieces count.
            self._raw_bytes = 0 if self._began_here else self._raw_bytes + len(data)
            if self._raw_bytes > MOST_HEADER_BYTES + MOST_ADDRESS_BYTES:
                self._refuse(431)

    def _broken_by(self) -> int:
        return self._refusal or 400  # a callback may have said which

    def _without_upgrade(self, rest: bytes) -> None:
        """Read a request again as if it had not asked for another protocol, as one may.

        Java's client asks for HTTP/2 with its first request. The parser takes what follows the head
        for the other protocol, and the body would be lost.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            self._refuse(400)
            return
        head = [b"%s %s HTTP/%s\r\n" % (method, self.url, version.encode("ascii"))]
        for name, value in self.headers:
            if name == b"connection" and b"close" in value.lower():
                head.append(b"connection: close\r\n")
            elif name not in _OF_UPGRADES:
                head.append(b"%s: %s\r\n" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._is_upgrade = False
        self.data_received(b"".join([*head, b"\r\n", rest]))

    def pause_writing(self) -> None:
        """Read no further request of a client that does not take its answers."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Go on with what waited for the client to take an answer."""
        super().resume_writing()
        self._unsent = 0
        if not self.transport.is_closing() and not self._is_in_work():
            self._go_on()

    # -- what the parser says ----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start the clock of a request."""
        super().on_message_begin()
        self._is_reading = self._in_head = self._began_here = True
        self._head_bytes = 0
        self._since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        self.url += url
        if len(self.url) > MOST_ADDRESS_BYTES:
            self._refusal = 414
            raise _Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; pass over those behind a body (RFC 9110, 6.5.1)."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MOST_HEADER_BYTES or len(self.headers) >= MOST_HEADERS:
            self._refusal = 431
            raise _Refused
        if self._in_head:  # what comes behind a body is no header: no proxy has looked at it
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, or queue behind the answers before."""
        if len(self.pipeline) >= MOST_PIPELINED:
            raise _Refused
        if self.parser.should_upgrade():
            self._is_upgrade = True
            return
        is_old = self.parser.get_http_version() == "1.0"
        if not has_one_host(self.headers, self.url, is_old):
            raise _Refused
        self.expect_100_continue = self.expect_100_continue and not is_old
        self._take_up()
        self._in_head = False

    def _take_up(self) -> None:
        super().on_headers_complete()
        if self.expect_100_continue:
            self._end_if_answered_early(self.cycle)
        if self.wire.is_ending:
            self.cycle.keep_alive = False

    def _end_if_answered_early(self, cycle: RequestResponseCycle) -> None:
        """End the connection after an answer that was given without asking for the body.

        The client may send its body or leave it out (RFC 9110, 10.1.1), so nobody knows where its
        next request would begin.
        """
        send = cycle.send
        is_early = False

        async def send_and_end(message: Any) -> None:
            nonlocal is_early
            if message["type"] == "http.response.start":
                is_early = cycle.waiting_for_100_continue and cycle.more_body
                if is_early:
                    self._is_ended, self._since = True, self.loop.time()
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)
            if is_early:
                cycle.keep_alive = True  # else it would close at once, and reset what it has told
                if cycle.response_complete:
                    self._end()

        cycle.send = send_and_end  # type: ignore[method-assign]

    def on_message_complete(self) -> None:
        """Know that the request is whole: from here on it is in work."""
        if self._is_upgrade:
            return
        self._is_reading = False
        super().on_message_complete()
        if self.cycle.response_complete:
            self._since = self.loop.time()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Answer what waits, or count the silence from now."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._since = self.loop.time()
        if not self.flow.write_paused:
            self._go_on()

    def _go_on(self) -> None:
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._refusal:
            self._say_refusal()
        if not self.pipeline:
            self.flow.resume_reading()

    def _is_in_work(self) -> bool:
        """Whether an answer is due that no half-sent request of this client holds up."""
        running = self._running
        if running is None or running.response_complete:
            return bool(self.pipeline)
        return not (self._is_reading and not self._in_head and running is self.cycle)

    # -- refusing and ending -----------------------------------------------------------------------

    def _refuse(self, status: int) -> None:
        # What was asked before it is answered first.
        self._refusal = status
        if not self._is_in_work():
            self._say_refusal()

    def _say_refusal(self) -> None:
        error, phrase, detail = _REFUSALS[self._refusal]
        self.wire.refused(error)
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True  # the application is told that nobody listens any more
            running.message_event.set()
            if running.response_started:
                self.transport.abort()
                return
        body = orjson.dumps({"error": error, "detail": detail, "request_id": ""})
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
            b"connection: close\r\n\r\n%s" % (self._refusal, phrase, len(body), body)
        )
        self._end()

    def _end(self) -> None:
        self._is_ended = True
        self._since = self.loop.time()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def look_at(self, now: float) -> None:
        """Close the connection if it has been silent, half-sent or not taken for too long."""
        wire, transport = self.wire, self.transport
        if self._is_ended:
            if now - self._since >= LINGER_SECONDS:
                transport.abort()
            return
        late = now + wire.tick_seconds
        unsent = transport.get_write_buffer_size()
        if unsent:
            if not self._unsent or unsent <= self._unsent - LEAST_TAKEN:
                self._unsent, self._took_at = unsent, now
            elif late - self._took_at > wire.read_seconds:
                wire.refused("answer_not_taken")
                transport.abort()
            return
        self._unsent = 0
        if transport.is_closing() or self._is_in_work():
            return
        if not self._is_reading:
            if late - self._since > wire.idle_seconds:
                transport.close()
        elif late - self._since > wire.read_seconds or (
            wire.stopping_since is not None and now - wire.stopping_since > STOP_READ_SECONDS
        ):
            if not self._in_head and self.cycle.response_complete:
                transport.abort()  # it was answered before it was whole
            else:
                self._refuse(408)

    def _make_room(self) -> None:
        waiting = sorted(
            (
                one
                for one in self.connections
                if isinstance(one, GuardedProtocol) and not one._is_in_work()
            ),
            key=lambda one: one._since,
        )
        for one in waiting[: MOST_CONNECTIONS // 20]:
            self.wire.refused("too_many_connections")
            one.transport.abort()
