"""JSON as the standard has it, in and out.

The framework's parser takes NaN, 1e400 and lone surrogates, which later cannot be written and turn
into a 500. Here one parser refuses them for every route, with its own depth limit.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

import orjson
from fastapi import HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

__all__ = ["MAX_DEPTH", "JSONBytes", "StrictRoute", "parse_json"]

MAX_DEPTH = 16
"""Levels of lists and objects a request may nest; a lead needs four."""


def parse_json(body: bytes) -> Any:
    """Return what `body` says.

    Of a key given twice the last counts, as with every parser that senders are likely to use.

    Raises
    ------
    HTTPException
        400, without a byte of the body, if it is not UTF-8 JSON of finite numbers and whole
        characters, or nests deeper than `MAX_DEPTH`.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPException(
            400,
            f"The body is not JSON (line {error.lineno}, column {error.colno}). "
            "Expected UTF-8 without byte order mark, finite numbers and whole characters.",
        ) from error
    if _is_deeper(parsed, MAX_DEPTH):
        raise HTTPException(
            400, f"The body nests deeper than {MAX_DEPTH} levels. Send leads as flat objects."
        )
    return parsed


def _is_deeper(parsed: Any, limit: int) -> bool:
    level = [parsed]
    for _ in range(limit + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


class StrictRequest(Request):
    """A request whose `json` is strict."""

    async def json(self) -> Any:
        """Return the parsed body."""
        return parse_json(await self.body())


class StrictRoute(APIRoute):
    """A route that reads its body as strict JSON and takes no other content type."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the framework's handler, fed with a `StrictRequest`."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if request.method in ("POST", "PUT", "PATCH") and not _is_json(request):
                raise HTTPException(
                    415, "Send JSON with the header Content-Type: application/json."
                )
            read = StrictRequest(request.scope, request.receive)
            if request.method in ("POST", "PUT", "PATCH") and not await read.body():
                raise HTTPException(400, "The body is empty. Send a lead as JSON.")
            return await handle(read)

        return strict


class JSONBytes(JSONResponse):
    """A JSON answer written by orjson; floats keep every bit."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of `content`."""
        return orjson.dumps(content)


def _is_json(request: Request) -> bool:
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    subtype = header.get_content_subtype()
    charset = header.get_content_charset("utf-8")
    return (
        header.get_content_maintype() == "application"
        and (subtype == "json" or subtype.endswith("+json"))
        and charset in ("utf-8", "utf8")
    )
