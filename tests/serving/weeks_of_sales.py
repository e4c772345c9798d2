"""Half a year of a sales team under four rules of handing over, on leads of an invented world.

Costs and wins are those of the packaged definition: 30 for a call and 400 for a win. Leads arrive on
all days; on each working day sales has a fifth of its places and works open leads that reach the
line, on Friday with the places left also those that do not. Who is not worked waits up to two weeks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.definition import LeadDefinition
from serving.decision.decide import decide, make_desk
from serving.decision.line import Arrival, Line, draw_line, midnight
from tests.serving.sales_history import AGREED, with_economics
from training.worlds.settings import WorldSettings
from training.worlds.world import make_world

__all__ = ["REGIMES", "RULES", "Lead", "Regime", "Year", "draw_year", "play"]

COST, VALUE = 30.0, 400.0
FLOOR = COST / VALUE
WARM_UP = 8
WEEKS = 26
WAIT_WEEKS = 2
FIRST = date(2026, 1, 5)


class Lead(NamedTuple):
    """A lead as it arrives: what is promised, and its true chance if worked."""

    lead_id: str
    at: datetime
    promised: float
    true: float


class Regime(NamedTuple):
    """How many leads come each week, and the share of them that sales can work."""

    places: float
    growth: float


REGIMES = {
    "scarce 22 %, stable": Regime(0.22, 1.0),
    "scarce 22 %, volume x3": Regime(0.22, 3.0),
    "ample 70 %": Regime(0.70, 1.0),
}
_BURSTS = {4: 3.5, 11: 3.5, 19: 3.5}
_HOLIDAYS = {8: 0.2, 16: 0.3, 17: 0.2}


@dataclass(frozen=True)
class Year:
    """The weeks of one regime; the first `WARM_UP` only fill the records."""

    weeks: Sequence[Sequence[Lead]]
    definition: LeadDefinition


def draw_year(regime: Regime, seed: int, per_week: int, audit_share: float = 0.05) -> Year:
    """Return weeks of leads from a world, in its order, so that its drift is kept.

    What is promised is the truth at 180 days with an error in log-odds (standard deviation 0.5),
    shrunk so that promises keep what they say on average.
    """
    random = np.random.default_rng(seed)
    sizes = []
    for week in range(-WARM_UP, WEEKS):
        grown = regime.growth ** (max(week, 0) / (WEEKS - 1))
        special = _BURSTS.get(week, 1.0) * _HOLIDAYS.get(week, 1.0)
        sizes.append(int(random.poisson(per_week * grown * special)))
    n = sum(sizes)
    true, promised = _chances(n, seed, random)
    capacity = max(1, round(regime.places * per_week))
    weeks, begun = [], 0
    for number, size in enumerate(sizes):
        monday = midnight(FIRST + timedelta(days=7 * (number - WARM_UP)), AGREED.zone)
        days = np.sort(random.uniform(0.0, 6.9, size))
        weeks.append(
            [
                Lead(f"S{seed}-{k}", monday + timedelta(days=float(day)), promised[k], true[k])
                for k, day in enumerate(days, start=begun)
            ]
        )
        begun += size
    return Year(weeks, with_economics(capacity, audit_share))


def _chances(
    n: int, seed: int, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    world = make_world(WorldSettings(n_leads=n, n_test=0, days=7 * (WARM_UP + WEEKS), seed=seed))
    true = world.truth["p_180"].to_numpy(dtype=np.float64)
    logit = np.log(true / (1.0 - true))
    spread = logit.var()
    noisy = logit + random.normal(0.0, 0.5, n)
    kept = spread / (spread + 0.25)
    promised = 1.0 / (1.0 + np.exp(-(logit.mean() + kept * (noisy - logit.mean()))))
    promised *= true.mean() / promised.mean()
    return true, np.minimum(promised, 0.99)


class Way(NamedTuple):
    """How a week goes: the line, the line of Friday's last places, merit or time, and patience."""

    line: float
    on_friday: float
    by_merit: bool
    waits_weeks: int


Rule = Callable[["Year", int], Way]
"""Gives the way of a week."""


def line_of(year: Year, week: int) -> Line:
    """Return what the service would draw for a week."""
    past = [lead for own in year.weeks[max(0, week - 9) : week] for lead in own]
    arrivals = [Arrival(lead.at, lead.promised, "ab") for lead in past]
    monday = FIRST + timedelta(days=7 * (week - WARM_UP))
    now = midnight(monday, year.definition.zone)
    return draw_line(arrivals, year.definition, "lead-quality", "ab", monday, now)


def _ours(year: Year, week: int) -> Way:
    return Way(line_of(year, week).line, FLOOR, True, WAIT_WEEKS)


def _capacity_only(year: Year, week: int) -> Way:
    past = np.array([one.promised for own in year.weeks[week - 8 : week] for one in own])
    share = _places(year) / max(1.0, len(past) / 8)
    line = float(np.quantile(past, max(0.0, 1.0 - share))) if len(past) else 0.0
    return Way(line, line, True, WAIT_WEEKS)


def _first_come(year: Year, week: int) -> Way:
    return Way(FLOOR, FLOOR, False, 0)


def _first_come_waiting(year: Year, week: int) -> Way:
    return Way(FLOOR, FLOOR, False, WAIT_WEEKS)


def _fixed(year: Year, week: int) -> Way:
    line = _capacity_only(year, WARM_UP).line
    return Way(line, line, True, WAIT_WEEKS)


RULES: dict[str, Rule] = {
    "fixed score": _fixed,
    "break-even, first come": _first_come,
    "break-even, first come, waiting": _first_come_waiting,
    "capacity only": _capacity_only,
    "capacity + floor": _ours,
}


def _places(year: Year) -> float:
    economics = year.definition.economics
    return economics.capacity_per_week * (1.0 - economics.audit_share)


def play(year: Year, rule: Rule) -> float:
    """Return the expected value of half a year under a rule: wins less calls."""
    value, owed = 0.0, 0.0
    waiting: list[Lead] = []
    for week in range(WARM_UP, WARM_UP + WEEKS):
        line, lowest, by_merit, patience = rule(year, week)
        coming = list(year.weeks[week])[::-1]
        for day in range(5):
            morning = midnight(
                FIRST + timedelta(days=7 * (week - WARM_UP) + day + 1), year.definition.zone
            )
            while coming and coming[-1].at < morning:
                waiting.append(coming.pop())
            oldest = morning - timedelta(days=7 * max(patience, 1))
            waiting = [one for one in waiting if one.at >= oldest]
            waiting.sort(key=(lambda one: -one.promised) if by_merit else (lambda one: one.at))
            owed += _places(year) / 5
            worked, waiting = _work(waiting, int(owed), line)
            if day == 4 and lowest < line:
                more, waiting = _work(waiting, int(owed) - len(worked), lowest)
                worked += more
            owed -= len(worked)
            value += sum(VALUE * one.true - COST for one in worked)
        waiting = [*(waiting if patience else ()), *coming[::-1]]
        owed -= int(owed)  # a place that nobody took on Friday is gone
    return value


def _work(waiting: list[Lead], places: int, line: float) -> tuple[list[Lead], list[Lead]]:
    worked: list[Lead] = []
    left: list[Lead] = []
    for one in waiting:
        (worked if len(worked) < places and one.promised >= line else left).append(one)
    return worked, left


def audited_and_expected(year: Year) -> tuple[int, float, float]:
    """Return how many leads were drawn for the audit lane, how many were to be, and the variance."""
    n, expected, variance = 0, 0.0, 0.0
    for week in range(WARM_UP, WARM_UP + WEEKS):
        desk = make_desk(line_of(year, week), year.definition)
        for lead in year.weeks[week]:
            found = decide(lead.promised, 0.6, lead.lead_id, desk)
            n += found.is_audited
            expected += found.audit_probability
            variance += found.audit_probability * (1.0 - found.audit_probability)
    return n, expected, variance
