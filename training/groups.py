"""Groups of leads that people have a word for: a value of a field, or a number up to or from a cut.

General rules only. A group holds at most half of the leads, so that it is the exception and the
others are the measure. Fields with personal content give no groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.encoder import MISSING, OTHER, Input
from features.factors import Shown
from features.wording import input_name, value_text

if TYPE_CHECKING:
    from features.encoder import LeadEncoder

__all__ = ["MIN_LEADS", "Group", "groups_of"]

Codes = NDArray[np.int32]

MIN_LEADS = 100
"""A smaller group is not looked at."""

_CUTS = 20


@dataclass(frozen=True, slots=True)
class Group:
    """Leads whose code of one input lies from `first` to `last`.

    Attributes
    ----------
    field, input : str
        The field or behaviour as people know it, and the input behind it (``job_title.rank``).
    position, first, last : int
        Place of the input, and the codes of the group.
    shown : Shown
        What the group is called by: a level, a range, other, or missing.
    """

    field: str
    input: str
    position: int
    first: int
    last: int
    shown: Shown

    def members(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which leads belong to it, shape (n_leads,)."""
        own = codes[:, self.position]
        return np.asarray((own >= self.first) & (own <= self.last))

    @property
    def value(self) -> str:
        """The group as a code: the level, ``..49`` or ``50..`` for numbers, else its kind."""
        if self.shown.kind == "range":
            ends = ["" if end is None else f"{end:g}" for end in (self.shown.low, self.shown.high)]
            return "..".join(ends)
        return self.shown.code or self.shown.kind

    def words(self, encoder: LeadEncoder, language: str) -> tuple[str, str]:
        """Return the names of the input and of the group."""
        name = input_name(encoder.definition, self.input, language)
        return name, value_text(encoder, self.input, self.shown, language)


def groups_of(codes: Codes, encoder: LeadEncoder) -> tuple[Group, ...]:
    """Return the groups that hold at least `MIN_LEADS` and at most half of these leads."""
    personal = {name for name, field in encoder.definition.fields.items() if field.personal}
    found = []
    for position, given in enumerate(encoder.inputs):
        if given.field in personal:
            continue
        counts = np.bincount(codes[:, position], minlength=given.size)
        for first, last, shown in _spans(given, counts):
            n = int(counts[first : last + 1].sum())
            if MIN_LEADS <= n <= len(codes) / 2:
                found.append(Group(given.field, given.name, position, first, last, shown))
    return tuple(found)


def _spans(given: Input, counts: NDArray[np.intp]) -> Iterator[tuple[int, int, Shown]]:
    """Yield first code, last code and what is shown of each possible group of an input."""
    yield MISSING, MISSING, Shown("missing")
    if given.kind == "category":
        yield OTHER, OTHER, Shown("other")
        for place, level in enumerate(given.levels):
            code = OTHER + 1 + place
            yield code, code, Shown("level", level)
        return
    bins = counts[1:]
    share = np.cumsum(bins) / max(int(bins.sum()), 1)
    wanted = np.searchsorted(share, np.arange(1, _CUTS) / _CUTS)
    for cut in sorted({int(place) for place in wanted if place < len(bins) - 1}):
        if share[cut] <= 0.5:
            yield 1, cut + 1, Shown("range", high=given.highs[cut])
        else:
            yield cut + 2, len(bins), Shown("range", low=given.lows[cut + 1])
