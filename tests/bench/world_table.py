"""The acceptance table over worlds: how far from the truth is what is served, and what else is?

``python -m tests.bench.world_table --seeds 1 2 3 4 --prejudice 0 1.5 3 --leads 16000 --json FILE``
prints one line for each model and prejudice. KL × 1000 is the mean log loss above the truth's.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.definition import LeadDefinition, load_definition
from features.leads import LeadHistory
from features.scorer import Calibration, LeadScorer
from tests.bench.alternatives import ALTERNATIVES, Setting
from training.calibrate import calibration_shift
from training.labels import HistoryLabels, label_history
from training.metrics import roc_auc
from training.recipe import Recipe, learn, teach
from training.soft_labels import soft_labels
from training.splits import last_span
from training.student import StudentSettings, fit_student
from training.teacher import HazardTeacher, Part
from training.worlds import HORIZONS, World, WorldSettings, make_world

__all__ = ["FORMS", "Line", "judge_world", "main", "summarise", "table_json", "table_text"]

Floats = NDArray[np.float64]

FORMS = {
    "form_15x200": StudentSettings(trees=200, leaves=15, depth=-1, pairs=None, starts_linear=False),
    "form_15x200_start": StudentSettings(trees=200, leaves=15, depth=-1, pairs=None),
    "form_no_start": StudentSettings(starts_linear=False),
    "form_all_pairs": StudentSettings(pairs=None),
}
"""Other forms of the student on the same soft labels (`--forms`)."""


PARTS: dict[str, Part] = {"teacher": "both", "teacher_glm": "glm", "teacher_booster": "booster"}
"""The teacher and its halves: what worked leads alone say."""


@dataclass(frozen=True)
class Line:
    """One model in one world.

    Attributes
    ----------
    model : str
        ``student`` is what is served; ``truth`` the best there is.
    prejudice, seed
        Of the world.
    kl_30, kl_90, kl_180, kl_365 : float
        Mean KL(truth, promise) × 1000 on the test leads, in nats.
    auc_90 : float
        Against what would have happened within 90 days.
    ratio_90, prejudiced_90, rejected_90 : float
        Mean promise over mean truth: all test leads; small firms and webinar leads; leads weighted
        by how likely sales turns them away.
    """

    model: str
    prejudice: float
    seed: int
    kl_30: float
    kl_90: float
    kl_180: float
    kl_365: float
    auc_90: float
    ratio_90: float
    prejudiced_90: float
    rejected_90: float


def judge_world(settings: WorldSettings, *, forms: bool = False) -> Iterator[Line]:
    """Yield a line for what is served, its parts, and every alternative, in one world."""
    world = make_world(settings)
    history, future = world.training_part(), world.test_part()
    definition = _definition(settings)
    learned = learn(history, definition, as_of=world.cut_off)
    assert isinstance(learned.labels, HistoryLabels)
    encoder = learned.scorer.encoder
    codes = encoder.encode_history(future)
    shift = _calibration(history, definition, world, learned.scorer.horizons)
    given = learned.scorer.calibration
    served = LeadScorer(
        encoder,
        learned.scorer.raw_tables,
        learned.scorer.acceptance,
        Calibration(given.mode, given.method, given.main_horizon, shift),
    )
    task = Setting(encoder, learned.codes, learned.labels, codes, HORIZONS)
    truth = world.test_truth()
    promised = {"student": _all_horizons(served, codes)}
    promised["student_uncalibrated"] = _all_horizons(learned.scorer, codes)
    if isinstance(learned.teacher, HazardTeacher):
        for name, part in PARTS.items():
            promised[name] = learned.teacher.probabilities(codes, HORIZONS, part)
        soft = soft_labels(
            learned.teacher.probabilities(learned.codes, HORIZONS), learned.labels, definition
        )
        for name, form in FORMS.items() if forms else ():
            student = fit_student(
                learned.codes[soft.rows], encoder, soft.probabilities, HORIZONS, settings=form
            )
            promised[name] = 1 / (1 + np.exp(-student.logits(codes)))
    promised |= {name: fitted(task) for name, fitted in ALTERNATIVES.items()}
    chances = _chances(truth)
    promised["best_constant"] = np.tile(chances.mean(axis=0), (len(truth), 1))
    promised["truth"] = chances
    for model, promise in promised.items():
        yield _line(model, settings, truth, promise)


def summarise(lines: Sequence[Line]) -> pd.DataFrame:
    """Return means over seeds, and the standard deviation of KL at 90 days, in table order."""
    every = pd.DataFrame([asdict(line) for line in lines])
    grouped = every.groupby(["prejudice", "model"], sort=False)
    table = grouped.mean().drop(columns="seed")
    table.insert(2, "sd_90", grouped["kl_90"].std().fillna(0.0))
    return table.reset_index()


def table_text(table: pd.DataFrame) -> str:
    """Return the table as text."""
    digits = {name: "{:.2f}".format for name in table if str(name).startswith(("kl", "sd"))}
    ratios = ("auc_90", "ratio_90", "prejudiced_90", "rejected_90")
    digits |= dict.fromkeys(ratios, "{:.3f}".format)
    return table.to_string(index=False, formatters=digits)


def table_json(lines: Sequence[Line]) -> str:
    """Return every line and the table as one JSON document."""
    table = summarise(lines).to_dict("records")
    return json.dumps({"lines": [asdict(line) for line in lines], "table": table}, indent=1)


def _definition(settings: WorldSettings) -> LeadDefinition:
    began = settings.end - timedelta(days=settings.days)
    return load_definition().model_copy(update={"recording_began": began})


def _calibration(
    history: LeadHistory, definition: LeadDefinition, world: World, horizons: Sequence[int]
) -> float:
    """Measure the shift as a training run does: an older teacher on the newest leads."""
    newest = last_span(history, world.cut_off, share=0.2, follow_days=definition.main_horizon / 2)
    taught = teach(history, definition, newest.cut_off, recipe=Recipe())
    if taught.teacher is None:
        return 0.0
    known = label_history(history, definition, world.cut_off)
    return calibration_shift(
        taught.teacher.probabilities(taught.codes, horizons),
        known,
        horizons,
        definition.main_horizon,
        ~taught.rows & (known.state != "not_arrived"),
    ).shift


def _all_horizons(scorer: LeadScorer, codes: NDArray[np.int32]) -> Floats:
    """Return chances at all horizons; a horizon that may not be published is NaN."""
    promise = np.full((len(codes), len(HORIZONS)), np.nan)
    places = [HORIZONS.index(days) for days in scorer.horizons]
    promise[:, places] = scorer.probabilities(codes)
    return promise


def _chances(truth: pd.DataFrame) -> Floats:
    return truth[[f"p_{days}" for days in HORIZONS]].to_numpy()


def _line(model: str, settings: WorldSettings, truth: pd.DataFrame, promise: Floats) -> Line:
    chances = _chances(truth)
    safe = np.clip(promise, 1e-6, 1 - 1e-6)
    excess = chances * np.log(chances / safe) + (1 - chances) * np.log((1 - chances) / (1 - safe))
    kl = dict(zip(HORIZONS, 1000 * excess.mean(axis=0), strict=True))
    true_90, promised_90 = chances[:, 1], promise[:, 1]
    group = truth["is_prejudiced"].to_numpy(dtype=float)
    turned_away = 1 - truth["propensity"].to_numpy()

    def ratio(weight: Floats) -> float:
        return float((weight * promised_90).sum() / (weight * true_90).sum())

    return Line(
        model=model,
        prejudice=settings.prejudice,
        seed=settings.seed,
        kl_30=float(kl[30]),
        kl_90=float(kl[90]),
        kl_180=float(kl[180]),
        kl_365=float(kl[365]),
        auc_90=roc_auc((truth["won_days"] <= 90).to_numpy(dtype=float), promised_90),
        ratio_90=ratio(np.ones(len(truth))),
        prejudiced_90=ratio(group),
        rejected_90=ratio(turned_away),
    )


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--prejudice", type=float, nargs="+", default=[0.0, 1.5, 3.0])
    parser.add_argument("--leads", type=int, default=16_000)
    parser.add_argument("--shift", type=float, default=-0.7)
    parser.add_argument("--forms", action="store_true", help="other forms of the student too")
    parser.add_argument("--json", type=Path, help="write every line and the table here")
    chosen = parser.parse_args(given)
    base = WorldSettings(n_leads=chosen.leads, rejection_shift=chosen.shift, leaks=())
    lines: list[Line] = []
    for prejudice in chosen.prejudice:
        for seed in chosen.seeds:
            began = time.monotonic()
            lines += judge_world(replace(base, prejudice=prejudice, seed=seed), forms=chosen.forms)
            took = time.monotonic() - began
            sys.stderr.write(f"prejudice {prejudice:g}, seed {seed}: {took:.0f} s\n")
            if chosen.json:
                chosen.json.write_text(table_json(lines), "utf-8")
    sys.stdout.write(table_text(summarise(lines)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
