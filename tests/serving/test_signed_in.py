"""Invented sign-ins cost the database a few looks a minute, and nobody else anything."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from serving.errors import StoreUnavailable
from serving.guard.entry import FAILURES_PER_MINUTE, INVENTED_PER_MINUTE
from serving.guard.rates import Rates
from serving.guard.sessions import digest_of, new_token
from serving.guard.signed_in import SignedIn
from serving.settings import ServeSettings
from serving.store import open_store
from serving.store.accounts import Account, Session, Sessions
from tests.serving.callers import PASSWORD, new_account, sign_in
from tests.serving.conftest import NOW
from tests.serving.test_guard import Clock
from tests.serving.test_sign_in import browser, clock, start

__all__ = ["browser", "clock", "start"]  # fixtures

ADDRESS = "192.0.2.1"


class Looked(Sessions):
    """Sessions that count how often they were asked, and may be away."""

    n_looks = 0
    is_away = False

    def account_of(self, token_sha256: str, now: object) -> Account | None:
        self.n_looks += 1
        if self.is_away:
            raise StoreUnavailable("away")
        return super().account_of(token_sha256, now)  # type: ignore[arg-type]


@pytest.fixture
def sessions(tmp_path: Path) -> Looked:
    store = open_store(f"sqlite:///{tmp_path / 'lead_serve.db'}")
    store.migrate()
    return Looked(store)


def test_many_invented_tokens_at_once_are_a_few_looks(sessions: Looked) -> None:
    door = SignedIn(sessions, Rates(FAILURES_PER_MINUTE))

    async def flood() -> list[tuple[Account | None, int]]:
        return await asyncio.gather(*(door.find(new_token(), ADDRESS, NOW) for _ in range(200)))

    told = asyncio.run(flood())

    assert sessions.n_looks == FAILURES_PER_MINUTE
    assert sum(wait > 0 for _, wait in told) == 200 - FAILURES_PER_MINUTE
    assert all(account is None for account, _ in told)


def test_an_address_is_slowed_down_and_others_are_not(sessions: Looked) -> None:
    door = SignedIn(sessions, Rates(1))

    async def ask(address: str) -> int:
        return (await door.find(new_token(), address, NOW))[1]

    assert asyncio.run(ask(ADDRESS)) == 0
    assert asyncio.run(ask(ADDRESS)) > 0
    assert asyncio.run(ask("192.0.2.2")) == 0


def test_looks_that_the_database_did_not_answer_are_nobodys_fault(sessions: Looked) -> None:
    door = SignedIn(sessions, Rates(1))
    sessions.is_away = True

    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            asyncio.run(door.find(new_token(), ADDRESS, NOW))
    sessions.is_away = False

    assert asyncio.run(door.find(new_token(), ADDRESS, NOW)) == (None, 0)


def test_good_tokens_beyond_what_is_remembered_are_good(
    sessions: Looked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.guard.signed_in._MOST_GOOD", 3)
    new_account(ServeSettings(database_url=f"sqlite:///{tmp_path / 'lead_serve.db'}"))
    tokens = [new_token() for _ in range(8)]
    for token in tokens:
        sessions.open(Session(digest_of(token), "hanako", NOW, NOW.replace(year=2027)))
    door = SignedIn(sessions, Rates(1))

    for token in tokens * 2:
        account, wait = asyncio.run(door.find(token, ADDRESS, NOW))
        assert account is not None
        assert (account.name, wait) == ("hanako", 0)


def test_whoever_is_signed_in_goes_on_beside_somebody_who_invents(
    browser: TestClient, clock: Clock
) -> None:
    sign_in(browser)
    good = browser.cookies["lead_session"]
    assert browser.get("/").status_code == 200
    browser.cookies.clear()

    def ask(token: str, path: str = "/v1/models") -> int:
        answer = browser.get(path, headers={"Cookie": f"lead_session={token}"})
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["retry-after"]) <= 120
        return answer.status_code

    assert [ask(f"x{n}") for n in range(INVENTED_PER_MINUTE + 2)] == [
        *[401] * INVENTED_PER_MINUTE,
        429,
        429,
    ]
    assert ask(good) == 200
    assert ask("", "/livez") == 200


def test_a_browser_shows_an_ended_session_once(browser: TestClient) -> None:
    browser.cookies.set("lead_session", "ended")
    answer = browser.get("/model", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fmodel")
    told = [one for one in answer.headers.get_list("set-cookie") if "lead_session=;" in one]
    assert len(told) == 1
    assert "Max-Age=0" in told[0]


def test_whoever_is_slowed_down_can_still_sign_in(browser: TestClient) -> None:
    def ask(n: int) -> Response:
        shown = {"Cookie": f"lead_session=invented{n}"}
        return browser.get("/model", headers=shown, follow_redirects=False)

    told = [ask(n) for n in range(INVENTED_PER_MINUTE + 2)]

    assert {one.status_code for one in told} == {303}
    assert {one.headers["location"] for one in told} == {"/sign-in?next=%2Fmodel"}
    # What was not looked at may be good, so it is not taken away.
    assert ["set-cookie" in one.headers for one in told[-3:]] == [True, False, False]
    assert [sign_in(browser, password="wrong").status_code for _ in range(2)] == [401, 401]
    assert sign_in(browser, password=PASSWORD).status_code == 303
    assert browser.get("/", follow_redirects=False).status_code == 200


def test_sessions_whose_time_is_over_are_not_counted(sessions: Looked, tmp_path: Path) -> None:
    new_account(ServeSettings(database_url=f"sqlite:///{tmp_path / 'lead_serve.db'}"))
    monday = NOW + timedelta(days=3)
    tokens = [new_token() for _ in range(5)]
    for token in tokens:
        sessions.open(Session(digest_of(token), "hanako", NOW, NOW + timedelta(hours=1)))
    sessions.open(Session(digest_of("first"), "hanako", monday, monday + timedelta(hours=1)))
    door = SignedIn(sessions, Rates(1))

    told = [asyncio.run(door.find(token, ADDRESS, monday)) for token in tokens]

    assert told == [(None, 0)] * 5
    assert asyncio.run(door.find(new_token(), ADDRESS, monday)) == (None, 0)
    assert asyncio.run(door.find(new_token(), ADDRESS, monday))[1] > 0


def test_a_password_is_still_taken_after_a_few_ended_sessions(browser: TestClient) -> None:
    for n in range(FAILURES_PER_MINUTE - 1):
        browser.get("/", headers={"Cookie": f"lead_session=ended{n}"}, follow_redirects=False)

    assert sign_in(browser, password=PASSWORD).status_code == 303
    assert browser.get("/").status_code == 200
