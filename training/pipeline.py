"""Train a model from files: the main job of this side, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from features.definition import LeadDefinition, load_definition
from features.errors import NotEnoughEvidence
from features.leads import read_history
from features.scorer import LeadScorer
from features.source_map import SourceMap, load_source_map
from training.champion import Champion
from training.choice import RecipeChoice, choose_recipe
from training.disagreements import find_disagreements
from training.drift import watch_drift
from training.evaluation import Backtest, backtest, calibrated
from training.explanation_checks import check_explanations
from training.feedback import what_feedback_changed
from training.gate import Verdict, judge_gate
from training.gate_segments import parts_of
from training.labels import label_counts
from training.leaks import LeakScan, scan_history
from training.recipe import Learned, Recipe, learn
from training.reference import describe_past
from training.remaining import with_remaining_time
from training.rolling import first_cut_off
from training.splits import as_of_history
from training.trained_model import TrainedModel

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = ["Progress", "Rules", "TrainedModel", "as_of_history", "train", "train_on"]

Progress = Callable[[str], None]
"""Told the name of each step as it begins."""


@dataclass(frozen=True)
class Rules:
    """What a run does beside learning, and against what it is held.

    Attributes
    ----------
    champion : Champion or None
        The model in use; without one, base rates by channel stand in.
    choice_seconds : float
        Time for choosing among recipes, in seconds; 0 takes the given one.
    keep_in : Path or None
        Folder in which finished trials of that choice are kept, for a run that was interrupted.
    draws : int
        How often leads are drawn anew to see whether reasons stay; 0 for not at all.
    """

    champion: Champion | None = None
    choice_seconds: float = 0.0
    keep_in: Path | None = None
    draws: int = 5


def train(
    leads: Sequence[str | Path],
    source_map: str | Path,
    definition: str | Path | None = None,
    *,
    recipe: Recipe | None = None,
    rules: Rules | None = None,
    use_good_rows: bool = False,
    today: date | None = None,
    tell: Progress = lambda _: None,
) -> TrainedModel:
    """Train on exported files.

    Parameters
    ----------
    leads : sequence of path
        The files that the source map speaks of.
    source_map : path
        How they are read.
    definition : path, optional
        The agreement; the packaged one by default.
    recipe : Recipe, optional
        Form of the model.
    rules : Rules, optional
        The champion, and what is done beside learning.
    use_good_rows : bool
        Leave out rows with findings instead of stopping.
    today : date, optional
        Day after which no event may lie; the clock's by default.
    tell : callable
        Told each step as it begins.

    Raises
    ------
    LeadQualityError
        If a file, the definition or the source map cannot be used; the message says what to do.
    """
    tell("Reading the definition and the source map")
    agreed: LeadDefinition = load_definition(definition)
    how: SourceMap = load_source_map(source_map)
    tell("Reading and checking the leads")
    history = read_history(
        [Path(path) for path in leads], agreed, how, use_good_rows=use_good_rows, today=today
    )
    model = train_on(history, agreed, recipe=recipe, rules=rules, tell=tell)
    files = [Path(path) for path in leads]
    return replace(
        model,
        origin={
            "files": ", ".join(path.name for path in files),
            "files_sha256": ", ".join(_sha256(path) for path in files),
        },
        documents={"source_map.yaml": Path(source_map).read_text("utf-8-sig")},
    )


def train_on(
    history: LeadHistory,
    definition: LeadDefinition,
    *,
    as_of: datetime | None = None,
    recipe: Recipe | None = None,
    rules: Rules | None = None,
    tell: Progress = lambda _: None,
) -> TrainedModel:
    """Train on leads that are already read and checked.

    The fields are scanned for what nobody knows at arrival, the recipe is chosen and judged on days
    in the past, then it learns from all leads and takes over the calibration that the newest ones
    taught; its reasons are checked, and the gate says whether it may be used.
    """
    with threadpool_limits(limits=1):  # more threads add up in another order: other last bits
        return _train_on(history, definition, as_of, recipe or Recipe(), rules or Rules(), tell)


def _train_on(
    history: LeadHistory,
    definition: LeadDefinition,
    as_of: datetime | None,
    recipe: Recipe,
    given: Rules,
    tell: Progress,
) -> TrainedModel:
    until = as_of or (as_of_history(history) if history.mode == "history" else None)
    tell("Looking for fields that know the future")
    leaks = scan_history(history, definition, as_of=until)
    chosen, choice = _choose(history, definition, until, recipe, given, tell)
    tell = with_remaining_time(tell)
    judged = backtest(
        history, definition, as_of=until, recipe=chosen, champion=given.champion, tell=tell
    )
    tell("Learning from all leads")
    learned = learn(history, definition, as_of=until, recipe=chosen)
    tell("Describing past leads")
    scorer = _described(learned, judged if chosen.calibrates else None)
    facts = _facts(history, scorer, learned, judged, leaks, choice, given, tell)
    tell("Asking the gate")
    today = until or datetime.now(UTC)  # a snapshot is as old as its training
    facts["as_of"] = today.isoformat()
    verdict = _verdict(history, scorer, learned, judged, leaks, today, given)
    told = LeadScorer(
        scorer.encoder,
        scorer.raw_tables,
        scorer.acceptance,
        scorer.calibration,
        scorer.reference,
        {**judged.document(), **facts, "verdict": verdict.document()},
    )
    return TrainedModel(told, learned, judged, verdict, leaks, history.findings, chosen)


def _choose(
    history: LeadHistory,
    definition: LeadDefinition,
    until: datetime | None,
    recipe: Recipe,
    rules: Rules,
    tell: Progress,
) -> tuple[Recipe, RecipeChoice | None]:
    """Choose on the leads before the first cut-off of the judgement, else it would be flattered."""
    if rules.choice_seconds <= 0:
        return recipe, None
    try:
        day, rows = first_cut_off(history, definition, until)
    except NotEnoughEvidence:
        return recipe, None
    return choose_recipe(
        history,
        definition,
        as_of=day,
        rows=rows,
        recipe=recipe,
        time_limit_seconds=rules.choice_seconds,
        keep_in=rules.keep_in,
        tell=tell,
    )


def _described(learned: Learned, judged: Backtest | None) -> LeadScorer:
    """Return the model as it would be served, with what past leads looked like."""
    scorer = calibrated(learned.scorer, 0.0 if judged is None else judged.shift)
    return LeadScorer(
        scorer.encoder,
        scorer.raw_tables,
        scorer.acceptance,
        scorer.calibration,
        describe_past(scorer, learned.codes, learned.labels),
    )


def _facts(
    history: LeadHistory,
    scorer: LeadScorer,
    learned: Learned,
    judged: Backtest,
    leaks: LeakScan,
    choice: RecipeChoice | None,
    rules: Rules,
    tell: Progress,
) -> dict[str, Any]:
    """Return what else there is to know of the model, by the names of ``evaluation.json``."""
    definition, labels, rows = scorer.definition, learned.labels, learned.rows
    explained = check_explanations(
        scorer,
        learned,
        history,
        definition,
        recipe=judged.recipe,
        n_draws=rules.draws,
        tell=tell,
    )
    tell("Comparing what sales decided with what became of the leads")
    apart = find_disagreements(learned.codes, scorer.encoder, labels, learned.teacher, rows=rows)
    facts: dict[str, Any] = {
        "learnt": {
            **label_counts(labels, rows),
            "method": scorer.method,
            "main_horizon": scorer.main_horizon,
        },
        "reasons": [
            {"reason": one.reason, "treatment": one.treatment, "n": one.n} for one in labels.counts
        ],
        "leaks": leaks.document(),
        "explanations": explained.document(),
        "disagreements": apart.document(),
        "shifts": None if learned.shifts is None else learned.shifts.document(),
        "choice": None if choice is None else choice.document(),
    }
    champion = rules.champion
    if champion is not None and champion.as_of is not None and history.mode == "history":
        facts["feedback"] = what_feedback_changed(
            champion.scorer,
            scorer,
            history,
            learned.codes,
            since=champion.as_of,
            recipe_changed=champion.recipe != judged.recipe
            or champion.scorer.definition.fingerprint != definition.fingerprint,
        ).document()
    facts["drift"] = _drift(history, definition, champion)
    return facts


def _drift(
    history: LeadHistory, definition: LeadDefinition, champion: Champion | None
) -> dict[str, Any] | None:
    """Return how the newest leads differ from those that the model in use learnt from."""
    if champion is None or history.mode != "history":
        return None
    try:
        return watch_drift(champion.scorer, history, definition).document()
    except NotEnoughEvidence:
        return None


def _verdict(
    history: LeadHistory,
    scorer: LeadScorer,
    learned: Learned,
    judged: Backtest,
    leaks: LeakScan,
    today: datetime,
    rules: Rules,
) -> Verdict:
    judgement = judged.judgement
    return judge_gate(
        judgement,
        scorer,
        parts=() if judgement is None else parts_of(judgement, history),
        champion=rules.champion,
        leaks=leaks,
        audit=judged.audit,
        codes=learned.codes[learned.rows],
        n_wins=learned.labels.n_wins,
        as_of=today,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
