"""Which fields cannot be relied on: their values, or what these mean, differ between then and now.

Two general rules. A field has *changed* when the population stability index between the older and
the newer leads is above 0.25, the usual mark of a major shift: values come, go or move. It has
*turned* when what spoke for a win in the older half of the leads speaks against it in the newer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.labels import HistoryLabels
from training.periods import period_cuts, person_periods

if TYPE_CHECKING:
    from training.linear import CodedInputs

__all__ = ["Evidence", "UnstableFields", "history_evidence", "unstable_fields"]

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]

_CHANGED = 0.25
_TURNED = -3.0
"""Standard errors below zero; a stable field lies beyond by chance once in 700."""
_BANDS = 10
_PRIOR_WINS = 5.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """What became of worked leads, as known on a day.

    Attributes
    ----------
    lead : ndarray of int, shape (n,)
        Their positions, oldest first.
    won, expected : ndarray of float, shape (n,)
        Wins, and the wins expected of a lead followed as long (its chance, in a snapshot).
    """

    lead: NDArray[np.intp]
    won: Floats
    expected: Floats


@dataclass(frozen=True)
class UnstableFields:
    """Names of fields and behaviours, in the order of the inputs."""

    changed: tuple[str, ...]
    turned: tuple[str, ...]


def history_evidence(labels: HistoryLabels, rows: NDArray[np.bool_]) -> Evidence:
    """Return wins and expected wins of the worked leads among `rows`; open ones count as followed.

    What is expected of a lead is its time under observation times the rate of all in each period.
    """
    periods = person_periods(labels, rows, period_cuts((365,)))
    hazard = periods.exposure_days * periods.rates[periods.period]
    n_leads = len(labels.state)
    won = np.bincount(periods.lead, weights=periods.is_won, minlength=n_leads).astype(np.float64)
    expected = np.bincount(periods.lead, weights=hazard, minlength=n_leads).astype(np.float64)
    lead = np.unique(periods.lead)
    lead = lead[np.argsort(-labels.follow_up_days[lead], kind="stable")]
    return Evidence(lead, won[lead], expected[lead])


def unstable_fields(
    codes: Codes, encoder: CodedInputs, order: NDArray[np.intp], evidence: Evidence
) -> UnstableFields:
    """Return the fields that have changed or turned.

    Parameters
    ----------
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of all leads.
    encoder : CodedInputs
        The encoder that made them.
    order : ndarray of int
        Positions of the leads to look at, oldest first.
    evidence : Evidence
        What became of the worked ones among them.
    """
    third, half = len(order) // 3, len(evidence.lead) // 2
    changed: dict[str, None] = {}
    turned: dict[str, None] = {}
    for given, bands in zip(encoder.inputs, _bands(codes, encoder, order), strict=True):
        n_bands = int(bands.max(initial=0)) + 1
        if third and _psi(bands[order[:third]], bands[order[-third:]], n_bands) > _CHANGED:
            changed[given.field] = None
        if half and _agreement(bands[evidence.lead], evidence, half, n_bands) < _TURNED:
            turned[given.field] = None
    return UnstableFields(tuple(changed), tuple(turned))


def _bands(
    codes: Codes, encoder: CodedInputs, order: NDArray[np.intp]
) -> Iterator[NDArray[np.intp]]:
    """Yield each input's codes, those of a number gathered into ten bands of equally many leads."""
    for position, given in enumerate(encoder.inputs):
        column = codes[:, position]
        if given.kind == "category":
            yield column.astype(np.intp)
            continue
        counts = np.bincount(column[order], minlength=given.size).astype(np.float64)
        counts[0] = 0.0
        share = (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1.0)
        band = 1 + np.minimum((share * _BANDS).astype(np.intp), _BANDS - 1)
        band[0] = 0
        yield band[column]


def _psi(before: NDArray[np.intp], after: NDArray[np.intp], n_bands: int) -> float:
    """Return the population stability index, half a lead added to each band."""
    shares = [np.bincount(part, minlength=n_bands) + 0.5 for part in (before, after)]
    first, last = (share / share.sum() for share in shares)
    return float(((last - first) * np.log(last / first)).sum())


def _agreement(bands: NDArray[np.intp], evidence: Evidence, half: int, n_bands: int) -> float:
    """Return, in standard errors, how far the older half's effects are found in the newer half."""
    won, expected = evidence.won, evidence.expected
    wins = np.bincount(bands[:half], weights=won[:half], minlength=n_bands)
    hoped = np.bincount(bands[:half], weights=expected[:half], minlength=n_bands)
    level = wins.sum() / max(hoped.sum(), 1e-9)
    effect = np.log((wins + _PRIOR_WINS) / (hoped * level + _PRIOR_WINS))
    later = expected[half:] * (won[half:].sum() / max(expected[half:].sum(), 1e-9))
    found = effect[bands[half:]]
    centred = found - np.average(found, weights=later) if later.sum() > 0 else found
    spread = float(np.sqrt((centred**2 * later).sum()))
    return 0.0 if spread < 1e-9 else float((centred * (won[half:] - later)).sum()) / spread
