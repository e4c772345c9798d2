"""Small histories for tests: leads and events given in days after the first of January 2026."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd

from features.definition import LeadDefinition, load_definition
from features.encoder import LeadEncoder
from features.leads import LeadHistory
from training.labels import HistoryLabels, label_history

ZERO = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    """Return a time `number` days after the first of January 2026, UTC."""
    return ZERO + timedelta(days=number)


def history_of(
    arrivals: Mapping[str, float | None],
    events: Sequence[tuple[Any, ...]] = (),
    fields: Mapping[str, Sequence[str | None]] | None = None,
    mode: Literal["history", "snapshot"] = "history",
) -> LeadHistory:
    """Return a history of leads by id with their day of arrival.

    An event is (lead id, day or None, kind[, reason[, event id]]).
    """
    full = [(*event, *(None,) * (5 - len(event))) for event in events]
    ids = [event[4] or f"e{place}" for place, event in enumerate(full)]
    leads = pd.DataFrame(
        {
            "lead_id": pd.Series(list(arrivals), dtype=object),
            "arrived_at": _times(arrivals.values()),
            "sequence": np.arange(len(arrivals)),
        }
    )
    table = pd.DataFrame(
        {
            "lead_id": pd.Series([event[0] for event in full], dtype=object),
            "at": _times(event[1] for event in full),
            "kind": pd.Series([event[2] for event in full], dtype=object),
            "reason": pd.Series([event[3] for event in full], dtype=object),
            "amount": np.nan,
            "actor": None,
            "source": "test",
            "event_id": pd.Series(ids, dtype=object),
        }
    )
    return LeadHistory(
        mode=mode,
        leads=leads,
        fields=pd.DataFrame(fields or {}, index=leads.index, dtype=object),
        later=pd.DataFrame(index=leads.index),
        events=table,
        behaviours=pd.DataFrame({"lead_id": [], "at": _times([]), "kind": [], "amount": []}),
        findings=(),
    )


def definition_with(**changes: Any) -> LeadDefinition:
    """Return the packaged definition with changed top-level keys, and no behaviours."""
    content = load_definition().model_dump(mode="json")
    content.update({"behaviours": {}, **changes})
    return LeadDefinition.model_validate(content)


def selling_history(n: int = 1500, seed: int = 0, follow: float = 400.0) -> LeadHistory:
    """Return `n` worked leads over `follow` days; webinar leads of large firms win fastest.

    The yearly rate of winning is 0.3 · exp(1.0·webinar + 0.5·standardised log employees).
    """
    random = np.random.default_rng(seed)
    arrivals = np.sort(random.uniform(0, follow, n))
    source = random.choice(["webinar", "exhibition", "referral"], n)
    employees = np.exp(random.normal(4, 1.2, n)).round()
    rate = 0.3 * np.exp(1.0 * (source == "webinar") + 0.5 * (np.log1p(employees) - 4) / 1.2)
    won_after = random.exponential(365.25 / rate)
    events: list[tuple[Any, ...]] = []
    for k in range(n):
        events.append((f"L{k}", arrivals[k] + 0.5, "accepted"))
        if won_after[k] < 365:
            events.append((f"L{k}", arrivals[k] + max(won_after[k], 0.6), "won"))
    fields = {
        "source": [str(one) for one in source],
        "employees": [None if k % 17 == 0 else str(int(size)) for k, size in enumerate(employees)],
    }
    return history_of({f"L{k}": arrivals[k] for k in range(n)}, events, fields)


def coded(
    history: LeadHistory, definition: LeadDefinition, as_of: float
) -> tuple[Any, Any, HistoryLabels]:
    """Return codes, encoder and labels of a history at a day."""
    labels = label_history(history, definition, day(as_of))
    encoder = LeadEncoder.fit(history, definition)
    return encoder.encode_history(history), encoder, labels


def _times(days: Any) -> pd.Series:
    moments = [None if number is None else day(number) for number in days]
    return pd.to_datetime(pd.Series(moments, dtype=object), utc=True).astype("datetime64[us, UTC]")
