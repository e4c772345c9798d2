"""What one might do instead, on the same codes: not product, only the product's opponents.

Each takes the training leads' codes and labels and the test leads' codes, and returns the chance of
a win within each horizon, shape (n_test, n_horizons). All boosters are of one small size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from features.encoder import LeadEncoder
from training.labels import HistoryLabels
from training.metrics import censoring_weights
from training.periods import days_by_period, period_cuts, person_periods

__all__ = ["ALTERNATIVES", "Setting", "plain_hazard"]

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SIZE: dict[str, Any] = {
    "num_leaves": 7,
    "learning_rate": 0.1,
    "min_data_in_leaf": 40,
    "lambda_l2": 5.0,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "min_data_per_group": 60,
    "cat_smooth": 30.0,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_TREES = 90


@dataclass(frozen=True, eq=False)
class Setting:
    """One task: training leads as known at the cut-off, and the test leads' codes."""

    encoder: LeadEncoder
    codes: Codes
    labels: HistoryLabels
    test_codes: Codes
    horizons: tuple[int, ...]
    seed: int = 0

    def classify(self, rows: Mask, outcome: Floats, weight: Floats | None = None) -> Floats:
        """Fit 0 or 1 on `rows`; return P(1) of the test leads."""
        booster = _fit(
            self.codes[rows], outcome[rows], self.encoder, "binary", self.seed,
            weight=None if weight is None else weight[rows],
        )  # fmt: skip
        return np.asarray(booster.predict(self.test_codes.astype(float), num_threads=1))

    @property
    def decided(self) -> Mask:
        """Worked and rejected leads."""
        return np.isin(self.labels.state, ("worked", "rejected"))


def _fit(
    codes: NDArray[Any],
    outcome: Floats,
    encoder: LeadEncoder,
    objective: str,
    seed: int,
    *,
    weight: Floats | None = None,
    start: Floats | None = None,
    **further: object,
) -> lightgbm.Booster:
    parameters = {**_SIZE, "objective": objective, "seed": seed, **further}
    rows = lightgbm.Dataset(
        codes.astype(float),
        label=outcome,
        weight=weight,
        init_score=start,
        feature_name=[f"f{place}" for place in range(codes.shape[1])],
        categorical_feature=[
            place for place, given in enumerate(encoder.inputs) if given.kind == "category"
        ],
        params=parameters,
    )
    return lightgbm.train(parameters, rows, num_boost_round=_TREES)


def _won_by(labels: HistoryLabels, days: float) -> Floats:
    return np.asarray(np.nan_to_num(labels.won_days, nan=np.inf) <= days, dtype=float)


def naive_worked(task: Setting) -> Floats:
    """Ask "converted yet?" of worked leads: open ones are a no, one answer for all horizons."""
    chance = task.classify(task.labels.worked, _won_by(task.labels, 1e6))
    return np.repeat(chance[:, None], len(task.horizons), axis=1)


def naive_all(task: Setting) -> Floats:
    """Ask "converted yet?" of all decided leads."""
    chance = task.classify(task.decided, _won_by(task.labels, 1e6))
    return np.repeat(chance[:, None], len(task.horizons), axis=1)


def rejected_as_negative(task: Setting) -> Floats:
    """Rejected leads are a no; leads old enough for the horizon."""
    labels = task.labels
    columns = []
    for days in task.horizons:
        rows = task.decided & (labels.follow_up_days >= days)
        columns.append(task.classify(rows, _won_by(labels, days) * labels.worked))
    return np.stack(columns, axis=1)


def matured_cohort(task: Setting) -> Floats:
    """Worked leads that are old enough for the horizon."""
    columns = []
    for days in task.horizons:
        rows = task.labels.worked & (task.labels.follow_up_days >= days)
        columns.append(task.classify(rows, _won_by(task.labels, days)))
    return np.stack(columns, axis=1)


def ipcw(task: Setting) -> Floats:
    """Worked leads, those that cannot have been followed made up for by weights."""
    labels, worked = task.labels, task.labels.worked
    columns = []
    for days in task.horizons:
        outcome, weight = np.zeros(len(worked)), np.zeros(len(worked))
        outcome[worked], weight[worked] = censoring_weights(
            labels.won_days[worked], labels.follow_up_days[worked], days
        )
        columns.append(task.classify(weight > 0, outcome, weight))
    return np.stack(columns, axis=1)


def plain_hazard(task: Setting) -> Floats:
    """One Poisson booster on person-periods of worked leads, the period a feature like others."""
    cuts = period_cuts(task.horizons)
    periods = person_periods(task.labels, cuts=cuts)
    rates = periods.rates
    booster = _fit(
        np.column_stack([task.codes[periods.lead], periods.period]),
        periods.is_won.astype(float),
        task.encoder,
        "poisson",
        task.seed,
        start=np.log(periods.exposure_days * rates[periods.period]),
        poisson_max_delta_step=0.7,
        boost_from_average=False,
    )
    n_test = len(task.test_codes)
    hazards = np.empty((n_test, len(rates)))
    for period, rate in enumerate(rates):
        columns = np.column_stack([task.test_codes, np.full(n_test, period)]).astype(float)
        raw = booster.predict(columns, raw_score=True, num_threads=1)
        hazards[:, period] = rate * np.exp(np.asarray(raw))
    return np.asarray(1 - np.exp(-hazards @ days_by_period(task.horizons, cuts)))


def two_heads(task: Setting) -> Floats:
    """P(accepted) times P(win | accepted), the second from the plain hazard booster."""
    rows = ~np.isnan(task.labels.accepted)
    accepted = task.classify(rows, np.nan_to_num(task.labels.accepted))
    return accepted[:, None] * plain_hazard(task)


def base_rate(task: Setting) -> Floats:
    """The weighted share of worked leads that won: the same for everyone."""
    labels, worked = task.labels, task.labels.worked
    rates = []
    for days in task.horizons:
        outcome, weight = censoring_weights(
            labels.won_days[worked], labels.follow_up_days[worked], days
        )
        rates.append(float(np.average(outcome, weights=weight)))
    return np.tile(np.array(rates), (len(task.test_codes), 1))


ALTERNATIVES: dict[str, Callable[[Setting], Floats]] = {
    "naive_worked": naive_worked,
    "naive_all": naive_all,
    "rejected_as_negative": rejected_as_negative,
    "matured_cohort": matured_cohort,
    "ipcw": ipcw,
    "plain_hazard": plain_hazard,
    "two_heads": two_heads,
    "base_rate": base_rate,
}
"""Every opponent by name."""
