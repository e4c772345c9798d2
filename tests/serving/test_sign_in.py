"""People sign in, stay in for a while and go out; what a browser is made to send does nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from features.scorer import LeadScorer
from serving.app import create_app
from serving.errors import AccountUnknown, RequestRefused
from serving.guard import accounts as people
from serving.guard.accounts import FAILURES_OF_AN_ACCOUNT, hash_password, make_account
from serving.guard.entry import FAILURES_PER_MINUTE
from serving.guard.security import CSRF_HEADER
from serving.guard.sessions import SESSION_COOKIE, form_token, safe_next
from serving.pages.sign_in import DEVICE_COOKIE
from serving.settings import ServeSettings
from tests.serving.callers import ORIGIN, PASSWORD, form_of, new_account, sign_in
from tests.serving.conftest import NOW, approved
from tests.serving.test_guard import Clock

BODY = {"name": "hubspot", "scopes": ["read"]}
Start = Callable[..., TestClient]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(tmp_path: Path, scorer: LeadScorer, clock: Clock) -> Iterator[Start]:
    """Start a service; browsers with the same cookies and addresses of their own share it."""
    running: list[TestClient] = []

    def started(address: str = "127.0.0.1", base: str = "http://testserver", **other: Any) -> Any:
        settings = ServeSettings(home=tmp_path / "home", **other)
        if not running:
            approved(settings, scorer)
            new_account(settings, "hanako", ["read", "admin"])
        app = create_app(settings, clock=clock)
        client = TestClient(app, client=(address, 1), base_url=base)
        client.__enter__()
        running.append(client)
        return client

    yield started
    for client in running:
        client.__exit__(None, None, None)


@pytest.fixture
def browser(start: Start) -> TestClient:
    return start()


def accounts_of(client: TestClient) -> Any:
    return client.app.state.service.callers.accounts  # type: ignore[attr-defined]


def is_in(client: TestClient) -> bool:
    return client.get("/", follow_redirects=False).status_code == 200


def test_a_person_asks_for_a_page_signs_in_sees_it_and_goes_out(browser: TestClient) -> None:
    asked = browser.get("/model?lang=en")
    assert (asked.url.path, "<h1>Sign in</h1>" in asked.text) == ("/sign-in", True)
    form = form_of(asked.text)
    assert form["next"] == "/model?lang=en"

    given = form | {"name": " hanako ", "password": PASSWORD}
    seen = browser.post("/sign-in", data=given, headers=ORIGIN)

    assert (seen.url.path, seen.status_code) == ("/model", 200)
    assert "<bdi>hanako</bdi>" in seen.text
    out = browser.post("/sign-out", data=form_of(seen.text), headers=ORIGIN)
    assert out.url.path == "/sign-in"
    assert not is_in(browser)


@pytest.mark.parametrize(
    ("language", "words"),
    [("ja", ("サインイン", "名前かパスワードが違います")), ("en", ("Sign in", "is wrong"))],
)
def test_the_page_speaks_both_languages(
    browser: TestClient, language: str, words: tuple[str, ...]
) -> None:
    wrong = sign_in(browser, password="wrong horse battery", lang=language)

    assert wrong.status_code == 401
    assert [word for word in words if word not in wrong.text] == []
    assert "hanako" not in wrong.text
    assert "wrong horse" not in wrong.text


@pytest.mark.parametrize("name", ["hanako", "nobody", ""])
def test_a_wrong_name_and_a_wrong_password_are_told_alike(browser: TestClient, name: str) -> None:
    told = sign_in(browser, name, "wrong horse battery", lang="en")

    assert (told.status_code, "The name or the password is wrong." in told.text) == (401, True)
    assert SESSION_COOKIE not in browser.cookies


def test_an_unknown_name_costs_the_same_check(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str | None] = []
    really = people._is_right

    def check(kept: str | None, password: str) -> bool:
        checked.append(kept)
        return really(kept, password)

    monkeypatch.setattr(people, "_is_right", check)
    sign_in(browser, "nobody")
    sign_in(browser, "hanako", "wrong horse battery")

    assert [kept is None for kept in checked] == [True, False]


def cookie(answer: Response, name: str) -> str:
    return next(told for told in answer.headers.get_list("set-cookie") if told.startswith(name))


def test_cookies_are_for_our_own_pages_only(browser: TestClient, start: Start) -> None:
    plain = cookie(sign_in(browser), "lead_session=")
    assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(plain.split("; "))
    assert "Domain" not in plain

    secure = start(public_url="https://leads.example", base="https://leads.example")
    own = {"Origin": "https://leads.example"}
    kept = cookie(sign_in(secure, headers=own), "__Host-lead_session=")
    assert {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"} <= set(kept.split("; "))
    assert is_in(secure)


def test_a_session_is_new_at_every_sign_in(browser: TestClient) -> None:
    browser.cookies.set(SESSION_COOKIE, "chosen-by-somebody-else", domain="testserver.local")
    sign_in(browser)
    first = [c.value for c in browser.cookies.jar if c.name == SESSION_COOKIE][-1]
    assert first != "chosen-by-somebody-else"
    browser.cookies.clear()
    browser.cookies.set(SESSION_COOKIE, first)
    sign_in(browser)
    second = [c.value for c in browser.cookies.jar if c.name == SESSION_COOKIE][-1]

    def opens(token: str) -> bool:
        browser.cookies.clear()
        return (
            browser.get(
                "/", headers={"Cookie": f"lead_session={token}"}, follow_redirects=False
            ).status_code
            == 200
        )

    assert [opens(token) for token in ("chosen-by-somebody-else", str(first), str(second))] == [
        False,
        False,  # the one that the browser came with has ended
        True,
    ]


def test_a_session_ends_by_the_clock_with_the_account_and_with_the_password(
    browser: TestClient, clock: Clock
) -> None:
    sign_in(browser)
    clock.now = NOW + timedelta(hours=11, minutes=59)
    assert is_in(browser)
    clock.now = NOW + timedelta(hours=12)
    assert not is_in(browser)

    sign_in(browser)
    accounts_of(browser).disable("hanako", clock.now, "taro")
    assert not is_in(browser)
    assert sign_in(browser).status_code == 401

    accounts_of(browser).set_password("hanako", hash_password(PASSWORD + "!"), clock.now, "taro")
    assert sign_in(browser).status_code == 401
    assert sign_in(browser, password=PASSWORD + "!").status_code == 303
    accounts_of(browser).set_password("hanako", hash_password(PASSWORD), clock.now, "taro")
    assert not is_in(browser)


def test_the_token_of_a_session_is_not_in_the_database(browser: TestClient, tmp_path: Path) -> None:
    sign_in(browser)
    token = browser.cookies[SESSION_COOKIE]
    stored = b"".join(path.read_bytes() for path in (tmp_path / "home").glob("lead_serve.db*"))

    assert token.encode() not in stored
    assert PASSWORD.encode() not in stored
    assert b"$argon2id$v=19$m=19456,t=2,p=1$" in stored


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
    ids=str,
)
def test_another_site_cannot_make_a_browser_change_anything(
    browser: TestClient, headers: dict[str, str]
) -> None:
    sign_in(browser)
    token = form_token(browser.cookies[SESSION_COOKIE])

    with_token = headers | {CSRF_HEADER: token}
    assert browser.post("/v1/keys", json=BODY, headers=with_token).status_code == 403
    assert browser.post("/sign-out", data={"csrf": token}, headers=headers).status_code == 403
    assert browser.delete("/v1/keys/nosuchid", headers=with_token).status_code == 403
    assert is_in(browser)


@pytest.mark.parametrize("told", ["", "0" * 64, "é"])
def test_a_change_without_the_token_of_the_form_is_refused(browser: TestClient, told: str) -> None:
    sign_in(browser)

    headers = ORIGIN | ({CSRF_HEADER: told.encode("utf-8")} if told else {})  # type: ignore[dict-item]
    answer = browser.post("/v1/keys", json=BODY, headers=headers)
    form = browser.post("/sign-out", data={"csrf": told}, headers=ORIGIN)

    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert form.status_code == 403
    assert is_in(browser)


def test_a_change_with_the_token_is_made_in_the_name_of_the_person(browser: TestClient) -> None:
    sign_in(browser)
    token = form_token(browser.cookies[SESSION_COOKIE])

    made = browser.post(
        "/v1/keys", json=BODY, headers={"Sec-Fetch-Site": "same-origin", CSRF_HEADER: token}
    )

    assert (made.status_code, made.json()["made_by"]) == (200, "hanako")


def test_a_large_form_is_refused_and_not_waited_for(browser: TestClient) -> None:
    sign_in(browser)
    form = {"csrf": form_token(browser.cookies[SESSION_COOKIE]), "more": "x" * 40_000}

    assert browser.post("/sign-out", data=form, headers=ORIGIN).status_code == 403
    assert is_in(browser)


@pytest.mark.parametrize("change", ["no cookie", "other token", "other site"])
def test_another_site_cannot_sign_a_browser_in(browser: TestClient, change: str) -> None:
    form = form_of(browser.get("/sign-in").text) | {"name": "hanako", "password": PASSWORD}
    headers = dict(ORIGIN)
    if change == "no cookie":
        browser.cookies.clear()
    if change == "other token":
        form["csrf"] = form_token("another")
    if change == "other site":
        headers["Origin"] = "https://evil.example"

    told = browser.post("/sign-in", data=form, headers=headers, follow_redirects=False)

    assert told.status_code == 403
    assert SESSION_COOKIE not in browser.cookies


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%09/evil.example",
    "/\t/evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "/leads/L-1\r\nSet-Cookie: a=b",
    "leads",
    "",
    "/sign-in",
    "/sign-out",
    "/v1/keys",
    "/static/style.css",
    "http://[bad",
    "/model?" + "x" * 2_000,
]


def test_a_sign_in_leads_to_pages_of_ours_only(browser: TestClient) -> None:
    for address in ELSEWHERE:
        assert safe_next(address) == "/"
        done = sign_in(browser, asked=address), sign_in(browser, next=address)
        assert [one.headers["location"] for one in done] == ["/", "/"], address


def test_a_sign_in_leads_on_to_the_page_that_was_asked_for(browser: TestClient) -> None:
    assert sign_in(browser, asked="/leads/L%2F1?lang=ja").headers["location"] == (
        "/leads/L%2F1?lang=ja"
    )


def test_wrong_passwords_from_one_address_are_slowed_down(browser: TestClient) -> None:
    told = [sign_in(browser, f"n{n}", "x").status_code for n in range(FAILURES_PER_MINUTE + 1)]

    assert told == [401] * FAILURES_PER_MINUTE + [429]
    waited = sign_in(browser, lang="ja")
    assert (waited.status_code, "秒ほど待って" in waited.text) == (429, True)
    assert int(waited.headers["retry-after"]) > 0
    assert not is_in(browser)


def test_nobody_can_keep_the_owner_of_an_account_out(browser: TestClient) -> None:
    assert sign_in(browser).status_code == 303
    device = browser.cookies[DEVICE_COOKIE]
    browser.cookies.clear()
    seen = set()
    for n in range(FAILURES_OF_AN_ACCOUNT + 5):
        far = {"X-Forwarded-For": f"198.51.100.{n}"}
        seen.add(sign_in(browser, password="guess", headers=far).status_code)
    assert seen == {401, 429}

    def right(address: str) -> int:
        return sign_in(browser, headers={"X-Forwarded-For": address}).status_code

    assert right("203.0.113.1") == 429  # a browser never seen here has to wait
    browser.cookies.set(DEVICE_COOKIE, device)
    assert right("203.0.113.2") == 303  # the owner's own does not
    browser.cookies.clear()
    browser.cookies.set(DEVICE_COOKIE, "invented." + "0" * 64)
    assert right("203.0.113.3") == 429


def test_people_who_sign_in_rightly_are_not_counted(browser: TestClient) -> None:
    told = {sign_in(browser).status_code for _ in range(FAILURES_PER_MINUTE + 5)}

    assert told == {303}


def test_an_account_needs_a_name_rights_and_a_long_password() -> None:
    for name, scopes, password, said in (
        (" ", ["read"], PASSWORD, "a name of 1 to 200"),
        ("a\x1b[31m", ["read"], PASSWORD, "a name of 1 to 200"),
        ("hanako", [], PASSWORD, "one or more of these rights"),
        ("hanako", ["root"], PASSWORD, "one or more of these rights"),
        ("hanako", ["read"], "x" * 11, "at least 12 characters"),
        ("hanako", ["read"], "x" * 1_001, "too short or too long"),
    ):
        with pytest.raises(RequestRefused, match=said):
            make_account(name, scopes, password, NOW)


def test_there_is_one_account_of_a_name(browser: TestClient) -> None:
    with pytest.raises(RequestRefused, match="account of this name"):
        accounts_of(browser).add(make_account("hanako", ["read"], PASSWORD, NOW), "taro")
    with pytest.raises(AccountUnknown, match="no such account"):
        accounts_of(browser).disable("taro", NOW, "taro")


def test_the_same_password_typed_on_another_machine_is_the_same(browser: TestClient) -> None:
    accounts_of(browser).add(
        make_account("taro", ["read"], "ガギグゲゴ パピプペポ ザジズ", NOW), "x"
    )

    assert sign_in(browser, "taro", "ガギグゲゴ パピプペポ ザジズ").status_code == 303


def test_nobody_signs_in_where_the_service_is_open(start: Start) -> None:
    client = start(access="open")

    assert client.get("/sign-in", follow_redirects=False).headers["location"] == "/"
    assert client.post("/sign-in", follow_redirects=False).headers["location"] == "/"


def test_a_store_that_is_away_is_told_and_lets_nobody_in(
    browser: TestClient, tmp_path: Path
) -> None:
    sign_in(browser)
    database = tmp_path / "home" / "lead_serve.db"
    database.rename(tmp_path / "away.db")
    database.mkdir()
    browser.app.state.service.store.close()  # type: ignore[attr-defined]

    page = browser.get("/", follow_redirects=False)
    told = sign_in(browser, lang="en")

    assert (page.status_code, page.json()["error"]) == (503, "store_unavailable")
    assert (told.status_code, "database cannot be reached" in told.text) == (503, True)
