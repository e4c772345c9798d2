"""People: their passwords, and the sign-in that checks one at a time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from serving.errors import RequestRefused
from serving.guard.keys import rights_from
from serving.guard.rates import Rates
from serving.guard.sessions import digest_of, new_token
from serving.store.accounts import Account, Accounts, Session, Sessions

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["SHORTEST_PASSWORD", "Entrance", "SignIn", "hash_password", "make_account"]

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1_000
FAILURES_OF_AN_ACCOUNT = 20
"""Wrong passwords a minute, from browsers that never signed in to the account."""
_MOST_WAITING = 8


@cache
def _hasher() -> PasswordHasher:
    # Imported on first use: a process that only scores never needs it. The cost is the smallest
    # that OWASP's password storage guide names for Argon2id, since it is paid beside scoring.
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_urlsafe(32))


def _typed(password: str) -> str:
    # The same characters may be typed in two ways on two machines.
    return unicodedata.normalize("NFKC", password)


def hash_password(password: str) -> str:
    """Return what is kept of a password.

    Raises
    ------
    RequestRefused
        If it is shorter than 12 characters.
    """
    if not SHORTEST_PASSWORD <= len(_typed(password)) <= LONGEST_PASSWORD:
        raise RequestRefused(
            f"The password is too short or too long. Take at least {SHORTEST_PASSWORD} characters; "
            "a few words in a row are easy to remember."
        )
    return _hasher().hash(_typed(password))


def make_account(name: str, scopes: Iterable[str], password: str, now: datetime) -> Account:
    """Return a new account.

    Raises
    ------
    RequestRefused
        If the name is blank, a right is unknown, or the password too short.
    """
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise RequestRefused("Give the account a name of 1 to 200 characters.")
    return Account(name.strip(), hash_password(password), rights_from(scopes), now)


def _is_right(password_hash: str | None, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        # Without an account the same work is done, so that the time does not tell who has one.
        return _hasher().verify(password_hash or _nobodys_hash(), _typed(password))
    except (VerificationError, InvalidHashError):
        return False


@dataclass(frozen=True, slots=True)
class SignIn:
    """How an attempt ended.

    Attributes
    ----------
    token : str
        The new session's; empty when the attempt failed.
    device : str
        Shows later that this browser has signed in to this account before.
    wait : int
        Seconds after which another attempt is looked at; 0: the name or the password was wrong.
    """

    token: str = ""
    device: str = ""
    wait: int = 0


class Entrance:
    """Signs people in.

    Attempts are counted by address, so that nobody can try many passwords; and by account, so that
    many addresses cannot share the work. The second count is not kept for a browser that signed in
    to the account before: whoever tries passwords cannot keep its owner out.

    Parameters
    ----------
    accounts, sessions : Accounts, Sessions
        Where they are kept.
    failures : Rates
        Failed attempts by address; wrong keys count in it too.
    hours : float
        How long a session lasts.
    """

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        failures: Rates,
        hours: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._failures = failures
        self._by_account = Rates(FAILURES_OF_AN_ACCOUNT)
        self._hours = hours
        self._clock = clock
        self._n_waiting = 0
        self._one_at_a_time: asyncio.Lock | None = None

    async def sign_in(self, name: str, password: str, address: str, device: str) -> SignIn:
        """Check a name and a password, and open a session.

        Raises
        ------
        StoreUnavailable
            If the accounts cannot be read.
        """
        if wait := self._failures.wait(address):
            return SignIn(wait=wait)
        account = await asyncio.to_thread(self._accounts.find, name)
        is_known = account is not None and _is_device_of(account, device)
        wait = 0 if is_known else self._by_account.wait(name)
        if wait or self._n_waiting >= _MOST_WAITING:
            return SignIn(wait=wait or 1)
        is_right = await self._check(account, password)
        if account is None or not is_right:
            return SignIn()
        self._failures.forgive(address)
        if not is_known:
            self._by_account.forgive(name)
        token, now = new_token(), self._clock()
        ends = now + timedelta(hours=self._hours)
        session = Session(digest_of(token), account.name, now, ends)
        await asyncio.to_thread(self._sessions.open, session)
        return SignIn(token, _device_of(account, secrets.token_urlsafe(12)))

    async def _check(self, account: Account | None, password: str) -> bool:
        # Hashing takes 19 MiB and some 20 ms of a core: one at a time, and scoring goes on beside.
        if self._one_at_a_time is None:
            self._one_at_a_time = asyncio.Lock()
        self._n_waiting += 1
        try:
            async with self._one_at_a_time:
                kept = None if account is None else account.password_hash
                is_right = await asyncio.to_thread(_is_right, kept, password[:LONGEST_PASSWORD])
        finally:
            self._n_waiting -= 1
        return is_right and account is not None and account.disabled_at is None


def _device_of(account: Account, nonce: str) -> str:
    # Keyed by the password's hash: it needs no storage, and ends with the password.
    said = f"{account.name}\n{nonce}".encode()
    return f"{nonce}.{hmac.new(account.password_hash.encode(), said, hashlib.sha256).hexdigest()}"


def _is_device_of(account: Account, device: str) -> bool:
    nonce = device.partition(".")[0]
    return hmac.compare_digest(
        device.encode("utf-8", "surrogateescape"),
        _device_of(account, nonce).encode("utf-8", "surrogateescape"),
    )
