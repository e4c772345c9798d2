"""How training grows: seconds, cost per lead, and memory, each size in a process of its own.

``python -m tests.bench.scale_table --sizes 16000 50000 100000 200000 --json FILE`` trains on worlds
as `training.pipeline.train_on` does, with the whole evaluation; ``--step learn`` measures learning
alone, ``--step choose`` the choice of the recipe. The world is made before the clock starts; its
memory is named apart.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.leads import LeadHistory

__all__ = ["Cost", "as_markdown", "exponent", "main", "measure"]

SIZES = (16_000, 50_000, 100_000, 200_000)
STEPS = ("train", "learn", "choose")
_GIB = 2.0**20
"""In the kilobytes that Linux counts."""


@dataclass(frozen=True)
class Cost:
    """What one size cost.

    Attributes
    ----------
    n_leads : int
        Leads of the training span.
    wall_seconds, cpu_seconds : float
        Of the step alone.
    world_gib, peak_gib : float
        Peak resident memory before the step, and at its end.
    """

    n_leads: int
    wall_seconds: float
    cpu_seconds: float
    world_gib: float
    peak_gib: float


def measure(n_leads: int, step: str = "train", seed: int = 1) -> Cost:
    """Make a world and run one step on it, in this process."""
    from features.definition import load_definition
    from training.worlds import WorldSettings, make_world

    settings = WorldSettings(n_leads=n_leads, n_test=0, seed=seed, leaks=())
    world = make_world(settings)
    history, as_of = world.training_part(), world.cut_off
    del world
    began = settings.end - timedelta(days=settings.days)
    definition = load_definition().model_copy(update={"recording_began": began})
    before, wall, cpu = _peak_gib(), time.monotonic(), time.process_time()
    _run(step, history, definition, as_of)
    return Cost(n_leads, time.monotonic() - wall, time.process_time() - cpu, before, _peak_gib())


def _run(step: str, history: LeadHistory, definition: LeadDefinition, as_of: datetime) -> None:
    if step == "train":
        from training.pipeline import train_on

        train_on(history, definition, as_of=as_of, tell=_tell)
    elif step == "choose":
        from training.choice import choose_recipe

        choose_recipe(history, definition, as_of=as_of, tell=_tell)
    else:
        from training.recipe import learn

        learn(history, definition, as_of=as_of)


def exponent(costs: Sequence[Cost]) -> float:
    """Return the slope of log processor time over log leads; 1 is flat cost per lead."""
    leads = np.log([cost.n_leads for cost in costs])
    seconds = np.log([cost.cpu_seconds for cost in costs])
    return float(np.polyfit(leads, seconds, 1)[0])


def as_markdown(costs: Sequence[Cost], step: str) -> str:
    """Return the lines for ``docs/results.md``."""
    head = ("leads", f"{step}, s", "processor s", "ms per lead", "peak GiB", "before, GiB")
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [
        f"| {cost.n_leads:,} | {cost.wall_seconds:.0f} | {cost.cpu_seconds:.0f} | "
        f"{1000 * cost.cpu_seconds / cost.n_leads:.2f} | {cost.peak_gib:.2f} | "
        f"{cost.world_gib:.2f} |"
        for cost in costs
    ]
    if len(costs) > 1:
        lines += ["", f"Fitted exponent of processor time over leads: {exponent(costs):.2f}."]
    return "\n".join(lines) + "\n"


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--step", choices=STEPS, default="train")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every figure here")
    parser.add_argument("--here", action="store_true", help="measure in this process (one size)")
    chosen = parser.parse_args(given)
    if chosen.here:
        cost = measure(chosen.sizes[0], chosen.step, chosen.seed)
        sys.stdout.write(json.dumps(asdict(cost)) + "\n")
        return 0
    costs = []
    for n_leads in chosen.sizes:
        costs.append(_in_child(n_leads, chosen.step, chosen.seed))
        sys.stderr.write(f"{n_leads:,} leads: {costs[-1].cpu_seconds:.0f} CPU s\n")
        if chosen.json:
            content = {"step": chosen.step, "costs": [asdict(cost) for cost in costs]}
            if len(costs) > 1:
                content["exponent"] = exponent(costs)
            chosen.json.write_text(json.dumps(content, indent=1), "utf-8")
    sys.stdout.write(as_markdown(costs, chosen.step))
    return 0


def _in_child(n_leads: int, step: str, seed: int) -> Cost:
    command = [sys.executable, "-m", "tests.bench.scale_table", "--here"]
    command += ["--sizes", str(n_leads), "--step", step, "--seed", str(seed)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _GIB


def _tell(line: str) -> None:
    sys.stderr.write(f"  {line}\n")


if __name__ == "__main__":
    sys.exit(main())
