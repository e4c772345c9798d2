"""How often the gate lets a better model pass, and how often one that is no better.

``python -m tests.bench.gate_table --worlds 100 --json FILE`` makes that many worlds of 4,000 leads
and judges pairs of challenger and champion in each. What is true of a pair is known: the expected
log loss of both at the judging horizon under the world's own chances, over the judged leads.

The pairs: the learned model against base rates by channel, against itself without behaviour, with
behaviour turned into noise, without industry, product and source, cut down to ten trees, with
another seed, promising too much by half a log-odds, and against the artefact of the oldest cut-off
left as it was, each both ways; and models made from the truth itself with errors of stated size,
which give equal pairs that err in different places, and effects in between.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.definition import LeadDefinition, load_definition
from features.encoder import LeadEncoder
from features.leads import LeadHistory
from training.base_rates import base_rate_tables
from training.calibrate import calibration_shift
from training.gate import decide, judging_column
from training.gate_conditions import Comparison
from training.labels import HistoryLabels, label_history
from training.metrics import censoring_weights
from training.recipe import Recipe, distil, shown_encoder, teach_codes
from training.rolling import judged_spans
from training.student import StudentSettings
from training.worlds import HORIZONS, World, WorldSettings, make_world

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEADS, CUT_OFFS = 4_000, 3
WORLD = {"days": 1_460, "prejudice": 0.0, "unseen": 1.2}
"""Four years: with fewer, 4,000 leads mostly have not the 100 wins that the gate asks for."""
OFF = 0.5
"""Log-odds by which the champion ``off`` promises too much."""
FORM = StudentSettings(trees=80, scout_trees=40)
FEW_TREES = StudentSettings(trees=10, scout_trees=10, starts_linear=False)
BEHAVIOUR = (
    "page_views_30d", "pricing_views_30d", "downloads_90d", "webinar_minutes_90d",
    "mail_opens_30d", "days_since_page_view",
)  # fmt: skip
OTHERS = ("seed", "no_behaviour", "noise", "few_fields", "few_trees", "stale", "off")
MADE = {"truth": 0.0, "near": 0.3, "near_too": 0.3, "far": 0.7, "far_too": 0.7}
"""Models made from the truth: standard deviation of an error in log-odds, each of its own draw."""
PAIRS = (
    ("full", ""),
    *(("full", other) for other in OTHERS),
    *((other, "full") for other in OTHERS),
    ("few_fields", "no_behaviour"),
    ("no_behaviour", "few_fields"),
    ("truth", "near"), ("truth", "far"), ("truth", "full"), ("near", "full"), ("near", "far"),
    ("near", "near_too"), ("far", "far_too"), ("far", "near"), ("far", "truth"),
)  # fmt: skip
"""Challenger and champion; no champion: base rates by channel."""
BETTER = -3e-3
BINS = {
    "better by > 10e-3": (-np.inf, -10e-3),
    "better by 5 to 10e-3": (-10e-3, -5e-3),
    "better by 3 to 5e-3": (-5e-3, BETTER),
    "better by < 3e-3": (BETTER, -0.5e-3),
    "equal (within 0.5e-3)": (-0.5e-3, 0.5e-3),
    "worse": (0.5e-3, np.inf),
}
_AGE = 200.0


@dataclass(frozen=True)
class Trial:
    """One pair in one world.

    Attributes
    ----------
    seed : int
        Of the world.
    challenger, champion : str
        Names of the models; an empty champion is base rates by channel.
    effect : float
        True log loss at the judging horizon, challenger minus champion, on the judged leads.
    possible : float
        Power at 5 % of the best test there is when the challenger is the truth, at this effect and
        these leads: ``Φ(√(n · effect / 2) - 1.645)``. 0 where it is not better.
    rule : str
        By which the gate would promote it; empty where it would not. The champion counts as
        stale, so what is only not worse appears as ``refresh``.
    measured : bool
        Whether the paired test alone says "better".
    failed : str
        Conditions that stand in the way.
    n_won : int
        Evaluable wins at the judging horizon.
    """

    seed: int
    challenger: str
    champion: str
    effect: float
    possible: float
    rule: str
    measured: bool
    failed: str
    n_won: int


@dataclass(frozen=True, eq=False)
class Stand:
    """The judged leads of one cut-off; every array has a column for each of `HORIZONS`."""

    lead: NDArray[np.intp]
    outcome: Floats
    weight: Floats
    served: dict[str, Floats]
    worked: dict[str, Floats]
    n_taught: int


def trials(seed: int, *, leads: int = LEADS) -> Iterator[Trial]:
    """Yield the gate's answer to every pair in one world."""
    world = make_world(WorldSettings(n_leads=leads, n_test=0, seed=seed, leaks=(), **WORLD))
    history, definition = world.training_part(), load_definition()
    known = label_history(history, definition, world.cut_off)
    truth = worked_truth(world)
    stands = list(_stands(history, definition, known, truth, seed))
    outcome = np.concatenate([stand.outcome for stand in stands])
    weight = np.concatenate([stand.weight for stand in stands])
    origin = np.repeat(np.arange(len(stands)), [len(stand.lead) for stand in stands])
    names = stands[0].served.keys() & stands[-1].served.keys()
    served = {name: np.concatenate([stand.served[name] for stand in stands]) for name in names}
    worked = {
        name: np.concatenate([stand.worked.get(name, stand.served[name]) for stand in stands])
        for name in names
    }
    column = judging_column(outcome, weight, HORIZONS.index(definition.main_horizon))
    chances = np.concatenate([truth[stand.lead] for stand in stands])
    for challenger, champion in PAIRS:
        found = Comparison(
            HORIZONS, column, outcome, weight, origin,
            student=served[challenger],
            worked=worked[challenger],
            mine=served[challenger] if champion else worked[challenger],
            theirs=served[champion or "base_rate_by_channel"],
            n_taught=stands[-1].n_taught,
        )  # fmt: skip
        yield _trial(seed, challenger, champion, found, served, chances)


def _trial(
    seed: int,
    challenger: str,
    champion: str,
    found: Comparison,
    baselines: dict[str, Floats],
    chances: Floats,
) -> Trial:
    told = (found.weight[:, found.column] > 0) & ~np.isnan(
        found.mine[:, found.column] + found.theirs[:, found.column]
    )
    mine, theirs, true = (
        array[told, found.column] for array in (found.mine, found.theirs, chances)
    )
    effect = float(np.mean(_expected_loss(true, mine) - _expected_loss(true, theirs)))
    verdict = decide(found, baselines, champion_version=champion, age_days=_AGE)
    better = next(one for one in verdict.conditions if one.name == "better")
    return Trial(
        seed,
        challenger,
        champion,
        effect,
        _normal(math.sqrt(told.sum() * -effect / 2.0) - 1.645) if effect < 0 else 0.0,
        verdict.rule,
        better.passed is True,
        ", ".join(verdict.failed),
        int(found.outcome[told, found.column].sum()),
    )


def _expected_loss(truth: Floats, chance: Floats) -> Floats:
    return np.asarray(-(truth * np.log(chance) + (1.0 - truth) * np.log1p(-chance)))


def _normal(z: float) -> float:
    return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))


def worked_truth(world: World) -> Floats:
    """Return P(win by each horizon | fields, accepted and worked), shape (n_leads, 4).

    The world keeps it at 90 days; what sales hears moves whether a lead buys, not how fast.
    """
    truth = world.training_truth()
    chances = truth[[f"p_{days}" for days in HORIZONS]].to_numpy()
    return np.asarray(chances * (truth["worked_90"] / truth["p_90"]).to_numpy()[:, None])


def _stands(
    history: LeadHistory,
    definition: LeadDefinition,
    known: HistoryLabels,
    truth: Floats,
    seed: int,
) -> Iterator[Stand]:
    """Learn every model at each cut-off; a fit is used by every pair that it is part of."""
    random = np.random.default_rng(seed)
    errors = {name: random.normal(0.0, sd, len(truth)) for name, sd in MADE.items()}
    shuffled = random.permutation(len(truth))
    earlier: Floats | None = None
    stale: Floats | None = None
    rows_before: Mask | None = None
    spans = judged_spans(history, definition, known, CUT_OFFS)
    # One encoder, of the oldest cut-off, for all: reading the leads takes longer than learning.
    encoder = LeadEncoder.fit(
        history, definition, label_history(history, definition, spans[0][0]).state != "not_arrived"
    )
    codes = encoder.encode_history(history)
    for cut_off, span in spans:
        test = span & known.worked & (known.entry_days == 0.0)
        labels = label_history(history, definition, cut_off)
        there = np.asarray(labels.state != "not_arrived")
        shift = 0.0
        if earlier is not None and rows_before is not None:
            main = definition.main_horizon
            newer = there & ~rows_before
            shift = calibration_shift(earlier, labels, HORIZONS, main, newer).shift
        served: dict[str, Floats] = {}
        worked: dict[str, Floats] = {}
        for name, recipe in _recipes().items():
            given = codes
            if name == "noise":
                given = codes.copy()
                columns = [k for k, one in enumerate(encoder.inputs) if one.field in BEHAVIOUR]
                given[:, columns] = codes[shuffled][:, columns]
            shown = shown_encoder(encoder, recipe.dropped_fields)
            kept = [k for k, one in enumerate(encoder.inputs) if one in shown.inputs]
            taught = teach_codes(given[:, kept], shown, labels, there, recipe)
            assert taught.teacher is not None
            chances = taught.teacher.probabilities(taught.codes, HORIZONS)
            worked[name] = _published(_moved(chances, shift), taught.published)
            forms = {name: recipe}
            if name == "full":
                earlier, rows_before = chances, there
                linear = taught.teacher.probabilities(taught.codes, HORIZONS, "glm")
                served["linear"] = _published(linear, taught.published)
                forms["few_trees"] = replace(recipe, student=FEW_TREES)
                worked["few_trees"] = worked[name]
            for form, chosen in forms.items():
                logits = distil(taught, definition, chosen).tables.logits(taught.codes) + shift
                served[form] = _published(
                    _chance(np.maximum.accumulate(logits, 1)), taught.published
                )
        served["off"] = _moved(served["full"], OFF)
        worked["off"] = _moved(worked["full"], OFF)
        stale = served["full"] if stale is None else stale
        served["stale"] = stale
        rates = base_rate_tables(encoder, codes, labels, there, HORIZONS)
        served["base_rate_by_channel"] = _spread(_chance(rates.logits(codes)), rates.horizons)
        served["base_rate"] = np.tile(
            np.nanmean(served["base_rate_by_channel"][there & labels.worked], 0), (len(codes), 1)
        )
        for name, error in errors.items():
            made = _chance(_log_odds(truth) + error[:, None])
            served[name] = np.where(np.isnan(served["full"]), np.nan, made)
        lead = np.flatnonzero(test)
        outcome, weight = np.zeros((len(lead), len(HORIZONS))), np.zeros((len(lead), len(HORIZONS)))
        for h, horizon in enumerate(HORIZONS):
            if (known.follow_up_days[lead] >= horizon).any():
                outcome[:, h], weight[:, h] = censoring_weights(
                    known.won_days[lead], known.follow_up_days[lead], horizon
                )
        yield Stand(
            lead, outcome, weight,
            {name: all_leads[lead] for name, all_leads in served.items()},
            {name: all_leads[lead] for name, all_leads in worked.items()},
            labels.n_wins,
        )  # fmt: skip


def _recipes() -> dict[str, Recipe]:
    full = Recipe(student=FORM)
    return {
        "full": full,
        "seed": replace(full, seed=1, student=replace(FORM, seed=1)),
        "no_behaviour": replace(full, dropped_fields=BEHAVIOUR),
        "noise": full,
        "few_fields": replace(full, dropped_fields=("industry", "product", "source")),
    }


def _published(chances: Floats, horizons: Sequence[int]) -> Floats:
    """Return chances with NaN at the horizons that would not be published."""
    return np.where(np.isin(HORIZONS, horizons), chances, np.nan)


def _spread(chances: Floats, horizons: Sequence[int]) -> Floats:
    spread = np.full((len(chances), len(HORIZONS)), np.nan)
    spread[:, [HORIZONS.index(horizon) for horizon in horizons]] = chances
    return spread


def _chance(log_odds: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))


def _log_odds(chance: Floats) -> Floats:
    return np.asarray(np.log(chance) - np.log1p(-chance))


def _moved(chance: Floats, shift: float) -> Floats:
    return _chance(_log_odds(chance) + shift)


def summarise(found: Sequence[Trial]) -> pd.DataFrame:
    """Return, for each size of the true effect, how often a challenger passed."""
    every = pd.DataFrame([asdict(trial) for trial in found])
    by_luck = every["rule"].isin(["better", "first_model"])
    lines = {}
    groups = {
        "all better by >= 3e-3": (-np.inf, BETTER),
        **BINS,
        "equal or worse": (-0.5e-3, np.inf),
    }
    for name, (low, high) in groups.items():
        inside = every["effect"].between(low, high, inclusive="left")
        lines[name] = {
            "pairs": int(inside.sum()),
            "mean_effect": every.loc[inside, "effect"].mean(),
            "promoted_as_better": by_luck[inside].mean(),
            "test_alone": every.loc[inside, "measured"].mean(),
            "best_possible": every.loc[inside, "possible"].mean(),
            "refresh": (every.loc[inside, "rule"] == "refresh").mean(),
        }
    return pd.DataFrame(lines).T.rename_axis("true effect").reset_index()


def by_pair(found: Sequence[Trial]) -> pd.DataFrame:
    """Return the same for each pair."""
    every = pd.DataFrame([asdict(trial) for trial in found])
    every["promoted"] = every["rule"].isin(["better", "first_model"])
    every["refresh"] = every["rule"] == "refresh"
    grouped = every.groupby(["challenger", "champion"], sort=False)
    figures = ["effect", "promoted", "measured", "possible", "refresh", "n_won"]
    return grouped[figures].mean().reset_index()


def failures(found: Sequence[Trial]) -> pd.Series:
    """Return how often each condition stood in the way of challengers better by 3e-3 or more."""
    named = [trial.failed.split(", ") for trial in found if trial.effect <= BETTER]
    counted = pd.Series([name for names in named for name in names if name], dtype=object)
    return counted.value_counts() / max(1, len(named))


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--first", type=int, default=1, help="seed of the first world")
    parser.add_argument("--leads", type=int, default=LEADS)
    parser.add_argument("--json", type=Path, help="write every trial and the table here")
    chosen = parser.parse_args(given)
    found: list[Trial] = []
    for seed in range(chosen.first, chosen.first + chosen.worlds):
        began = time.process_time()
        found += trials(seed, leads=chosen.leads)
        sys.stderr.write(
            f"seed {seed}: {time.process_time() - began:.0f} s, {found[-1].n_won} wins\n"
        )
        if chosen.json:
            document = {
                "trials": [asdict(trial) for trial in found],
                "table": summarise(found).to_dict("records"),
            }
            chosen.json.write_text(json.dumps(document, indent=1), "utf-8")
    for table in (summarise(found), by_pair(found)):
        sys.stdout.write(table.to_string(index=False, float_format="{:.4f}".format) + "\n\n")
    sys.stdout.write(failures(found).to_string(float_format="{:.3f}".format) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
