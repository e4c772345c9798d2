"""Whether promises hold in each segment of the judged leads, for both models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.gate_conditions import MIN_WINS_SEGMENT, Comparison, Segment
from training.metrics import Interval, predicted_over_observed
from training.slices import sliced_fields

if TYPE_CHECKING:
    from features.leads import LeadHistory
    from training.rolling import RollingJudgement

__all__ = ["Part", "parts_of", "segments_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """The judged leads of one value of a field.

    Attributes
    ----------
    field, value : str
        As `training.slices` writes them.
    rows : ndarray of bool, shape (n_judged,)
        Its leads among all judged ones.
    """

    field: str
    value: str
    rows: NDArray[np.bool_]


def parts_of(judgement: RollingJudgement, history: LeadHistory) -> tuple[Part, ...]:
    """Return the parts of the judged leads: channels, categories, thirds of numbers."""
    everyone = np.arange(len(judgement.lead))
    definition = judgement.newest.learned.scorer.definition
    return tuple(
        Part(name, value, np.asarray(values == value, dtype=bool))
        for name, values, labels in sliced_fields(judgement, history, definition, everyone)
        for value in labels
    )


def segments_of(found: Comparison, parts: Sequence[Part]) -> Iterator[Segment]:
    """Yield the parts with at least 30 wins at the judging horizon.

    Judged by the chance for a worked lead: among worked leads, what is served promises less to
    segments that sales refuses often, and is meant to.
    """
    column = found.column
    told = (found.weight[:, column] > 0) & ~np.isnan(found.worked[:, column])
    told &= ~np.isnan(found.theirs[:, column])

    def ratio(chances: Floats, rows: NDArray[np.bool_]) -> Interval:
        return predicted_over_observed(
            found.outcome[rows, column], chances[rows, column], found.weight[rows, column]
        )

    for part in parts:
        rows = part.rows & told
        if found.outcome[rows, column].sum() >= MIN_WINS_SEGMENT:
            theirs = ratio(found.theirs, rows).value
            yield Segment(part.field, part.value, ratio(found.worked, rows).value, theirs)
