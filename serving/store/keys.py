"""Keys: who may call, by the digest of a secret that is kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from serving.errors import KeyUnknown, RequestRefused
from serving.guard.callers import SCOPES, Right
from serving.store.actions import Action, note_action
from serving.store.database import Store
from serving.store.tables import KEYS

__all__ = ["Key", "Keys"]

MOST_OF_A_NAME = 2
"""Keys of one name that may be in use at once: the new one, and the one it takes over from."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key; its secret is not."""

    key_id: str
    name: str
    scopes: frozenset[Right]
    secret_sha256: str
    made_at: datetime
    made_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        """Whether the key opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Keys:
    """The keys in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, key: Key) -> None:
        """Keep a new key.

        Raises
        ------
        RequestRefused
            If another key in use has its name: whoever reads what was done could not tell them
            apart.
        """
        with self._store.writing() as connection:
            _alone(connection)
            if _in_use(connection, key.name, key.made_at):
                raise RequestRefused(
                    "A key in use has this name. Rotate it (lead-serve key rotate), or choose "
                    "another name."
                )
            _insert(connection, key, "key_made")

    def rotate(self, old_id: str, key: Key, ends_at: datetime) -> None:
        """Keep `key` as the next one of `old_id`, which ends at `ends_at` if it does not before.

        Raises
        ------
        KeyUnknown
            If there is no such key.
        RequestRefused
            If it is no longer in use, or its next one is in use already.
        """
        with self._store.writing() as connection:
            _alone(connection)
            old = _one(connection, old_id)
            if not old.is_active(key.made_at):
                raise RequestRefused("This key is no longer in use. Make a new one instead.")
            if len(_in_use(connection, old.name, key.made_at)) >= MOST_OF_A_NAME:
                raise RequestRefused(
                    "Two keys of this name are in use already. Revoke the older one first."
                )
            _insert(connection, key, "key_rotated", instead_of=old_id)
            ends = ends_at if old.expires_at is None else min(ends_at, old.expires_at)
            connection.execute(
                sa.update(KEYS).where(KEYS.c.key_id == old_id).values(expires_at=ends)
            )

    def revoke(self, key_id: str, at: datetime, by: str) -> Key:
        """End a key at once; doing it again changes nothing.

        Raises
        ------
        KeyUnknown
            If there is no such key.
        """
        with self._store.writing() as connection:
            key = _one(connection, key_id)
            if key.revoked_at is None:
                connection.execute(
                    sa.update(KEYS).where(KEYS.c.key_id == key_id).values(revoked_at=at)
                )
                detail = {"key_id": key_id, "name": key.name}
                note_action(connection, Action(at, by, "key_revoked", detail))
            return key

    def one(self, key_id: str) -> Key:
        """Return a key; KeyUnknown if there is none."""
        with self._store.reading() as connection:
            return _one(connection, key_id)

    def all(self) -> list[Key]:
        """Return every key that ever was, the latest first."""
        asked = sa.select(KEYS).order_by(KEYS.c.made_at.desc(), KEYS.c.key_id)
        with self._store.reading() as connection:
            return [_read(row) for row in connection.execute(asked).mappings()]

    def not_revoked(self) -> list[Key]:
        """Return the keys that may open something, for the ring."""
        asked = sa.select(KEYS).where(KEYS.c.revoked_at.is_(None))
        with self._store.reading() as connection:
            return [_read(row) for row in connection.execute(asked).mappings()]

    def note_use(self, used_at: Mapping[str, datetime]) -> None:
        """Write down when keys were last used; an earlier time never replaces a later one."""
        with self._store.writing() as connection:
            for key_id, at in used_at.items():
                is_later = KEYS.c.last_used_at.is_(None) | (KEYS.c.last_used_at < at)
                connection.execute(
                    sa.update(KEYS).where(KEYS.c.key_id == key_id, is_later).values(last_used_at=at)
                )


def _insert(connection: sa.Connection, key: Key, action: str, **more: str) -> None:
    scopes = [scope for scope in SCOPES if scope in key.scopes]
    row = {name: getattr(key, name) for name in Key.__slots__} | {"scopes": " ".join(scopes)}
    connection.execute(sa.insert(KEYS), [row])
    detail = {"key_id": key.key_id, "name": key.name, "scopes": scopes, **more}
    note_action(connection, Action(key.made_at, key.made_by, action, detail))


def _one(connection: sa.Connection, key_id: str) -> Key:
    asked = sa.select(KEYS).where(KEYS.c.key_id == key_id)
    row = connection.execute(asked).mappings().first()
    if row is None:
        raise KeyUnknown("There is no such key. `lead-serve key list` shows them.")
    return _read(row)


def _alone(connection: sa.Connection) -> None:
    # PostgreSQL lets two look before either writes; on SQLite the transaction is alone already.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE keys IN SHARE ROW EXCLUSIVE MODE")


def _in_use(connection: sa.Connection, name: str, now: datetime) -> list[Key]:
    asked = sa.select(KEYS).where(KEYS.c.name == name, KEYS.c.revoked_at.is_(None))
    found = [_read(row) for row in connection.execute(asked).mappings()]
    return [key for key in found if key.is_active(now)]


def _read(row: sa.RowMapping) -> Key:
    stored = {name: row[name] for name in Key.__slots__}
    # A right that this version does not know opens nothing.
    scopes = frozenset(right for right in SCOPES if right in row["scopes"].split())
    return Key(**stored | {"scopes": scopes})
