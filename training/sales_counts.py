"""What sales said beside what happened: channels, rejected leads that won, accepted ones that died.

Counts and rates only; nothing here is learnt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.encoder import MISSING, OTHER
from training.documents import figures_of
from training.labels import HistoryLabels, SnapshotLabels
from training.metrics import Interval, observed_rate, wilson_interval

if TYPE_CHECKING:
    from features.encoder import LeadEncoder

__all__ = ["SalesCounts", "SourceQuality", "count_sales"]

Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SourceQuality:
    """One channel: how sales takes its leads, and what becomes of those it works.

    Attributes
    ----------
    value : str
        Code of the channel; ``missing`` or ``other`` where it has none.
    n : int
        Leads.
    acceptance : Interval
        Share of the decided leads that sales accepted.
    conversion : Interval
        Share of the accepted and worked leads that won by the main horizon.
    """

    value: str
    n: int
    acceptance: Interval
    conversion: Interval


@dataclass(frozen=True)
class SalesCounts:
    """Counts that contradict what sales said.

    Attributes
    ----------
    sources : tuple of SourceQuality
        Most leads first.
    rejected_then_won : mapping of str to int
        Leads that won although they were turned away and nobody took them back, by reason.
    accepted_then_dead, accepted_of : int
        Accepted leads that had not won by the main horizon, of those followed as long.
    """

    sources: tuple[SourceQuality, ...]
    rejected_then_won: Mapping[str, int]
    accepted_then_dead: int
    accepted_of: int

    def document(self) -> dict[str, Any]:
        """Return JSON content."""
        return {
            "sources": [
                {
                    "value": one.value,
                    "n": one.n,
                    "acceptance": figures_of(one.acceptance),
                    "conversion": figures_of(one.conversion),
                }
                for one in self.sources
            ],
            "rejected_then_won": {
                "n": sum(self.rejected_then_won.values()),
                "by_reason": dict(self.rejected_then_won),
            },
            "accepted_then_dead": {"n": self.accepted_then_dead, "of": self.accepted_of},
        }


def count_sales(
    codes: Codes, encoder: LeadEncoder, labels: HistoryLabels | SnapshotLabels, rows: Mask
) -> SalesCounts:
    """Count among `rows`; parameters as in `training.disagreements.find_disagreements`.

    A snapshot does not say that a rejected lead won: a win is then the stronger mark.
    """
    taken = rows & (labels.accepted == 1.0)
    if isinstance(labels, HistoryLabels):
        main = encoder.definition.main_horizon
        followed = taken & (labels.follow_up_days >= main)
        dead = followed & ~(labels.won_days <= main)
        against = labels.rejected_then_won & rows
    else:
        followed = taken & ~np.isnan(labels.outcome)
        dead = followed & (labels.outcome == 0.0)
        against = np.zeros(len(rows), dtype=bool)
    return SalesCounts(
        tuple(_sources(codes, encoder, labels, rows)),
        dict(Counter(labels.reason[against].tolist()).most_common()),
        int(dead.sum()),
        int(followed.sum()),
    )


def _sources(
    codes: Codes, encoder: LeadEncoder, labels: HistoryLabels | SnapshotLabels, rows: Mask
) -> Iterator[SourceQuality]:
    places = encoder.positions.get(encoder.definition.channel_field)
    if not places:
        return
    given, own = encoder.inputs[places[0]], codes[:, places[0]]
    names = {MISSING: "missing", OTHER: "other"}
    names |= {OTHER + 1 + place: level for place, level in enumerate(given.levels)}
    counts = np.bincount(own[rows], minlength=given.size)
    for code in np.argsort(-counts, kind="stable").tolist():
        if counts[code]:
            members = rows & (own == code)
            decided = labels.accepted[members & ~np.isnan(labels.accepted)]
            yield SourceQuality(
                names[code],
                int(counts[code]),
                _rate(float(decided.sum()), float(len(decided))),
                _conversion(labels, members, encoder.definition.main_horizon),
            )


def _conversion(
    labels: HistoryLabels | SnapshotLabels, members: Mask, main_horizon: int
) -> Interval:
    """Return the share won of accepted leads, by Kaplan and Meier where days are known.

    The interval is Wilson's, for as many leads as would give the wins seen at that share.
    """
    worked = members & labels.worked & ~labels.turned_away
    if isinstance(labels, SnapshotLabels):
        outcome = labels.outcome[worked]
        return _rate(float(outcome.sum()), float(len(outcome)))
    entry, until = labels.entry_days[worked], labels.until_days[worked]
    is_won = labels.won_days[worked] >= entry
    n_won = float((is_won & (labels.won_days[worked] <= main_horizon)).sum())
    rate = float(observed_rate(entry, until, is_won, [main_horizon])[0])
    return _rate(n_won, n_won / rate if rate > 0 else float((until >= main_horizon).sum()))


def _rate(n_yes: float, n: float) -> Interval:
    low, high = wilson_interval(n_yes, n)
    return Interval(n_yes / n if n else float("nan"), low, high)
