"""What leads do on the site and with mails: before arrival it tells, after arrival it must not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.worlds.people import DAY, MINUTE, Floats, Integers, People, stream
from training.worlds.vocabulary import CHANNELS

__all__ = ["KINDS", "Activity", "Acts", "draw_acts_after", "draw_acts_before"]

KINDS = ("page_view", "pricing_view", "download", "webinar", "mail_open")
_PAGE, _PRICING, _DOWNLOAD, _WEBINAR, _MAIL = range(5)


@dataclass(frozen=True)
class Acts:
    """Single acts, all arrays of the same length.

    Attributes
    ----------
    lead : ndarray of int64
        Position of the lead.
    at : ndarray of int64
        Microseconds since 1970 (UTC), whole minutes.
    kind : ndarray of int64
        Position in `KINDS`.
    amount : ndarray of float
        Minutes of a webinar; NaN for all else.
    """

    lead: Integers
    at: Integers
    kind: Integers
    amount: Floats


@dataclass(frozen=True)
class Activity:
    """The behaviours of the packaged definition as of arrival, each of shape (n,)."""

    page_views: Floats
    pricing_views: Floats
    downloads: Floats
    webinar_minutes: Floats
    mail_opens: Floats
    days_since_view: Floats


def draw_acts_before(seed: int, people: People) -> tuple[Acts, Activity]:
    """Draw what each lead did before it arrived, and count it as of arrival."""
    random = stream(seed, "acts before")
    n = len(people.arrived)
    keen = random.normal(0, 1, n)
    views = np.array([each.views for each in CHANNELS])[people.channel]
    is_webinar, is_paper = people.is_webinar, people.channel == 4
    draws = (
        (_PAGE, random.poisson(np.exp(0.75 + views + 0.6 * keen)), 18.0),
        (_PRICING, random.poisson(np.exp(-1.2 + 0.5 * views + 0.5 * keen)), 14.0),
        (_DOWNLOAD, random.poisson(0.25 + 0.9 * is_paper), 25.0),
        (_WEBINAR, (random.random(n) < np.where(is_webinar, 0.9, 0.06)).astype(int), 15.0),
        (_MAIL, random.poisson(np.exp(-0.4 + 0.4 * keen)), 25.0),
    )
    parts = [_acts_before(random, people, kind, count, middle) for kind, count, middle in draws]
    acts = _join(parts)
    return acts, _count(acts, people)


def draw_acts_after(seed: int, people: People, winning_days: Floats) -> Acts:
    """Draw what each lead did after it arrived: those that will win are far busier.

    `winning_days` holds the days from arrival to the win, infinite for the others. None of it may
    reach a score as of arrival; a model that reads it looks brilliant and is worthless.
    """
    random = stream(seed, "acts after")
    n = len(people.arrived)
    wins = np.isfinite(winning_days)
    span = np.where(wins, np.minimum(winning_days, 120.0), 60.0)
    draws = (
        (_PAGE, random.poisson(np.where(wins, 4.0, 0.6))),
        (_PRICING, random.poisson(np.where(wins, 2.0, 0.12))),
        (_DOWNLOAD, random.poisson(np.where(wins, 1.0, 0.1))),
        (_MAIL, random.poisson(np.full(n, 0.6))),
    )
    parts = []
    for kind, count in draws:
        lead = np.repeat(np.arange(n), count)
        wait = np.maximum(np.rint(random.random(len(lead)) * span[lead] * 1440), 1).astype(np.int64)
        at = people.arrived[lead] + wait * MINUTE
        parts.append(Acts(lead, at, np.full(len(lead), kind), np.full(len(lead), np.nan)))
    return _join(parts)


def _acts_before(
    random: np.random.Generator, people: People, kind: int, count: Integers, middle: float
) -> Acts:
    lead = np.repeat(np.arange(len(count)), count)
    minutes = np.rint(random.exponential(middle, len(lead)) * 1440)
    ago = np.clip(minutes, 1, 150 * 1440).astype(np.int64)
    amount = np.full(len(lead), np.nan)
    if kind == _WEBINAR:
        amount = np.rint(5 + 85 * random.beta(2.0, 1.6, len(lead)))
    return Acts(lead, people.arrived[lead] - ago * MINUTE, np.full(len(lead), kind), amount)


def _join(parts: list[Acts]) -> Acts:
    names = ("lead", "at", "kind", "amount")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    order = np.lexsort((joined["kind"], joined["lead"], joined["at"]))
    return Acts(**{name: values[order] for name, values in joined.items()})


def _count(acts: Acts, people: People) -> Activity:
    n = len(people.arrived)
    ago = (people.arrived[acts.lead] - acts.at) / DAY

    def total(kind: int, window: int, weights: Floats | None = None) -> Floats:
        inside = (acts.kind == kind) & (ago < window)
        weight = None if weights is None else weights[inside]
        return np.bincount(acts.lead[inside], weights=weight, minlength=n).astype(float)

    last = np.full(n, np.inf)
    viewed = (acts.kind == _PAGE) & (ago < 90)
    np.minimum.at(last, acts.lead[viewed], ago[viewed])
    return Activity(
        page_views=total(_PAGE, 30),
        pricing_views=total(_PRICING, 30),
        downloads=total(_DOWNLOAD, 90),
        webinar_minutes=total(_WEBINAR, 90, acts.amount),
        mail_opens=total(_MAIL, 30),
        days_since_view=np.where(np.isfinite(last), last, np.nan),
    )
