"""What became of the past leads whose score was nearest: an interval for one score, or for many."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

__all__ = ["Neighbours"]


class Neighbours:
    """Intervals of the rate that was observed, by log-odds.

    Parameters
    ----------
    kept : mapping of str to sequence of float
        ``logit``, ascending, with ``low`` and ``high`` of each; empty where none were kept.
    """

    def __init__(self, kept: Mapping[str, Sequence[float]]) -> None:
        self._at, self._low, self._high = (
            list(map(float, kept.get(part, ()))) for part in ("logit", "low", "high")
        )

    def of(self, logit: float) -> tuple[float, float] | None:
        """Return the interval nearest to a log-odds, the lower one of two that are as near."""
        at = self._at
        if not at:
            return None
        right = min(bisect_left(at, logit), len(at) - 1)
        left = max(right - 1, 0)
        nearest = left if logit - at[left] <= at[right] - logit else right
        return self._low[nearest], self._high[nearest]

    def of_each(
        self, logits: NDArray[np.float64]
    ) -> Iterable[tuple[float, float]] | Iterable[None]:
        """Return what `of` says of each."""
        if not self._at:
            return repeat(None)
        at = np.array(self._at)
        right = np.minimum(np.searchsorted(at, logits), len(at) - 1)
        left = np.maximum(right - 1, 0)
        nearest = np.where(logits - at[left] <= at[right] - logits, left, right)
        low, high = np.array(self._low)[nearest], np.array(self._high)[nearest]
        return zip(low.tolist(), high.tolist(), strict=True)
