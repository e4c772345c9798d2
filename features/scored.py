"""What a scorer says of a lead: chances, score, and what each field adds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "POINTS_PER_LOGIT",
    "Calibration",
    "Contribution",
    "Member",
    "ScoredColumns",
    "ScoredLead",
]

POINTS_PER_LOGIT = 10.0 / math.log(2.0)
"""Ten points double the odds."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was decided about a model after it had learnt.

    Attributes
    ----------
    mode : {"history", "snapshot"}
        Snapshot models know one horizon without a date.
    method : {"student", "base_rate"}
        ``base_rate``: too few wins for a learned model; rates by channel stand in.
    main_horizon : int
        The horizon of score and decision (days; EVER in snapshot mode).
    shift : float
        Log-odds added to every horizon.
    """

    mode: Literal["history", "snapshot"]
    method: Literal["student", "base_rate"]
    main_horizon: int
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one field adds to the log-odds at the main horizon.

    Attributes
    ----------
    field : str
        Field or behaviour, as a person knows it.
    group : str
        Fit, interest, timing or data.
    logit : float
        Sum over the field's inputs.
    input : int
        Position of the input that adds most (in size); its value is the one to show.
    code : int
        That input's code.
    """

    field: str
    group: str
    logit: float
    input: int
    code: int

    @property
    def points(self) -> float:
        """Score points: ten double the odds."""
        return self.logit * POINTS_PER_LOGIT

    @property
    def odds(self) -> float:
        """Factor on the odds."""
        return math.exp(self.logit)


class Member(NamedTuple):
    """A field or behaviour with the positions of its inputs."""

    field: str
    group: str
    positions: tuple[int, ...]


@dataclass(slots=True)
class ScoredLead:
    """The model's answer for one lead.

    Attributes
    ----------
    probabilities : tuple of float
        Chance of a win within each of the scorer's horizons, 0 to 1, never falling.
    probability : float
        The one of the main horizon.
    logit, base : float
        Log-odds of that probability, and of the average lead.
    score : float
        ``50 + 10 log2(odds / base odds)``, clipped to 0 to 100.
    acceptance : float or None
        Chance that sales accepts the lead; None where nothing was ever decided.
    interval : tuple of float or None
        Wilson 95 % interval of the observed rate among past leads of similar score.
    parts : list of float
        What each input adds to the log-odds.
    by_field : list of float
        What each field adds, in the definition's order; `base` plus their sum is `logit`.
    codes : list of int
        One for each input: what the score was made from, fit to be recorded.
    unreadable : tuple of str
        Fields that were given but could not be read.
    unknown : int
        Number of given fields the model does not know.
    is_guarded : bool
        Whether a horizon had to be raised to the one before it (never seen so far).
    members : sequence of Member
        The fields behind `by_field`.
    """

    probabilities: tuple[float, ...]
    probability: float
    logit: float
    base: float
    score: float
    acceptance: float | None
    interval: tuple[float, float] | None
    parts: list[float]
    by_field: list[float]
    codes: list[int]
    unreadable: tuple[str, ...]
    unknown: int
    is_guarded: bool
    members: Sequence[Member] = field(repr=False, compare=False)

    @property
    def known(self) -> int:
        """Number of inputs with a value."""
        return sum(code != 0 for code in self.codes)

    @property
    def contributions(self) -> tuple[Contribution, ...]:
        """One for each field, in the definition's order."""
        return tuple(self.contribution(place) for place in range(len(self.members)))

    def contribution(self, place: int) -> Contribution:
        """Return what the field at a place of the definition's order adds."""
        member, strongest = self.members[place], self.strongest(place)
        return Contribution(
            member.field, member.group, self.by_field[place], strongest, self.codes[strongest]
        )

    def strongest(self, place: int) -> int:
        """Return the position of the input that adds most to a field's contribution."""
        positions, parts = self.members[place].positions, self.parts
        if len(positions) == 1:
            return positions[0]
        return max(positions, key=lambda position: abs(parts[position]))


@dataclass(frozen=True, slots=True)
class ScoredColumns:
    """The model's answers for leads given as columns; a row for each lead.

    Attributes
    ----------
    probabilities : ndarray of shape (n_leads, n_horizons)
        Chance of a win within each of the scorer's horizons, 0 to 1.
    probability, score : ndarray of shape (n_leads,)
        Chance at the main horizon, and score.
    acceptance : ndarray of shape (n_leads,) or None
        Chance that sales accepts the lead.
    contributions : ndarray of shape (n_leads, n_fields)
        What each of `fields` adds to the log-odds at the main horizon.
    fields : tuple of str
        Fields and behaviours in the definition's order.
    codes : ndarray of int32, shape (n_leads, n_inputs)
        What the scores were made from.
    unreadable : dict of str to ndarray of bool
        For each field with values that could not be read: of which leads.
    """

    probabilities: NDArray[np.float64]
    probability: NDArray[np.float64]
    score: NDArray[np.float64]
    acceptance: NDArray[np.float64] | None
    contributions: NDArray[np.float64]
    fields: tuple[str, ...]
    codes: NDArray[np.int32]
    unreadable: dict[str, NDArray[np.bool_]]
