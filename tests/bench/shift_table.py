"""How well the audit lane tells what rejections mean: measured against true shifts over worlds.

``python -m tests.bench.shift_table --seeds 1 2 3 4 5 6 7 8 9 10 --shift 0 -0.7 -1.5 --json FILE``
prints one line for each world and a summary. The truth is the pooled shift at 90 days of all
rejected leads that the audit lane draws from (no competitors); the world's own setting counts
competitors too. ``--students`` also learns two students in each world, one with the measured
shifts and one with the definition's, and compares their KL at 90 days.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features.definition import load_definition
from training.recipe import Recipe, Taught, distil, teach
from training.worlds import HORIZONS, World, WorldSettings, make_world
from training.worlds.sales import pooled_shift

__all__ = ["Line", "main", "measure_world", "settings_for", "summarise"]

DEEP = -0.85
"""Below this shift the world's default weight of what no field says does not reach."""


@dataclass(frozen=True)
class Line:
    """One world.

    Attributes
    ----------
    setting, seed, leads
        The world's rejection shift, seed and size.
    true, estimate, low, high, assumed : float
        Pooled shifts: of the world, as measured with its interval, and as the definition assumes.
    n_audited, n_won : int
        Leads of the audit lane, and wins among them.
    reasons : float
        Root mean square error of the single reasons' shifts, bad timing left out.
    reasons_assumed : float
        The same of the definition's.
    kl_measured, kl_assumed : float
        KL × 1000 at 90 days of the student with the measured and with the assumed shifts.
    """

    setting: float
    seed: int
    leads: int
    true: float
    estimate: float
    low: float
    high: float
    assumed: float
    n_audited: int
    n_won: int
    reasons: float
    reasons_assumed: float
    kl_measured: float = float("nan")
    kl_assumed: float = float("nan")


def settings_for(shift: float, *, seed: int, leads: int, prejudice: float = 1.5) -> WorldSettings:
    """Return a world with an audit lane of 5 %; deep shifts need more of what no field says."""
    plain = WorldSettings(
        n_leads=leads,
        n_test=0,
        seed=seed,
        prejudice=prejudice,
        rejection_shift=shift,
        audit_share=0.05,
        leaks=(),
    )
    return replace(plain, unseen=2.0) if shift < DEEP else plain


def measure_world(settings: WorldSettings, *, students: bool = False) -> Line:
    """Teach on one world, measure its audit lane, and compare with the truth."""
    world = make_world(settings)
    began = settings.end - timedelta(days=settings.days)
    definition = load_definition().model_copy(update={"recording_began": began})
    taught = teach(world.training_part(), definition, world.cut_off)
    assert taught.shifts is not None
    found, truth = taught.shifts, world.training_truth()
    worked, own = truth["worked_90"].to_numpy(), truth["own_90"].to_numpy()
    reason = taught.labels.reason
    handled = truth["handling"].isin(["rejected", "audited", "recycled"]).to_numpy()
    drawn_from = handled & (reason != "competitor_student_spam")
    errors = []
    for code, one in found.by_reason.items():
        if code == "bad_timing":  # the truth of one lead does not count the moment it is at
            continue
        members = drawn_from & (reason == code)
        true = pooled_shift(worked[members], own[members])
        assumed = definition.shift(code, 90)
        errors.append((assumed + one.moved - true, assumed - true))
    kl = _students(world, taught) if students else (float("nan"), float("nan"))
    return Line(
        setting=settings.rejection_shift,
        seed=settings.seed,
        leads=settings.n_leads,
        true=pooled_shift(worked[drawn_from], own[drawn_from]),
        estimate=found.pooled.shift,
        low=found.pooled.low,
        high=found.pooled.high,
        assumed=found.pooled.prior,
        n_audited=found.pooled.n_audited,
        n_won=found.pooled.n_won,
        reasons=float(np.sqrt(np.mean([with_audit**2 for with_audit, _ in errors]))),
        reasons_assumed=float(np.sqrt(np.mean([without**2 for _, without in errors]))),
        kl_measured=kl[0],
        kl_assumed=kl[1],
    )


def _students(world: World, taught: Taught) -> tuple[float, float]:
    """Return KL × 1000 at 90 days of the students with measured and with assumed shifts."""
    codes = taught.encoder.encode_history(world.test_part())
    chance = world.test_truth()["p_90"].to_numpy()

    def distance(given: Taught) -> float:
        student = distil(given, given.encoder.definition, Recipe())
        logits = student.logits(codes)[:, HORIZONS.index(90)]
        promise = np.clip(1 / (1 + np.exp(-logits)), 1e-6, 1 - 1e-6)
        excess = chance * np.log(chance / promise)
        excess += (1 - chance) * np.log((1 - chance) / (1 - promise))
        return float(1000 * excess.mean())

    return distance(taught), distance(replace(taught, shifts=None))


def summarise(lines: Sequence[Line]) -> pd.DataFrame:
    """Return one row for each setting: how many are within .3, bias, spread and coverage."""
    every = pd.DataFrame([asdict(line) for line in lines])
    error = every["estimate"] - every["true"]
    every["within_0.3"] = error.abs() <= 0.3
    every["covered"] = (every["low"] <= every["true"]) & (every["true"] <= every["high"])
    every["error"], every["rms_error"] = error, error**2
    table = every.groupby(["setting", "leads"], sort=False).agg(
        worlds=("seed", "count"),
        true=("true", "mean"),
        estimate=("estimate", "mean"),
        error=("error", "mean"),
        rms_error=("rms_error", lambda squares: float(np.sqrt(squares.mean()))),
        within=("within_0.3", "sum"),
        covered=("covered", "sum"),
        n_audited=("n_audited", "mean"),
        n_won=("n_won", "mean"),
        reasons=("reasons", "mean"),
        reasons_assumed=("reasons_assumed", "mean"),
        kl_measured=("kl_measured", "mean"),
        kl_assumed=("kl_assumed", "mean"),
    )
    return table.reset_index()


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--shift", type=float, nargs="+", default=[0.0, -0.7, -1.5])
    parser.add_argument("--leads", type=int, default=16_000)
    parser.add_argument("--prejudice", type=float, default=1.5)
    parser.add_argument("--students", action="store_true", help="learn two students in each world")
    parser.add_argument("--json", type=Path, help="write every line and the summary here")
    chosen = parser.parse_args(given)
    lines: list[Line] = []
    for shift in chosen.shift:
        for seed in chosen.seeds:
            settings = settings_for(
                shift, seed=seed, leads=chosen.leads, prejudice=chosen.prejudice
            )
            if chosen.students:
                settings = replace(settings, n_test=5_000)
            line = measure_world(settings, students=chosen.students)
            lines.append(line)
            sys.stdout.write(
                f"setting {shift:5.2f} seed {seed:3d}  true {line.true:6.2f}  measured "
                f"{line.estimate:6.2f} [{line.low:5.2f}, {line.high:5.2f}]  "
                f"{line.n_won:3d} wins of {line.n_audited}\n"
            )
    table = summarise(lines)
    sys.stdout.write(table.round(2).to_string(index=False) + "\n")
    if chosen.json:
        content = {"lines": [asdict(line) for line in lines], "table": table.to_dict("records")}
        chosen.json.write_text(json.dumps(content, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
