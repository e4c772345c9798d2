"""The chosen recipe where everything drifts, beside the default, logistic regression, naive Bayes.

``python -m tests.bench.drift_choice_table --seeds 1 2 3 4 5 6 7 8 9 10 --leads 8000 --json FILE``
prints what each model says of all test leads of worlds with drift 3, against the known truth. With
``--real DIR`` it prints the funnel of the real data at its four cut-offs instead.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.definition import LeadDefinition, load_definition
from features.encoder import LeadEncoder
from features.leads import LeadHistory, read_history
from features.source_map import load_source_map
from training.bootstrap import paired_difference
from training.calibrate import calibration_shift
from training.choice import RecipeChoice, choose_recipe
from training.judging import judge_origin
from training.labels import HistoryLabels, label_history
from training.lineage import calibrated
from training.metrics import Interval, evaluate, log_loss
from training.naive_bayes import FrequencyNaiveBayes
from training.recipe import Learned, Recipe, learn, teach
from training.splits import last_span
from training.teacher import HazardTeacher
from training.worlds import World, WorldSettings, make_world

__all__ = [
    "OPPONENTS",
    "Asked",
    "accepted_differences",
    "ask_world",
    "bayes_chances",
    "differences",
    "linear_chances",
    "lines_of",
    "main",
    "real_lines",
]

Floats = NDArray[np.float64]
OPPONENTS = ("default", "linear", "naive_bayes")
HORIZON = 90
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@dataclass(frozen=True, eq=False)
class Asked:
    """What every model says of the test leads of one world, at 90 days.

    Attributes
    ----------
    seed : int
        Of the world.
    chance, outcome : ndarray of float
        The truth, and what would happen to each lead if it were worked.
    promised : dict of str to ndarray of float
        By model; ``chosen`` and ``default`` are students as they would be served, ``teacher`` is
        what the chosen recipe says of leads that sales has accepted.
    accepted_chance, propensity : ndarray of float
        The truth of a lead if sales accepts it, and the chance that it does.
    choice : RecipeChoice
        What was chosen, and from what.
    seconds : float
        Processor time of the choice.
    """

    seed: int
    chance: Floats
    outcome: Floats
    promised: dict[str, Floats]
    accepted_chance: Floats
    propensity: Floats
    choice: RecipeChoice
    seconds: float


def ask_world(settings: WorldSettings) -> Asked:
    """Choose a recipe in one world, and ask it and its opponents about the leads after it."""
    world = make_world(settings)
    history = _with_test_leads(world)
    began = settings.end - timedelta(days=settings.days)
    definition = load_definition().model_copy(update={"recording_began": began})
    start = time.process_time()
    recipe, choice = choose_recipe(history, definition, as_of=world.cut_off)
    seconds = time.process_time() - start
    test = np.arange(len(history.leads)) >= settings.n_leads
    default = learn(history, definition, as_of=world.cut_off)
    promised = {"default": _served(default, history, definition, Recipe(), test)}
    promised["chosen"], chosen = promised["default"], default
    if recipe != Recipe():
        chosen = learn(history, definition, as_of=world.cut_off, recipe=recipe)
        promised["chosen"] = _served(chosen, history, definition, recipe, test)
    column = definition.horizons.index(HORIZON)
    promised["teacher"] = chosen.teacher_probabilities()[test, column]
    promised["linear"] = linear_chances(default)[test]
    promised["naive_bayes"] = bayes_chances(history, definition, default)[test]
    truth = world.test_truth()
    outcome = (truth["won_days"] <= HORIZON).to_numpy(dtype=float)
    chance, accepted, propensity = (
        truth[name].to_numpy() for name in (f"p_{HORIZON}", f"worked_{HORIZON}", "propensity")
    )
    return Asked(settings.seed, chance, outcome, promised, accepted, propensity, choice, seconds)


def linear_chances(default: Learned) -> Floats:
    """Return the chances of the baseline ``linear``: the default teacher's regression, alone."""
    assert isinstance(default.teacher, HazardTeacher)
    return default.teacher.probabilities(default.codes, (HORIZON,), "glm")[:, 0]


def bayes_chances(history: LeadHistory, definition: LeadDefinition, default: Learned) -> Floats:
    """Return the chances of the baseline ``naive_bayes`` without fitting the other baselines."""
    labels, there = default.labels, default.rows
    assert isinstance(labels, HistoryLabels)
    fine = LeadEncoder.fit(history, definition, there, min_leads=1, max_bins=254)
    codes = fine.encode_history(history)
    won = there & ~np.isnan(labels.won_days)
    lost = there & ~won & (labels.lost | np.isin(labels.state, ("rejected", "left_out")))
    kinds = tuple(given.kind for given in fine.inputs)
    closed = won | lost
    counts = FrequencyNaiveBayes.fit(codes[closed], fine.sizes, kinds, won[closed].astype(float))
    return counts.probabilities(codes)


def lines_of(asked: Sequence[Asked]) -> pd.DataFrame:
    """Return KL × 1000, log loss and promised over true wins by model, means over worlds."""
    rows = []
    for world in asked:
        for name, promised in {**world.promised, "truth": world.chance}.items():
            kl = log_loss(world.chance, promised) - log_loss(world.chance, world.chance)
            rows.append(
                {
                    "model": name,
                    "seed": world.seed,
                    "kl_90": 1000 * kl,
                    "log_loss_90": log_loss(world.outcome, promised),
                    "ratio_90": promised.mean() / world.chance.mean(),
                    "kl_90_accepted": 1000 * _excess(world, promised),
                }
            )
    return pd.DataFrame(rows)


def differences(asked: Sequence[Asked]) -> dict[str, Interval]:
    """Return the log loss of the chosen recipe minus that of each opponent, over all test leads."""
    outcome = np.concatenate([world.outcome for world in asked])

    def of(name: str) -> Floats:
        return np.concatenate([world.promised[name] for world in asked])

    return {name: paired_difference(outcome, of("chosen"), of(name)) for name in OPPONENTS}


def accepted_differences(asked: Sequence[Asked]) -> dict[str, Interval]:
    """Return the same for the teacher on leads that sales would accept, by their true chances."""
    chance = np.concatenate([world.accepted_chance for world in asked])
    weight = np.concatenate([world.propensity for world in asked])

    def of(name: str) -> Floats:
        return np.concatenate([world.promised[name] for world in asked])

    return {
        name: paired_difference(chance, of("teacher"), of(name), weight=weight)
        for name in ("linear", "naive_bayes")
    }


def real_lines(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield figures on the real funnel: default, and chosen anew at each cut-off from its past."""
    from training.pipeline import as_of_history
    from training.results import TASKS

    task = next(task for task in TASKS if task.cut_offs)
    definition = load_definition(EXAMPLES / f"{task.maps}.definition.yaml")
    how = load_source_map(EXAMPLES / f"{task.maps}.source_map.yaml")
    history = read_history([folder / name for name in task.files], definition, how)
    today = as_of_history(history)
    parts: dict[str, list[tuple[Floats, Floats, Floats]]] = {"default": [], "chosen": []}
    horizons: tuple[int, ...] = definition.horizons
    for day in task.cut_offs:
        cut_off = datetime.fromisoformat(day).replace(tzinfo=definition.zone)
        recipe, choice = choose_recipe(history, definition, as_of=cut_off)
        sys.stderr.write(f"{day}: {choice.chosen}, {choice.n_origins} cut-offs before it\n")
        for name, form in (("default", Recipe()), ("chosen", recipe)):
            judged = judge_origin(history, definition, cut_off, today, test_days=30.0, recipe=form)
            horizons = tuple(h for h in horizons if h in judged.horizons)
            at = [judged.horizons.index(h) for h in horizons]
            found = (judged.outcome, judged.probabilities["student"], judged.weight)
            parts[name].append(tuple(array[:, at] for array in found))  # type: ignore[arg-type]
    for name, pieces in parts.items():
        for place, horizon in enumerate(horizons):
            outcome, promised, weight = (
                np.concatenate([piece[k][:, place] for piece in pieces]) for k in range(3)
            )
            figures = evaluate(outcome, promised, weight)
            yield {
                "model": name,
                "horizon": horizon,
                "n": figures.n,
                "log_loss": figures.log_loss,
                "predicted_over_observed": list(figures.predicted_over_observed),
            }


def _excess(world: Asked, promised: Floats) -> float:
    """Return the log loss above the truth's, on leads that sales would accept."""
    chance = world.accepted_chance
    losses = [log_loss(chance, each, world.propensity) for each in (promised, chance)]
    return losses[0] - losses[1]


def _with_test_leads(world: World) -> LeadHistory:
    """Return the training part with the test leads behind it, whose outcomes are not in it."""
    known, later = world.training_part(), world.test_part()
    leads = pd.concat([known.leads, later.leads], ignore_index=True)
    leads["sequence"] = np.arange(len(leads))
    acts = pd.concat([known.behaviours, later.behaviours], ignore_index=True)
    return replace(
        known,
        leads=leads,
        fields=pd.concat([known.fields, later.fields], ignore_index=True),
        later=pd.concat([known.later, later.later], ignore_index=True),
        behaviours=acts.sort_values("at", kind="stable", ignore_index=True),
    )


def _served(
    learned: Learned,
    history: LeadHistory,
    definition: LeadDefinition,
    recipe: Recipe,
    test: NDArray[np.bool_],
) -> Floats:
    """Return the student's chances, calibrated by an older teacher on the newest leads."""
    shift = 0.0
    if recipe.calibrates:
        as_of = learned.labels.as_of  # type: ignore[union-attr]
        follow_days = definition.main_horizon / 2
        newest = last_span(history, as_of, share=0.2, follow_days=follow_days)
        taught = teach(history, definition, newest.cut_off, recipe=recipe)
        if taught.teacher is not None:
            known = label_history(history, definition, as_of)
            shift = calibration_shift(
                taught.teacher.probabilities(taught.codes, definition.horizons),
                known,
                definition.horizons,
                definition.main_horizon,
                ~taught.rows & (known.state != "not_arrived"),
            ).shift
    scorer = calibrated(learned.scorer, shift)
    column = scorer.horizons.index(HORIZON)
    return np.asarray(scorer.probabilities(learned.codes[test])[:, column])


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--leads", type=int, default=8_000)
    parser.add_argument("--test", type=int, default=5_000)
    parser.add_argument("--drift", type=float, default=3.0)
    parser.add_argument("--prejudice", type=float, default=1.5)
    parser.add_argument("--real", type=Path, help="folder of the real data, instead of worlds")
    parser.add_argument("--json", type=Path, help="write every figure here")
    chosen = parser.parse_args(given)
    if chosen.real:
        rows = list(real_lines(chosen.real))
        sys.stdout.write(pd.DataFrame(rows).to_string(index=False) + "\n")
        if chosen.json:
            chosen.json.write_text(json.dumps(rows, indent=1), "utf-8")
        return 0
    base = WorldSettings(
        n_leads=chosen.leads,
        n_test=chosen.test,
        drift=chosen.drift,
        prejudice=chosen.prejudice,
        leaks=(),
    )
    asked: list[Asked] = []
    for seed in chosen.seeds:
        asked.append(ask_world(replace(base, seed=seed)))
        sys.stderr.write(
            f"seed {seed}: {asked[-1].choice.chosen} in {asked[-1].seconds:.0f} CPU s\n"
        )
        if chosen.json:
            chosen.json.write_text(_as_json(asked), "utf-8")
    table = lines_of(asked).groupby("model", sort=False).mean().drop(columns="seed")
    sys.stdout.write(table.round(4).to_string() + "\n\n")
    for name, found in differences(asked).items():
        sys.stdout.write(
            f"chosen - {name}: {found.value:+.5f} [{found.low:+.5f}, {found.high:+.5f}]\n"
        )
    for name, found in accepted_differences(asked).items():
        sys.stdout.write(
            f"accepted leads, teacher - {name}: "
            f"{found.value:+.5f} [{found.low:+.5f}, {found.high:+.5f}]\n"
        )
    return 0


def _as_json(asked: Sequence[Asked]) -> str:
    return json.dumps(
        {
            "lines": lines_of(asked).to_dict("records"),
            "differences": {name: list(found) for name, found in differences(asked).items()},
            "accepted_differences": {
                name: list(found) for name, found in accepted_differences(asked).items()
            },
            "choices": [
                {"seed": one.seed, "cpu_seconds": one.seconds, **one.choice.document()}
                for one in asked
            ],
        },
        indent=1,
    )


if __name__ == "__main__":
    sys.exit(main())
