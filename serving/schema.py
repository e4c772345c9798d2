"""What ``/openapi.json`` says of who may call: the reviewed table, in its words."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI

from serving.guard.access import row_of

__all__ = ["describe_access"]

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key: lq_…"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_REFUSALS = {
    "401": "No key, or one that is not known, revoked or expired.",
    "403": "The key lacks the right; `detail` says which.",
    "429": "Too many requests or wrong keys. Wait as Retry-After says.",
}
_ALWAYS = {
    "408": "The request was not whole in time.",
    "414": "The address is longer than 8 KiB.",
    "431": "The headers are larger than they may be.",
    "503": "No room for more requests, or a part is away. Wait as Retry-After says.",
}
"""What any route may answer before it sees a request."""


def describe_access(app: FastAPI) -> None:
    """Make the schema of `app` say which right each operation asks for, and how it is refused."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        is_new = app.openapi_schema is None
        schema = plain()
        if is_new:
            _describe(schema)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _describe(schema: dict[str, Any]) -> None:
    schema["components"]["securitySchemes"] = _SCHEMES
    told = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            for status, meaning in _ALWAYS.items():
                answer = {"description": meaning, "content": told}
                operation["responses"].setdefault(status, answer)
            row = row_of(method.upper(), re.sub(r"\{[^}]*\}", "x", path))
            if row is None or row.asks == "nothing":
                continue
            operation["security"] = [{name: []} for name in _SCHEMES]
            if isinstance(row.asks, frozenset):
                asked = " or ".join(sorted(row.asks))
                said = operation.get("description", "")
                operation["description"] = f"{said}\n\nAsks for the right {asked}.".strip()
            for status, meaning in _REFUSALS.items():
                answer = {"description": meaning, "content": told}
                operation["responses"].setdefault(status, answer)
