"""How sales people judge: by the fields, by what they hear on the phone, and by prejudice.

A handled lead is judged in when

    0.66 · z(quality) + hearing · u − prejudice · dislike + leniency + noise > bar

Two numbers are solved on a fixed large sample: the bar, so that 45 % are judged out, and `hearing`,
so that rejected leads are truly worse, by the shift asked for, than worked leads with the same
fields.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from training.worlds.activity import draw_acts_before
from training.worlds.people import Floats, Integers, People, draw_people, stream
from training.worlds.settings import WorldImpossible, WorldSettings
from training.worlds.truth import NODES, WEIGHTS, Fate, Truth, sigmoid, true_chances
from training.worlds.vocabulary import REPRESENTATIVES

__all__ = [
    "JUDGED_OUT",
    "UNREACHED",
    "Judgement",
    "SalesTeam",
    "chance_if_worked",
    "dislike",
    "hire",
    "judge",
    "own_chance",
    "pooled_shift",
]

JUDGED_OUT = 0.45
UNREACHED = 0.13
"""Share of the leads judged in whom nobody reaches; they are rejected as unresponsive."""

_TASTE = 0.66
_LENIENCY = 0.20
_NOISE = 1.20
_HEARS_ALL = 4.0
_SAMPLE = WorldSettings(n_leads=8_000, n_test=0, seed=20_250_101)


@dataclass(frozen=True)
class SalesTeam:
    """How a team judges: everything that the formula above needs."""

    hearing: float
    prejudice: float
    bar: float
    mean: float
    spread: float

    def leaning(self, people: People, truth: Truth) -> Floats:
        """What the fields alone give, minus the bar, shape (n,)."""
        seen = _TASTE * (truth.quality - self.mean) / self.spread
        return np.asarray(seen - self.prejudice * dislike(people) - self.bar)

    def chance_in(self, people: People, truth: Truth) -> Floats:
        """P(judged in | what can be seen, handled, no competitor), shape (n,)."""
        width = np.sqrt(self.hearing**2 + _LENIENCY**2 + _NOISE**2)
        return _normal(self.leaning(people, truth) / width)

    def chance_in_given_u(self, people: People, truth: Truth) -> Floats:
        """P(judged in | what can be seen, u at each node), shape (n, n_nodes)."""
        width = np.sqrt(_LENIENCY**2 + _NOISE**2)
        return _normal((self.leaning(people, truth)[:, None] + self.hearing * NODES) / width)


@dataclass(frozen=True)
class Judgement:
    """What sales made of each lead, arrays of shape (n,).

    Attributes
    ----------
    representative : ndarray of int64
        Position in `REPRESENTATIVES`.
    is_in : ndarray of bool
        Judged in and reached, would be worked.
    is_competitor, is_unreached : ndarray of bool
        Turned away as competitor, student or spam; judged in but never reached.
    propensity : ndarray of float
        P(worked | what can be seen, handled).
    """

    representative: Integers
    is_in: NDArray[np.bool_]
    is_competitor: NDArray[np.bool_]
    is_unreached: NDArray[np.bool_]
    propensity: Floats


def dislike(people: People) -> Floats:
    """How much prejudice a lead meets, before its strength: small firms and webinar leads."""
    return np.asarray(0.95 * people.is_small + 0.80 * people.is_webinar)


def hire(settings: WorldSettings) -> SalesTeam:
    """Return the team whose rejected leads are truly worse by `settings.rejection_shift`.

    Raises
    ------
    WorldImpossible
        If no hearing gives that shift at this weight of what no field says.
    """
    return _hire(settings.prejudice, settings.rejection_shift, settings.unseen, settings.drift)


def judge(
    settings: WorldSettings, team: SalesTeam, people: People, truth: Truth, fate: Fate
) -> Judgement:
    """Let the team judge every lead, whether or not it will find the time."""
    random = stream(settings.seed, "judgement")
    n = len(truth.quality)
    leniency = random.normal(0, _LENIENCY, len(REPRESENTATIVES))
    representative = random.integers(0, len(REPRESENTATIVES), n)
    noise = random.normal(0, _NOISE, n)
    felt = team.leaning(people, truth) + team.hearing * fate.u + noise
    liked = (felt + (leniency - leniency.mean())[representative] > 0) & ~fate.is_competitor
    is_unreached = liked & (random.random(n) < UNREACHED)
    chance = team.chance_in(people, truth) * (1 - truth.competitor) * (1 - UNREACHED)
    return Judgement(
        representative, liked & ~is_unreached, fate.is_competitor, is_unreached, chance
    )


def pooled_shift(chance_if_worked: Floats, chance: Floats, weight: Floats | None = None) -> float:
    """Return the one log-odds shift that turns `chance_if_worked` into `chance` on average.

    Parameters
    ----------
    chance_if_worked : ndarray of shape (n,)
        P(win) of worked leads with the same fields, for each rejected lead.
    chance : ndarray of shape (n,)
        True P(win if worked) of the rejected leads, or their outcomes.
    weight : ndarray of shape (n,), optional
        Weight of each lead.
    """
    weight = np.ones(len(chance)) if weight is None else weight
    log_odds = np.log(chance_if_worked) - np.log1p(-chance_if_worked)
    goal = float(np.average(chance, weights=weight))
    low, high = -12.0, 12.0
    for _ in range(45):
        middle = (low + high) / 2
        below = float(np.average(sigmoid(log_odds + middle), weights=weight)) < goal
        low, high = (middle, high) if below else (low, middle)
    return (low + high) / 2


def chance_if_worked(team: SalesTeam, people: People, truth: Truth, unseen: float) -> Floats:
    """P(win within 90 days | what can be seen, judged in and worked), shape (n,)."""
    inside = team.chance_in_given_u(people, truth)
    buys = sigmoid(truth.log_odds[:, None] + unseen * NODES)
    return np.asarray(((inside * buys) @ WEIGHTS) / (inside @ WEIGHTS) * truth.within(90))


def own_chance(truth: Truth, fate: Fate, unseen: float) -> Floats:
    """P(win within 90 days if worked | what can be seen, u, competitor), shape (n,)."""
    buys = sigmoid(truth.log_odds + unseen * fate.u) * truth.within(90)
    return np.where(fate.is_competitor, 0.0, buys)


@lru_cache(maxsize=32)
def _hire(prejudice: float, shift: float, unseen: float, drift: float) -> SalesTeam:
    sample = replace(_SAMPLE, drift=drift)
    people = draw_people(sample)
    _, activity = draw_acts_before(sample.seed, people)
    truth = true_chances(people, activity, unseen, drift)
    mean, spread = float(truth.quality.mean()), float(truth.quality.std())
    start = SalesTeam(0.0, prejudice, 0.0, mean, spread)

    def with_hearing(hearing: float) -> SalesTeam:
        team = replace(start, hearing=hearing)
        return replace(team, bar=_bar(team, people, truth))

    def shift_of(team: SalesTeam) -> float:
        return _expected_shift(team, people, truth, unseen)

    if shift == 0:
        return with_hearing(0.0)
    deepest = shift_of(with_hearing(_HEARS_ALL))
    if shift < deepest:
        raise WorldImpossible(
            f"rejection_shift {shift} cannot be reached: with unseen {unseen} and prejudice "
            f"{prejudice} the deepest is {deepest:.2f}. Ask for less, or raise unseen."
        )
    low, high = 0.0, _HEARS_ALL
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if shift_of(with_hearing(middle)) > shift else (low, middle)
    return with_hearing((low + high) / 2)


def _bar(team: SalesTeam, people: People, truth: Truth) -> float:
    low, high = -15.0, 5.0
    for _ in range(30):
        middle = (low + high) / 2
        inside = (1 - truth.competitor) * replace(team, bar=middle).chance_in(people, truth)
        low, high = (middle, high) if 1 - inside.mean() < JUDGED_OUT else (low, middle)
    return (low + high) / 2


def _expected_shift(team: SalesTeam, people: People, truth: Truth, unseen: float) -> float:
    """Pooled shift of all rejected leads: judged out, unreached, and competitors."""
    inside = team.chance_in_given_u(people, truth)
    rejected = (1 - inside) + UNREACHED * inside
    buys = sigmoid(truth.log_odds[:, None] + unseen * NODES) * truth.within(90)[:, None]
    share = (1 - truth.competitor) * (rejected @ WEIGHTS) + truth.competitor
    chance = (1 - truth.competitor) * ((rejected * buys) @ WEIGHTS) / share
    return pooled_shift(chance_if_worked(team, people, truth, unseen), chance, share)


_EDGES = np.linspace(-8, 8, 4001)
_CUMULATIVE = np.array([NormalDist().cdf(edge) for edge in _EDGES])


def _normal(values: Floats) -> Floats:
    """Cumulative normal by interpolation, error below 1e-6; scipy's is not needed for invention."""
    return np.asarray(np.interp(values, _EDGES, _CUMULATIVE))
