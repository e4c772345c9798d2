"""Recorded scores: what was said of a lead, when, by which model, from what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import orjson
import sqlalchemy as sa

from serving.store.database import Store
from serving.store.late_rows import begin_writing, drop_late
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
        What the score was made from, point in time; no personal field in clear. `events` holds what
        the lead did: [kind, time, amount].
    answer : mapping
        What the caller was told. To be recorded, both may also come as bytes of JSON, when they
        have been written once already.
    channel : str or None
        Value of the definition's channel field.
    line : float or None
        The hand-off line that decided (0 to 1).
    audit_probability : float or None
        Chance with which the lead was drawn for the audit lane, if it was below the line.
    is_audited : bool
        Whether it was drawn.
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
    inputs: Any
    answer: Any
    channel: str | None = None
    line: float | None = None
    audit_probability: float | None = None
    is_audited: bool = False


_AT_ONCE = 100
_IN_ONE = 50
"""Rows that one statement inserts; older SQLite takes 999 values, and it keeps 128 statements."""
_COLUMNS = tuple(Prediction.__slots__)
_IN_ORDER = attrgetter(*_COLUMNS)
_TIMES = tuple(_COLUMNS.index(name) for name in ("as_of", "recorded_at"))
_DOCUMENTS = tuple(_COLUMNS.index(name) for name in ("inputs", "answer"))


class Predictions:
    """The recorded scores in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_sqlite = store.engine.dialect.name == "sqlite"
        mark = "?" if self._is_sqlite else "%s"
        into, row = ", ".join(_COLUMNS), f"({', '.join([mark] * len(_COLUMNS))})"
        self._insert = f"INSERT INTO predictions ({into}) VALUES {row}"
        # While no lead was deleted of late; else nothing is inserted.
        self._inserts = [
            f"INSERT INTO predictions ({into}) SELECT * FROM (VALUES {', '.join([row] * n)}) "
            "WHERE NOT EXISTS (SELECT 1 FROM removals)"
            for n in range(_IN_ONE + 1)
        ]

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Record scores in one transaction; when this returns they are committed.

        Scores that were made before their lead was deleted are gone with it.
        """
        if predictions:
            # Bound as the driver wants them: SQLAlchemy's way from a row to its statement costs
            # more than all that SQLite does with it. In pieces or one by one, because a row takes
            # several times the room of what is stored of it.
            if self._is_sqlite and len(predictions) <= _IN_ONE:
                values = [value for one in predictions for value in self._row(one)]
                if self._store.insert_at_once(self._inserts[len(predictions)], values):
                    return
            with self._store.writing() as connection:
                begin_writing(connection)
                for start in range(0, len(predictions), _AT_ONCE):
                    rows = [self._row(one) for one in predictions[start : start + _AT_ONCE]]
                    connection.exec_driver_sql(self._insert, rows)
                made = [(one.lead_id, one.recorded_at) for one in predictions]
                drop_late(connection, PREDICTIONS, made)

    def of_lead(self, lead_id: str, limit: int = 100) -> list[Prediction]:
        """Return the scores of a lead, the latest recorded first, at most `limit`."""
        asked = (
            sa.select(PREDICTIONS)
            .where(PREDICTIONS.c.lead_id == lead_id)
            .order_by(PREDICTIONS.c.id.desc())
            .limit(limit)
        )
        return self._read(asked)

    def latest(self, limit: int = 10) -> list[Prediction]:
        """Return the last score of each of the leads that were scored last."""
        last = sa.select(sa.func.max(PREDICTIONS.c.id)).group_by(PREDICTIONS.c.lead_id)
        asked = (
            sa.select(PREDICTIONS)
            .where(PREDICTIONS.c.id.in_(last))
            .order_by(PREDICTIONS.c.id.desc())
            .limit(limit)
        )
        return self._read(asked)

    def _read(self, asked: sa.Select[Any]) -> list[Prediction]:
        with self._store.reading() as connection:
            rows = connection.execute(asked).mappings().all()
        return [Prediction(**{name: row[name] for name in _COLUMNS}) for row in rows]

    def _row(self, prediction: Prediction) -> tuple[Any, ...]:
        row = list(_IN_ORDER(prediction))
        for place in _DOCUMENTS:
            content = row[place]
            written = content if isinstance(content, bytes) else orjson.dumps(content)
            row[place] = written.decode()
        if self._is_sqlite:
            for place in _TIMES:
                # As SQLAlchemy writes them: UTC, without a zone, with six digits of the second.
                row[place] = row[place].astimezone(UTC).isoformat(" ", "microseconds")[:26]
        return tuple(row)
