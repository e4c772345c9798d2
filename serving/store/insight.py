"""What is asked of scores and events together: who waits, who comes back, what became of leads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from serving.decision.lead_state import DECIDING, SalesEvent
from serving.store.database import Store
from serving.store.late_rows import writers
from serving.store.lines import AHEAD, EVENT_FIELDS, no_earlier_score, spans
from serving.store.tables import DELETIONS, EVENTS, PREDICTIONS

__all__ = ["FirstScore", "Journal", "LatestScore"]

_MOST_ASKED = 500
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)


class LatestScore(NamedTuple):
    """What was last said of a lead, without its answer.

    Attributes
    ----------
    was_audited : bool
        Drawn for the audit lane in this score, or in an earlier one of the span that was asked for.
    """

    lead_id: str
    as_of: datetime
    probability: float
    acceptance: float | None
    score: float
    grade: str
    decision: str
    channel: str | None
    model_version: str
    was_audited: bool = False


class FirstScore(NamedTuple):
    """A lead as it arrived."""

    lead_id: str
    as_of: datetime
    channel: str | None


_LATEST = LatestScore._fields[:-1]


class Journal:
    """Scores and events of a store, read for reports.

    Every question is asked in small portions: where SQLite keeps no write-ahead log, who reads
    holds up who writes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def mark(self) -> tuple[object, ...]:
        """Return what changes whenever a score or event is added or deleted.

        The greatest numbers come before those who write: who wrote in between is read afterwards,
        and who begins later takes greater numbers.
        """
        with self._store.reading() as connection:
            last = [
                connection.execute(sa.select(sa.func.max(table.c.id))).scalar()
                for table in (PREDICTIONS, EVENTS, DELETIONS)
            ]
            return (*last, writers(connection))

    def waiting(self, since: datetime, now: datetime, floor: float) -> list[LatestScore]:
        """Return the latest score of each lead scored as of `since` or later that may be worked.

        That is: at or above `floor`, or drawn for the audit lane in this span.
        """
        score, other = PREDICTIONS.alias("score"), PREDICTIONS.alias("other")
        own = other.c.lead_id == score.c.lead_id
        later = sa.tuple_(other.c.as_of, other.c.id) > sa.tuple_(score.c.as_of, score.c.id)
        was_audited = sa.exists(
            sa.select(sa.literal(1)).where(own, other.c.is_audited, other.c.as_of >= since)
        )
        asked = sa.select(
            *(score.c[name] for name in _LATEST), was_audited.label("was_audited")
        ).where(
            score.c.as_of >= since,
            sa.or_(score.c.probability >= floor, was_audited),
            ~sa.exists(sa.select(sa.literal(1)).where(own, later)),
        )
        found: dict[str, LatestScore] = {}
        for span in spans(score.c.recorded_at, since - AHEAD, now, _DAY):
            found |= {row[0]: LatestScore(*row) for row in self._ask(asked.where(span))}
        return list(found.values())

    def latest_of(self, lead_ids: Iterable[str]) -> dict[str, LatestScore]:
        """Return the latest score of each of some leads, as far as there is one."""
        score, other = PREDICTIONS.alias("score"), PREDICTIONS.alias("other")
        later = sa.and_(
            other.c.lead_id == score.c.lead_id,
            sa.tuple_(other.c.as_of, other.c.id) > sa.tuple_(score.c.as_of, score.c.id),
        )
        found: dict[str, LatestScore] = {}
        for some in _chunks(lead_ids):
            asked = sa.select(*(score.c[name] for name in _LATEST)).where(
                score.c.lead_id.in_(some), ~sa.exists(sa.select(sa.literal(1)).where(later))
            )
            found |= {row[0]: LatestScore(*row) for row in self._ask(asked)}
        return found

    def first_scores(self, since: datetime, now: datetime) -> list[FirstScore]:
        """Return the leads that arrived at `since` or later."""
        score = PREDICTIONS.alias("score")
        asked = sa.select(score.c.lead_id, score.c.as_of, score.c.channel).where(
            score.c.as_of >= since, no_earlier_score(score)
        )
        found: dict[str, FirstScore] = {}
        for span in spans(score.c.recorded_at, since - AHEAD, now, _WEEK):
            found |= {row[0]: FirstScore(*row) for row in self._ask(asked.where(span))}
        return list(found.values())

    def channels_of(self, lead_ids: Iterable[str]) -> dict[str, str | None]:
        """Return the channel of the first score of each of some leads, where there is one."""
        score = PREDICTIONS.alias("score")
        found: dict[str, str | None] = {}
        for some in _chunks(lead_ids):
            asked = sa.select(score.c.lead_id, score.c.channel).where(
                score.c.lead_id.in_(some), no_earlier_score(score)
            )
            found |= {row[0]: row[1] for row in self._ask(asked)}
        return found

    def deciding_events(self, lead_ids: Iterable[str]) -> dict[str, list[SalesEvent]]:
        """Return the events of some leads that can move them from one state to another."""
        found: dict[str, list[SalesEvent]] = {}
        for some in _chunks(lead_ids):
            asked = sa.select(*EVENT_FIELDS).where(
                EVENTS.c.lead_id.in_(some), EVENTS.c.kind.in_(DECIDING)
            )
            for row in self._ask(asked):
                found.setdefault(row[0], []).append(SalesEvent(*row))
        return found

    def events_since(self, since: datetime, now: datetime) -> dict[str, list[SalesEvent]]:
        """Return all deciding events at `since` or later, by lead."""
        asked = sa.select(*EVENT_FIELDS).where(EVENTS.c.kind.in_(DECIDING))
        found: dict[str, list[SalesEvent]] = {}
        for span in spans(EVENTS.c.at, since, now, 4 * _WEEK):
            for row in self._ask(asked.where(span)):
                found.setdefault(row[0], []).append(SalesEvent(*row))
        return found

    def leads_taken_up(self, since: datetime) -> list[str]:
        """Return the leads with an acceptance, or work for the audit lane, at `since` or later."""
        asked = (
            sa.select(EVENTS.c.lead_id)
            .where(EVENTS.c.kind.in_(("accepted", "audit")), EVENTS.c.at >= since)
            .distinct()
        )
        return [row[0] for row in self._ask(asked)]

    def audited_of(self, lead_ids: Iterable[str], since: datetime) -> set[str]:
        """Return which of some leads were drawn for the audit lane as of `since` or later."""
        found: set[str] = set()
        for some in _chunks(lead_ids):
            asked = sa.select(PREDICTIONS.c.lead_id).where(
                PREDICTIONS.c.lead_id.in_(some),
                PREDICTIONS.c.is_audited,
                PREDICTIONS.c.as_of >= since,
            )
            found |= {row[0] for row in self._ask(asked)}
        return found

    def leads_due(
        self, until: date, last_moments: Mapping[str, datetime], others: Collection[str]
    ) -> list[str]:
        """Return the leads that some event lets come back by `until`, wherever they stand now.

        Parameters
        ----------
        until : date
            Inclusive; for events with a stated day.
        last_moments : mapping of str to datetime
            By reason: events before it have had their usual time.
        others : collection of str
            Reasons that never come back. An event whose reason is neither here nor in
            `last_moments` is due at once.
        """
        at, reason = EVENTS.c.at, EVENTS.c.reason
        usual = [sa.and_(reason == code, at < last) for code, last in last_moments.items()]
        unknown = sa.or_(reason.is_(None), ~reason.in_(sorted({*last_moments, *others})))
        asked = (
            sa.select(EVENTS.c.lead_id)
            .where(
                EVENTS.c.kind.in_(("rejected", "lost")),
                sa.or_(
                    EVENTS.c.return_on <= until,
                    sa.and_(EVENTS.c.return_on.is_(None), sa.or_(*usual, unknown)),
                ),
            )
            .distinct()
        )
        return [row[0] for row in self._ask(asked)]

    def _ask(self, asked: sa.Select[Any]) -> list[Any]:
        with self._store.reading() as connection:
            return list(connection.execute(asked).all())


def _chunks(lead_ids: Iterable[str]) -> Iterator[list[str]]:
    wanted = sorted(set(lead_ids))
    for start in range(0, len(wanted), _MOST_ASKED):
        yield wanted[start : start + _MOST_ASKED]
