"""Recorded scores: what was said of a lead, when, by which model, from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from serving.store.database import Store
from serving.store.tables import PREDICTIONS

__all__ = ["Prediction", "Predictions"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One recorded score.

    Attributes
    ----------
    probability : float
        Chance of a win at the main horizon (0 to 1).
    score : float
        0 to 100, unrounded.
    acceptance : float or None
        Chance that sales accepts the lead (0 to 1).
    inputs : mapping
        What the score was made from, point in time; no personal field in clear.
    answer : mapping
        What the caller was told.
    """

    lead_id: str
    as_of: datetime
    recorded_at: datetime
    model_version: str
    model_digest: str
    definition_version: str
    definition_fingerprint: str
    probability: float
    score: float
    grade: str
    decision: str
    acceptance: float | None
    inputs: Mapping[str, Any]
    answer: Mapping[str, Any]


class Predictions:
    """The recorded scores in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Record scores in one transaction; when this returns they are committed."""
        if predictions:
            with self._store.writing() as connection:
                connection.execute(sa.insert(PREDICTIONS), [asdict(one) for one in predictions])

    def of_lead(self, lead_id: str, limit: int = 100) -> list[Prediction]:
        """Return the scores of a lead, the latest recorded first, at most `limit`."""
        asked = (
            sa.select(PREDICTIONS)
            .where(PREDICTIONS.c.lead_id == lead_id)
            .order_by(PREDICTIONS.c.id.desc())
            .limit(limit)
        )
        with self._store.reading() as connection:
            rows = connection.execute(asked).mappings().all()
        return [Prediction(**{name: row[name] for name in Prediction.__slots__}) for row in rows]

    def latest(self, limit: int = 10) -> list[Prediction]:
        """Return the last score of each of the leads that were scored last."""
        last = sa.select(sa.func.max(PREDICTIONS.c.id)).group_by(PREDICTIONS.c.lead_id)
        asked = (
            sa.select(PREDICTIONS)
            .where(PREDICTIONS.c.id.in_(last))
            .order_by(PREDICTIONS.c.id.desc())
            .limit(limit)
        )
        with self._store.reading() as connection:
            rows = connection.execute(asked).mappings().all()
        return [Prediction(**{name: row[name] for name in Prediction.__slots__}) for row in rows]
