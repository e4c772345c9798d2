"""What the newest leads that a model learnt from looked like: what later leads are compared with.

The *newest quarter* stands for the past, not all of it. A market that moves slowly for two years
lies far from its own average on the very day on which the model is made; compared with that
average, the first week would raise an alarm about what the model has already seen. Compared with
the newest quarter, an alarm means that something changed since. A quarter is still thousands of
leads where a week is hundreds, and at least `LEAST_RECENT` leads where there are so many.

Weeks differ by more than chance in most companies: an exhibition, a campaign, a holiday. How much
more is measured between neighbouring weeks (a slow trend hardly moves that) and is kept as
*spread*; a new week must differ by more than such weeks do.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.drift_measures import bands_of, homogeneity
from features.scorer import LeadScorer
from training.drift_outcomes import acceptance_logits, count_wins, describe_decisions
from training.labels import HistoryLabels, SnapshotLabels

__all__ = ["LEAST_RECENT", "RECENT_SHARE", "describe_recent"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]
Pair = tuple[NDArray[np.intp], NDArray[np.intp]]

RECENT_SHARE = 0.25
LEAST_RECENT = 1000

_WEEK_DAYS = 7.0
_WEEKS = 104
_LEAST_A_WEEK = 30
_STEPS = np.linspace(0.05, 0.95, 19)
_SURE = 0.01


def describe_recent(
    scorer: LeadScorer, codes: Codes, labels: HistoryLabels | SnapshotLabels
) -> dict[str, Any]:
    """Return ``reference["recent"]``: the newest leads learnt from, as the drift watch needs them.

    Parameters
    ----------
    scorer : LeadScorer
        The model, calibrated.
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of all leads.
    labels : HistoryLabels or SnapshotLabels
        Of the same leads, as known when the model was made. A snapshot knows no dates: all its
        leads are taken, and there is nothing about weeks, decisions and wins.

    Returns
    -------
    dict
        ``n`` leads that arrived from ``since`` to ``until``; ``counts`` of codes and ``spread`` of
        weeks by input; ``scores`` (chance at the main horizon: ``edges`` of bands, ``counts``,
        ``mean``, ``spread``); ``week`` = leads of a usual week; ``decisions`` and ``wins`` of
        `training.drift_outcomes`, or None.
    """
    chances = scorer.probabilities(codes)[:, scorer.horizons.index(scorer.main_horizon)]
    recent = np.ones(len(codes), dtype=bool)
    weeks: list[Pair] = []
    if isinstance(labels, HistoryLabels):
        recent, weeks = _newest(labels), list(_pairs_of_weeks(labels))
    edges = np.unique(np.quantile(chances[recent], _STEPS)) if recent.any() else np.zeros(0)
    score_bands = np.searchsorted(edges, chances, side="right")
    described: dict[str, Any] = {
        "n": int(recent.sum()),
        "since": None,
        "until": None,
        "week": float(np.mean([len(rows) for pair in weeks for rows in pair])) if weeks else None,
        "counts": [],
        "spread": [],
        "scores": {
            "edges": edges.tolist(),
            "counts": np.bincount(score_bands[recent], minlength=len(edges) + 1).tolist(),
            "mean": float(chances[recent].mean()) if recent.any() else 0.0,
            "spread": _spread(score_bands, len(edges) + 1, weeks),
        },
        "decisions": None,
        "wins": None,
    }
    for position, given in enumerate(scorer.encoder.inputs):
        counts = np.bincount(codes[recent, position], minlength=given.size)
        bands = bands_of(given, counts.astype(np.float64), described["week"] or len(codes))
        described["counts"].append(counts.tolist())
        described["spread"].append(_spread(bands[codes[:, position]], bands.max() + 1, weeks))
    if isinstance(labels, HistoryLabels) and recent.any():
        span = float(labels.follow_up_days[recent].max())
        described["since"] = (labels.as_of - timedelta(days=span)).isoformat()
        described["until"] = labels.as_of.isoformat()
        described["decisions"] = _decisions(scorer, codes, labels, recent, weeks)
        wins = count_wins(scorer, codes, labels, span)
        described["wins"] = {
            "cuts": list(wins.cuts),
            "expected": wins.expected.tolist(),
            "observed": wins.observed.tolist(),
        }
    return described


def _newest(labels: HistoryLabels) -> Mask:
    """Flag the newest quarter of the leads that had arrived, and at least `LEAST_RECENT`."""
    ages = np.sort(labels.follow_up_days[~np.isnan(labels.follow_up_days)])
    if not len(ages):
        return np.zeros(len(labels.state), dtype=bool)
    wanted = min(len(ages), max(LEAST_RECENT, round(RECENT_SHARE * len(ages))))
    return np.asarray(labels.follow_up_days <= ages[wanted - 1])


def _pairs_of_weeks(labels: HistoryLabels) -> Iterator[Pair]:
    """Give the leads of neighbouring weeks, newest first; no week is in two pairs."""
    week = np.floor(np.nan_to_num(labels.follow_up_days, nan=-1.0) / _WEEK_DAYS).astype(np.int64)
    order = np.argsort(week, kind="stable")
    ends = np.searchsorted(week[order], np.arange(_WEEKS + 1))
    for first in range(0, _WEEKS - 1, 2):
        newer, older = (
            order[ends[first] : ends[first + 1]],
            order[ends[first + 1] : ends[first + 2]],
        )
        if min(len(newer), len(older)) >= _LEAST_A_WEEK:
            yield newer, older


def _spread(bands: NDArray[np.intp], n_bands: int, weeks: list[Pair]) -> float:
    """Return how many times as far neighbouring weeks lie apart as chance explains, at least 1.

    1 unless it is sure that there is more than chance.
    """
    statistic, freedom = 0.0, 0
    for newer, older in weeks:
        found, free = homogeneity(
            np.bincount(bands[older], minlength=n_bands).astype(np.float64),
            np.bincount(bands[newer], minlength=n_bands).astype(np.float64),
        )
        statistic, freedom = statistic + found, freedom + free
    return _over(statistic, freedom)


def _over(statistic: float, freedom: int) -> float:
    from scipy.stats import chi2

    is_sure = freedom > 0 and chi2.sf(statistic, freedom) < _SURE
    return max(1.0, statistic / freedom) if is_sure else 1.0


def _decisions(
    scorer: LeadScorer,
    codes: Codes,
    labels: HistoryLabels,
    recent: Mask,
    weeks: list[Pair],
) -> dict[str, Any] | None:
    logits = acceptance_logits(scorer, codes)
    described = describe_decisions(logits, labels, recent)
    if described is None:
        return None
    chance = 0.5 * (1.0 + np.tanh(0.5 * logits))
    gaps, variances = labels.accepted - chance, chance * (1.0 - chance)
    statistic, freedom = 0.0, 0
    for pair in weeks:
        told = [rows[~np.isnan(labels.accepted[rows])] for rows in pair]
        if min(map(len, told)) >= _LEAST_A_WEEK:
            means = [gaps[rows].mean() for rows in told]
            errors = [variances[rows].sum() / len(rows) ** 2 for rows in told]
            statistic += float((means[0] - means[1]) ** 2 / sum(errors))
            freedom += 1
    return described | {"spread": _over(statistic, freedom)}
