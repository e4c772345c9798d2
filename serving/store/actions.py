"""Who approved, made a key, exported or deleted, and when. Rows are only added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from serving.store.database import Store
from serving.store.tables import ACTIONS

__all__ = ["Action", "Actions", "note_action"]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that somebody with a right did; `detail` never says whose lead it was."""

    at: datetime
    actor: str
    action: str
    detail: Mapping[str, Any]


def note_action(connection: sa.Connection, action: Action) -> None:
    """Write an action down in the transaction of what was done, so that neither is without."""
    connection.execute(sa.insert(ACTIONS), [asdict(action)])


class Actions:
    """The actions in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, action: Action) -> None:
        """Write down an action that has no transaction of its own."""
        with self._store.writing() as connection:
            note_action(connection, action)

    def newest(self, limit: int) -> list[Action]:
        """Return what was done, the latest first."""
        asked = sa.select(ACTIONS).order_by(ACTIONS.c.id.desc()).limit(limit)
        with self._store.reading() as connection:
            rows = connection.execute(asked).mappings().all()
        return [Action(row["at"], row["actor"], row["action"], row["detail"]) for row in rows]
