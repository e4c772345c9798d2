"""What past leads looked like and what became of them: the facts shown beside a score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.definition import EVER
from features.encoder import Input
from features.factors import MIN_CASES
from features.scorer import LeadScorer
from training.drift_reference import describe_recent
from training.labels import HistoryLabels, SnapshotLabels
from training.metrics import observed_rate, wilson_interval

__all__ = ["describe_past"]

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_] | NDArray[np.intp]

NEIGHBOURS = 200
"""Past leads of similar score behind an interval."""

_BANDS = 8
_GRID = 60


def describe_past(
    scorer: LeadScorer, codes: NDArray[np.int32], labels: HistoryLabels | SnapshotLabels
) -> dict[str, Any]:
    """Return the content of ``reference.json`` for a model and the leads it has learnt from.

    Rates are those of *worked* leads (rejected ones have no outcome): the share won within the main
    horizon, by Kaplan and Meier with late entry, or the plain share where no dates are known.

    Parameters
    ----------
    scorer : LeadScorer
        Gives horizon and scores.
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of all leads that had arrived.
    labels : HistoryLabels or SnapshotLabels
        Of the same leads.
    """
    past = _Past(labels, scorer.main_horizon)
    everyone = np.flatnonzero(past.worked)
    overall = past.rate(everyone)
    return {
        "overall": {
            "rate": overall,
            "n": len(everyone),
            "days": scorer.main_horizon,
            "curve": [[horizon, past.rate(everyone, horizon)] for horizon in scorer.horizons],
        },
        "inputs": [
            list(_bands(given, codes[:, position], past))
            for position, given in enumerate(scorer.encoder.inputs)
        ],
        "counts": [
            np.bincount(codes[:, position], minlength=given.size).tolist()
            for position, given in enumerate(scorer.encoder.inputs)
        ],
        "neighbours": _neighbours(scorer, codes, past),
        "scores": np.quantile(scorer.probabilities(codes)[:, -1], np.linspace(0, 1, 21)).tolist(),
        "recent": describe_recent(scorer, codes, labels),
    }


class _Past:
    """Outcomes of past leads, and the share won among any group of them."""

    def __init__(self, labels: HistoryLabels | SnapshotLabels, horizon: int) -> None:
        self.labels = labels
        self.horizon = horizon
        worked = labels.worked
        if isinstance(labels, HistoryLabels):
            worked = worked & (labels.until_days >= labels.entry_days)
            self.is_won = ~np.isnan(labels.won_days) & (labels.won_days <= labels.follow_up_days)
        else:
            self.is_won = labels.outcome == 1.0
        self.worked: NDArray[np.bool_] = worked

    def rate(self, chosen: NDArray[np.intp], horizon: int | None = None) -> float | None:
        """Return the share won (0 to 1) among worked leads at these positions."""
        if not len(chosen):
            return None
        if not isinstance(self.labels, HistoryLabels) or self.horizon == EVER:
            return float(self.is_won[chosen].mean())
        labels = self.labels
        return float(
            observed_rate(
                labels.entry_days[chosen],
                labels.until_days[chosen],
                self.is_won[chosen],
                [self.horizon if horizon is None else horizon],
            )[0]
        )

    def n_told(self, chosen: NDArray[np.intp]) -> int:
        """Return how many of these leads won or were followed for the whole horizon."""
        if not isinstance(self.labels, HistoryLabels):
            return len(chosen)
        followed = self.labels.follow_up_days[chosen] >= self.horizon
        return int((followed | self.is_won[chosen]).sum())


def _bands(given: Input, codes: NDArray[np.int32], past: _Past) -> Iterator[dict[str, Any]]:
    worked = np.flatnonzero(past.worked)
    own = codes[worked]
    for first, last in _spans(given, np.bincount(own, minlength=given.size)):
        members = worked[(own >= first) & (own <= last)]
        yield {
            "from": first,
            "to": last,
            "n": len(members),
            "rate": past.rate(members) if len(members) >= MIN_CASES else None,
        }


def _spans(given: Input, counts: Sequence[int] | NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return code ranges that carry a rate: each category, numbers in bands of enough leads."""
    if given.kind == "category":
        return [(code, code) for code in range(given.size)]
    enough = max(2 * MIN_CASES, int(np.sum(counts[1:])) // _BANDS)
    spans, first, held = [(0, 0)], 1, 0
    for code in range(1, given.size):
        held += int(counts[code])
        if held >= enough and int(np.sum(counts[code + 1 :])) >= enough:
            spans.append((first, code))
            first, held = code + 1, 0
    return [*spans, (first, given.size - 1)]


def _neighbours(
    scorer: LeadScorer, codes: NDArray[np.int32], past: _Past
) -> dict[str, list[float]]:
    """Return, on a grid of scores, Wilson's interval of the rate among the nearest past leads."""
    worked = np.flatnonzero(past.worked)
    if len(worked) < NEIGHBOURS:
        return {"logit": [], "low": [], "high": [], "n": []}
    logits = scorer.tables.logits(codes[worked])[:, scorer.tables.position(scorer.main_horizon)]
    order = np.argsort(logits, kind="stable")
    logits, worked = logits[order], worked[order]
    width = max(NEIGHBOURS, len(worked) // _GRID)
    starts = np.unique(np.linspace(0, len(worked) - width, _GRID).astype(int))
    at: list[float] = []
    lows: list[float] = []
    highs: list[float] = []
    for start in starts.tolist():
        members = worked[start : start + width]
        n_told = past.n_told(members)
        low, high = wilson_interval((past.rate(members) or 0.0) * n_told, n_told)
        at.append(float(np.median(logits[start : start + width])))
        lows.append(low)
        highs.append(high)
    return {"logit": at, "low": lows, "high": highs, "n": [float(width)] * len(at)}
