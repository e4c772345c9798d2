"""Accepted, rejected and never-worked leads apart: only the first have an outcome to judge by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.definition import Names
from training.documents import figures_of, finite
from training.judging import STUDENT
from training.labels import HistoryLabels
from training.metrics import Interval, weighted_rate

if TYPE_CHECKING:
    from training.rolling import RollingJudgement

__all__ = ["Accounts", "keep_accounts"]

_REJECTED = Names(
    ja="営業が却下したリードには結果がありません。失注とは数えません。",
    en="Leads that sales turned away have no outcome. They are not counted as lost.",
)
_LEFT_OUT = Names(
    ja="余力不足など、リード自身と関係のない理由で却下されたリードには結果がありません。失注とは数えません。",
    en="Turned away for a reason that is not about the lead: no outcome, not counted as lost.",
)
_NEVER_WORKED = Names(
    ja="誰も対応していないリードには結果がありません。失注とは数えません。",
    en="Leads that nobody worked have no outcome. They are not counted as lost.",
)


@dataclass(frozen=True, slots=True)
class Accounts:
    """What was promised to four kinds of leads of the test spans, and what is known of them.

    Attributes
    ----------
    n_accepted, n_won : int
        Worked leads whose outcome at the main horizon can be told, and wins among them.
    promised : float
        The student's mean probability for them.
    observed : Interval
        Share won among them.
    n_rejected, n_won_anyway : int
        Leads that sales turned away and nobody took back, and recorded wins among them.
    promised_rejected : float
        Mean probability for those; NaN without any.
    n_left_out : int
        Leads turned away for a reason that says nothing about the lead.
    promised_left_out : float
        Mean probability for those; NaN without any.
    n_never : int
        Leads without a decision.
    promised_never : float
        Mean probability for those; NaN without any.
    """

    n_accepted: int
    n_won: int
    promised: float
    observed: Interval
    n_rejected: int
    n_won_anyway: int
    promised_rejected: float
    n_left_out: int
    promised_left_out: float
    n_never: int
    promised_never: float

    def document(self) -> dict[str, Any]:
        """Return the accounts as JSON content."""
        return {
            "accepted": {
                "n": self.n_accepted,
                "n_won": self.n_won,
                "promised": finite(self.promised),
                "observed": figures_of(self.observed),
            },
            "rejected": {
                "n": self.n_rejected,
                "promised": finite(self.promised_rejected),
                "n_won_anyway": self.n_won_anyway,
                "note": _REJECTED.model_dump(),
            },
            "left_out": {
                "n": self.n_left_out,
                "promised": finite(self.promised_left_out),
                "note": _LEFT_OUT.model_dump(),
            },
            "never_worked": {
                "n": self.n_never,
                "promised": finite(self.promised_never),
                "note": _NEVER_WORKED.model_dump(),
            },
        }


def keep_accounts(judgement: RollingJudgement) -> Accounts:
    """Return the accounts over the test spans of all cut-offs."""
    told, main = judgement.told(), judgement.main
    outcome, weight = judgement.outcome[told, main], judgement.weight[told, main]
    own = judgement.probabilities[STUDENT][told, main]
    known = judgement.newest.known
    turned_away = known.rejected_then_won if isinstance(known, HistoryLabels) else None
    rejected = _chances(judgement, known.state == "rejected")
    never = _chances(judgement, np.isin(known.state, ("pending", "untouched")))
    left_out = _chances(judgement, known.state == "left_out")
    spans = np.concatenate([part.span for part in judgement.origins])
    return Accounts(
        n_accepted=len(own),
        n_won=int(outcome.sum()),
        promised=float(np.average(own, weights=weight)) if len(own) else float("nan"),
        observed=weighted_rate(outcome, weight),
        n_rejected=len(rejected),
        n_won_anyway=0
        if turned_away is None
        else int((turned_away & (known.state == "rejected"))[spans].sum()),
        promised_rejected=_mean(rejected),
        n_left_out=len(left_out),
        promised_left_out=_mean(left_out),
        n_never=len(never),
        promised_never=_mean(never),
    )


def _chances(judgement: RollingJudgement, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the student's chances, at the main horizon, of the chosen leads of all spans."""
    parts = []
    for part in judgement.origins:
        leads = part.span[chosen[part.span]]
        if len(leads):
            place = part.horizons.index(judgement.main_horizon)
            parts.append(part.promise(leads)[:, place])
    return np.concatenate(parts) if parts else np.empty(0)


def _mean(chances: NDArray[np.float64]) -> float:
    return float(chances.mean()) if len(chances) else float("nan")
