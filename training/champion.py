"""The model that is served today, asked again on days in the past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
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

__all__ = ["AskedChampion", "Champion", "Opponent", "Standing"]

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


@dataclass(frozen=True, eq=False)
class AskedChampion:
    """The champion as it would have stood on a day.

    Attributes
    ----------
    scorer : LeadScorer
        The artefact, or what its recipe would have learnt by then, calibrated.
    codes : ndarray of int32, shape (n_leads, n_inputs)
        All leads of the history, by its encoder.
    standing : str
        One of `Standing`.
    """

    scorer: LeadScorer
    codes: NDArray[np.int32]
    standing: Standing

    def promise(self, leads: NDArray[np.intp], horizons: Sequence[int]) -> Floats:
        """Return its probabilities, shape (len(leads), n_horizons); NaN where it has no horizon."""
        own = self.scorer.probabilities(self.codes[leads])
        found = np.full((len(leads), len(horizons)), np.nan)
        for place, horizon in enumerate(horizons):
            if horizon in self.scorer.horizons:
                found[:, place] = own[:, self.scorer.horizons.index(horizon)]
        return found


class Opponent:
    """Puts the champion on days in the past.

    Parameters
    ----------
    champion : Champion
        The served model.
    history : LeadHistory
        All leads.
    """

    def __init__(self, champion: Champion, history: LeadHistory) -> None:
        self.champion = champion
        self.history = history

    @cached_property
    def can_relearn(self) -> bool:
        """Whether the files hold every field that the champion looks at."""
        scorer = self.champion.scorer
        given = {name for name, positions in scorer.encoder.positions.items() if positions}
        known = set(map(str, self.history.fields)) | set(scorer.definition.behaviours) | {ARRIVAL}
        return given <= known and scorer.mode == self.history.mode

    def at(self, cut_off: datetime | None, relearn: Relearn) -> AskedChampion:
        """Return the champion as of a day.

        It is the artefact itself where that was learnt at or before the day; else what its recipe
        and definition learn from what was known then; else, where these do not fit the files or
        there are only base rates, the artefact although it has seen the leads.

        Parameters
        ----------
        cut_off : datetime or None
            The day; None in a snapshot.
        relearn : callable
            Learns the champion's recipe and definition on that day, and gives the calibration.
        """
        as_of = self.champion.as_of
        was_there = as_of is not None and cut_off is not None and as_of <= cut_off
        # A recipe does not say "base rates": learnt again it would be a whole model.
        is_learnt = self.champion.scorer.method != "base_rate"
        if is_learnt and self.can_relearn and not was_there:
            try:
                learned, shift = relearn()
            except (NotEnoughEvidence, DefinitionInvalid):
                pass
            else:
                scorer = calibrated(learned.scorer, shift)
                return AskedChampion(scorer, learned.codes, "relearnt")
        return AskedChampion(
            self.champion.scorer, self._codes, "as_served" if was_there else "has_seen"
        )

    @cached_property
    def _codes(self) -> NDArray[np.int32]:
        return self.champion.scorer.encoder.encode_history(self.history)
