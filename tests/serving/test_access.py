"""Every route against the reviewed table: a route without a row fails here, and is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import BaseRoute, Match, Mount, Route

from features.scorer import LeadScorer
from serving.app import create_app
from serving.guard.access import ROWS, Row, is_plain, methods_of, row_of
from serving.guard.callers import SCOPES, Caller
from serving.guard.security import CSRF_HEADER
from serving.guard.sessions import form_token
from serving.settings import ServeSettings
from tests.serving.callers import ORIGIN, new_account, new_key, sign_in
from tests.serving.conftest import NOW, approved

NOBODIES = ("none", "malformed", "unknown", "revoked", "expired")
IDENTITIES = (*NOBODIES, *SCOPES, "session", "session of admin")
_ADDRESSES = (f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in count(1))


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Give method and path of every route, as the router sees them."""

    def walk(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
        for route in routes:
            inner = getattr(route, "original_router", None)
            if inner is not None:
                yield from walk(inner.routes)
            elif isinstance(route, Mount):
                yield from ((method, f"{route.path}/{{path:path}}") for method in ("GET", "HEAD"))
            elif isinstance(route, Route):
                yield from ((method, route.path) for method in route.methods or ())
            else:
                raise AssertionError(f"a route of a kind that is not known: {route!r}")

    yield from walk(app.router.routes)


APP = create_app(ServeSettings(access="open"))
ROUTES = sorted(set(routes_of(APP)))


def real(path: str) -> str:
    """Return an address that the path of a route stands for."""
    path = path.replace("/static/{path:path}", "/static/style.css")
    return re.sub(r"\{[^}]*\}", "L-1", path)


def test_routes_and_rows_are_the_same_set() -> None:
    rows = [(row.method, row.path) for row in ROWS]

    assert sorted(set(ROUTES) - set(rows)) == [], "routes without a row in serving/guard/access.py"
    assert sorted(set(rows) - set(ROUTES)) == [], "rows without a route"
    assert len(rows) == len(set(rows))


def test_what_asks_for_nothing_or_gives_much_was_looked_at() -> None:
    told = {
        asked: {f"{row.method} {row.path}" for row in ROWS if row.asks == frozenset({asked})}
        for asked in ("promote", "admin", "export", "events")
    }

    assert {row.path for row in ROWS if row.asks == "nothing"} == {
        "/livez",
        "/readyz",
        "/sign-in",
        "/static/{path:path}",
    }
    assert {row.path for row in ROWS if row.asks == "a caller"} == {"/openapi.json", "/sign-out"}
    assert told["promote"] == {"POST /v1/approvals", "POST /v1/rollback"}
    assert told["admin"] == {
        "DELETE /v1/leads/{lead_id:path}",
        "GET /v1/keys",
        "POST /v1/keys",
        "DELETE /v1/keys/{key_id}",
        "GET /v1/actions",
    }
    assert all(one.startswith("GET /v1/export/") for one in told["export"])
    assert told["events"] == {"POST /v1/events"}


def test_who_only_reads_changes_nothing_by_the_table() -> None:
    reader = Caller("x", "key", frozenset({"read"}))

    changing = [row for row in ROWS if row.method not in ("GET", "HEAD") and row.lets_in(reader)]

    assert {row.path for row in changing} == {"/sign-in", "/sign-out"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_guard_and_router_mean_the_same_route_by_an_address(method: str, path: str) -> None:
    row = row_of(method, real(path))

    assert (row.method, row.path) == (method, path) if row else False
    assert method in methods_of(real(path))


def routed(method: str, path: str) -> str | None:
    """Return the path of the route that the router would take."""
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}

    def walk(routes: list[BaseRoute]) -> str | None:
        for route in routes:
            inner = getattr(route, "original_router", None)
            if inner is not None:
                found = walk(inner.routes)
                if found is not None:
                    return found
            elif route.matches(scope)[0] is Match.FULL:
                is_mount = isinstance(route, Mount)
                return f"{route.path}/{{path:path}}" if is_mount else str(route.path)  # type: ignore[attr-defined]
        return None

    return walk(APP.router.routes)


PIECES = ["v1", "leads", "keys", "L-1", "..", "", "%2e", "static", "score", "a b", "\n", "export"]


@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT"]),
    pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=6),
)
def test_no_address_is_another_route_to_the_router_than_to_the_guard(
    method: str, pieces: list[str]
) -> None:
    path = "/" + "/".join(pieces)
    row = row_of(method, path)
    found = routed(method, path) if is_plain(path) else None  # the router sees no other

    if found is not None and not found.startswith("/static"):
        assert row is not None, (method, path, found)
        assert row.path == found
    elif found is None and row is not None:
        assert row.path.startswith("/static"), (method, path)


@pytest.mark.parametrize("access", ["open", "keys"])
def test_no_control_character_reaches_the_router(
    settings: ServeSettings, scorer: LeadScorer, access: str
) -> None:
    guarded = settings.model_copy(update={"access": access})
    approved(guarded, scorer)
    _, shown = new_key(guarded)
    with TestClient(create_app(guarded, clock=lambda: NOW)) as client:
        for path in ("/", "/model", "/livez", "/static/style.css", "/leads/L-1", "/v1/leads/L-1"):
            for character in ("%00", "%0A", "%0D", "%1F", "%7F", "%C2%85"):
                for asked in (path + character, f"/{character}{path[1:]}"):
                    for method in ("GET", "POST", "DELETE"):
                        answer = client.request(method, asked, headers=shown)
                        assert answer.status_code == 404, (method, asked)
                        assert answer.json()["error"] == "not_found"


class Matrix:
    """One service and a way to show each identity to it."""

    def __init__(self, settings: ServeSettings, client: TestClient) -> None:
        self.settings = settings
        self.client = client
        revoked, self.revoked = new_key(settings, name="revoked")
        keys = client.app.state.service.callers.keys  # type: ignore[attr-defined]
        keys.revoke(revoked.key_id, NOW, "hanako")
        _, self.expired = new_key(settings, name="expired", now=NOW - timedelta(days=2), days=1)
        self.by_scope = {one: new_key(settings, [one], name=one)[1] for one in SCOPES}
        new_account(settings, "session")
        new_account(settings, "session of admin", SCOPES)
        client.app.state.service.callers.ring.refresh()  # type: ignore[attr-defined]

    def headers(self, identity: str) -> dict[str, str]:
        shown = {
            "none": {},
            "malformed": {"Authorization": "Bearer lq_what"},
            "unknown": {"X-API-Key": f"lq_abcdefgh_{'x' * 43}"},
            "revoked": self.revoked,
            "expired": self.expired,
            **self.by_scope,
        }
        if identity in shown:
            return dict(shown[identity])
        self.client.cookies.clear()
        sign_in(self.client, identity)
        token = self.client.cookies["lead_session"]
        self.client.cookies.clear()
        return ORIGIN | {"Cookie": f"lead_session={token}", CSRF_HEADER: form_token(token)}

    def outcome(self, row: Row, identity: str) -> str:
        """Return what becomes of a request: in, 401, 403 or sign-in."""
        # Each comes from an address of its own: wrong keys from one address are slowed down.
        headers = self.headers(identity) | {"X-Forwarded-For": next(_ADDRESSES)}
        answer = self.client.request(
            row.method, real(row.path), headers=headers, follow_redirects=False
        )
        if answer.status_code == 303 and answer.headers["location"].startswith("/sign-in"):
            return "sign-in" if row.path != "/sign-out" else "in"
        return str(answer.status_code) if answer.status_code in (401, 403) else "in"


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory, scorer: LeadScorer) -> Iterator[Matrix]:
    settings = ServeSettings(home=tmp_path_factory.mktemp("guarded"))
    approved(settings, scorer)
    app = create_app(settings, clock=lambda: NOW)
    with TestClient(app, client=("127.0.0.1", 1), raise_server_exceptions=False) as client:
        yield Matrix(settings, client)


def expected(row: Row, identity: str) -> str:
    """Return what the table says of a request."""
    if row.path == "/sign-in" and row.method == "POST":
        return "403"  # open to all, but the form itself is missing
    if row.asks == "nothing":
        return "in"
    if identity in NOBODIES:
        return "sign-in" if row.is_page and row.method == "GET" and identity == "none" else "401"
    scopes = {"session": {"read"}, "session of admin": set(SCOPES)}.get(identity, {identity})
    is_in = isinstance(row.asks, str) or bool(row.asks & scopes)
    return "in" if is_in else "403"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_every_route_lets_in_whom_the_table_lets_in(matrix: Matrix, row: Row) -> None:
    told = {identity: matrix.outcome(row, identity) for identity in IDENTITIES}

    assert told == {identity: expected(row, identity) for identity in IDENTITIES}


@pytest.mark.parametrize("access", ["open", "keys"])
def test_a_route_without_a_row_is_refused_whoever_asks(
    settings: ServeSettings, access: str
) -> None:
    guarded = settings.model_copy(update={"access": access})
    app = create_app(guarded, clock=lambda: NOW)

    @app.get("/v1/forgotten")
    def forgotten() -> str:
        return "himitsu"

    _, shown = new_key(guarded)
    with TestClient(app) as client:
        answer = client.get("/v1/forgotten", headers=shown)

    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert ("GET", "/v1/forgotten") in set(routes_of(app)) - {(r.method, r.path) for r in ROWS}


def test_the_schema_says_what_the_table_asks() -> None:
    for path, operations in APP.openapi()["paths"].items():
        for method, told in operations.items():
            row = row_of(method.upper(), real(path))
            assert row is not None
            asks = row.asks if isinstance(row.asks, frozenset) else frozenset()
            assert ("security" in told) is (row.asks != "nothing"), path
            assert ({"401", "403", "429"} <= set(told["responses"])) is (row.asks != "nothing")
            assert [right for right in asks if right not in told["description"]] == []
