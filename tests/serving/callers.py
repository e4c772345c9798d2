"""Keys, accounts and browsers for tests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from html import unescape

from fastapi.testclient import TestClient
from httpx2 import Response

from serving.guard.accounts import make_account
from serving.guard.callers import SCOPES
from serving.guard.keys import make_key
from serving.settings import ServeSettings
from serving.store import open_store
from serving.store.accounts import Accounts
from serving.store.keys import Key, Keys
from tests.serving.conftest import NOW

PASSWORD = "correct horse battery staple"
ORIGIN = {"Origin": "http://testserver"}


def new_key(
    settings: ServeSettings,
    scopes: Iterable[str] = SCOPES,
    name: str = "made for a test",
    now: datetime = NOW,
    days: float | None = None,
) -> tuple[Key, dict[str, str]]:
    """Return a key in the store of `settings`, and the header that shows it."""
    key, shown = make_key(name, scopes, by="hanako", now=now, days=days)
    store = open_store(settings.database_address)
    store.migrate()
    Keys(store).add(key)
    store.close()
    return key, {"Authorization": f"Bearer {shown}"}


def new_account(
    settings: ServeSettings, name: str = "hanako", scopes: Iterable[str] = ("read",)
) -> None:
    """Put an account with `PASSWORD` into the store."""
    store = open_store(settings.database_address)
    store.migrate()
    Accounts(store).add(make_account(name, scopes, PASSWORD, NOW), "taro")
    store.close()


def form_of(page: str) -> dict[str, str]:
    """Return the hidden fields of the last form of a page."""
    form = page[page.rindex("<form") :]
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
    return {name: unescape(told) for name, told in found}


def sign_in(
    client: TestClient,
    name: str = "hanako",
    password: str = PASSWORD,
    asked: str = "",
    headers: dict[str, str] | None = None,
    **changed: str,
) -> Response:
    """Fill in the form as a browser would."""
    page = client.get("/sign-in", params={"next": asked} if asked else {}).text
    form = form_of(page) | {"name": name, "password": password} | changed
    return client.post(
        "/sign-in", data=form, headers=ORIGIN | (headers or {}), follow_redirects=False
    )
