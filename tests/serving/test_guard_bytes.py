"""Whatever stands in the headers and forms that tell who calls, the guard answers in its shape."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.scorer import LeadScorer
from serving.app import create_app
from serving.settings import ServeSettings
from tests.serving.callers import new_account, new_key
from tests.serving.conftest import NOW, approved

NAMES = [
    "Authorization",
    "Cookie",
    "X-API-Key",
    "Origin",
    "Sec-Fetch-Site",
    "X-Remote-User",
    "X-Forwarded-For",
    "Host",
    "Content-Type",
    "X-CSRF-Token",
    "Expect",
    "Accept-Language",
    "X-Request-ID",
]
PATHS = [
    "/",
    "/v1/score",
    "/v1/keys",
    "/v1/keys/x",
    "/sign-in",
    "/sign-out",
    "/leads/x",
    "/static/x",
    "/metrics",
    "/x",
]
BEGINNINGS = ("", "Bearer ", "Bearer lq_", "lq_abcdefgh_", "lead_session=", "__Host-lead_session=")
# What an HTTP server lets through: no control characters but the tab, any byte above.
VALUES = st.binary(max_size=60).map(lambda sent: bytes(b for b in sent if b >= 32 or b == 9))
HEADERS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(BEGINNINGS), VALUES), max_size=6
)
FORMS = st.dictionaries(
    st.sampled_from(["csrf", "name", "password", "next", "lang"]), st.text(max_size=40)
)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, scorer: LeadScorer) -> Iterator[TestClient]:
    chosen = ServeSettings(
        home=tmp_path_factory.mktemp("bytes"),
        proxy_header="X-Remote-User",
        public_url="https://leads.example",
    )
    approved(chosen, scorer)
    new_account(chosen)
    new_key(chosen)
    app = create_app(chosen, clock=lambda: NOW)
    base = "https://leads.example"
    with TestClient(
        app, client=("127.0.0.1", 1), base_url=base, raise_server_exceptions=False
    ) as client:
        yield client


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD", "TRACE"]),
    path=st.sampled_from(PATHS),
    headers=HEADERS,
    body=st.binary(max_size=200) | FORMS,
)
def test_no_bytes_give_a_server_error_or_let_anybody_in(
    guarded: TestClient,
    method: str,
    path: str,
    headers: list[tuple[str, str, bytes]],
    body: bytes | dict[str, str],
) -> None:
    # A person named by the proxy is let in: the header is believed from this address.
    sent = [
        (name.encode(), start.encode() + told)
        for name, start, told in headers
        if name != "X-Remote-User"
    ]
    guarded.cookies.clear()
    is_form = isinstance(body, dict)

    answer = guarded.request(
        method,
        path,
        headers=sent,
        data=body if is_form else None,  # type: ignore[arg-type]
        content=None if is_form else body,  # type: ignore[arg-type]
        follow_redirects=False,
    )

    assert answer.status_code < 500
    assert answer.status_code != 200 or path in ("/sign-in", "/static/x")
    assert len(answer.content) <= 8192


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=VALUES)
def test_no_name_from_the_proxy_gives_a_server_error(guarded: TestClient, told: bytes) -> None:
    answer = guarded.get("/v1/keys", headers=[(b"X-Remote-User", told)])

    assert answer.status_code in (401, 403)
