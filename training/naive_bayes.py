"""Frequency naive Bayes in the manner of Odoo's predictive lead scoring: an opponent, not a model.

For each value of each field, how often leads with it were won and lost, a tenth of a lead added to
both; blanks and values never seen are passed over; the result stays within 0.01 and 99.99 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from features.errors import NotEnoughEvidence

__all__ = ["FrequencyNaiveBayes"]

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]

_SMOOTHING = 0.1
_FLOOR, _CEILING = 0.0001, 0.9999
_FIRST_VALUE = 2
"""Codes 0 and 1 of a category are missing and unseen; in a number only code 0 is."""


@dataclass(frozen=True, eq=False)
class FrequencyNaiveBayes:
    """Log-odds of the base rate and, for each input and code, what the value adds.

    Attributes
    ----------
    base : float
        Log of won over lost leads.
    values : tuple of ndarray
        For each input, shape (size,): log of the two frequencies' ratio; 0 where nothing is known.
    """

    base: float
    values: tuple[Floats, ...]

    @classmethod
    def fit(
        cls, codes: Codes, sizes: tuple[int, ...], kinds: tuple[str, ...], outcome: Floats
    ) -> Self:
        """Count won and lost leads by value.

        Parameters
        ----------
        codes : ndarray of int32, shape (n_leads, n_inputs)
            Codes with a level for every value ever seen.
        sizes, kinds : tuple
            Of the inputs.
        outcome : ndarray of float, shape (n_leads,)
            1 won, 0 lost.

        Raises
        ------
        NotEnoughEvidence
            If nobody won or nobody lost.
        """
        n_won, n_lost = float(outcome.sum()), float((1.0 - outcome).sum())
        if n_won == 0 or n_lost == 0:
            raise NotEnoughEvidence("Frequencies need won and lost leads; one of them is missing.")
        values = []
        for position, (size, kind) in enumerate(zip(sizes, kinds, strict=True)):
            column = codes[:, position]
            won = np.bincount(column, weights=outcome, minlength=size)
            lost = np.bincount(column, weights=1.0 - outcome, minlength=size)
            ratio = np.log((won + _SMOOTHING) / n_won) - np.log((lost + _SMOOTHING) / n_lost)
            ratio[won + lost == 0] = 0.0
            ratio[: _FIRST_VALUE if kind == "category" else 1] = 0.0
            values.append(ratio)
        return cls(float(np.log(n_won / n_lost)), tuple(values))

    def probabilities(self, codes: Codes) -> Floats:
        """Return the chance to be won, shape (n_leads,), 0.0001 to 0.9999."""
        logit = self.base + sum(
            ratio[codes[:, position]] for position, ratio in enumerate(self.values)
        )
        return np.asarray(np.clip(1.0 / (1.0 + np.exp(-logit)), _FLOOR, _CEILING))
