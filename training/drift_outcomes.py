"""What sales decided and what was won, against what was promised, each at the age of the lead.

A lead of three days has had three days to be accepted and none to be won. So decisions are compared
with what was decided of earlier leads by the same age, and wins with the hazard of the model's
curve over the days that were really watched. Both speak of leads young and old at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.scorer import LeadScorer
from training.acceptance import balance
from training.labels import DECISION_DAYS, HistoryLabels
from training.metrics import Z95
from training.periods import period_cuts

__all__ = [
    "AGES",
    "WINS_DAYS",
    "Decided",
    "WinsByAge",
    "acceptance_logits",
    "compare_decisions",
    "compare_wins",
    "count_decisions",
    "count_wins",
    "describe_decisions",
]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]

AGES = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 21.0, DECISION_DAYS)
"""Days after arrival at which earlier decisions are counted up; a younger lead is not compared."""

MIN_DECIDED = 50
"""Decided leads without which nothing is said about acceptance."""

WINS_DAYS = 90.0
"""Wins are counted over so many days at most."""

_MIN_EITHER_WAY = 10
_MIN_WINS = 10.0
_DRAWN = 5.0
_SETTLED_DAYS = 14.0
"""Who is worked is known of few leads before this age, so wins are counted after it."""


@dataclass(frozen=True)
class Decided:
    """Decisions on some leads against those that earlier leads would have got by the same age.

    Attributes
    ----------
    n : int
        Decided leads.
    accepted, expected : float
        Leads that sales accepted, and should have accepted as it used to, given their fields and
        how many days they have been there.
    variance : float
        Of `accepted`, from the leads themselves.
    share_decided, share_decided_before : float
        Leads with a decision, 0 to 1, and such leads of before by the same age.
    """

    n: int
    accepted: float
    expected: float
    variance: float
    share_decided: float
    share_decided_before: float


def acceptance_logits(scorer: LeadScorer, codes: Codes) -> Floats:
    """Return log-odds of acceptance, shape (n_leads,); all 0 for a model without acceptance."""
    if scorer.acceptance is None:
        return np.zeros(len(codes))
    return np.asarray(scorer.acceptance.logits(codes)[:, 0])


def describe_decisions(logits: Floats, labels: HistoryLabels, rows: Mask) -> dict[str, Any] | None:
    """Return what sales had decided of these leads by each age, or None where that is too little.

    Parameters
    ----------
    logits : ndarray of float, shape (n_leads,)
        Log-odds of acceptance of all leads.
    labels : HistoryLabels
        Of the same leads.
    rows : ndarray of bool
        The leads to describe.

    Returns
    -------
    dict or None
        ``ages`` (days) and, for each, ``shift`` (what to add to the log-odds to get the share
        accepted among leads decided by that age), ``share_decided``, ``accepted`` (share) and
        ``n`` decided.
    """
    told: dict[str, list[float]] = {
        name: [] for name in ("ages", "shift", "share_decided", "accepted", "n")
    }
    for age in AGES:
        old = rows & (labels.follow_up_days >= age)
        decided = old & (labels.decided_days <= age)
        said = labels.decision[decided]
        if min(said.sum(), len(said) - said.sum()) < _MIN_EITHER_WAY or len(said) < MIN_DECIDED:
            continue
        told["ages"].append(age)
        told["shift"].append(balance(logits[decided], said))
        told["share_decided"].append(float(decided.sum() / old.sum()))
        told["accepted"].append(float(said.mean()))
        told["n"].append(float(len(said)))
    return told if told["ages"] else None


def count_decisions(
    logits: Floats, labels: HistoryLabels, rows: Mask, before: dict[str, Any]
) -> Decided | None:
    """Return the decisions on these leads against `before` (of `describe_decisions`).

    Leads younger than the first age that `before` knows are left out; None without decisions.
    """
    old = rows & (labels.follow_up_days >= before["ages"][0])
    decided = old & ~np.isnan(labels.decided_days)
    if not decided.any():
        return None

    def by_age(name: str, chosen: Mask) -> Floats:
        return np.asarray(np.interp(labels.follow_up_days[chosen], before["ages"], before[name]))

    chance = 0.5 * (1.0 + np.tanh(0.5 * (logits[decided] + by_age("shift", decided))))
    said = labels.decision[decided]
    own = ((said - chance) ** 2).sum()
    # The shares of before are estimates too, from so many leads.
    known_from = float(by_age("n", decided).mean())
    return Decided(
        n=len(said),
        accepted=float(said.sum()),
        expected=float(chance.sum()),
        variance=float(own * (1.0 + len(said) / known_from)),
        share_decided=float(decided.sum() / old.sum()),
        share_decided_before=float(by_age("share_decided", old).mean()),
    )


def compare_decisions(
    scorer: LeadScorer,
    recent: Mapping[str, Any],
    codes: Codes,
    labels: HistoryLabels,
    span_days: float,
) -> dict[str, Any]:
    """Return the newest decisions against the usual ones, with the chance of so large a gap.

    Parameters
    ----------
    scorer : LeadScorer
        Gives each lead's chance of acceptance.
    recent : mapping
        ``reference["recent"]``.
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of all leads.
    labels : HistoryLabels
        Of the same leads, as known today.
    span_days : float
        Leads that arrived in so many days before today are compared.

    Returns
    -------
    dict
        ``n`` decided leads, ``accepted`` and ``expected`` shares, ``share_decided`` and
        ``share_decided_before`` by the same age, ``p_value``; empty where too little is known.
    """
    from scipy.stats import norm

    if recent["decisions"] is None:
        return {}
    rows = labels.follow_up_days < span_days
    logits = np.zeros(len(rows))
    logits[rows] = acceptance_logits(scorer, codes[rows])
    found = count_decisions(logits, labels, rows, recent["decisions"])
    if found is None or found.n < MIN_DECIDED:
        return {}
    weekly = float(rows.sum()) / max(span_days / 7.0, 1.0)
    spread = 1.0 + (recent["decisions"]["spread"] - 1.0) * weekly / (recent["week"] or weekly)
    z = (found.accepted - found.expected) / np.sqrt(max(found.variance, 1e-9) * spread)
    return {
        "n": found.n,
        "days": span_days,
        "accepted": found.accepted / found.n,
        "expected": found.expected / found.n,
        "share_decided": found.share_decided,
        "share_decided_before": found.share_decided_before,
        "p_value": float(2.0 * norm.sf(abs(z))),
    }


@dataclass(frozen=True, eq=False)
class WinsByAge:
    """Wins of worked leads inside a span of time, by the age at which they fell.

    Attributes
    ----------
    cuts : tuple of float
        Ends of the periods of age, in days.
    expected, observed : ndarray of float, shape (n_periods,)
        By the model's curve over the days watched, and seen.
    n : int
        Leads that were watched for a while in the span.
    """

    cuts: tuple[float, ...]
    expected: Floats
    observed: Floats
    n: int


def count_wins(
    scorer: LeadScorer, codes: Codes, labels: HistoryLabels, span_days: float
) -> WinsByAge:
    """Return promised and seen wins of worked leads in the `span_days` days before the cut-off.

    Between two horizons the log chance of not yet having won falls evenly. A lead counts with the
    days of the span on which it was under observation and not older than the longest horizon.
    Lost leads stay, as they do when the model learns.
    """
    horizons = scorer.horizons
    first = _SETTLED_DAYS if labels.has_decisions else 0.0
    cuts = _cuts(horizons, first)
    begin = np.maximum(np.maximum(labels.entry_days, labels.follow_up_days - span_days), first)
    end = np.minimum(labels.until_days, horizons[-1])
    rows = np.flatnonzero(labels.worked & (end > begin))
    begin, end = begin[rows], end[rows]
    hazard = -np.log1p(-np.minimum(scorer.probabilities(codes[rows]), 1.0 - 1e-12))
    won = labels.won_days[rows]
    is_won = (won > begin) & (won <= end)
    upto = np.stack([_cumulative(hazard, horizons, np.clip(cut, begin, end)) for cut in cuts], 1)
    return WinsByAge(
        cuts,
        np.diff(upto, axis=1).sum(axis=0),
        np.histogram(won[is_won], bins=np.asarray(cuts))[0].astype(np.float64),
        len(rows),
    )


def compare_wins(
    scorer: LeadScorer, recent: Mapping[str, Any], codes: Codes, labels: HistoryLabels
) -> dict[str, Any]:
    """Return wins since the model was made against the promised ones, corrected by age.

    The student speaks of all leads, worked leads are a selection of them, so that its promises are
    first brought to what worked leads of each age won before the model was made. Expected wins are
    then as uncertain as those counts: gamma for them, Poisson for the new ones, together a negative
    binomial.

    Returns
    -------
    dict
        ``days`` and ``n`` leads watched, ``expected`` and ``observed`` wins, ``ratio`` of observed
        to expected (value, low, high; 95 %), ``p_value``; empty where too little is known.
    """
    from scipy.stats import nbinom

    if recent["wins"] is None:
        return {}
    days = min(
        WINS_DAYS, (labels.as_of - datetime.fromisoformat(recent["until"])).total_seconds() / 86400
    )
    if days <= 0:
        return {}
    now = count_wins(scorer, codes, labels, days)
    won, promised = (np.asarray(recent["wins"][name]) for name in ("observed", "expected"))
    if list(now.cuts) != recent["wins"]["cuts"] or won.sum() < _MIN_WINS:
        return {}
    overall = won.sum() / promised.sum()
    known_from = promised + _DRAWN  # a period with few wins is drawn to the ratio of all
    ratios = (won + _DRAWN * overall) / known_from
    expected = float((ratios * now.expected).sum())
    if expected < _MIN_WINS:
        return {}
    doubt = float((ratios * now.expected**2 / known_from).sum())
    observed = int(now.observed.sum())
    shape = expected**2 / doubt
    law = nbinom(shape, shape / (shape + expected))
    error = Z95 * float(np.sqrt(1.0 / (observed + 0.5) + 1.0 / shape))
    ratio = observed / expected
    return {
        "days": days,
        "n": now.n,
        "expected": expected,
        "observed": observed,
        "ratio": [
            ratio,
            float((observed + 0.5) / expected * np.exp(-error)),
            float((observed + 0.5) / expected * np.exp(error)),
        ],
        "p_value": float(min(1.0, 2.0 * min(law.cdf(observed), law.sf(observed - 1)))),
    }


def _cuts(horizons: Sequence[int], first: float) -> tuple[float, ...]:
    return (first, *(cut for cut in period_cuts(horizons) if cut > first))


def _cumulative(hazard: Floats, horizons: Sequence[int], days: Floats) -> Floats:
    """Return each lead's cumulative hazard at its own day, linear between horizons."""
    ends = np.asarray((0, *horizons), dtype=np.float64)
    at_ends = np.hstack([np.zeros((len(hazard), 1)), hazard])
    place = np.clip(np.searchsorted(ends, days, side="left"), 1, len(ends) - 1)
    rows = np.arange(len(days))
    before, after = at_ends[rows, place - 1], at_ends[rows, place]
    share = (days - ends[place - 1]) / (ends[place] - ends[place - 1])
    return np.asarray(before + share * (after - before))
