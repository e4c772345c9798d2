"""What every request passes: a name, headers, a log line, a count, and a cap on its body."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from random import getrandbits

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import problem
from serving.process.log import ACCESS, fast_access_line, place_of

__all__ = [
    "MIB",
    "SECURITY_HEADERS",
    "BodyLimit",
    "Envelope",
    "drain",
    "head_of_json",
    "request_id_of",
]

log = logging.getLogger("lead_serve")
access = logging.getLogger(ACCESS)

MIB = 1024 * 1024
DRAINED = 4
"""Times the limit that is read of a body that will be refused."""
DRAIN_SECONDS = 2.0
MOST_HELD = 256 * MIB
"""Of bodies that come in pieces, in one process."""

SECURITY_HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    # With "no-referrer" browsers send forms with "Origin: null", and the guard could not tell ours.
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}

_FIXED = [
    *((name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()),
    (b"cache-control", b"no-store"),
]
_FIXED_STATIC = [*_FIXED[:-1], (b"cache-control", b"max-age=3600")]
_PLAIN = frozenset({b"content-type", b"content-length"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GONE = 499
"""In log and counts only: the client left before its answer."""


class Envelope:
    """Gives each request an id and each answer its headers; logs and counts method, route, status.

    The log names the route (``/v1/leads/{lead_id}``), never the address that was asked for: an
    address may hold a name or a mail address. A bug is logged as its type and place.

    Parameters
    ----------
    answered : callable
        Told method, route, status and seconds of every answer.
    """

    def __init__(self, app: ASGIApp, answered: Callable[[str, str, int, float], None]) -> None:
        self.app = app
        self._answered = answered
        self._say = fast_access_line() or _say_slowly

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        given = [value for name, value in scope["headers"] if name == b"x-request-id"]
        await self.enclose(self.app, scope, receive, send, request_id_of(given), started)

    async def enclose(
        self,
        app: ASGIApp,
        scope: Scope,
        receive: Receive,
        send: Send,
        request_id: str,
        started: float,
    ) -> None:
        """Let an application serve a request that has its name."""
        scope["request_id"] = request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(
                    message.get("headers", ()), scope["path"], request_id
                )
            await send(message)

        try:
            await app(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = status or _GONE
        except Exception as error:
            # Its words may hold what was sent; its place in the code does not.
            log.error(
                "unexpected %s in request %s at %s",
                type(error).__name__,
                request_id,
                place_of(error),
            )
            if status:
                raise  # half an answer is out: the server must cut the connection
            detail = "This is a bug of the service. Report it with the request_id."
            answer = problem(Request(scope), 500, "internal", detail)
            await answer(scope, receive, send_with_headers)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            route = getattr(scope.get("route"), "path", "-")
            self.tell(method, route, status or _GONE, started, request_id)

    def tell(self, method: str, route: str, status: int, started: float, request_id: str) -> None:
        """Log and count an answer."""
        seconds = time.perf_counter() - started
        self._answered(method, route, status, seconds)
        self._say(method, route, status, seconds * 1000, request_id)


def request_id_of(given: Sequence[bytes]) -> str:
    """Return the name that the caller gave a request, or a new one."""
    for value in reversed(given):
        if _REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return f"{getrandbits(64):016x}"


def head_of_json(path: str) -> bytes:
    """Return the headers of an answer in JSON as they go over the wire.

    A ``%d`` stands for its length and a ``%b`` for the name of its request.
    """
    own = [(b"content-length", b"%d"), (b"content-type", b"application/json")]
    headers = _completed(own, path, "%b")
    return b"".join([b"%b: %b\r\n" % header for header in headers]) + b"\r\n"


def _completed(
    given: list[tuple[bytes, bytes]], path: str, request_id: str
) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with ours, where it has not set them itself."""
    fixed = _FIXED_STATIC if path.startswith("/static/") else _FIXED
    own = (b"x-request-id", request_id.encode("ascii"))
    if len(given) == len(_PLAIN) and given[0][0] in _PLAIN and given[1][0] in _PLAIN:
        return [*given, *fixed, own]
    names = {name.lower() for name, _ in given}
    return [*given, *(header for header in fixed if header[0] not in names), own]


def _say_slowly(method: str, route: str, status: int, milliseconds: float, request: str) -> None:
    if access.isEnabledFor(logging.INFO):
        access.info("%s %s %d %.1f ms %s", method, route, status, milliseconds, request)


class BodyLimit:
    """Reads the body before anybody works on it, and refuses one that is too large or encoded.

    Whoever stands behind finds the body whole: a client that sends slowly holds a connection and
    the bytes it has sent, but no place at the gate.

    Parameters
    ----------
    limits : mapping of str to int
        Bytes by path, where they differ from `default`.
    """

    def __init__(self, app: ASGIApp, limits: Mapping[str, int], default: int = MIB) -> None:
        self.app = app
        self.limits = limits
        self.default = default
        self._held = 0

    def most(self, path: str) -> int:
        """Return how many bytes are taken at a path."""
        return self.limits.get(path, self.default)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared, is_awaited = -1, False
        has_body = scope["method"] not in ("GET", "HEAD")
        encoding = b""
        for name, value in scope["headers"]:
            if name == b"content-length":
                declared = int(value[:20]) if value.isdigit() else -1
                has_body = has_body or declared > 0
            elif name == b"transfer-encoding":
                has_body = True
            elif name == b"content-encoding":
                encoding = encoding or value.strip().lower().removeprefix(b"identity")
            elif name == b"expect":
                is_awaited = value.lower() == b"100-continue"
        if not has_body:
            await self.app(scope, receive, send)
            return
        limit = self.most(scope["path"])
        if encoding or declared > limit:
            # A client that asks first is told at once; any other has to be heard out, or it sees a
            # broken connection instead of the answer.
            if not is_awaited:
                await drain(receive, DRAINED * limit)
            answer = _encoded(scope) if encoding else _too_large(scope, limit)
            await answer(scope, receive, send)
            return
        first: Message | None = await receive()
        if first is not None and first.get("more_body", False):
            await self._read_on(scope, receive, send, first.get("body", b""), limit)
            return
        if first is not None and len(first.get("body", b"")) > limit:
            await _too_large(scope, limit)(scope, receive, send)
            return

        async def read_before() -> Message:
            nonlocal first
            if first is None:
                return await receive()
            message, first = first, None
            return message

        await self.app(scope, read_before, send)

    async def _read_on(
        self, scope: Scope, receive: Receive, send: Send, body: bytes, limit: int
    ) -> None:
        pieces, n_read = [body], len(body)
        self._held += n_read
        try:
            more = True
            while more:
                if n_read > limit:
                    await drain(receive, DRAINED * limit - n_read)
                    await _too_large(scope, limit)(scope, receive, send)
                    return
                if self._held > MOST_HELD:
                    await _no_room(scope)(scope, receive, send)
                    return
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientDisconnect
                piece = message.get("body", b"")
                pieces.append(piece)
                n_read += len(piece)
                self._held += len(piece)
                more = message.get("more_body", False)
            if n_read > limit:
                await _too_large(scope, limit)(scope, receive, send)
                return
            whole: Message | None = {"type": "http.request", "body": b"".join(pieces)}
            pieces.clear()

            async def read_before() -> Message:
                nonlocal whole
                if whole is None:
                    return await receive()
                message, whole = whole, None
                return message

            await self.app(scope, read_before, send)
        finally:
            self._held -= n_read


def _too_large(scope: Scope, limit: int) -> ASGIApp:
    detail = f"The body is larger than {limit // MIB} MiB. Send fewer leads at a time."
    return problem(Request(scope), 413, "too_large", detail)


def _encoded(scope: Scope) -> ASGIApp:
    detail = "Send the body as it is: no Content-Encoding is taken."
    return problem(Request(scope), 415, "encoded", detail)


def _no_room(scope: Scope) -> ASGIApp:
    detail = "Too many large bodies are being sent. Try again shortly."
    answer = problem(Request(scope), 503, "busy", detail)
    answer.headers["retry-after"] = "1"
    answer.headers["connection"] = "close"
    return answer


async def drain(receive: Receive, most: int) -> None:
    """Read and forget what is still sent, up to `most` bytes or `DRAIN_SECONDS`."""
    n_read = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while n_read <= most:
                message = await receive()
                n_read += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
