"""Ids that were kept as they were written: brought into the form in which ids are compared.

Part of migration 0003. Without it a lead that was recorded earlier under another way of writing
its id would never be found again, not even by who deletes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from features.writing import id_key
from serving.store.events import content_digest
from serving.store.tables import UtcTime

__all__ = ["keep_ids_in_one_form"]

_AT_ONCE = 1_000
_LONGEST = 200
_SCORES = sa.table("predictions", sa.column("lead_id", sa.String))
_EVENTS = sa.table(
    "events",
    sa.column("id", sa.BigInteger),
    *(sa.column(name, sa.String) for name in ("event_id", "lead_id", "kind", "reason", "digest")),
    sa.column("at", UtcTime),
    sa.column("amount", sa.Double),
    *(sa.column(name, sa.String) for name in ("actor", "source")),
    sa.column("return_on", sa.Date),
)
_SAID = ("lead_id", "at", "kind", "reason", "amount", "actor", "source", "return_on")


def keep_ids_in_one_form(connection: sa.Connection) -> None:
    """Rewrite the ids of leads and events, and what retractions name, where the form differs.

    Two events that become the same one are kept once. Of two that only come to have the same id,
    the one that was written otherwise is named by what it says.
    """
    _rewrite_scores(connection)
    events = _Events(connection)
    retractions = []
    renewed = []
    for row in _all_events(connection):
        if row.kind == "retracted":
            retractions.append(row)
        elif told := events.renew(row):
            renewed.append(told)
    events.rename(renewed)
    for some in _by_what_they_name(retractions):
        events.rename([told for row in some if (told := events.renew(row))])


def _form(written: str) -> str:
    """Return an id as the service looks it up; empty for one without a visible character."""
    form = id_key(written) or ""
    if len(form) <= _LONGEST:
        return form
    # ㌢ becomes センチ: too long for its column. Nobody can ask for it, but an export names it.
    return f"{form[: _LONGEST - 33].rstrip()}-{hashlib.sha256(form.encode()).hexdigest()[:32]}"


def _rewrite_scores(connection: sa.Connection) -> None:
    lead_id = _SCORES.c.lead_id
    renamed = sa.update(_SCORES).where(lead_id == sa.bindparam("was"))
    renamed = renamed.values(lead_id=sa.bindparam("form"))
    last: str | None = None
    while True:
        following = sa.select(lead_id).distinct().order_by(lead_id).limit(_AT_ONCE)
        if last is not None:
            following = following.where(lead_id > last)
        found = list(connection.execute(following).scalars())
        forms = [{"was": was, "form": form} for was in found if (form := _form(was)) != was]
        if forms:
            connection.execute(renamed, forms)
        if len(found) < _AT_ONCE:
            return
        last = found[-1]


def _all_events(connection: sa.Connection) -> Iterator[sa.Row[Any]]:
    last = 0
    while True:
        following = sa.select(_EVENTS).where(_EVENTS.c.id > last).order_by(_EVENTS.c.id)
        rows = connection.execute(following.limit(_AT_ONCE)).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1].id


def _by_what_they_name(retractions: Sequence[sa.Row[Any]]) -> Iterator[list[sa.Row[Any]]]:
    """Give retractions in groups, each after what it takes back, whose id may change."""
    named = {row.event_id for row in retractions}
    after: dict[str, list[sa.Row[Any]]] = {}
    ready = []
    for row in retractions:
        if row.reason in named:
            after.setdefault(row.reason, []).append(row)
        else:
            ready.append(row)
    while ready:
        yield ready
        ready = [later for row in ready for later in after.pop(row.event_id, ())]
    yield [row for some in after.values() for row in some]  # these name each other in a ring


class _Events:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._renamed: dict[str, str] = {}
        """New ids that are not simply the form of the old one."""

    def renew(self, row: sa.Row[Any]) -> tuple[int, str, str, str] | None:
        """Rewrite what an event says; return its number, old id, new id and digest if that differs.

        The digest is over what the event says, and an event without an id of its own is named by
        its digest.
        """
        said = {name: getattr(row, name) for name in _SAID} | {"lead_id": _form(row.lead_id)}
        if row.kind == "retracted" and row.reason is not None:
            said["reason"] = self._renamed.get(row.reason) or _form(row.reason)
        digest = row.digest
        if (said["lead_id"], said["reason"]) != (row.lead_id, row.reason):
            digest = content_digest(**said)
            self._update(row.id, lead_id=said["lead_id"], reason=said["reason"], digest=digest)
        is_named_by_digest = row.event_id == f"h-{row.digest}"
        event_id = (not is_named_by_digest and _form(row.event_id)) or f"h-{digest}"
        return None if event_id == row.event_id else (row.id, row.event_id, event_id, digest)

    def rename(self, renewed: Iterable[tuple[int, str, str, str]]) -> None:
        """Give events their new ids, once all of them say what they say from now on."""
        for number, before, wanted, digest in renewed:
            event_id, known = wanted, self._digest_of(wanted)
            if known not in (None, digest):
                event_id = f"h-{digest}"
                known = self._digest_of(event_id)
            if known is None:
                self._update(number, event_id=event_id)
            else:
                gone = sa.delete(_EVENTS).where(_EVENTS.c.id == number)
                self._connection.execute(gone)
            if event_id != _form(before):
                self._renamed[before] = event_id

    def _digest_of(self, event_id: str) -> str | None:
        asked = sa.select(_EVENTS.c.digest).where(_EVENTS.c.event_id == event_id)
        return self._connection.execute(asked).scalar()

    def _update(self, number: int, **new: str | None) -> None:
        self._connection.execute(sa.update(_EVENTS).where(_EVENTS.c.id == number).values(**new))
