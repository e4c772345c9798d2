"""What it is worth to take leads in the order of their score: in all, and week by week."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.documents import figures_of, finite
from training.judging import STUDENT
from training.metrics import Interval, lift, weighted_rate, wilson_interval

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.leads import LeadHistory
    from training.rolling import RollingJudgement

__all__ = ["Capacity", "Gain", "gains_table", "judge_capacity"]

_SHARES = tuple(tenth / 10 for tenth in range(1, 11))


@dataclass(frozen=True, slots=True)
class Gain:
    """The best leads up to a share of all.

    Attributes
    ----------
    share : float
        Share of the leads, best first.
    won_share : float
        Share of all wins that they hold.
    rate, rate_low, rate_high : float
        Their share won, with its 95 % interval.
    """

    share: float
    won_share: float
    rate: float
    rate_low: float
    rate_high: float

    def document(self) -> dict[str, Any]:
        """Return the gain as JSON content."""
        return {name: finite(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Capacity:
    """The best leads of each week, as many as sales can work.

    Attributes
    ----------
    per_week : int
        Places, from the definition.
    weeks : int
        Whole weeks of the test spans.
    n : int
        Leads that would have been taken and whose outcome can be told.
    precision : Interval
        Share won among those.
    everyone : float
        Share won among all leads of these weeks whose outcome can be told.
    expected_wins, observed_wins : float
        Wins promised for, and seen among, the taken leads, weighed for censoring.
    """

    per_week: int
    weeks: int
    n: int
    precision: Interval
    everyone: float
    expected_wins: float
    observed_wins: float

    def document(self) -> dict[str, Any]:
        """Return the figures as JSON content."""
        return {
            "per_week": self.per_week,
            "weeks": self.weeks,
            "n": self.n,
            "precision": figures_of(self.precision),
            "all": finite(self.everyone),
            "expected_wins": finite(self.expected_wins),
            "observed_wins": finite(self.observed_wins),
        }


def gains_table(judgement: RollingJudgement) -> tuple[Gain, ...]:
    """Return the gains at each tenth; leads of equal score at an edge count in part."""
    told, main = judgement.told(), judgement.main
    outcome, weight = judgement.outcome[told, main], judgement.weight[told, main]
    promised = judgement.probabilities[STUDENT][told, main]
    if not outcome.any():
        return ()
    overall = float(np.average(outcome, weights=weight))
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    table = []
    for share in _SHARES:
        times = lift(outcome, promised, share, weight)
        rate, n = min(1.0, overall * times), share * effective
        table.append(Gain(share, times * share, rate, *wilson_interval(rate * n, n)))
    return tuple(table)


def judge_capacity(
    judgement: RollingJudgement, history: LeadHistory, definition: LeadDefinition
) -> Capacity | None:
    """Take, in each week of the test spans, as many of the best leads as sales can work.

    All leads that came in a week stand in line, also those that sales turned away or never worked
    in the end; the share won is told of the worked ones among the taken. Weeks begin on Monday in
    the definition's time zone; those cut off at either end do not count. None where leads have no
    times.
    """
    spans = np.concatenate([part.span for part in judgement.origins])
    arrived = history.leads["arrived_at"].iloc[spans]
    if arrived.isna().any():
        return None
    known = judgement.newest.known
    chances = np.concatenate(
        [
            part.promise(part.span)[:, part.horizons.index(judgement.main_horizon)]
            for part in judgement.origins
        ]
    )
    weeks = _mondays(arrived.dt.tz_convert(definition.time_zone).dt.tz_localize(None))
    inside = (weeks > weeks.min()) & (weeks < weeks.max())
    waiting = inside & (known.state[spans] != "not_a_lead")
    per_week = definition.economics.capacity_per_week
    taken = _best(weeks, chances, waiting, per_week)

    told, main = judgement.told(), judgement.main
    place = np.full(len(history.leads), -1)
    place[spans] = np.arange(len(spans))
    at = place[judgement.lead]
    outcome, weight = judgement.outcome[:, main], judgement.weight[:, main]
    chosen, everyone = told & taken[at], told & inside[at]
    if not chosen.any():
        return None
    own = judgement.probabilities[STUDENT][chosen, main]
    return Capacity(
        per_week=per_week,
        weeks=len(np.unique(weeks[inside])),
        n=int(chosen.sum()),
        precision=weighted_rate(outcome[chosen], weight[chosen]),
        everyone=float(np.average(outcome[everyone], weights=weight[everyone])),
        expected_wins=float((weight[chosen] * own).sum()),
        observed_wins=float((weight[chosen] * outcome[chosen]).sum()),
    )


def _mondays(local: pd.Series[Any]) -> NDArray[np.int64]:
    """Return the number of the week of each local time, counted from a Monday."""
    days = local.to_numpy(dtype="datetime64[D]").astype(np.int64)
    return np.asarray((days + 3) // 7)  # day 0, the first of January 1970, was a Thursday


def _best(
    weeks: NDArray[np.int64],
    chances: NDArray[np.float64],
    waiting: NDArray[np.bool_],
    places: int,
) -> NDArray[np.bool_]:
    """Flag the best waiting leads of each week; of equals the earlier one comes first."""
    rows = np.flatnonzero(waiting)
    order = rows[np.lexsort((rows, -chances[rows], weeks[rows]))]
    _, first, count = np.unique(weeks[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(first, count)
    taken = np.zeros(len(weeks), dtype=bool)
    taken[order[rank < places]] = True
    return taken
