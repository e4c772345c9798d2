"""Keys, accounts and sign-ins in the database; on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from serving.errors import KeyUnknown, RequestRefused
from serving.guard.accounts import make_account
from serving.guard.callers import SCOPES
from serving.guard.keys import KeyRing, make_key
from serving.guard.sessions import digest_of
from serving.store import Store
from serving.store.accounts import KNOWN_AFTER_END, Accounts, Session, Sessions
from serving.store.actions import Actions
from serving.store.keys import Keys
from tests.serving.callers import PASSWORD
from tests.serving.conftest import NOW

HOUR = timedelta(hours=1)


def test_a_key_comes_back_as_it_was_made(store: Store) -> None:
    keys = Keys(store)
    key, _ = make_key("鍵 hubspot", SCOPES, by="花子", now=NOW, days=1.5)
    keys.add(key)

    assert keys.one(key.key_id) == key
    assert keys.all() == keys.not_revoked() == [key]


def test_use_is_noted_forwards_only(store: Store) -> None:
    keys = Keys(store)
    key, _ = make_key("x", ["read"], by="y", now=NOW)
    keys.add(key)

    for at in (NOW + HOUR, NOW):
        keys.note_use({key.key_id: at, "nosuchid": at})

    assert keys.one(key.key_id).last_used_at == NOW + HOUR


def test_a_revocation_is_for_good_and_written_down_once(store: Store) -> None:
    keys = Keys(store)
    key, shown = make_key("x", ["read"], by="y", now=NOW)
    keys.add(key)
    for at in (NOW + HOUR, NOW + 2 * HOUR):
        keys.revoke(key.key_id, at, "hanako")
    ring = KeyRing(keys)
    ring.refresh()

    assert keys.one(key.key_id).revoked_at == NOW + HOUR
    assert ring.find(shown.encode()) is None
    assert [one.action for one in Actions(store).newest(9)] == ["key_revoked", "key_made"]
    with pytest.raises(KeyUnknown, match="no such key"):
        keys.revoke("nosuchid", NOW, "hanako")


def test_two_who_make_a_key_of_one_name_at_once_do_not_both_succeed(store: Store) -> None:
    keys = Keys(store)

    def add(_: int) -> bool:
        try:
            keys.add(make_key("hubspot", ["read"], by="y", now=NOW)[0])
        except RequestRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        added = list(threads.map(add, range(8)))

    assert sum(added) == len(keys.all()) == 1


def test_a_damaged_row_does_not_keep_revocations_from_view(store: Store) -> None:
    keys = Keys(store)
    good, shown = make_key("good", ["read"], by="y", now=NOW)
    bad, _ = make_key("bad", ["read"], by="y", now=NOW)
    keys.add(good)
    keys.add(type(bad)(bad.key_id, "bad", bad.scopes, "not hexadecimal", NOW, "y"))
    ring = KeyRing(keys)
    ring.refresh()

    assert ring.find(shown.encode()) is not None


def test_a_session_is_found_until_it_ends(store: Store) -> None:
    accounts, sessions = Accounts(store), Sessions(store)
    hanako = make_account("花子", ["read", "export"], PASSWORD, NOW)
    accounts.add(hanako, "taro")
    digest = digest_of("token")
    sessions.open(Session(digest, "花子", NOW, NOW + HOUR))

    assert accounts.all() == [hanako]
    assert sessions.account_of(digest, NOW + HOUR - timedelta(seconds=1)) == hanako
    assert sessions.account_of(digest, NOW + HOUR) is None
    assert sessions.account_of(digest_of("other"), NOW) is None
    sessions.close(digest)
    assert sessions.account_of(digest, NOW) is None


def test_sessions_that_ended_a_week_ago_are_forgotten_at_the_next_sign_in(store: Store) -> None:
    sessions = Sessions(store)
    Accounts(store).add(make_account("a", ["read"], PASSWORD, NOW), "taro")
    for n in range(3):
        begun = NOW + n * (HOUR + KNOWN_AFTER_END)
        sessions.open(Session(digest_of(str(n)), "a", begun, begun + HOUR))

    found = [sessions.account_of(digest_of(str(n)), NOW) is not None for n in range(3)]
    assert found == [False, False, True]
    late = NOW + 2 * (HOUR + KNOWN_AFTER_END) + HOUR
    ended = [sessions.has_ended(digest_of(str(n)), late) for n in range(3)]
    assert ended == [False, False, True]
    assert not sessions.has_ended(digest_of("2"), late - timedelta(seconds=1))


def test_a_password_ends_sessions_and_opens_a_disabled_account(store: Store) -> None:
    accounts, sessions = Accounts(store), Sessions(store)
    accounts.add(make_account("a", ["read"], PASSWORD, NOW), "taro")
    sessions.open(Session(digest_of("t"), "a", NOW, NOW + HOUR))

    accounts.disable("a", NOW, "taro")
    assert sessions.account_of(digest_of("t"), NOW) is None
    accounts.set_password("a", "hash", NOW, "taro")

    assert sessions.account_of(digest_of("t"), NOW) is None
    found = accounts.find("a")
    assert found is not None
    assert (found.disabled_at, found.password_hash) == (None, "hash")
    assert [one.action for one in Actions(store).newest(9)] == [
        "account_password",
        "account_disabled",
        "account_made",
    ]
