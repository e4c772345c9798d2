"""The teacher: how fast worked leads win, learnt from all the time they were under observation.

Two parts see the same person-period rows. A Poisson regression is steady where leads are few, a
small booster of trees sees what is not linear; the mean of their log cumulative hazards is the
teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import PoissonRegressor

from features.errors import NotEnoughEvidence
from training.columns import Codebook, LinearColumns
from training.labels import HistoryLabels
from training.periods import PersonPeriods, days_by_period, period_cuts, person_periods

__all__ = ["HazardTeacher", "Part"]

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Part = Literal["both", "glm", "booster"]

_YEAR = 365.25
_MANY_LEADS = 8_000
_BOOSTER = {
    "objective": "poisson",
    "poisson_max_delta_step": 0.7,
    "boost_from_average": False,
    "num_leaves": 7,
    "learning_rate": 0.1,
    "min_data_in_leaf": 40,
    "lambda_l2": 5.0,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 63,
    "min_data_per_group": 60,
    # Counted in person-periods, some eight for each lead: at 30, rare values of long categories are
    # learnt by heart (excess log loss at 90 days on four worlds 9.1, at 300 6.8).
    "cat_smooth": 300.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True, eq=False)
class HazardTeacher:
    """Hazards of winning by period, from a Poisson regression and a booster.

    Attributes
    ----------
    cuts : tuple of float
        Ends of the periods, days after arrival.
    rates : ndarray of float, shape (n_periods,)
        Wins for each day of exposure in each period, over all worked leads.
    columns : LinearColumns
        Design of the regression.
    glm : ndarray of float
        Intercept, weights of the columns, of the periods, and of number × time.
    booster : lightgbm.Booster
        Log of the hazard relative to `rates`; the same in all periods.
    n_leads, n_wins : int
        Worked leads and wins it has learnt from.
    glm_share : float
        Share of the regression in the mean of the two, 0 to 1.
    """

    cuts: tuple[float, ...]
    rates: Floats
    columns: LinearColumns
    glm: Floats
    booster: lightgbm.Booster
    n_leads: int
    n_wins: int
    glm_share: float = 0.5

    @classmethod
    def fit(
        cls,
        codes: Codes,
        codebook: Codebook,
        labels: HistoryLabels,
        *,
        horizons: Sequence[int] = (365,),
        rows: NDArray[np.bool_] | None = None,
        seed: int = 0,
        half_life_days: float | None = None,
        size: float = 1.0,
        glm_share: float = 0.5,
    ) -> Self:
        """Learn from worked leads.

        Parameters
        ----------
        codes : ndarray of int32, shape (n_leads, n_inputs)
            Codes of all leads of the history, as of their arrival.
        codebook : Codebook
            The encoder that made them.
        labels : HistoryLabels
            Labels of the same leads, as known at the cut-off.
        horizons : sequence of int
            Days; periods are continued to the longest.
        rows : ndarray of bool, optional
            Leads to learn from; all worked ones by default.
        seed : int
            Seed of the booster. Same leads and seed, same teacher, bit by bit.
        half_life_days : float, optional
            Time in which what was observed loses half its weight; it keeps all of it by default.
        size : float
            Trees of the booster, as a multiple of the usual 40, or 90 from 8,000 leads on.
        glm_share : float
            Share of the regression in the mean of the two parts, 0 to 1.

        Raises
        ------
        NotEnoughEvidence
            If no worked lead won while under observation.
        """
        known = labels.state != "not_arrived"
        periods = person_periods(labels, rows, period_cuts(horizons), half_life_days=half_life_days)
        n_wins = int(periods.is_won.sum())
        if n_wins == 0:
            raise NotEnoughEvidence(
                "No worked lead has won while outcomes were recorded; nothing can be learnt yet. "
                "Check the status values in the source map and recording_began in the definition."
            )
        n_known = int((known if rows is None else known & rows).sum())
        workers = np.unique(periods.lead)
        columns = LinearColumns.fit(codes[workers], codebook)
        trees = max(round(size * (40 if n_known < _MANY_LEADS else 90)), 1)
        return cls(
            cuts=periods.cuts,
            rates=periods.rates,
            columns=columns,
            glm=_fit_glm(codes, columns, periods),
            booster=_fit_booster(codes, codebook, periods, trees, seed),
            n_leads=len(workers),
            n_wins=n_wins,
            glm_share=glm_share,
        )

    def log_cumulative_hazards(
        self, codes: Codes, horizons: Sequence[float], part: Part = "both"
    ) -> Floats:
        """Return the log of the expected number of wins by each horizon, (n_leads, n_horizons).

        Raises
        ------
        ValueError
            If a horizon is not above 0 or lies beyond the last period.
        """
        if min(horizons) <= 0 or max(horizons) > self.cuts[-1]:
            raise ValueError(
                f"horizons must lie above 0 and up to {self.cuts[-1]:g} days, "
                f"got {list(horizons)}; fit the teacher with the longest horizon"
            )
        days = days_by_period(horizons, self.cuts)
        if part == "glm":
            return self._glm_hazards(codes, days)
        if part == "booster":
            return self._booster_hazards(codes, days)
        glm, booster = self._glm_hazards(codes, days), self._booster_hazards(codes, days)
        return self.glm_share * glm + (1.0 - self.glm_share) * booster

    def probabilities(self, codes: Codes, horizons: Sequence[float], part: Part = "both") -> Floats:
        """Return the chance to win within each horizon if worked, shape (n_leads, n_horizons)."""
        return np.asarray(-np.expm1(-np.exp(self.log_cumulative_hazards(codes, horizons, part))))

    def _glm_hazards(self, codes: Codes, days: Floats) -> Floats:
        width, n_periods = self.columns.width, len(self.cuts) - 1
        weights, by_period, with_time = np.split(self.glm[1:], [width, width + n_periods])
        level = self.glm[0] + self.columns.matrix(codes) @ weights
        slope = self.columns.values(codes) @ with_time
        log_rates = level[:, None] + by_period + slope[:, None] * _time_of(self.cuts)
        return np.asarray(np.log(np.exp(log_rates) @ (days / _YEAR)))

    def _booster_hazards(self, codes: Codes, days: Floats) -> Floats:
        relative = self.booster.predict(codes.astype(np.float64), raw_score=True, num_threads=1)
        return np.asarray(np.asarray(relative)[:, None] + np.log(self.rates @ days))


def _time_of(cuts: tuple[float, ...]) -> Floats:
    """Return the standardised logarithm of each period's middle."""
    middle = np.log((np.asarray(cuts[:-1]) + np.asarray(cuts[1:])) / 2.0)
    return np.asarray((middle - middle.mean()) / middle.std())


def _fit_glm(codes: Codes, columns: LinearColumns, periods: PersonPeriods) -> Floats:
    """Return intercept and weights of a Poisson regression on wins for each year of exposure."""
    n_periods = len(periods.cuts) - 1
    by_period = sparse.csr_array(np.eye(n_periods))[periods.period]
    with_time = (
        columns.values(codes)[periods.lead] * _time_of(periods.cuts)[periods.period][:, None]
    )
    blocks = [columns.matrix(codes)[periods.lead], by_period, sparse.csr_array(with_time)]
    years = periods.exposure_days / _YEAR
    counted = years if periods.weight is None else years * periods.weight
    # The default tolerance stops far too early: ranking of .71 instead of .75 on a known truth. A
    # penalty of .001 was too weak for long categories (8.6 instead of 7.8 on four worlds).
    regression = PoissonRegressor(alpha=3e-3, tol=1e-7, max_iter=500)
    regression.fit(
        sparse.hstack(blocks, format="csr"), periods.is_won / years, sample_weight=counted
    )
    return np.concatenate([[regression.intercept_], regression.coef_])


def _fit_booster(
    codes: Codes, codebook: Codebook, periods: PersonPeriods, n_trees: int, seed: int
) -> lightgbm.Booster:
    """Return a Poisson booster over the codes, started from the rates of the periods."""
    categories = [place for place, given in enumerate(codebook.inputs) if given.kind == "category"]
    rows = lightgbm.Dataset(
        codes[periods.lead].astype(np.float64),
        label=periods.is_won.astype(np.float64),
        weight=periods.weight,
        init_score=np.log(periods.exposure_days * periods.rates[periods.period]),
        categorical_feature=categories,
        params={**_BOOSTER, "seed": seed},
    )
    return lightgbm.train({**_BOOSTER, "seed": seed}, rows, num_boost_round=n_trees)
