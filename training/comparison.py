"""The model beside the one that is served today, on the same leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.bootstrap import paired_difference
from training.documents import figures_of, finite
from training.judging import CHAMPION, STUDENT
from training.metrics import Interval, roc_auc

if TYPE_CHECKING:
    from training.champion import Champion
    from training.rolling import RollingJudgement

__all__ = ["ChampionComparison", "compare_with_champion"]


@dataclass(frozen=True)
class ChampionComparison:
    """Student minus champion; below 0 in log loss the student is better.

    Attributes
    ----------
    version : str
        The champion's, in the registry.
    standings : tuple of str
        How it was asked at each cut-off (`training.champion.Standing`).
    by_horizon : mapping of int to (Interval, float)
        Difference of log loss with its paired interval, and of AUC, over leads that both speak of.
    """

    version: str
    standings: tuple[str, ...]
    by_horizon: Mapping[int, tuple[Interval, float]]

    def document(self) -> dict[str, Any]:
        """Return the comparison as JSON content."""
        return {
            "version": self.version,
            "standings": list(self.standings),
            "relearnt": "relearnt" in self.standings,
            "has_seen": "has_seen" in self.standings,
            "by_horizon": [
                {
                    "horizon": horizon,
                    "difference": figures_of(difference),
                    "auc_difference": finite(auc),
                }
                for horizon, (difference, auc) in self.by_horizon.items()
            ],
        }


def compare_with_champion(judgement: RollingJudgement, champion: Champion) -> ChampionComparison:
    """Compare at each horizon, with 1,000 draws of leads, as many from every cut-off as it has."""
    found = {}
    for column, horizon in enumerate(judgement.horizons):
        told = judgement.told(horizon, CHAMPION)
        outcome, weight = judgement.outcome[told, column], judgement.weight[told, column]
        own, theirs = (judgement.probabilities[name][told, column] for name in (STUDENT, CHAMPION))
        if not len(outcome) or outcome.min() == outcome.max():
            continue
        difference = paired_difference(
            outcome, own, theirs, weight=weight, strata=judgement.origin[told]
        )
        ranking = roc_auc(outcome, own, weight) - roc_auc(outcome, theirs, weight)
        found[horizon] = difference, ranking
    return ChampionComparison(champion.version, judgement.standings, found)
