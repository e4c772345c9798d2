"""Approvals: which model version may serve, who said so and why. Rows are only added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from serving.store.actions import Action, note_action
from serving.store.database import Store
from serving.store.tables import APPROVALS

__all__ = ["Approval", "Approvals", "ones_before"]


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word that a model version may serve.

    Attributes
    ----------
    digest : str
        The model digest: what decides a score.
    manifest_digest : str or None
        SHA-256 of the manifest, which lists every file; None in approvals of an earlier program.
    """

    model_name: str
    version: str
    digest: str
    approved_by: str
    approved_at: datetime
    why: str
    manifest_digest: str | None = None


class Approvals:
    """The approvals in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, approval: Approval, action: Action | None = None) -> None:
        """Record an approval, with what is written down of it; committed when this returns."""
        with self._store.writing() as connection:
            connection.execute(sa.insert(APPROVALS), [asdict(approval)])
            if action is not None:
                note_action(connection, action)

    def newest(self, model_name: str) -> Approval | None:
        """Return the approval that was given last, or None."""
        return next(iter(self._read(model_name, 1)), None)

    def newest_first(self, model_name: str) -> list[Approval]:
        """Return the approvals of a registered model, the one that should serve first."""
        return self._read(model_name, None)

    def _read(self, model_name: str, limit: int | None) -> list[Approval]:
        asked = (
            sa.select(APPROVALS)
            .where(APPROVALS.c.model_name == model_name)
            .order_by(APPROVALS.c.id.desc())
            .limit(limit)
        )
        with self._store.reading() as connection:
            rows = connection.execute(asked).mappings().all()
        return [Approval(**{name: row[name] for name in Approval.__slots__}) for row in rows]


def ones_before(newest_first: Sequence[Approval], serving: Approval) -> list[Approval]:
    """Return the approvals to go back to from the one that serves, the nearest first.

    Approving an older model again goes back to it: what was approved in between is behind us, so
    that going back twice does not lead forward again. The same version approved several times is
    one step, also when only its record of evaluation (the manifest) was another.

    >>> from datetime import datetime
    >>> at = datetime(2026, 11, 22)
    >>> given = [Approval("m", version, version, "hanako", at, "why") for version in "67867"]
    >>> [one.version for one in ones_before(given[::-1], given[2])]
    ['7', '6']
    >>> [one.version for one in ones_before(given[::-1], given[3])]
    []
    >>> [one.version for one in ones_before([given[1], given[1], given[0]], given[1])]
    ['6']
    """
    if serving not in newest_first:
        return []
    line: list[Approval] = []
    for approval in reversed(newest_first[newest_first.index(serving) :]):
        kept = [_model_of(one) for one in line]
        if _model_of(approval) in kept:
            line = line[: kept.index(_model_of(approval))]
        line.append(approval)
    return line[-2::-1]


def _model_of(approval: Approval) -> tuple[str, str]:
    return approval.version, approval.digest
