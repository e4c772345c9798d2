"""What every request passes first: size limit, request id, security headers, one log line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import problem

__all__ = ["MIB", "SECURITY_HEADERS", "BodyLimit", "Envelope"]

log = logging.getLogger("lead_serve.access")

MIB = 1024 * 1024
DRAINED = 4
"""Times the limit that is read of a body that will be refused."""
DRAIN_SECONDS = 2.0

SECURITY_HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Envelope:
    """Gives each request an id and each answer its headers, and logs method, route and status.

    The log names the route (``/v1/leads/{lead_id}``), never the address that was asked for: an
    address may hold a name or a mail address.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope["request_id"] = request_id
        started = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                is_static = scope["path"].startswith("/static/")
                headers.setdefault("cache-control", "max-age=3600" if is_static else "no-store")
                headers["x-request-id"] = request_id
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "-")
            milliseconds = (time.perf_counter() - started) * 1000
            log.info(
                "%s %s %d %.1f ms %s", scope["method"], route, status, milliseconds, request_id
            )


class BodyLimit:
    """Refuses bodies above a size, declared or found out while reading, with 413.

    Parameters
    ----------
    limits : mapping of str to int
        Bytes by path, where they differ from `default`.
    """

    def __init__(self, app: ASGIApp, limits: Mapping[str, int], default: int = MIB) -> None:
        self.app = app
        self.limits = limits
        self.default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.limits.get(scope["path"], self.default)
        detail = f"The body is larger than {limit // MIB} MiB. Send fewer leads at a time."
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > limit:
            # A client that asks first is told at once; any other has to be heard out, or it sees a
            # broken connection instead of the answer.
            if Headers(scope=scope).get("expect", "").lower() != "100-continue":
                await _drain(receive, DRAINED * limit)
            await problem(Request(scope), 413, "too_large", detail)(scope, receive, send)
            return
        n_read = 0

        async def receive_counted() -> Message:
            nonlocal n_read
            message = await receive()
            n_read += len(message.get("body", b""))
            if n_read > limit:
                if message.get("more_body", False):
                    await _drain(receive, DRAINED * limit - n_read)
                raise HTTPException(413, detail)
            return message

        await self.app(scope, receive_counted, send)


async def _drain(receive: Receive, most: int) -> None:
    """Read and forget what is still sent, up to `most` bytes or `DRAIN_SECONDS`."""
    n_read = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while n_read <= most:
                message = await receive()
                n_read += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
