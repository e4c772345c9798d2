"""How often the drift watch cries in quiet weeks, and how soon it finds a planted change.

``python -m tests.bench.drift_table --seeds 1 2 3 4 5 6 7 8 9 10 --json FILE`` makes one company for
each seed, without drift, with 500 leads a week on weekdays as they come. A model learns from 32
weeks. Then the watch looks once a week, over 20 quiet weeks; and after each planted change, for two
weeks. New leads of a changed week are leads of the company's later weeks, moved by whole weeks, with
all that sales did with them:

- ``channels_up``: webinars gain 20 points of all leads, all other channels lose alike;
- ``channels_down``: organic search loses its share, at most 20 points, all others gain alike;
- ``acceptance_down``, ``acceptance_up``: sales decides 10 points fewer, or more, the other way.

A change counts as found when the field (or the scores) or acceptance raises an alarm.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.definition import LeadDefinition, load_definition
from features.leads import LeadHistory
from features.scorer import LeadScorer
from training.drift import DriftWatch, watch_drift
from training.recipe import Recipe, learn
from training.reference import describe_past
from training.student import StudentSettings
from training.worlds import WorldSettings, make_world

__all__ = ["SHIFTS", "Line", "Size", "judge_seed", "main", "table_text"]

SHIFTS = {
    "channels_up": ("source", "score"),
    "channels_down": ("source", "score"),
    "acceptance_down": ("acceptance",),
    "acceptance_up": ("acceptance",),
}
"""Planted changes, and whose alarm finds each."""

_POINTS = 0.20
_FLIPPED = 0.10
_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Size:
    """How much is simulated; by default what acceptance asks for."""

    a_week: int = 500
    learnt_weeks: int = 32
    quiet_weeks: int = 20
    watched_weeks: int = 2
    trees: int = 60


@dataclass(frozen=True)
class Line:
    """One seed.

    Attributes
    ----------
    seed : int
        Of the world.
    false_alarms : int
        Quiet weeks with an alarm.
    subjects : tuple of str
        What cried in them.
    found : dict of str to int or None
        Weeks until each planted change was found; None if it was not.
    """

    seed: int
    false_alarms: int
    subjects: tuple[str, ...]
    found: dict[str, int | None]


@dataclass(frozen=True, eq=False)
class Company:
    """A company after its model was made: leads to come, with what sales will do with them."""

    scorer: LeadScorer
    definition: LeadDefinition
    made: pd.Timestamp
    leads: pd.DataFrame
    events: pd.DataFrame
    codes: NDArray[np.int32]
    n_learnt: int
    size: Size

    def watch(self, leads: pd.DataFrame, events: pd.DataFrame, week: int) -> DriftWatch:
        """Look at the end of a week; `leads` has the positions of codes in ``at``."""
        until = self.made + week * _WEEK
        there = leads[leads["arrived_at"] <= until].reset_index(drop=True)
        known = events[np.asarray(events["at"] <= until)]
        history = LeadHistory(
            mode="history",
            leads=there.drop(columns="at"),
            fields=pd.DataFrame(index=there.index),
            later=pd.DataFrame(index=there.index),
            events=known[np.asarray(known["lead_id"].isin(there["lead_id"]))].reset_index(
                drop=True
            ),
            behaviours=pd.DataFrame(),
            findings=(),
        )
        codes = self.codes[there["at"].to_numpy()]
        return watch_drift(
            self.scorer, history, self.definition, as_of=until.to_pydatetime(), codes=codes
        )

    def quiet(self) -> Iterator[DriftWatch]:
        """Look at each quiet week in turn."""
        leads = self.leads.assign(at=np.arange(len(self.leads)))
        for week in range(1, self.size.quiet_weeks + 1):
            yield self.watch(leads, self.events, week)

    def changed(self, shift: str, seed: int) -> Iterator[DriftWatch]:
        """Look at each week after a planted change."""
        random = np.random.default_rng([seed, *shift.encode()])
        to_come = np.arange(self.n_learnt, len(self.leads))
        chance = self._weights(shift)[to_come]
        weeks = self.size.watched_weeks
        drawn = random.choice(
            to_come, weeks * self.size.a_week, replace=False, p=chance / chance.sum()
        )
        own = (self.leads["arrived_at"].iloc[drawn] - self.made) // _WEEK
        moved = pd.Series(
            [_WEEK * int(step) for step in np.arange(len(drawn)) // self.size.a_week - own],
            index=self.leads["lead_id"].iloc[drawn],
        )
        events = self.events[np.asarray(self.events["lead_id"].isin(moved.index))].copy()
        events["at"] += moved.reindex(events["lead_id"]).to_numpy()
        if shift.startswith("acceptance"):
            events = self._flipped(events, shift, random)
        new = self.leads.iloc[drawn].assign(at=drawn)
        new["arrived_at"] += moved.to_numpy()
        past = self.leads.iloc[: self.n_learnt].assign(at=np.arange(self.n_learnt))
        old_events = self.events[np.asarray(self.events["lead_id"].isin(past["lead_id"]))]
        leads = pd.concat([past, new], ignore_index=True)
        every = pd.concat([old_events, events], ignore_index=True)
        for week in range(1, weeks + 1):
            yield self.watch(leads, every, week)

    def _weights(self, shift: str) -> NDArray[np.float64]:
        given = self.scorer.encoder.positions["source"][0]
        levels = self.scorer.encoder.inputs[given].levels
        codes = self.codes[:, given]
        if not shift.startswith("channels"):
            return np.ones(len(codes))
        wanted = "webinar" if shift == "channels_up" else "organic_search"
        is_there = codes == 2 + levels.index(wanted)
        share = is_there[self.n_learnt :].mean()
        aim = share + _POINTS if shift == "channels_up" else max(share - _POINTS, 0.002)
        return np.where(is_there, aim / share, (1 - aim) / (1 - share))

    def _flipped(
        self, events: pd.DataFrame, shift: str, random: np.random.Generator
    ) -> pd.DataFrame:
        """Turn first decisions round: of all decided leads a tenth, one way only."""
        decided = events[np.asarray(events["kind"].isin(["accepted", "rejected"]))]
        first = decided.sort_values("at", kind="stable").drop_duplicates("lead_id")
        says = np.array(
            [
                kind == "accepted" or self.definition.reasons[reason].acceptance == 0
                for kind, reason in zip(first["kind"], first["reason"], strict=True)
            ]
        )
        first = first[says]
        source = "accepted" if shift == "acceptance_down" else "rejected"
        chosen = first[np.asarray(first["kind"] == source)]
        turned = chosen.sample(round(_FLIPPED * len(first)), random_state=random)
        kept = events[~np.asarray(events["lead_id"].isin(turned["lead_id"]))]
        down = shift == "acceptance_down"
        decision = turned.assign(
            kind="rejected" if down else "accepted", reason="no_fit" if down else None
        )
        return pd.concat([kept, decision], ignore_index=True)


def make_company(seed: int, size: Size) -> Company:
    """Make a company and its model."""
    to_come = size.quiet_weeks + 2
    settings = WorldSettings(
        n_leads=size.a_week * size.learnt_weeks,
        n_test=size.a_week * to_come,
        days=7 * size.learnt_weeks,
        test_days=7 * to_come,
        seed=seed,
        drift=0.0,
        leaks=(),
    )
    world = make_world(settings)
    definition = load_definition()
    history, future = world.training_part(), world.test_part()
    recipe = Recipe(student=StudentSettings(trees=size.trees, scout_trees=size.trees // 2))
    learned = learn(history, definition, as_of=world.cut_off, recipe=recipe)
    scorer = learned.scorer
    scorer = LeadScorer(
        scorer.encoder,
        scorer.raw_tables,
        scorer.acceptance,
        scorer.calibration,
        describe_past(scorer, learned.codes, learned.labels),
    )
    return Company(
        scorer=scorer,
        definition=definition,
        made=pd.Timestamp(world.cut_off),
        leads=world.leads,
        events=world.events,
        codes=np.vstack([learned.codes, scorer.encoder.encode_history(future)]),
        n_learnt=settings.n_leads,
        size=size,
    )


def judge_seed(seed: int, size: Size | None = None, shifts: Sequence[str] = tuple(SHIFTS)) -> Line:
    """Return false alarms and weeks to detection of one seed."""
    company = make_company(seed, size or Size())
    cries = [[alarm.subject for alarm in watch.alarms] for watch in company.quiet()]
    found: dict[str, int | None] = {}
    for shift in shifts:
        found[shift] = None
        for week, watch in enumerate(company.changed(shift, seed), 1):
            if {alarm.subject for alarm in watch.alarms} & set(SHIFTS[shift]):
                found[shift] = week
                break
    return Line(
        seed,
        sum(map(bool, cries)),
        tuple(subject for week in cries for subject in week),
        found,
    )


def table_text(lines: Sequence[Line], size: Size) -> str:
    """Return the table as text."""
    rows = [f"{'seed':>5}  {'false alarms':>12}  " + "  ".join(f"{name:>16}" for name in SHIFTS)]
    for line in lines:
        weeks = [line.found.get(name) for name in SHIFTS]
        rows.append(
            f"{line.seed:>5}  {line.false_alarms:>12}  "
            + "  ".join(f"{'not found' if week is None else week:>16}" for week in weeks)
        )
    subjects = Counter(subject for line in lines for subject in line.subjects)
    n_quiet = sum(line.false_alarms <= 1 for line in lines)
    total = sum(line.false_alarms for line in lines)
    rows.append(
        f"at most 1 false alarm in {size.quiet_weeks} quiet weeks: {n_quiet} of {len(lines)} seeds; "
        f"{total} in {size.quiet_weeks * len(lines)} weeks; from {dict(subjects) or 'nothing'}"
    )
    for name in SHIFTS:
        n_found = sum(line.found.get(name) is not None for line in lines)
        rows.append(f"{name}: found within {size.watched_weeks} weeks in {n_found} of {len(lines)}")
    return "\n".join(rows)


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--a-week", type=int, default=500)
    parser.add_argument("--json", type=Path, help="write every line here")
    chosen = parser.parse_args(given)
    size = replace(Size(), a_week=chosen.a_week)
    lines: list[Line] = []
    for seed in chosen.seeds:
        began = time.monotonic()
        lines.append(judge_seed(seed, size))
        sys.stderr.write(f"seed {seed}: {time.monotonic() - began:.0f} s\n")
        if chosen.json:
            chosen.json.write_text(json.dumps([asdict(line) for line in lines], indent=1), "utf-8")
    sys.stdout.write(table_text(lines, size) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
