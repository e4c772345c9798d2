"""Who is signed in by the token that a browser holds."""

from __future__ import annotations

import asyncio
from datetime import datetime

from serving.errors import StoreUnavailable
from serving.guard.rates import Rates
from serving.guard.sessions import digest_of
from serving.store.accounts import Account, Sessions

__all__ = ["SignedIn"]

_MOST_GOOD = 10_000


class SignedIn:
    """Looks tokens up, and slows down whoever invents them: each look costs a read of the database.

    A token that was good here before is never slowed down, and is still looked up every time: a
    sign-out holds at once, wherever it was made.

    Parameters
    ----------
    sessions : Sessions
        Where they are kept.
    failures : Rates
        Invented tokens by address; nothing else counts in it, so that whoever comes with one can
        still sign in. A session whose time is over is none.
    """

    def __init__(self, sessions: Sessions, failures: Rates) -> None:
        self._sessions = sessions
        self._failures = failures
        self._good: set[str] = set()

    async def find(self, token: str, address: str, now: datetime) -> tuple[Account | None, int]:
        """Return who is signed in with `token`, or None; and the seconds to wait, 0 if none.

        Raises
        ------
        StoreUnavailable
            If the sessions cannot be read.
        """
        digest = digest_of(token)
        was_good = digest in self._good
        # Counted before it is looked up, so that many at once are not all looked up.
        if not was_good and (wait := self._failures.wait(address)):
            return None, wait
        try:
            account, has_ended = await asyncio.to_thread(self._look, digest, now)
        except StoreUnavailable:
            if not was_good:
                self._failures.forgive(address)
            raise
        if account is None:
            self._good.discard(digest)
            if has_ended and not was_good:
                self._failures.forgive(address)
            return None, 0
        if not was_good:
            self._failures.forgive(address)
            self._keep(digest)
        return account, 0

    def welcome(self, token: str) -> None:
        """Take note of a token that was just made, so that its first use is not slowed down."""
        self._keep(digest_of(token))

    def _keep(self, digest: str) -> None:
        if len(self._good) >= _MOST_GOOD:
            self._good.clear()
        self._good.add(digest)

    def _look(self, digest: str, now: datetime) -> tuple[Account | None, bool]:
        account = self._sessions.account_of(digest, now)
        return account, account is None and self._sessions.has_ended(digest, now)
