"""What sales did and what came of it: one row for each decision, touch and outcome."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.worlds.people import DAY, MINUTE, Floats, Integers, People, cut_off, stream
from training.worlds.reasons import draw_loss_reasons, draw_reasons
from training.worlds.sales import Judgement
from training.worlds.settings import WorldSettings
from training.worlds.truth import Fate

__all__ = ["Decisions", "decide"]

Flags = NDArray[np.bool_]

NEGLECTED = 0.18
"""Share of the leads for which nobody finds the time."""

_SPONTANEOUS = 0.04
_RECYCLED = 0.30
_TRIES = 5
_MOVES = ("duplicate", "already_customer", "do_not_contact", "bad_data")


@dataclass(frozen=True)
class Decisions:
    """All events in order of time, arrays of the same length; `handling` is per lead.

    Attributes
    ----------
    lead : ndarray of int64
        Position of the lead.
    at : ndarray of int64
        Microseconds since 1970 (UTC), whole minutes.
    kind, reason : ndarray of object
        Kind of event; reason code, or for a retraction the row it takes back (int), or None.
    amount : ndarray of float
        Yen of a win, share of an audit lane; NaN for all else.
    handling : ndarray of str, shape (n_leads,)
        ``worked``, ``audited``, ``recycled``, ``rejected``, ``set_aside`` or ``neglected``.
    """

    lead: Integers
    at: Integers
    kind: NDArray[np.object_]
    reason: NDArray[np.object_]
    amount: Floats
    handling: NDArray[np.str_]


@dataclass
class _Log:
    """Collects events; times are days after arrival."""

    arrived: Integers
    rows: list[tuple[Integers, Integers, str, NDArray[np.object_], Floats]] = field(
        default_factory=list
    )
    n_rows: int = 0

    def add(
        self,
        leads: Integers,
        days: Floats,
        kind: str,
        reasons: NDArray[np.object_] | None = None,
        amounts: Floats | None = None,
    ) -> Integers:
        """Add one event for each of `leads`; return the numbers of the rows."""
        at = self.arrived[leads] + np.rint(days * 1440).astype(np.int64) * MINUTE
        none = np.full(len(leads), None, dtype=object)
        nothing = np.full(len(leads), np.nan)
        self.rows.append(
            (
                leads,
                at,
                kind,
                none if reasons is None else reasons,
                nothing if amounts is None else amounts,
            )
        )
        self.n_rows += len(leads)
        return np.arange(self.n_rows - len(leads), self.n_rows)

    def sorted(self, handling: NDArray[np.str_]) -> Decisions:
        """Return all rows in order of time, with the references of retractions renumbered."""
        lead = np.concatenate([row[0] for row in self.rows])
        at = np.concatenate([row[1] for row in self.rows])
        kind = np.concatenate([np.full(len(row[0]), row[2], dtype=object) for row in self.rows])
        reason = np.concatenate([row[3] for row in self.rows])
        amount = np.concatenate([row[4] for row in self.rows])
        order = np.lexsort((np.arange(len(lead)), lead, at))
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        for row in np.flatnonzero(kind == "retracted"):
            reason[row] = int(place[reason[row]])
        return Decisions(
            lead[order], at[order], kind[order], reason[order], amount[order], handling
        )


def decide(settings: WorldSettings, people: People, fate: Fate, judgement: Judgement) -> Decisions:
    """Let sales handle every lead, and the world answer."""
    random = stream(settings.seed, "decisions")
    n = len(people.arrived)
    winning = np.maximum(fate.winning_days, 0.02)
    waits = np.minimum(np.clip(np.exp(random.normal(0.7, 0.7, n)), 0.05, 14), 0.4 * winning)
    is_neglected = _neglected(settings, people, random)
    moved = _set_aside(people, random)
    is_moved = (moved != "") & ~is_neglected
    is_open = ~is_neglected & ~is_moved
    is_worked = is_open & judgement.is_in
    is_out = is_open & ~judgement.is_in
    reasons = draw_reasons(settings, people, fate, judgement)
    is_audited = is_out & ~fate.is_competitor & (random.random(n) < settings.audit_share)
    is_recycled = is_out & ~is_audited & (reasons == "bad_timing") & (random.random(n) < _RECYCLED)
    back = np.where(is_recycled, np.clip(random.normal(95, 20, n), 45, 170), waits + 2.0)

    log = _Log(people.arrived)
    log.add(np.flatnonzero(is_moved), waits[is_moved], "rejected", moved[is_moved])
    _refuse(log, random, is_out, waits, reasons)
    _excuse(log, random, is_neglected)
    _work(log, random, np.flatnonzero(is_worked), waits, winning, "accepted", settings)
    _work(log, random, np.flatnonzero(is_audited), back, winning, "audit", settings)
    _work(log, random, np.flatnonzero(is_recycled), back, winning, "recycled", settings)
    turns = np.isfinite(winning) & (winning > waits + 12)  # once sales has let go of it
    unworked = ~(is_worked | is_audited | is_recycled | is_moved) & turns
    alone = np.flatnonzero(unworked & (random.random(n) < _SPONTANEOUS))
    _win(log, random, alone, winning[alone])

    handling = np.select(
        [is_worked, is_audited, is_recycled, is_out, is_moved],
        ["worked", "audited", "recycled", "rejected", "set_aside"],
        "neglected",
    )
    return log.sorted(handling)


def _neglected(settings: WorldSettings, people: People, random: np.random.Generator) -> Flags:
    """Flag leads without a call: more of them in weeks with many leads, at random inside a week."""
    week = (people.arrived - (cut_off(settings) - settings.days * DAY)) // (7 * DAY)
    load = np.bincount(week).astype(float)[week]
    chance = load / load[: settings.n_leads].mean()
    for _ in range(20):  # the ends are cut, so the mean is brought back
        chance = np.clip(chance * NEGLECTED / chance[: settings.n_leads].mean(), 0.02, 0.60)
    return np.asarray(random.random(len(week)) < chance)


def _set_aside(people: People, random: np.random.Generator) -> NDArray[np.object_]:
    """Return why a lead is moved out of the queue before anyone judges it; empty for most."""
    draw = random.random(len(people.arrived))
    why = np.select([people.copy_of >= 0, draw < 0.005, draw < 0.008, draw < 0.014], _MOVES, "")
    return np.asarray(why.astype(object))


def _refuse(
    log: _Log,
    random: np.random.Generator,
    is_out: Flags,
    waits: Floats,
    reasons: NDArray[np.object_],
) -> None:
    leads = np.flatnonzero(is_out & (reasons != "unresponsive"))
    log.add(leads, 0.8 * waits[leads], "touched")
    log.add(leads, waits[leads], "rejected", reasons[leads])
    silent = np.flatnonzero(is_out & (reasons == "unresponsive"))
    gaps = np.sort(random.uniform(0.2, 9.0, (len(silent), _TRIES)), axis=1)
    for tried in range(_TRIES):
        log.add(silent, waits[silent] + gaps[:, tried], "touched")
    log.add(silent, waits[silent] + 10.0, "rejected", reasons[silent])


def _excuse(log: _Log, random: np.random.Generator, is_neglected: Flags) -> None:
    """Let sales say for some of the neglected leads that there was no capacity."""
    leads = np.flatnonzero(is_neglected & (random.random(len(is_neglected)) < 0.12))
    why = np.full(len(leads), "capacity", dtype=object)
    log.add(leads, random.uniform(7, 25, len(leads)), "rejected", why)


def _work(
    log: _Log,
    random: np.random.Generator,
    leads: Integers,
    start: Floats,
    winning: Floats,
    opening: str,
    settings: WorldSettings,
) -> None:
    n = len(leads)
    begun, end = start[leads], winning[leads]
    left = np.where(end > begun, end - begun, np.inf)  # a lead taken back too late never buys
    share = np.full(n, settings.audit_share) if opening == "audit" else None
    log.add(leads, begun, opening, amounts=share)
    first = begun + np.minimum(random.uniform(0.05, 2.0, n), 0.3 * left)
    if opening == "recycled":
        log.add(leads, begun + 0.2 * (first - begun), "accepted")
    log.add(leads, first, "touched")
    again = np.flatnonzero((random.random(n) < 0.6) & (left > 20))
    log.add(leads[again], first[again] + random.uniform(3, 12, len(again)), "touched")
    wins = np.isfinite(left)
    _win(log, random, leads[wins], end[wins])
    _lose(log, random, leads, first, left, end)


def _win(log: _Log, random: np.random.Generator, leads: Integers, days: Floats) -> None:
    yen = np.rint(np.exp(random.normal(13.4, 0.6, len(leads))) / 1e4) * 1e4
    log.add(leads, days, "won", amounts=yen)


def _lose(
    log: _Log,
    random: np.random.Generator,
    leads: Integers,
    first: Floats,
    left: Floats,
    end: Floats,
) -> None:
    n = len(leads)
    never = ~np.isfinite(left)
    closing = first + np.clip(np.exp(random.normal(4.1, 0.6, n)), 5, 400)
    lost = np.flatnonzero(never & (random.random(n) < 0.80))
    log.add(leads[lost], closing[lost], "lost", draw_loss_reasons(random, len(lost)))
    # Given up and won all the same: what "lost" says is an opinion.
    late = np.flatnonzero(~never & (left > 90) & (random.random(n) < 0.10))
    log.add(leads[late], end[late] - 0.4 * left[late], "lost", draw_loss_reasons(random, len(late)))
    # A slip of the hand, taken back the next day.
    slip = np.flatnonzero((left > 40) & (random.random(n) < 0.004))
    why = np.full(len(slip), "lost_other", dtype=object)
    mistaken = log.add(leads[slip], first[slip] + 15.0, "lost", why)
    log.add(leads[slip], first[slip] + 16.0, "retracted", mistaken.astype(object))
