"""All that tells who calls, in one place: keys, accounts, sign-ins, failed attempts, proxies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from serving.guard.accounts import Entrance
from serving.guard.keys import KeyRing
from serving.guard.origins import Origins
from serving.guard.rates import Rates
from serving.guard.signed_in import SignedIn
from serving.settings import ServeSettings
from serving.store import Store
from serving.store.accounts import Accounts, Sessions
from serving.store.actions import Actions
from serving.store.keys import Keys

__all__ = ["FAILURES_PER_MINUTE", "INVENTED_PER_MINUTE", "Callers", "open_callers"]

FAILURES_PER_MINUTE = 10
"""Wrong keys and passwords from one address."""

INVENTED_PER_MINUTE = 60
"""Sessions that never were, from one address: an office may have one, and a look costs little."""


@dataclass(frozen=True)
class Callers:
    """What the guard and the sign-in ask; one for each running service."""

    keys: Keys
    ring: KeyRing
    accounts: Accounts
    sessions: Sessions
    signed_in: SignedIn
    actions: Actions
    entrance: Entrance
    failures: Rates
    origins: Origins


def open_callers(store: Store, settings: ServeSettings, clock: Callable[[], datetime]) -> Callers:
    """Return the callers kept in a store; nothing is read yet."""
    keys, accounts, sessions = Keys(store), Accounts(store), Sessions(store)
    failures = Rates(FAILURES_PER_MINUTE)
    return Callers(
        keys=keys,
        ring=KeyRing(keys),
        accounts=accounts,
        sessions=sessions,
        signed_in=SignedIn(sessions, Rates(INVENTED_PER_MINUTE)),
        actions=Actions(store),
        entrance=Entrance(accounts, sessions, failures, settings.session_hours, clock),
        failures=failures,
        origins=Origins(settings),
    )
