"""Forms as browsers send them; small ones only, since no page of ours takes a file."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.types import Message, Receive

__all__ = ["FORM_TYPE", "parse_form", "read_form"]

FORM_TYPE = b"application/x-www-form-urlencoded"
MOST_BYTES = 32 * 1024
_MOST_FIELDS = 50


def parse_form(body: bytes) -> dict[str, str]:
    """Return the fields of a form; empty when it is none, or a very long one."""
    if len(body) > MOST_BYTES:
        return {}
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    return dict(reversed(pairs))  # of a name that comes twice the first counts


async def read_form(receive: Receive) -> tuple[dict[str, str], Receive]:
    """Return the fields of a form, and a `receive` that tells its bytes once more."""
    messages: list[Message] = []
    n_read = 0
    more = True
    while more and n_read <= MOST_BYTES:
        message = await receive()
        messages.append(message)
        n_read += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(message.get("body", b"") for message in messages)

    async def receive_again() -> Message:
        return messages.pop(0) if messages else await receive()

    return ({} if more else parse_form(body)), receive_again
