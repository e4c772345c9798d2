"""The reviewed table: which right each route asks for. What has no row here is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from starlette.routing import compile_path

from serving.guard.callers import Caller, Right

__all__ = ["ROWS", "Row", "is_plain", "methods_of", "row_of"]

Asks = Literal["nothing", "a caller"] | frozenset[Right]


@dataclass(frozen=True, slots=True)
class Row:
    """What a route asks of who calls it.

    Attributes
    ----------
    method : str
        One HTTP method.
    path : str
        The route's path, as the route itself writes it.
    asks : {"nothing", "a caller"} or frozenset of str
        Any one of these rights is enough; `nothing`: open to all; `a caller`: any right will do.
    is_page : bool
        For people: who is unknown is sent to the sign-in instead of being told 401.
    """

    method: str
    path: str
    asks: Asks
    is_page: bool = False

    def lets_in(self, caller: Caller) -> bool:
        """Whether `caller` has a right that opens this route."""
        return isinstance(self.asks, str) or not self.asks.isdisjoint(caller.scopes)


def _rows(methods: str, path: str, asks: Asks | Right, is_page: bool = False) -> list[Row]:
    either = asks if isinstance(asks, frozenset) or asks in _NO_RIGHT else frozenset({asks})
    return [Row(method, path, either, is_page) for method in methods.split()]  # type: ignore[arg-type]


_NO_RIGHT = ("nothing", "a caller")
_SCORE_OR_READ: Final[frozenset[Right]] = frozenset({"score", "read"})

ROWS: Final[tuple[Row, ...]] = (
    *_rows("GET HEAD", "/livez", "nothing"),
    *_rows("GET HEAD", "/readyz", "nothing"),
    *_rows("GET HEAD", "/static/{path:path}", "nothing"),
    *_rows("GET POST", "/sign-in", "nothing", is_page=True),
    *_rows("POST", "/sign-out", "a caller", is_page=True),
    *_rows("GET HEAD", "/openapi.json", "a caller"),
    *_rows("POST", "/v1/score", "score"),
    *_rows("POST", "/v1/score/batch", "score"),
    *_rows("GET", "/v1/model", _SCORE_OR_READ),
    *_rows("GET", "/v1/definition", _SCORE_OR_READ),
    *_rows("POST", "/v1/events", "events"),
    *_rows("GET", "/v1/leads/{lead_id:path}", "read"),
    *_rows("DELETE", "/v1/leads/{lead_id:path}", "admin"),
    *_rows("GET", "/v1/handoff", "read"),
    *_rows("GET", "/v1/recycle", "read"),
    *_rows("GET", "/v1/insight/sources", "read"),
    *_rows("GET", "/v1/insight/reasons", "read"),
    *_rows("GET", "/v1/insight/disagreements", "read"),
    *_rows("GET", "/v1/models", "read"),
    *_rows("GET", "/metrics", "read"),
    *_rows("GET", "/v1/export/leads.csv", "export"),
    *_rows("GET", "/v1/export/events.csv", "export"),
    *_rows("GET", "/v1/export/behaviours.csv", "export"),
    *_rows("POST", "/v1/approvals", "promote"),
    *_rows("POST", "/v1/rollback", "promote"),
    *_rows("GET POST", "/v1/keys", "admin"),
    *_rows("DELETE", "/v1/keys/{key_id}", "admin"),
    *_rows("GET", "/v1/actions", "admin"),
    *_rows("GET", "/", "read", is_page=True),
    *_rows("GET", "/leads", "read", is_page=True),
    *_rows("GET", "/leads/{lead_id:path}", "read", is_page=True),
    *_rows("GET", "/model", "read", is_page=True),
)

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_EXACT: Final = {(row.method, row.path): row for row in ROWS if "{" not in row.path}
# The framework's own patterns, so that a path means the same here and at the router.
_PATTERNS: Final[tuple[tuple[re.Pattern[str], Row], ...]] = tuple(
    (compile_path(row.path)[0], row) for row in ROWS if "{" in row.path
)


def row_of(method: str, path: str) -> Row | None:
    """Return the row of a request, or None: then it is refused."""
    row = _EXACT.get((method, path))
    if row is not None or not is_plain(path):
        return row
    return next(
        (row for pattern, row in _PATTERNS if row.method == method and pattern.match(path)), None
    )


def methods_of(path: str) -> list[str]:
    """Return the methods that have a row for `path`."""
    return sorted(_methods(path)) if is_plain(path) else []


def is_plain(path: str) -> bool:
    """Whether a path has no control characters: the router passes over a line feed at its end."""
    return _CONTROL.search(path) is None


def _methods(path: str) -> Iterable[str]:
    yield from (row.method for row in ROWS if row.path == path and "{" not in path)
    yield from (row.method for pattern, row in _PATTERNS if pattern.match(path))
