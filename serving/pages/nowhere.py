"""The page at an address where there is nothing; it does not repeat the address."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Request, Response

from serving.dependencies import get_service, language_for
from serving.pages.view import render

__all__ = ["nowhere_page", "wants_page"]


def wants_page(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a browser asks: programs take anything, or name JSON."""
    return any(name == b"accept" and b"text/html" in sent.lower() for name, sent in headers)


def nowhere_page(request: Request) -> Response:
    """Return the page that says so."""
    language = language_for(get_service(request), request, request.query_params.get("lang"))
    return render(request, "nowhere.html", language, {"address": "/"}, status=404)
