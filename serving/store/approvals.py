"""Approvals: which model version may serve, who said so and why. Rows are only added."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from serving.store.database import Store
from serving.store.tables import APPROVALS

__all__ = ["Approval", "Approvals"]


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word that a model version may serve."""

    model_name: str
    version: str
    digest: str
    approved_by: str
    approved_at: datetime
    why: str


class Approvals:
    """The approvals in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, approval: Approval) -> None:
        """Record an approval; it is committed when this returns."""
        with self._store.writing() as connection:
            connection.execute(sa.insert(APPROVALS), [asdict(approval)])

    def newest_first(self, model_name: str) -> list[Approval]:
        """Return the approvals of a registered model, the one that should serve first."""
        asked = (
            sa.select(APPROVALS)
            .where(APPROVALS.c.model_name == model_name)
            .order_by(APPROVALS.c.id.desc())
        )
        with self._store.reading() as connection:
            rows = connection.execute(asked).mappings().all()
        return [Approval(**{name: row[name] for name in Approval.__slots__}) for row in rows]
