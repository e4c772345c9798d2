"""What is true in the world: the chance of a win by a day, for a lead that is worked as usual.

A lead would ever buy with log-odds `quality + unseen · u`, u standard normal; the time it takes is
Weibull, 2.7 times as long when the moment is bad. Competitors and students never buy. Given what
can be seen, u, the moment and being a competitor are independent, so the truth is a sum over u.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.worlds.activity import Activity
from training.worlds.people import Floats, People, stream
from training.worlds.settings import HORIZONS
from training.worlds.vocabulary import CHANNELS, INDUSTRIES, PREFECTURES, PRODUCTS, RANKS, TITLES

__all__ = ["NODES", "WEIGHTS", "Fate", "Truth", "draw_fate", "sigmoid", "true_chances"]

_nodes, _weights = np.polynomial.hermite.hermgauss(24)
NODES: Floats = np.asarray(_nodes * np.sqrt(2.0))
WEIGHTS: Floats = np.asarray(_weights / np.sqrt(np.pi))
"""Gauss-Hermite nodes and weights for a standard normal."""

_SHAPE = 1.12
_SLOWER = 2.7
_INTERCEPT = -3.36
_SPREAD = 1.30
_RANK_OF_TITLE = np.array([rank for _, rank, _ in TITLES] + [len(RANKS)])
_RANK_EFFECT = np.array([effect for _, effect in RANKS] + [-0.2])


@dataclass(frozen=True)
class Truth:
    """What determines a lead's fate, each of shape (n,) unless said.

    Attributes
    ----------
    quality : ndarray of float
        Log-odds of ever buying at u = 0, without the market's fall.
    market : ndarray of float
        The market's part of the log-odds at the time of arrival.
    delay : ndarray of float
        Weibull scale in days at a good moment.
    bad_moment, competitor : ndarray of float
        Chance of each.
    chances : ndarray of shape (n, 4)
        P(win within 30, 90, 180, 365 days | what can be seen, worked as usual).
    """

    quality: Floats
    market: Floats
    delay: Floats
    bad_moment: Floats
    competitor: Floats
    chances: Floats

    @property
    def log_odds(self) -> Floats:
        """Log-odds of ever buying at u = 0."""
        return self.quality + self.market

    def within(self, days: float) -> Floats:
        """P(win within `days` | would ever buy), over good and bad moments, shape (n,)."""
        good = 1 - np.exp(-((days / self.delay) ** _SHAPE))
        bad = 1 - np.exp(-((days / (_SLOWER * self.delay)) ** _SHAPE))
        return np.asarray((1 - self.bad_moment) * good + self.bad_moment * bad)


@dataclass(frozen=True)
class Fate:
    """What would become of each lead if it were worked, and what the phone would tell.

    Attributes
    ----------
    u : ndarray of float
        What no field says.
    is_bad_moment, is_competitor : ndarray of bool
        Hidden states.
    winning_days : ndarray of float
        Days from arrival to the win if worked; infinite if never.
    """

    u: Floats
    is_bad_moment: NDArray[np.bool_]
    is_competitor: NDArray[np.bool_]
    winning_days: Floats


def sigmoid(log_odds: Floats) -> Floats:
    """Return the probability of log-odds."""
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def true_chances(people: People, activity: Activity, unseen: float, drift: float) -> Truth:
    """Return the truth of leads from what can be seen of them."""
    log_size = np.log(np.nan_to_num(people.employees, nan=100.0))
    quality = _INTERCEPT + _SPREAD * (_fit(people, log_size) + _interest(people, activity))
    market = -0.10 * drift * (people.age - 0.5)
    slowness = np.array([each.slowness for each in INDUSTRIES])[people.industry]
    delay = 124.0 * np.exp(
        0.13 * (log_size - 4.6)
        + slowness
        - 0.30 * np.minimum(np.log1p(activity.pricing_views), 1.5)
    )
    bad_moment = np.where(activity.pricing_views > 0, 0.10, 0.20)
    competitor = np.where(people.mail == 0, 0.08, 0.02)
    truth = Truth(quality, market, delay, bad_moment, competitor, np.zeros((len(quality), 0)))
    ever = (1 - competitor) * (sigmoid(truth.log_odds[:, None] + unseen * NODES) @ WEIGHTS)
    chances = np.stack([ever * truth.within(days) for days in HORIZONS], axis=1)
    return Truth(quality, market, delay, bad_moment, competitor, chances)


def draw_fate(seed: int, truth: Truth, unseen: float) -> Fate:
    """Draw each lead's hidden states and what would become of it if it were worked."""
    random = stream(seed, "fate")
    n = len(truth.quality)
    u = random.normal(0, 1, n)
    is_bad_moment = random.random(n) < truth.bad_moment
    is_competitor = random.random(n) < truth.competitor
    buys = random.random(n) < sigmoid(truth.log_odds + unseen * u)
    scale = truth.delay * np.where(is_bad_moment, _SLOWER, 1.0)
    days = scale * random.weibull(_SHAPE, n)
    return Fate(u, is_bad_moment, is_competitor, np.where(buys & ~is_competitor, days, np.inf))


def _fit(people: People, log_size: Floats) -> Floats:
    rank = _RANK_OF_TITLE[people.title]
    is_small = people.is_small
    log_capital = np.log(np.nan_to_num(people.capital, nan=3e7) / 3e7)
    return np.asarray(
        0.20 * np.tanh((log_size - 5.0) / 1.2)
        - 0.30 * np.maximum(log_size - 7.0, 0.0)
        + np.array([each.effect for each in INDUSTRIES])[people.industry]
        + np.array([effect for _, _, effect in PREFECTURES])[people.prefecture]
        + _RANK_EFFECT[rank]
        - 0.75 * (people.mail == 0)
        + 0.06 * np.clip(log_capital, -3, 3)
        + 0.80 * (is_small & (people.product == 0))
        + 0.75 * ((people.industry == 0) & (people.channel == 1))
        + 0.70 * (is_small & (rank == 0))
    )


def _interest(people: People, activity: Activity) -> Floats:
    length = np.nan_to_num(people.message, nan=0.0)
    recency = np.nan_to_num(activity.days_since_view, nan=60.0)
    return np.asarray(
        np.array([each.effect for each in CHANNELS])[people.channel]
        + np.array([effect for _, _, effect in PRODUCTS])[people.product]
        + 0.30 * np.minimum(np.log1p(activity.page_views), 2.0)
        + 0.60 * np.minimum(np.log1p(activity.pricing_views), 1.4)
        + 0.25 * np.minimum(activity.downloads, 2.0)
        + 0.50 * (activity.webinar_minutes >= 45)
        - 0.012 * np.minimum(recency, 45.0)
        + np.where(length > 0, 0.35 - 0.5 * (np.log(np.maximum(length, 1.0)) - 4.3) ** 2 / 2, -0.15)
    )
