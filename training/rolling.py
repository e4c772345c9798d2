"""The recipe judged at several cut-offs: would it have been good each time it was retrained?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.definition import LeadDefinition
from features.errors import NotEnoughEvidence
from training.champion import Champion, Opponent
from training.horizons import MIN_WINS, main_of, published_horizons
from training.judging import (
    Judged,
    ResultRow,
    Tell,
    judge_learned,
    judge_snapshot,
    result_rows,
)
from training.labels import HistoryLabels, SnapshotLabels, label_history, label_snapshot
from training.lineage import FOLLOW_SHARE, Line
from training.recipe import Learned, Recipe, learn
from training.splits import cut_off_at, earlier_part, following_spans, time_order
from training.verdicts import since_epoch, to_microseconds

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = [
    "N_ORIGINS",
    "RollingJudgement",
    "first_cut_off",
    "judge_rolling",
    "judged_spans",
    "pool",
]

N_ORIGINS = 4
_SHARES = (0.55, 0.5, 0.45, 0.4, 0.35, 0.3)
"""Where the oldest cut-off may lie: leads before it, of all that can be judged."""
_WINS_WANTED = 150
_ALONE = 0.8
_SNAPSHOT_SHARES = (0.55, 0.7, 0.85)
_SNAPSHOT_ALONE = 0.75

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RollingJudgement:
    """Several cut-offs, and their test leads as one set.

    Attributes
    ----------
    origins : tuple of Judged
        Oldest first.
    horizons : tuple of int
        Days that the newest model tells; columns of the stacked arrays. Where an older one does not
        tell a horizon, weights are 0 and probabilities NaN; all tell the main one.
    to_add : float
        Log-odds by which all teachers together say that a model learnt today should be moved.
    """

    origins: tuple[Judged, ...]
    horizons: tuple[int, ...]
    to_add: float = 0.0

    @property
    def newest(self) -> Judged:
        """The last cut-off."""
        return self.origins[-1]

    @property
    def main_horizon(self) -> int:
        """The horizon of score and decision."""
        return self.newest.learned.scorer.main_horizon

    @property
    def main(self) -> int:
        """Column of the main horizon."""
        return self.horizons.index(self.main_horizon)

    @cached_property
    def lead(self) -> NDArray[np.intp]:
        """Positions of the test leads in ``history.leads``, shape (n,)."""
        return np.concatenate([part.lead for part in self.origins])

    @cached_property
    def origin(self) -> NDArray[np.int64]:
        """Which of `origins` each test lead belongs to, shape (n,)."""
        return np.repeat(np.arange(len(self.origins)), [len(part.lead) for part in self.origins])

    @cached_property
    def outcome(self) -> Floats:
        """Outcome 1 or 0, shape (n, n_horizons)."""
        return self._stacked([(part, part.outcome) for part in self.origins], 0.0)

    @cached_property
    def weight(self) -> Floats:
        """Censoring weights, made at each cut-off and horizon; 0 where nothing can be told."""
        return self._stacked([(part, part.weight) for part in self.origins], 0.0)

    @cached_property
    def probabilities(self) -> dict[str, Floats]:
        """Probabilities by model, shape (n, n_horizons); NaN where a model was not asked."""
        return {
            name: self._stacked(
                [(part, part.probabilities.get(name)) for part in self.origins], np.nan
            )
            for name in self.newest.probabilities
        }

    @property
    def standings(self) -> tuple[str, ...]:
        """How the champion was asked at each cut-off; empty texts without one."""
        return tuple("" if p.champion is None else p.champion.standing for p in self.origins)

    def told(self, horizon: int | None = None, model: str | None = None) -> Mask:
        """Return the test leads whose outcome can be told, and of which a model was asked."""
        column = self.main if horizon is None else self.horizons.index(horizon)
        told = self.weight[:, column] > 0
        return told if model is None else told & ~np.isnan(self.probabilities[model][:, column])

    def rows(self) -> Iterator[ResultRow]:
        """Yield the figures of each model at each horizon over all cut-offs."""
        return result_rows(
            self.horizons, self.probabilities, self.outcome, self.weight, self.origin
        )

    def _stacked(self, parts: Sequence[tuple[Judged, Floats | None]], absent: float) -> Floats:
        stacked = []
        for part, columns in parts:
            found = np.full((len(part.lead), len(self.horizons)), absent)
            for place, horizon in enumerate(self.horizons):
                if columns is not None and horizon in part.horizons:
                    found[:, place] = columns[:, part.horizons.index(horizon)]
            stacked.append(found)
        return np.concatenate(stacked)


def pool(origins: Sequence[Judged], to_add: float = 0.0) -> RollingJudgement:
    """Return cut-offs, oldest first, as one judgement."""
    return RollingJudgement(tuple(origins), origins[-1].horizons, to_add)


def judge_rolling(
    history: LeadHistory,
    definition: LeadDefinition,
    *,
    as_of: datetime | None,
    recipe: Recipe | None = None,
    champion: Champion | None = None,
    n_origins: int = N_ORIGINS,
    tell: Tell = lambda _: None,
) -> RollingJudgement:
    """Learn at several cut-offs, and judge each model on the leads up to the next one.

    The spans of test leads follow each other without a gap. They cover the newest 45 % of the leads
    that can be judged, and more where that holds fewer than 150 wins, as long as the oldest model
    still has 50 wins to learn from. Each model learns from labels as known at its cut-off and is
    judged by what is known at `as_of`, on worked leads that were observed from their arrival, each
    cut-off and horizon with its own censoring weights. With too few wins for several cut-offs, the
    newest fifth is judged alone.

    The tuned booster takes longer than all other models together (11 of 17 seconds at 16,000 leads)
    and is fitted at the newest cut-off only: its figures are of fewer leads, its difference from
    the student of the same ones.

    Parameters
    ----------
    history : LeadHistory
        All leads.
    definition : LeadDefinition
        The agreement.
    as_of : datetime or None
        Today, in history mode.
    recipe : Recipe, optional
        Form of the models.
    champion : Champion, optional
        The served model; asked beside the others.
    n_origins : int
        Cut-offs at most.
    tell : callable
        Told each step as it begins.

    Raises
    ------
    NotEnoughEvidence
        If the history is too short to judge anything.
    """
    chosen = recipe or Recipe()
    if history.mode == "snapshot":
        return _roll_snapshot(history, definition, chosen, champion, n_origins, tell)
    if as_of is None:
        raise ValueError("history mode needs as_of")
    known = label_history(history, definition, as_of)
    spans = judged_spans(history, definition, known, n_origins)
    line = Line(history, definition, chosen)
    opponent = None if champion is None else Opponent(champion, history)
    theirs = line if opponent is None else _line_of(opponent, line)
    origins: list[Judged] = []
    for place, (cut_off, test) in enumerate(spans):
        where = f"Cut-off {place + 1} of {len(spans)}, {cut_off:%Y-%m-%d}"
        tell(f"{where}: learning from what was known then")
        learned, shift = line.at(cut_off)
        tell(f"{where}: comparing with simpler models")
        judged = judge_learned(
            history,
            definition,
            learned,
            known,
            test,
            recipe=chosen,
            shift=shift,
            tunes=place == len(spans) - 1,
        )
        if opponent is not None:
            tell(f"{where}: asking the champion")
            judged = judged.beside(opponent.at(cut_off, partial(theirs.at, cut_off)))
        origins.append(judged)
    return pool(_that_tell(origins), line.shift(known).shift)


def first_cut_off(
    history: LeadHistory, definition: LeadDefinition, as_of: datetime | None
) -> tuple[datetime | None, Mask | None]:
    """Return the day on which the oldest judged model stands, or in a snapshot what it learns from.

    Whatever is chosen before a judgement is chosen on that day: what later leads teach must not
    decide how they are predicted.

    Raises
    ------
    NotEnoughEvidence
        If the history is too short to judge anything.
    """
    if history.mode == "snapshot":
        shares = _snapshot_shares(history, label_snapshot(history, definition), N_ORIGINS)
        return None, earlier_part(history, share=shares[0])[0]
    if as_of is None:
        raise ValueError("history mode needs as_of")
    known = label_history(history, definition, as_of)
    return judged_spans(history, definition, known, N_ORIGINS)[0][0], None


def judged_spans(
    history: LeadHistory, definition: LeadDefinition, known: HistoryLabels, n_origins: int
) -> list[tuple[datetime, Mask]]:
    """Return cut-offs, oldest first, each with the leads up to the next one."""
    if n_origins < 1:
        raise ValueError(f"n_origins must be 1 or more, got {n_origins}")
    published = _published(known, definition)
    main = main_of(definition.main_horizon, published or definition.horizons)
    arrived = to_microseconds(history.leads["arrived_at"])
    old_enough = np.asarray(known.state != "not_arrived") & (
        known.follow_up_days >= FOLLOW_SHARE * main
    )
    if int(old_enough.sum()) < 2:
        raise NotEnoughEvidence(
            "The history is too short to keep its newest part for judging. Give leads of more days."
        )
    won = known.worked & (known.entry_days == 0.0) & (known.won_days <= main) & old_enough
    starts: list[float] = []
    for share in _SHARES:
        start = cut_off_at(arrived, old_enough, share)
        if main not in _published(label_history(history, definition, start), definition):
            break
        starts.append(share)
        if int((won & (arrived > since_epoch(start))).sum()) >= _WINS_WANTED:
            break
    shares = np.linspace(starts[-1], 1.0, n_origins + 1)[:-1] if starts else [_ALONE]
    return following_spans(arrived, old_enough, shares)


def _published(labels: HistoryLabels, definition: LeadDefinition) -> tuple[int, ...]:
    return published_horizons(labels, labels.state != "not_arrived", definition.horizons)


def _that_tell(origins: Sequence[Judged]) -> list[Judged]:
    """Return the cut-offs whose models can tell the newest one's main horizon."""
    main = origins[-1].learned.scorer.main_horizon
    return [part for part in origins if main in part.horizons]


def _line_of(opponent: Opponent, own: Line) -> Line:
    """Return what learns the champion again: `own` where recipe and definition are the same."""
    champion = opponent.champion
    theirs = champion.scorer.definition
    if champion.recipe == own.recipe and theirs.fingerprint == own.definition.fingerprint:
        return own
    return Line(own.history, theirs, champion.recipe)


def _roll_snapshot(
    history: LeadHistory,
    definition: LeadDefinition,
    recipe: Recipe,
    champion: Champion | None,
    n_origins: int,
    tell: Tell,
) -> RollingJudgement:
    """Judge a snapshot by the order of its leads; shifts stay 0 (docs/decisions/0004)."""
    labels = label_snapshot(history, definition)
    shares = _snapshot_shares(history, labels, n_origins)
    opponent = None if champion is None else Opponent(champion, history)
    order = time_order(history)
    ends = [int(len(order) * share) for share in shares[1:]] + [len(order)]
    origins = []
    for place, (share, end) in enumerate(zip(shares, ends, strict=True)):
        tell(f"Split {place + 1} of {len(shares)}: learning from the first {share:.0%} of leads")
        train, test = earlier_part(history, share=share)
        test[order[end:]] = False
        judged = judge_snapshot(history, definition, train, test, recipe=recipe)
        if opponent is not None:
            judged = judged.beside(
                opponent.at(None, partial(_relearn_snapshot, opponent, recipe, judged))
            )
        origins.append(judged)
    return pool(origins)


def _snapshot_shares(
    history: LeadHistory, labels: SnapshotLabels, n_origins: int
) -> Sequence[float]:
    """Return the shares of leads before each cut-off, all with enough wins to learn from."""
    won = labels.worked & (labels.outcome == 1.0)
    return [
        share
        for share in _SNAPSHOT_SHARES[-n_origins:]
        if int(won[earlier_part(history, share=share)[0]].sum()) >= MIN_WINS
    ] or [_SNAPSHOT_ALONE]


def _relearn_snapshot(opponent: Opponent, recipe: Recipe, judged: Judged) -> tuple[Learned, float]:
    """Learn the champion again from the leads that `judged` has learnt from."""
    champion, own = opponent.champion, judged.learned
    theirs = champion.scorer.definition
    if champion.recipe == recipe and theirs.fingerprint == own.scorer.definition.fingerprint:
        return own, 0.0
    return learn(opponent.history, theirs, rows=own.rows, recipe=champion.recipe), 0.0
