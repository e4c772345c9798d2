"""Which horizons enough wins and enough followed leads speak for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.labels import HistoryLabels
from training.periods import period_cuts

__all__ = ["MIN_FOLLOWED", "MIN_WINS", "main_of", "published_horizons"]

MIN_WINS = 50
"""Below so many wins no learned model is published: base rates by channel are."""

MIN_FOLLOWED = 200
"""Worked leads that must have been followed into the last period before a horizon."""


def published_horizons(
    labels: HistoryLabels, there: NDArray[np.bool_], horizons: Sequence[int]
) -> tuple[int, ...]:
    """Return the horizons that enough wins and enough followed leads speak for."""
    worked = labels.worked & there
    seen = worked & (labels.won_days >= labels.entry_days)
    if int(seen.sum()) < MIN_WINS:
        return ()
    published = []
    for horizon in horizons:
        last_cut = max(cut for cut in (0.0, *period_cuts(horizons)) if cut < horizon)
        n_won = int((labels.won_days[seen] <= horizon).sum())
        n_followed = int((labels.follow_up_days[worked] > last_cut).sum())
        if n_won >= MIN_WINS and n_followed >= MIN_FOLLOWED:
            published.append(horizon)
    return tuple(published)


def main_of(wanted: int, published: Sequence[int]) -> int:
    """Return the main horizon, or the longest published one before it, or the shortest after."""
    earlier = [horizon for horizon in published if horizon <= wanted]
    return max(earlier) if earlier else min(published)
