"""Accounts of people, and who is signed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from serving.errors import AccountUnknown, RequestRefused
from serving.guard.callers import SCOPES, Right
from serving.store.actions import Action, note_action
from serving.store.database import Store
from serving.store.tables import ACCOUNTS, SESSIONS

__all__ = ["KNOWN_AFTER_END", "Account", "Accounts", "Session", "Sessions"]

KNOWN_AFTER_END = timedelta(days=7)
"""How long it is known that a session was one: browsers still show it on Monday morning."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may sign in."""

    name: str
    password_hash: str
    scopes: frozenset[Right]
    made_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in, known by the digest of a token that only the browser holds."""

    token_sha256: str
    account: str
    made_at: datetime
    expires_at: datetime


class Accounts:
    """The accounts in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, account: Account, by: str) -> None:
        """Keep a new account.

        Raises
        ------
        RequestRefused
            If there is one of that name, disabled or not.
        """
        with self._store.writing() as connection:
            if _one(connection, account.name) is not None:
                raise RequestRefused(
                    "There is an account of this name. `lead-serve account list` shows them."
                )
            scopes = [scope for scope in SCOPES if scope in account.scopes]
            row = {name: getattr(account, name) for name in Account.__slots__}
            connection.execute(sa.insert(ACCOUNTS), [row | {"scopes": " ".join(scopes)}])
            detail = {"account": account.name, "scopes": scopes}
            note_action(connection, Action(account.made_at, by, "account_made", detail))

    def find(self, name: str) -> Account | None:
        """Return the account of a name, disabled or not."""
        with self._store.reading() as connection:
            return _one(connection, name)

    def all(self) -> list[Account]:
        """Return every account by name."""
        with self._store.reading() as connection:
            rows = connection.execute(sa.select(ACCOUNTS).order_by(ACCOUNTS.c.name)).mappings()
            return [_read(row) for row in rows]

    def disable(self, name: str, at: datetime, by: str) -> None:
        """Let a person in no more, from now on; AccountUnknown if there is no such account."""
        done = Action(at, by, "account_disabled", {"account": name})
        self._change(name, {"disabled_at": at}, done)

    def set_password(self, name: str, password_hash: str, at: datetime, by: str) -> None:
        """Replace a password, let a disabled account in again, and end its sessions."""
        changed = {"password_hash": password_hash, "disabled_at": None}
        done = Action(at, by, "account_password", {"account": name})
        self._change(name, changed, done)

    def _change(self, name: str, changed: Mapping[str, object], done: Action) -> None:
        with self._store.writing() as connection:
            if _one(connection, name) is None:
                raise AccountUnknown(
                    "There is no such account. `lead-serve account list` shows them."
                )
            connection.execute(sa.update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(**changed))
            connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.account == name))
            note_action(connection, done)


class Sessions:
    """The sign-ins in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, session: Session) -> None:
        """Keep a sign-in, and forget those that ended a week ago."""
        row = {name: getattr(session, name) for name in Session.__slots__}
        with self._store.writing() as connection:
            ended = SESSIONS.c.expires_at <= session.made_at - KNOWN_AFTER_END
            connection.execute(sa.delete(SESSIONS).where(ended))
            connection.execute(sa.insert(SESSIONS), [row])

    def account_of(self, token_sha256: str, now: datetime) -> Account | None:
        """Return who is signed in with a token; None when ended, unknown, or let in no more."""
        asked = (
            sa.select(ACCOUNTS)
            .join(SESSIONS, SESSIONS.c.account == ACCOUNTS.c.name)
            .where(
                SESSIONS.c.token_sha256 == token_sha256,
                SESSIONS.c.expires_at > now,
                ACCOUNTS.c.disabled_at.is_(None),
            )
        )
        with self._store.reading() as connection:
            row = connection.execute(asked).mappings().first()
        return None if row is None else _read(row)

    def has_ended(self, token_sha256: str, now: datetime) -> bool:
        """Whether a token was a session's whose time is over: it was not invented."""
        asked = sa.select(SESSIONS.c.expires_at).where(SESSIONS.c.token_sha256 == token_sha256)
        with self._store.reading() as connection:
            ended_at = connection.execute(asked).scalar()
        return ended_at is not None and ended_at <= now

    def close(self, token_sha256: str) -> None:
        """End a sign-in, if there is one."""
        with self._store.writing() as connection:
            connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.token_sha256 == token_sha256))


def _one(connection: sa.Connection, name: str) -> Account | None:
    row = connection.execute(sa.select(ACCOUNTS).where(ACCOUNTS.c.name == name)).mappings().first()
    return None if row is None else _read(row)


def _read(row: sa.RowMapping) -> Account:
    stored = {name: row[name] for name in Account.__slots__}
    scopes = frozenset(right for right in SCOPES if right in row["scopes"].split())
    return Account(**stored | {"scopes": scopes})
