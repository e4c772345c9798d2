"""When a model that is only not worse may take the place of one that is stale or off."""

from __future__ import annotations

import numpy as np

from training.gate_conditions import MOST_LOG_RATIO, Comparison, Condition, condition, is_level
from training.gate_words import LIMITS, RENEWAL, filled
from training.metrics import Interval, predicted_over_observed

__all__ = ["is_renewal", "served_ratio"]

NOT_WORSE = 0.002


def is_renewal(
    measured: tuple[float, float, int] | None,
    age_days: float | None,
    stale_days: int,
    ratio: Interval | None,
) -> Condition:
    """Return whether the champion is due for renewal, and the challenger is not worse.

    Parameters
    ----------
    measured : tuple or None
        As `paired` gives it.
    age_days : float or None
        Days since what the champion had learnt from was known.
    stale_days : int
        Age from which it is stale.
    ratio : Interval or None
        Promised over observed wins of the champion as served, on leads newer than it.
    """
    limit = filled(
        LIMITS["refresh"], worse=f"{NOT_WORSE:+.4f}", days=stale_days, off=f"{MOST_LOG_RATIO:.0%}"
    )
    is_stale = age_days is not None and age_days >= stale_days
    is_off = ratio is not None and not is_level(ratio)
    if is_stale:
        why = filled(RENEWAL["stale"], days=f"{age_days:.0f}")
    elif is_off and ratio is not None:
        why = filled(RENEWAL["off"], ratio=f"{ratio.value:.2f}")
    else:
        why = RENEWAL["fresh"]
    not_worse = measured is not None and measured[1] <= NOT_WORSE
    if (is_stale or is_off) and not not_worse:
        why = RENEWAL["worse"]
    figures = [] if measured is None else [f"≤ {measured[1]:+.4f}"]
    figures += [] if age_days is None else [f"{age_days:.0f} d"]
    figures += [] if ratio is None else [f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"]
    passed = not_worse and (is_stale or is_off)
    return condition("refresh", passed, "; ".join(figures) or "–", limit, why=why)


def served_ratio(found: Comparison) -> Interval | None:
    """Return promised over observed wins of the champion on the leads of the last cut-off.

    What is served lowers chances for what refusals mean; on worked leads that is taken back by the
    factor that the challenger shows between its chance for a worked lead and what it serves.
    """
    newest = found.origin == found.origin.max()
    told = newest & (found.weight[:, found.column] > 0) & ~np.isnan(found.theirs[:, found.column])
    outcome, weight = found.outcome[told, found.column], found.weight[told, found.column]
    if not outcome.any():
        return None
    ratio = predicted_over_observed(outcome, found.theirs[told, found.column], weight)
    factor = float(
        (weight @ found.worked[told, found.column]) / (weight @ found.mine[told, found.column])
    )
    return Interval(*(factor * one for one in ratio))
