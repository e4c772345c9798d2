"""API keys: how they are made, and the ring of those that open something now."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import string
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from serving.errors import RequestRefused, StoreUnavailable
from serving.guard.callers import SCOPES, Caller, Right
from serving.process.watching import look_every
from serving.store.keys import Key, Keys

__all__ = ["RING_SECONDS", "HeldKey", "KeyRing", "make_key", "rights_from"]

log = logging.getLogger("lead_serve")

RING_SECONDS = 1.0
"""How often the keys are read anew: a revocation holds in every worker within two seconds."""
USE_SECONDS = 60.0
"""How often the time of last use is written down."""

_BEGINNING: Final = b"lq_"
_ID_LETTERS = string.ascii_lowercase + string.digits
_ID_LENGTH = 8
_ID_ENDS: Final = len(_BEGINNING) + _ID_LENGTH
_SECRET_BYTES = 32
_LONGEST = 100
_NO_KEY: Final = hashlib.sha256(secrets.token_bytes(_SECRET_BYTES)).digest()


def make_key(
    name: str, scopes: Iterable[str], *, by: str, now: datetime, days: float | None = None
) -> tuple[Key, str]:
    """Return a new key and its secret, which is shown once and kept nowhere.

    Parameters
    ----------
    name : str
        What it is for, such as ``hubspot``; it is written down with what the key does.
    scopes : iterable of str
        What it may do.
    by : str
        Who makes it.
    now : datetime
        When.
    days : float, optional
        How long it opens something; for good if left out.

    Raises
    ------
    RequestRefused
        If the name is blank or a scope is unknown.
    """
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise RequestRefused("Give the key a name of 1 to 200 characters, such as hubspot.")
    rights = rights_from(scopes)
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    shown = f"lq_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    digest = hashlib.sha256(shown.encode()).hexdigest()
    ends = None if days is None else now + timedelta(days=days)
    return Key(key_id, name.strip(), rights, digest, now, by, ends), shown


def rights_from(scopes: Iterable[str]) -> frozenset[Right]:
    """Return the rights that `scopes` name; several may stand in one text, with commas.

    Raises
    ------
    RequestRefused
        If one is unknown, or there is none.
    """
    asked = {part.strip() for text in scopes for part in text.split(",")} - {""}
    if not asked or asked - set(SCOPES):
        raise RequestRefused(f"Name one or more of these rights: {', '.join(SCOPES)}.")
    return frozenset(right for right in SCOPES if right in asked)


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key as the ring holds it."""

    key_id: str
    digest: bytes
    caller: Caller
    expires_at: datetime | None


class KeyRing:
    """The keys that were not revoked when the store was last read.

    A look-up reads memory only. When the store is away the ring stays as it was: who could call
    can call, and a revocation waits for the store.

    Parameters
    ----------
    keys : Keys
        Where they are kept.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._held: dict[bytes, HeldKey] | None = None
        self._used: dict[str, datetime] = {}
        self._reading = threading.Lock()

    @property
    def is_read(self) -> bool:
        """Whether the keys were ever read."""
        return self._held is not None

    @property
    def is_empty(self) -> bool:
        """Whether the keys were read and there is none."""
        return self._held == {}

    def find(self, shown: bytes) -> HeldKey | None:
        """Return the key that a caller shows, which may have expired, or None.

        Takes the same steps for an unknown id as for a known one, down to one comparison.
        """
        held = self._held or {}
        known = held.get(shown[len(_BEGINNING) : _ID_ENDS]) if len(shown) <= _LONGEST else None
        digest = hashlib.sha256(shown).digest()
        is_same = hmac.compare_digest(digest, _NO_KEY if known is None else known.digest)
        return known if is_same else None

    def note_use(self, key_id: str, at: datetime) -> None:
        """Remember that a key was used; it is written down within a minute."""
        self._used[key_id] = at

    def refresh(self) -> None:
        """Read the keys anew.

        Raises
        ------
        StoreUnavailable
            If the store is away; the ring stays as it was.
        """
        with self._reading:  # what was read first must not take the place of what was read last
            self._held = {
                key.key_id.encode(): HeldKey(
                    key.key_id,
                    bytes.fromhex(key.secret_sha256),
                    Caller(key.name, "key", key.scopes),
                    key.expires_at,
                )
                for key in self._keys.not_revoked()
                # A damaged row must not keep revocations from view.
                if _is_digest(key.secret_sha256)
            }

    def write_use(self) -> None:
        """Write down when keys were last used."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            self._keys.note_use(used)
        except StoreUnavailable:
            self._used = used | self._used
            raise

    async def watch(self, seconds: float = RING_SECONDS, use_seconds: float = USE_SECONDS) -> None:
        """Read the keys every `seconds` until cancelled, and write down their use."""
        was_away = False
        written = time.monotonic()

        def look() -> None:
            nonlocal was_away, written
            try:
                self.refresh()
                if time.monotonic() - written >= use_seconds:
                    written = time.monotonic()
                    self.write_use()
                was_away = False
            except StoreUnavailable as error:
                if not was_away:
                    log.warning("keys cannot be read, the last known ones go on: %s", error)
                was_away = True

        await look_every(seconds, look, "reading the keys")


def _is_digest(kept: str) -> bool:
    return len(kept) == 2 * _SECRET_BYTES and set(kept) <= set(string.hexdigits)
