"""The short way for the requests that carry the load: plain ones to score a lead, or many.

Routing, solving dependencies, checking against a schema and building a response object cost several
times what scoring does. Here the plain form of a request goes from its bytes to those of the answer
with none of it. Everything else (another path or content type, a value to be refused, a bug in the
caller) goes on to the routes behind, which answer it as if this were not here: no error is worded
in two places.
"""

from __future__ import annotations

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import LeadQualityError
from serving.dependencies import Service, language_of
from serving.routes.score import BATCH_PATH, SCORE_PATH, answer_batch, answer_score
from serving.scoring.asked import plain_batch, plain_score

__all__ = ["JSON_TYPES", "FastLane", "send_json"]

JSON_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8"})


class FastLane:
    """Answers plain scoring requests; the innermost layer, so whoever may call is checked before.

    Parameters
    ----------
    app : ASGI application
        The routes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if (
            scope["type"] != "http"
            or scope["method"] != "POST"
            or scope["path"] not in (SCORE_PATH, BATCH_PATH)
        ):
            await self.app(scope, receive, send)
            return
        message = await receive()
        written = None
        if message["type"] == "http.request" and not message.get("more_body", False):
            written = await _answer(scope, message.get("body", b""))
        if written is None:
            await self.app(scope, _again(message, receive), send)
            return
        await send_json(send, written)


async def send_json(send: Send, written: bytes) -> None:
    """Send JSON as the answer."""
    headers = [
        (b"content-length", str(len(written)).encode("ascii")),
        (b"content-type", b"application/json"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": written})


async def _answer(scope: Scope, body: bytes) -> bytes | None:
    """Return the answer to a plain request, None where the routes have to look at it."""
    content_type, accepted = b"", None
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == b"accept-language" and accepted is None:
            accepted = value.decode("latin-1")
    if content_type not in JSON_TYPES:
        return None
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    service: Service = scope["app"].state.service
    try:
        if scope["path"] == SCORE_PATH:
            one = plain_score(parsed)
            if one is None:
                return None
            language = language_of(service, accepted, one.language)
            return await answer_score(service, one.lead, language, one.is_recorded)
        many = plain_batch(parsed)
        if many is None:
            return None
        language = language_of(service, accepted, many.language)
        return await answer_batch(service, many.leads, language, many.is_recorded)
    except LeadQualityError:
        return None  # raised before anything was recorded; it will be again, and be worded there


def _again(message: Message, receive: Receive) -> Receive:
    """Return a `receive` that begins with a message that was already taken."""
    waiting: list[Message] = [message]

    async def first_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return first_again
