"""Which fields move together, so that they can be read as one: employees and capital are a size.

Two numbers are compared by Spearman's rank correlation, anything else by Cramér's V of bands,
corrected for chance (W. Bergsma, "A bias-correction for Cramér's V and Tschuprow's T", 2013).
Fields form a set when every two of them move together (complete linkage).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from features.encoder import MISSING, Input

__all__ = ["Together", "fields_together"]

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]

THRESHOLD = 0.55
"""Fields move together from this association on (0 none, 1 the same)."""

_BANDS = 6
_MOST_LEADS = 20_000
_FEWEST_PRESENT = 30


@dataclass(frozen=True, slots=True)
class Together:
    """Fields that move together.

    Attributes
    ----------
    members : tuple of str
        Fields or behaviours, in the order of the inputs; two or more.
    correlation : float
        The least association of two members, 0 to 1.
    """

    members: tuple[str, ...]
    correlation: float


def fields_together(
    codes: Codes, inputs: Sequence[Input], threshold: float = THRESHOLD
) -> tuple[Together, ...]:
    """Return the sets of two or more fields that move together, in the order of the inputs.

    Parameters
    ----------
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Past leads; of more than 20,000 an even selection is looked at.
    inputs : sequence of Input
        The inputs behind the codes. A field with several counts by the one that agrees most.
    threshold : float
        Least association, 0 to 1.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    fields = list(dict.fromkeys(given.field for given in inputs))
    if len(fields) < 2 or not len(codes):
        return ()
    found = _associations(codes[:: 1 + (len(codes) - 1) // _MOST_LEADS], inputs, fields)
    apart = 1.0 - found
    np.fill_diagonal(apart, 0.0)
    merged = linkage(squareform(apart, checks=False), method="complete")
    labels = fcluster(merged, 1.0 - threshold, criterion="distance")
    sets = [np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist())]
    return tuple(
        Together(
            tuple(fields[k] for k in members),
            min(float(found[i, j]) for i, j in combinations(members.tolist(), 2)),
        )
        for members in sets
        if len(members) > 1
    )


def _associations(codes: Codes, inputs: Sequence[Input], fields: Sequence[str]) -> Floats:
    """Return how strongly each two fields go together, 0 to 1, shape (n_fields, n_fields)."""
    banded = [_banded(codes[:, place], given) for place, given in enumerate(inputs)]
    found = np.eye(len(fields))
    for a, b in combinations(range(len(inputs)), 2):
        i, j = fields.index(inputs[a].field), fields.index(inputs[b].field)
        if i == j:
            continue
        are_numbers = inputs[a].kind == inputs[b].kind == "number"
        value = (
            _rank_correlation(codes[:, a], codes[:, b])
            if are_numbers
            else _cramers_v(banded[a], banded[b])
        )
        found[i, j] = found[j, i] = max(found[i, j], value)
    return found


def _banded(codes: Codes, given: Input) -> Codes:
    """Return a number's codes in bands of about equally many leads, missing apart."""
    if given.kind == "category":
        return codes
    counts = np.bincount(codes, minlength=given.size).astype(np.float64)
    counts[MISSING] = 0.0
    middle = (np.cumsum(counts) - counts / 2) / (counts.sum() or 1.0)
    bands = 1 + (middle * _BANDS).astype(np.int32)
    bands[MISSING] = MISSING
    return bands[codes]


def _rank_correlation(first: Codes, second: Codes) -> float:
    """Return the size of Spearman's correlation where both numbers are given, 0 to 1."""
    from scipy.stats import rankdata

    given = (first != MISSING) & (second != MISSING)
    if given.sum() < _FEWEST_PRESENT:
        return 0.0
    ranks = rankdata(first[given]), rankdata(second[given])
    if min(np.ptp(ranks[0]), np.ptp(ranks[1])) == 0:
        return 0.0
    return abs(float(np.corrcoef(*ranks)[0, 1]))


def _cramers_v(first: Codes, second: Codes) -> float:
    """Return Bergsma's corrected V of two codes, 0 to 1."""
    _, rows = np.unique(first, return_inverse=True)
    _, columns = np.unique(second, return_inverse=True)
    shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    n = len(rows)
    if min(shape) < 2 or n < 2:
        return 0.0
    counts = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    phi2 = float(((counts - expected) ** 2 / expected).sum()) / n
    wide, high = ((side - 1) ** 2 / (n - 1) for side in shape)
    phi2 = max(0.0, phi2 - (shape[0] - 1) * (shape[1] - 1) / (n - 1))
    least = min(shape[0] - wide, shape[1] - high) - 1
    return min(1.0, float(np.sqrt(phi2 / least))) if least > 0 else 0.0
