"""Judgements for tests: a small invented company judged once, and one written down by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from features.leads import LeadHistory
from training.judging import Judged
from training.labels import HistoryLabels
from training.recipe import Recipe
from training.rolling import RollingJudgement
from training.student import StudentSettings

QUICK = Recipe(student=StudentSettings(trees=60, scout_trees=30))


class Table:
    """A model that promises each lead what is written down for it."""

    def __init__(self, chances: np.ndarray, main_horizon: int) -> None:
        self.chances = chances
        self.main_horizon = main_horizon

    def promise(self, leads: np.ndarray, horizons: Any = None) -> np.ndarray:
        return self.chances[leads][:, None]


class WrittenJudged(Judged):
    """A judgement whose student is a `Table`."""

    def promise(self, leads: np.ndarray) -> np.ndarray:
        return self.learned.scorer.promise(leads)


def written_judgement(
    history: LeadHistory,
    known: HistoryLabels,
    horizon: int,
    models: Mapping[str, np.ndarray],
    spans: tuple[np.ndarray, ...],
) -> RollingJudgement:
    """Return a judgement of worked leads with chances by hand, one column, weights 1 or 0."""
    origins = []
    for span in spans:
        lead = span[(known.worked & (known.entry_days == 0.0))[span]]
        won = known.won_days[lead] <= horizon
        told = won | (known.follow_up_days[lead] >= horizon)
        learned: Any = SimpleNamespace(scorer=Table(models["student"], horizon))
        champion: Any = Table(models["champion"], horizon) if "champion" in models else None
        if champion is not None:
            champion.standing = "as_served"
        origins.append(
            WrittenJudged(
                (horizon,),
                {name: chances[lead][:, None] for name, chances in models.items()},
                won.astype(float)[:, None],
                told.astype(float)[:, None],
                learned,
                known,
                lead,
                span,
                champion=champion,
            )
        )
    return RollingJudgement(tuple(origins), (horizon,))


def without_events_after(history: LeadHistory, moment: Any) -> LeadHistory:
    """Return the history as it was known at a moment."""
    events = history.events[np.asarray(history.events["at"] <= moment)].reset_index(drop=True)
    return replace(history, events=events)
