"""Bins of a number and kept levels of a category, learnt from past leads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_BINS", "MIN_LEADS_PER_LEVEL", "ONE_IN", "Bins", "Levels", "bins_of", "levels_of"]

MAX_BINS = 64
MIN_LEADS_PER_LEVEL = 5
"""Leads a category value needs to keep its own code, in a small history."""

ONE_IN = 1000
"""In a large one it needs one lead in so many: more leads, more values frequent by chance."""


class Bins(TypedDict):
    """Upper ends of all bins but the last; median, least and greatest value of each bin."""

    edges: tuple[float, ...]
    centres: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]


class Levels(TypedDict):
    """Kept category values, commonest first, and how each is mostly written."""

    levels: tuple[str, ...]
    shown: tuple[str, ...]


def bins_of(
    values: Sequence[float | str | None],
    max_bins: int = MAX_BINS,
    min_leads: int = MIN_LEADS_PER_LEVEL,
) -> Bins:
    """Cut a number into bins of about equal numbers of leads.

    A number with few distinct values gets a bin for each that has enough leads. Edges lie half-way
    between neighbouring observed values, so that a value seen in training is never on an edge.

    Parameters
    ----------
    values : sequence of float or None
        One per lead; None is missing and takes no part.
    max_bins : int
        Most bins, missing not counted.
    min_leads : int
        Leads a bin needs; a smaller one is joined to the next.

    Examples
    --------
    >>> bins = bins_of([1.0, 1.0, 2.0, None, 4.0], min_leads=1)
    >>> bins["edges"], bins["centres"]
    ((1.5, 3.0), (1.0, 2.0, 4.0))
    """
    seen = np.sort(
        np.array([value for value in values if isinstance(value, float)], dtype=np.float64)
    )
    if not len(seen):
        return {"edges": (), "centres": (0.0,), "lows": (0.0,), "highs": (0.0,)}
    distinct, first, counts = np.unique(seen, return_index=True, return_counts=True)
    last_of_bin = np.arange(len(distinct) - 1)
    if len(distinct) > max_bins:
        ends = np.cumsum(counts)
        wanted = len(seen) * np.arange(1, max_bins) / max_bins
        last_of_bin = np.unique(np.searchsorted(ends, wanted).clip(max=len(distinct) - 2))
    last_of_bin = _full_bins(last_of_bin, np.cumsum(counts), min_leads)
    below, above = distinct[last_of_bin], distinct[last_of_bin + 1]
    middles = below + (above - below) / 2
    edges = np.where((middles > below) & (middles < above), middles, below)
    starts = np.concatenate([[0], first[last_of_bin + 1]])
    stops = np.concatenate([first[last_of_bin + 1], [len(seen)]])
    centres = [
        float(np.median(seen[start:stop])) for start, stop in zip(starts, stops, strict=True)
    ]
    return {
        "edges": tuple(edges.tolist()),
        "centres": tuple(centres),
        "lows": tuple(seen[starts].tolist()),
        "highs": tuple(seen[stops - 1].tolist()),
    }


def _full_bins(
    last_of_bin: NDArray[np.intp], ends: NDArray[np.intp], min_leads: int
) -> NDArray[np.intp]:
    """Keep the cuts that leave enough leads on both sides, from the lowest on."""
    kept: list[int] = []
    done = 0
    for cut in last_of_bin.tolist():
        if ends[cut] - done >= min_leads and ends[-1] - ends[cut] >= min_leads:
            kept.append(cut)
            done = int(ends[cut])
    return np.array(kept, dtype=np.intp)


def levels_of(
    values: Sequence[float | str | None],
    min_leads: int = MIN_LEADS_PER_LEVEL,
    written: Mapping[str, str] | None = None,
) -> Levels:
    """Keep the category values that enough leads have, at most 250.

    Parameters
    ----------
    values : sequence of str or None
        One per lead.
    min_leads : int
        Leads a value needs to keep its own code; rarer ones share the code of unseen values.
    written : mapping of str to str, optional
        How a value is mostly written; the value itself where nothing is said.

    Examples
    --------
    >>> levels_of(["web", "fax", "web", None], min_leads=2, written={"web": "Web"})
    {'levels': ('web',), 'shown': ('Web',)}
    """
    counts = Counter(value for value in values if isinstance(value, str))
    kept = [value for value, n in counts.items() if n >= min_leads]
    levels = sorted(kept, key=lambda value: (-counts[value], value))[:250]
    return {
        "levels": tuple(levels),
        "shown": tuple((written or {}).get(level, level) for level in levels),
    }
