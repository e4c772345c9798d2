"""A recipe chosen for leads that change: by log loss on cut-offs inside the training span.

The default stays unless a candidate is better by more than its paired standard error allows
(docs/decisions/0007). What has been tried is kept, so that an interrupted choice goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.definition import LeadDefinition
from features.errors import NotEnoughEvidence
from features.terms import Names
from training.candidates import Candidate
from training.kept_trials import Notebook, Sums, digest_of, sha256_of
from training.recipe import Recipe
from training.trials import HistoryTrial, Losses, SnapshotTrial

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = ["RecipeChoice", "Tried", "choose_recipe"]

MIN_ORIGINS = 3
CLEARLY = 2.0
"""Standard errors by which a candidate must be better than the default."""
TIME_LIMIT = 900.0

Floats = NDArray[np.float64]
Tell = Callable[[str], None]
Trial = HistoryTrial | SnapshotTrial


@dataclass(frozen=True)
class Tried:
    """How one candidate did.

    Attributes
    ----------
    name : str
        What it is, as an identifier.
    words : Names
        The same for a reader.
    loss : float
        Mean log loss of the test leads of all cut-offs.
    against_default, standard_error : float
        Paired difference to the default, below 0 where the candidate is better, and its standard
        error. For ``unshifted``: to the same recipe with its calibration.
    """

    name: str
    words: Names
    loss: float
    against_default: float
    standard_error: float

    @property
    def is_clearly_better(self) -> bool:
        """Whether the default should give way."""
        return self.against_default < -CLEARLY * self.standard_error


@dataclass(frozen=True)
class RecipeChoice:
    """What was chosen, beside all that was tried.

    Attributes
    ----------
    chosen : str
        Name of the candidate; with ``+unshifted`` where it is used without calibration.
    candidates : tuple of Tried
        The default first; empty where nothing could be tried.
    n_origins : int
        Cut-offs they were tried on.
    stopped_early : bool
        Whether time was up before all had been tried.
    words : Names
        What came of it, for a reader.
    """

    chosen: str
    candidates: tuple[Tried, ...]
    n_origins: int
    stopped_early: bool
    words: Names

    def document(self) -> dict[str, Any]:
        """Return the content of a JSON document."""
        return {
            "chosen": self.chosen,
            "candidates": [
                {
                    "name": tried.name,
                    "words": tried.words.model_dump(),
                    "loss": tried.loss,
                    "against_default": tried.against_default,
                    "standard_error": tried.standard_error,
                }
                for tried in self.candidates
            ],
            "n_origins": self.n_origins,
            "stopped_early": self.stopped_early,
            "words": self.words.model_dump(),
        }


class _TimeIsUp(Exception):
    pass


def choose_recipe(
    history: LeadHistory,
    definition: LeadDefinition,
    *,
    as_of: datetime | None,
    recipe: Recipe | None = None,
    rows: NDArray[np.bool_] | None = None,
    tell: Tell = lambda _: None,
    time_limit_seconds: float = TIME_LIMIT,
    keep_in: Path | None = None,
) -> tuple[Recipe, RecipeChoice]:
    """Choose half-life, window, size of the teacher, fields shown and calibration.

    To judge the chosen recipe honestly, choose it on the day of the oldest cut-off of that
    judgement: what is learnt here about later leads must not be used to judge on them.

    Parameters
    ----------
    history : LeadHistory
        All leads.
    definition : LeadDefinition
        The agreement.
    as_of : datetime or None
        The day of the choice, in history mode; nothing later has any influence.
    recipe : Recipe, optional
        The default candidate, from which the others differ in one thing each.
    rows : ndarray of bool, optional
        In a snapshot: the leads of the choice; all by default.
    tell : callable
        Told what is tried, and about how long the rest takes.
    time_limit_seconds : float
        After this no further candidate is tried; what is finished counts.
    keep_in : Path, optional
        Folder in which finished trials are kept; a choice that is made again, or was interrupted,
        takes them from there.

    Returns
    -------
    tuple of (Recipe, RecipeChoice)
        The default where fewer than three cut-offs can be told.
    """
    default = recipe or Recipe()
    tell("Choosing the recipe: preparing the cut-offs")
    try:
        trial = _trial(history, definition, as_of, default, rows)
    except NotEnoughEvidence:
        return default, _unchanged(0)
    if len(trial.origins) < MIN_ORIGINS:
        return default, _unchanged(len(trial.origins))
    context = "" if keep_in is None else digest_of(history, definition, as_of, rows)
    notes = Notebook(keep_in, context)
    contest = _Contest(trial, notes, time.monotonic() + time_limit_seconds, tell)
    return contest.run()


class _Contest:
    """All candidates against the default."""

    def __init__(self, trial: Trial, notes: Notebook, deadline: float, tell: Tell) -> None:
        self._trial = trial
        self._notes = notes
        self._deadline = deadline
        self._tell = tell
        self._candidates = tuple(trial.candidates())
        self._of_default: list[Losses] = []

    def run(self) -> tuple[Recipe, RecipeChoice]:
        """Try one candidate after another; return the best, and all that were finished."""
        sums: dict[str, tuple[list[Sums], list[Sums]]] = {}
        began, stopped = time.monotonic(), False
        for place, candidate in enumerate(self._candidates):
            self._say(place, time.monotonic() - began)
            try:
                found = self._sums(candidate)
            except _TimeIsUp:
                stopped = True
                break
            except NotEnoughEvidence:
                continue
            sums[candidate.name] = found
        by_name = {candidate.name: candidate for candidate in self._candidates}
        tried = [_tried(by_name[name], served) for name, (served, _) in sums.items()]
        if not tried or tried[0].name != "default":
            return self._candidates[0].recipe, _unchanged(len(self._trial.origins), stopped)
        best = min(
            (one for one in tried if one.is_clearly_better),
            key=lambda one: one.loss,
            default=tried[0],
        )
        chosen = by_name[best.name].on(self._trial.unstable[-1])
        names = [best.name]
        if isinstance(self._trial, HistoryTrial) and chosen.calibrates:
            plain = _tried(_UNSHIFTED, sums[best.name][1])
            tried.append(plain)
            if plain.is_clearly_better:
                chosen = replace(chosen, calibrates=False)
                names.append(plain.name)
        return chosen, RecipeChoice(
            "+".join(names),
            tuple(tried),
            len(self._trial.origins),
            stopped,
            _in_words([one for one in tried if one.name in names], len(tried), stopped),
        )

    def _sums(self, candidate: Candidate) -> tuple[list[Sums], list[Sums]]:
        recipes = [candidate.on(unstable) for unstable in self._trial.unstable[:-1]]
        key = f"{candidate.name} {sha256_of(repr((self._candidates[0].recipe, recipes)))[:16]}"
        kept = self._notes.read(key)
        if kept is None:
            kept = list(self._measured(candidate))
            self._notes.write(key, kept)
        return [served for served, _ in kept], [plain for _, plain in kept]

    def _measured(self, candidate: Candidate) -> Iterator[tuple[Sums, Sums]]:
        is_default = candidate is self._candidates[0]
        if not is_default and not self._of_default:
            self._of_default = list(self._on_time(self._candidates[0]))
        found = []
        for place, losses in enumerate(self._on_time(candidate)):
            found.append(losses)
            against = losses if is_default else self._of_default[place]
            yield (
                _summed(losses.served, losses.served - against.served),
                _summed(losses.unshifted, losses.unshifted - losses.served),
            )
        if is_default:
            self._of_default = found

    def _on_time(self, candidate: Candidate) -> Iterator[Losses]:
        judged = self._trial.judge(candidate)
        while True:
            if time.monotonic() > self._deadline:
                raise _TimeIsUp
            losses = next(judged, None)
            if losses is None:
                return
            yield losses

    def _say(self, place: int, elapsed: float) -> None:
        n = len(self._candidates)
        left = ""
        if place:
            ahead = elapsed / place * (n - place)
            ahead = max(min(ahead, self._deadline - time.monotonic()), 0.0)
            left = f", about {ahead:.0f} s left"
        what = self._candidates[place].words.en
        self._tell(f"Choosing the recipe: {what} ({place + 1} of {n}{left})")


_UNSHIFTED = Candidate(
    "unshifted", Names(ja="校正の補正なし", en="without the calibration shift"), Recipe()
)


def _trial(
    history: LeadHistory,
    definition: LeadDefinition,
    as_of: datetime | None,
    recipe: Recipe,
    rows: NDArray[np.bool_] | None,
) -> Trial:
    if history.mode == "snapshot":
        everyone = np.ones(len(history.leads), dtype=bool)
        return SnapshotTrial(history, definition, recipe, everyone if rows is None else rows)
    if as_of is None:
        raise ValueError("history mode needs as_of, the day of the choice")
    return HistoryTrial(history, definition, as_of, recipe)


def _summed(losses: Floats, difference: Floats) -> Sums:
    return Sums(
        len(losses), float(losses.sum()), float(difference.sum()), float((difference**2).sum())
    )


def _tried(candidate: Candidate, sums: list[Sums]) -> Tried:
    """Return the mean difference over all test leads, and its standard error.

    Leads of one cut-off share a model, and its luck. The standard error is therefore the larger of
    two: over leads, and over cut-offs (cluster-robust, ``K/(K-1)`` for K cut-offs).
    """
    n = np.array([part.n for part in sums], dtype=np.float64)
    difference = np.array([part.difference for part in sums])
    total, squares = n.sum(), sum(part.squares for part in sums)
    mean = float(difference.sum() / total)
    over_leads = np.sqrt(max(squares / total - mean**2, 0.0) / total)
    k = len(sums)
    over_origins = np.sqrt(((difference - n * mean) ** 2).sum() * k / max(k - 1, 1)) / total
    return Tried(
        candidate.name,
        candidate.words,
        float(sum(part.loss for part in sums) / total),
        mean,
        float(max(over_leads, over_origins)),
    )


def _unchanged(n_origins: int, stopped_early: bool = False) -> RecipeChoice:
    words = Names(
        ja="過去のデータが少ないため、標準のレシピのままです。",
        en="Too little of the past can be tried, so the default recipe stays.",
    )
    if stopped_early:
        words = Names(
            ja="時間切れのため、標準のレシピのままです。",
            en="Time was up, so the default recipe stays.",
        )
    return RecipeChoice("default", (), n_origins, stopped_early, words)


def _in_words(chosen: list[Tried], n: int, stopped: bool) -> Names:
    ja = "、".join(one.words.ja for one in chosen)
    en = ", ".join(one.words.en for one in chosen)
    end = ("時間切れです。", " Time was up.") if stopped else ("", "")
    return Names(
        ja=f"{n}通りを試し、「{ja}」を選びました。{end[0]}",
        en=f"Of {n} recipes tried: {en}.{end[1]}",
    )
