"""Whether prejudice is named where it is, and nothing where it is not, over worlds.

``python -m tests.bench.disagreement_table --seeds 1 2 3 4 5 6 7 8 9 10 --prejudice 0 1.5 3``
prints what is named in each world and a summary. The worlds' sales people dislike small firms
(fewer than 50 people) and webinar leads, and hide it behind *not a fit* and *no reason given*.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import pandas as pd

from features.definition import load_definition
from training.disagreements import Disagreement, find_disagreements
from training.recipe import teach
from training.worlds import WorldSettings, make_world

__all__ = ["Line", "main", "name_groups", "summarise"]

PRETEXTS = ("no_fit", "no_reason")
SMALL = (40.0, 65.0)
"""A cut of employees inside this range speaks of the firms with fewer than 50 people."""


@dataclass(frozen=True)
class Line:
    """One world.

    Attributes
    ----------
    prejudice, seed
        Of the world.
    small, webinar : bool
        The group is named, turned away more, with a pretext as reason, all intervals without zero.
    first : bool
        The first group named is one of them.
    others : int
        Further groups named.
    said : str
        Groups with gap and reason.
    """

    prejudice: float
    seed: int
    small: bool
    webinar: bool
    first: bool
    others: int
    said: str


def name_groups(settings: WorldSettings) -> Line:
    """Teach on one world and look for disagreements."""
    world = make_world(settings)
    began = settings.end - timedelta(days=settings.days)
    definition = load_definition().model_copy(update={"recording_began": began})
    taught = teach(world.training_part(), definition, world.cut_off)
    found = find_disagreements(taught.codes, taught.encoder, taught.labels, taught.teacher)
    small = [_is_small(one) and _is_pretext(one) for one in found.groups]
    webinar = [_is_webinar(one) and _is_pretext(one) for one in found.groups]
    true = [one or other for one, other in zip(small, webinar, strict=True)]
    said = "; ".join(
        f"{one.group.input} {one.group.value} {100 * one.gap.value:+.0f} "
        f"[{100 * one.gap.low:+.0f}, {100 * one.gap.high:+.0f}] {one.reason or '-'}"
        for one in found.groups
    )
    return Line(
        settings.prejudice,
        settings.seed,
        any(small),
        any(webinar),
        bool(true) and true[0],
        len(true) - sum(true),
        said or "nothing",
    )


def _is_small(one: Disagreement) -> bool:
    high = one.group.shown.high
    return one.group.input == "employees" and high is not None and SMALL[0] <= high <= SMALL[1]


def _is_webinar(one: Disagreement) -> bool:
    return (one.group.input, one.group.value) == ("source", "webinar")


def _is_pretext(one: Disagreement) -> bool:
    excess = one.reason_excess
    return one.gap.high < 0 and one.reason in PRETEXTS and excess is not None and excess.low > 0


def summarise(lines: Sequence[Line]) -> pd.DataFrame:
    """Return in how many worlds of each prejudice what was named."""
    every = pd.DataFrame([asdict(line) for line in lines])
    every["nothing"] = every["said"] == "nothing"
    every["with_others"] = every["others"] > 0
    every["worlds"] = 1
    columns = ["worlds", "nothing", "first", "small", "webinar", "with_others"]
    return every.groupby("prejudice", sort=False)[columns].sum().reset_index()


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--prejudice", type=float, nargs="+", default=[0.0, 1.5, 3.0])
    parser.add_argument("--leads", type=int, default=16_000)
    parser.add_argument("--json", type=Path, help="write every line and the summary here")
    chosen = parser.parse_args(given)
    lines: list[Line] = []
    for prejudice in chosen.prejudice:
        for seed in chosen.seeds:
            line = name_groups(
                WorldSettings(
                    n_leads=chosen.leads, n_test=0, seed=seed, prejudice=prejudice, leaks=()
                )
            )
            lines.append(line)
            sys.stdout.write(f"prejudice {prejudice:3.1f} seed {seed:3d}  {line.said}\n")
            sys.stdout.flush()
    table = summarise(lines)
    sys.stdout.write(table.to_string(index=False) + "\n")
    if chosen.json:
        content = {"lines": [asdict(line) for line in lines], "table": table.to_dict("records")}
        chosen.json.write_text(json.dumps(content, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
