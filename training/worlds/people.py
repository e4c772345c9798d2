"""Who arrives when, and what the form says: the values a model can see, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from training.worlds.settings import WorldSettings
from training.worlds.vocabulary import (
    CHANNELS,
    COMPANY_FORMS,
    EMPLOYEE_BANDS,
    INDUSTRIES,
    PREFECTURES,
    TITLES,
)

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "Floats",
    "Integers",
    "People",
    "cut_off",
    "draw_people",
    "stream",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
"""Microseconds in a minute, an hour and a day."""

_LOAD_OF_HOUR = (
    np.array([2, 2, 1, 1, 1, 1, 2, 4, 10, 18, 22, 20, 12, 18, 20, 20, 18, 16, 10, 6, 6, 6, 4, 2])
    / 2
)
_LOAD_OF_WEEKDAY = np.array([1.15, 1.2, 1.15, 1.1, 1.0, 0.25, 0.2])


@dataclass(frozen=True)
class People:
    """What can be seen of each lead at arrival, in order of arrival; all arrays of shape (n,).

    Attributes
    ----------
    arrived : ndarray of int64
        Microseconds since 1970 (UTC), whole minutes.
    age : ndarray of float
        Time of arrival as a share of the training span: 0 at its start, 1 at the cut-off.
    channel, industry, prefecture, title, product, form : ndarray of int64
        Position in the vocabulary; -1 is missing (`title` only).
    employees, capital, message : ndarray of float
        Number of people, yen, and characters; NaN is missing.
    band : ndarray of int64
        Position of the band in which the number of employees was given; -1 for a plain number.
    mail : ndarray of int64
        0 free-mail, 1 company, 2 academic, 3 government.
    phone : ndarray of int64
        0 fixed, 1 mobile, 2 toll-free, -1 missing.
    copy_of : ndarray of int64
        Position of the earlier lead that this one duplicates; -1 for all others.
    """

    arrived: Integers
    age: Floats
    channel: Integers
    industry: Integers
    prefecture: Integers
    title: Integers
    product: Integers
    form: Integers
    employees: Floats
    capital: Floats
    message: Floats
    band: Integers
    mail: Integers
    phone: Integers
    copy_of: Integers

    @property
    def is_small(self) -> NDArray[np.bool_]:
        """Whether the firm has fewer than 50 people, as far as the form says."""
        return np.asarray(np.nan_to_num(self.employees, nan=1e9) < 50)

    @property
    def is_webinar(self) -> NDArray[np.bool_]:
        """Whether the lead came by webinar."""
        return np.asarray(self.channel == 0)


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one named part, so that a change in one part moves no other."""
    return np.random.default_rng([seed, *name.encode()])


def cut_off(settings: WorldSettings) -> int:
    """Return the end of the training span, microseconds since 1970 (UTC)."""
    midnight = datetime.combine(settings.end, datetime.min.time(), ZoneInfo("Asia/Tokyo"))
    return int(midnight.astimezone(UTC).timestamp()) * 1_000_000


def draw_people(settings: WorldSettings) -> People:
    """Draw the leads of the training span and of the span after it, in order of arrival."""
    n = settings.n_leads + settings.n_test
    arrived = _arrivals(settings)
    age = (arrived - (cut_off(settings) - settings.days * DAY)) / (settings.days * DAY)
    random = stream(settings.seed, "people")
    channel = _pick_by_row(random, _channel_mix(age, settings.drift))
    industry = _pick(random, np.array([each.share for each in INDUSTRIES]), n)
    employees, band = _employees(random, industry, n)
    title = _pick(random, np.array([share for _, _, share in TITLES]), n)
    title[random.random(n) < 0.15] = -1
    mail = _mail(random, industry, employees)
    phone = np.where(random.random(n) < 0.12, -1, _pick(random, np.array([0.62, 0.34, 0.04]), n))
    people = People(
        arrived=arrived,
        age=age,
        channel=channel,
        industry=industry,
        prefecture=_pick(random, np.array([share for _, share, _ in PREFECTURES]), n),
        title=title,
        product=_product(random, age, settings.drift),
        form=_pick(random, np.array([share for _, share in COMPANY_FORMS]), n),
        employees=employees,
        capital=_capital(random, employees),
        message=_message(random, n),
        band=band,
        mail=mail,
        phone=phone,
        copy_of=np.full(n, -1),
    )
    return _with_duplicates(random, people, settings.n_leads)


def _arrivals(settings: WorldSettings) -> Integers:
    random = stream(settings.seed, "arrivals")
    end = cut_off(settings)
    weeks = settings.days // 7 + 1
    load_of_week = np.exp(random.normal(0, 0.35, weeks))
    load_of_week[random.choice(weeks, max(weeks // 13, 1), replace=False)] *= 2.5  # an exhibition
    spans = (
        (settings.n_leads, end - settings.days * DAY, settings.days, load_of_week),
        (settings.n_test, end, settings.test_days, np.ones(settings.test_days // 7 + 1)),
    )
    parts = []
    for n, start, days, weekly in spans:
        first = (start + 9 * HOUR) // DAY  # Tokyo's days since 1970; the first of them a Thursday
        weekday = (first + 3 + np.arange(days)) % 7
        load = weekly[np.arange(days) // 7] * _LOAD_OF_WEEKDAY[weekday]
        minutes = _pick(random, load, n) * 1440 + _pick(random, _LOAD_OF_HOUR, n) * 60
        parts.append(start + np.sort(minutes + random.integers(0, 60, n)) * MINUTE)
    return np.concatenate(parts)


def _channel_mix(age: Floats, drift: float) -> Floats:
    share = np.log([each.share for each in CHANNELS])
    growth = np.array([each.growth for each in CHANNELS]) * drift
    weight = np.exp(share + growth * age[:, None])
    return np.asarray(weight / weight.sum(1, keepdims=True))


def _product(random: np.random.Generator, age: Floats, drift: float) -> Integers:
    newest = 0.20 * np.where(age > 0.55, 1.0, max(0.0, 1.0 - drift))
    shares = np.stack([0.55 * (1 - newest), 0.45 * (1 - newest), newest], axis=1)
    return _pick_by_row(random, shares)


def _employees(random: np.random.Generator, industry: Integers, n: int) -> tuple[Floats, Integers]:
    middle = np.array([4.9, 4.3, 4.2, 3.7, 5.4, 4.4, 4.6, 3.9, 5.2])[industry]
    employees = np.clip(np.rint(np.exp(random.normal(middle, 1.35))), 1, 60_000)
    ends = np.array([high for _, high in EMPLOYEE_BANDS])
    band = np.searchsorted(ends, employees)
    band[(random.random(n) > 0.12) | (band == len(ends))] = -1
    middles = np.array([np.sqrt(low * high) for low, high in EMPLOYEE_BANDS])
    employees = np.where(band >= 0, middles[band], employees)
    missing = random.random(n) < 0.04
    return np.where(missing, np.nan, employees), np.where(missing, -1, band)


def _capital(random: np.random.Generator, employees: Floats) -> Floats:
    size = np.nan_to_num(employees, nan=80.0)
    millions = np.exp(0.75 * np.log(size) + random.normal(0, 1.0, len(size)))
    hundreds = np.rint(millions / 100) * 100
    rounded = np.where(millions >= 100, hundreds, np.maximum(np.rint(millions), 1))
    missing = random.random(len(size)) < 0.30
    return np.where(missing, np.nan, rounded * 1e6)


def _message(random: np.random.Generator, n: int) -> Floats:
    length = np.clip(np.rint(np.exp(random.normal(4.0, 0.8, n))), 4, 400)
    return np.where(random.random(n) < 0.45, np.nan, length)


def _mail(random: np.random.Generator, industry: Integers, employees: Floats) -> Integers:
    is_tiny = np.nan_to_num(employees, nan=80.0) < 30
    free = random.random(len(industry)) < np.where(is_tiny, 0.35, 0.13)
    public = np.where(random.random(len(industry)) < 0.6, 2, 3)
    return np.where(free, 0, np.where(industry == len(INDUSTRIES) - 1, public, 1))


def _with_duplicates(random: np.random.Generator, people: People, n_leads: int) -> People:
    """Let about one lead in 120 be the same person again, some leads later."""
    copy_of = people.copy_of.copy()
    again = np.flatnonzero(random.random(n_leads) < 1 / 120)
    again = again[again >= 60]
    copy_of[again] = again - random.integers(1, 60, len(again))
    copy_of[again[copy_of[copy_of[again]] >= 0]] = -1  # no copy of a copy
    source = np.where(copy_of >= 0, copy_of, np.arange(len(copy_of)))
    own = ("arrived", "age", "channel", "product", "message")
    copied = {
        name: values if name in own else values[source] for name, values in vars(people).items()
    }
    return People(**copied | {"copy_of": copy_of})


def _pick(random: np.random.Generator, weight: Floats, n: int) -> Integers:
    steps = np.cumsum(weight / weight.sum())
    place = np.searchsorted(steps, random.random(n), side="right")
    return np.asarray(np.minimum(place, len(weight) - 1), dtype=np.int64)


def _pick_by_row(random: np.random.Generator, shares: Floats) -> Integers:
    draw = random.random(len(shares))[:, None]
    place = (draw >= np.cumsum(shares, axis=1)).sum(1)
    return np.asarray(np.minimum(place, shares.shape[1] - 1), dtype=np.int64)
