"""The model that is served today, asked again on days in the past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from features.errors import DefinitionInvalid, NotEnoughEvidence
from features.inputs import ARRIVAL
from features.scorer import LeadScorer
from training.lineage import calibrated
from training.recipe import Learned, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from features.leads import LeadHistory

    Relearn = Callable[[], tuple[Learned, float]]

__all__ = ["Champion", "Standing", "ask_champion", "fits"]

Standing = Literal["as_served", "relearnt", "has_seen"]
"""The artefact itself, learnt before the leads came; learnt anew on that day; or the artefact
itself although it has seen these leads, which flatters it."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Champion:
    """A served model and what it takes to learn it again.

    Attributes
    ----------
    version : str
        Its version in the registry.
    scorer : LeadScorer
        The artefact, with its own definition and calibration.
    recipe : Recipe
        Form it was learnt in.
    as_of : datetime or None
        What it had learnt from was known on that day; None where it is not known.
    """

    version: str
    scorer: LeadScorer
    recipe: Recipe
    as_of: datetime | None = None


def ask_champion(
    champion: Champion,
    history: LeadHistory,
    cut_off: datetime | None,
    leads: NDArray[np.intp],
    horizons: Sequence[int],
    relearn: Relearn | None,
) -> tuple[Floats, Standing]:
    """Return what the champion says of leads that came after a cut-off, and how it was asked.

    Parameters
    ----------
    champion : Champion
        Asked as it is where it was learnt at or before the cut-off.
    history : LeadHistory
        All leads.
    cut_off : datetime or None
        The day to stand on; None in a snapshot.
    leads : ndarray of int, shape (n_test,)
        Positions of the leads.
    horizons : sequence of int
        Days of the columns.
    relearn : callable or None
        Learns a model of the champion's recipe and definition from what was known on that day, and
        gives its calibration; None where these do not fit the files.

    Returns
    -------
    probabilities : ndarray of float, shape (n_test, n_horizons)
        NaN where the champion does not speak of a horizon.
    standing : str
        One of `Standing`.
    """
    was_there = champion.as_of is not None and cut_off is not None and champion.as_of <= cut_off
    if relearn is not None and not was_there:
        try:
            learned, shift = relearn()
        except (NotEnoughEvidence, DefinitionInvalid):
            pass
        else:
            scorer = calibrated(learned.scorer, shift)
            return _columns(scorer, learned.codes[leads], horizons), "relearnt"
    rows = np.zeros(len(history.leads), dtype=bool)
    rows[leads] = True
    codes = champion.scorer.encoder.encode_history(history, rows)
    standing: Standing = "as_served" if was_there else "has_seen"
    return _columns(champion.scorer, codes, horizons), standing


def fits(champion: Champion, history: LeadHistory) -> bool:
    """Return whether the files hold every field that the champion looks at."""
    given = {name for name, positions in champion.scorer.encoder.positions.items() if positions}
    known = set(map(str, history.fields)) | set(champion.scorer.definition.behaviours) | {ARRIVAL}
    return given <= known and champion.scorer.mode == history.mode


def _columns(scorer: LeadScorer, codes: NDArray[np.int32], horizons: Sequence[int]) -> Floats:
    """Return the columns of these horizons, NaN where the model has none."""
    own = scorer.probabilities(codes)
    found = np.full((len(codes), len(horizons)), np.nan)
    for place, horizon in enumerate(horizons):
        if horizon in scorer.horizons:
            found[:, place] = own[:, scorer.horizons.index(horizon)]
    return found
