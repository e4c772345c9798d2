"""Scores and events as a service would have recorded them, written straight into a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from features.definition import LeadDefinition, load_definition
from serving.model_life.models import ServingModel
from serving.store import Approval, Prediction, Store, open_store
from serving.store.tables import EVENTS, PREDICTIONS
from tests.builders import small_scorer

NOW = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
"""A Friday, 9:30 in Tokyo."""

AGREED = load_definition()


@contextmanager
def opened(address: str) -> Iterator[Store]:
    """Give a store with its tables."""
    store = open_store(address)
    store.migrate()
    try:
        yield store
    finally:
        store.close()


def score_of(lead_id: str, probability: float, days_ago: float = 1.0, **changes: Any) -> Prediction:
    """Return a recorded score."""
    at = NOW - timedelta(days=days_ago)
    told: dict[str, Any] = {
        "lead_id": lead_id,
        "as_of": at,
        "recorded_at": at,
        "model_version": "7",
        "model_digest": "ab" * 32,
        "definition_version": "1",
        "definition_fingerprint": "f" * 64,
        "probability": probability,
        "score": 60.0,
        "grade": "B",
        "decision": "handoff" if probability >= 0.18 else "nurture",
        "acceptance": 0.6,
        "inputs": {},
        "answer": {},
        "channel": "webinar",
        "line": 0.18,
        "audit_probability": 0.0,
        "is_audited": False,
    }
    return Prediction(**(told | changes))


def write_scores(store: Store, *scores: Prediction) -> None:
    """Record scores."""
    with store.writing() as connection:
        connection.execute(sa.insert(PREDICTIONS), [asdict(one) for one in scores])


def write_event(
    store: Store,
    lead_id: str,
    kind: str,
    reason: str | None = None,
    days_ago: float = 0.5,
    return_on: date | None = None,
    event_id: str | None = None,
) -> str:
    """Record an event; return its id."""
    at = NOW - timedelta(days=days_ago)
    name = event_id or f"{lead_id}-{kind}-{days_ago}-{reason}"
    row = {
        "event_id": name,
        "lead_id": lead_id,
        "at": at,
        "kind": kind,
        "reason": reason,
        "return_on": return_on,
        "received_at": NOW,
        "received_from": "test",
        "digest": "0" * 64,
    }
    with store.writing() as connection:
        connection.execute(sa.insert(EVENTS), [row])
    return name


def with_economics(capacity: int = 40, audit_share: float = 0.05) -> LeadDefinition:
    """Return the packaged definition with other places."""
    economics = AGREED.economics.model_copy(
        update={"capacity_per_week": capacity, "audit_share": audit_share}
    )
    return AGREED.model_copy(update={"economics": economics})


@cache
def model_of(capacity: int = 40, audit_share: float = 0.05) -> ServingModel:
    """Return a serving model with random tables, whose definition has these places."""
    scorer = small_scorer(with_economics(capacity, audit_share))
    approval = Approval(
        "lead-quality", "7", scorer.model_digest, "hanako", NOW, "better than the last one"
    )
    return ServingModel(scorer, approval)
