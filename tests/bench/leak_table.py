"""How many planted columns the leak scan finds, and how many honest ones it calls.

``python -m tests.bench.leak_table --seeds 1 2 … 10 --leads 8000 --json FILE`` makes worlds with all
twelve kinds of planted columns at each strength, beside 40 honest columns and the packaged fields,
and prints how often each kind is found. ``--plain-names`` hides the headings of the planted
columns, so that their names cannot give them away. Thresholds were chosen on seeds from 100 on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from features.definition import LeadDefinition, LeadField, Names, load_definition
from features.leads import LeadHistory
from features.terms import FieldType
from tests.bench.honest_columns import honest_columns
from training.leaks import LeakScan, scan_history
from training.worlds import World, WorldSettings, make_world
from training.worlds.leaks import LEAKS

__all__ = ["KINDS", "PURE", "Line", "judge_seed", "main", "table_text", "with_columns"]

PURE = ("region",)
"""Kinds whose strength is a share of leads; planted at `PURE_SHARE`."""

PURE_SHARE = 0.02

KINDS: dict[str, FieldType] = {
    "visit_count": "number",
    "quote_amount": "number",
    "idle_days": "number",
    "qualified_budget": "number",
    "probability": "number",
    "updated_on": "time",
    **dict.fromkeys(
        ("sales_stage", "contract_number", "owner_team", "sales_note", "passed_over", "region"),
        "category",
    ),
}


@dataclass(frozen=True)
class Line:
    """What the scan said of one column in one world; `severity` is the worst, empty for none."""

    seed: int
    strength: float
    column: str
    planted: bool
    severity: str
    signals: tuple[str, ...]


def judge_seed(
    seed: int, strengths: Sequence[float], n_leads: int, *, plain_names: bool = False
) -> Iterator[Line]:
    """Yield a line for each column of the worlds of one seed."""
    settings = WorldSettings(n_leads=n_leads, n_test=0, seed=seed, leaks=PURE)
    pure = make_world(replace(settings, leak_strength=PURE_SHARE))
    told = tuple(kind for kind in LEAKS if kind not in PURE)
    for strength in strengths:
        world = make_world(replace(settings, leaks=told, leak_strength=strength))
        history, definition, planted = with_columns(world, pure, plain_names=plain_names)
        scan = scan_history(history, definition, as_of=world.cut_off)
        for name in [*definition.usable_fields, *definition.behaviours]:
            severity, signals = _worst(scan, name)
            kind = planted.get(name)
            yield Line(
                seed,
                PURE_SHARE if kind in PURE else strength,
                kind or name,
                kind is not None,
                severity,
                signals,
            )


def with_columns(
    world: World, pure: World, *, plain_names: bool
) -> tuple[LeadHistory, LeadDefinition, dict[str, str]]:
    """Return a world's history and definition with planted and honest columns as fields.

    The third part says which field is which kind of planted column.
    """
    history, truth = world.training_part(), world.training_truth()
    definition = load_definition()
    fields = dict(definition.usable_fields)
    columns = {name: history.fields[name] for name in map(str, history.fields)}
    planted: dict[str, str] = {}
    for place, (kind, leak) in enumerate(LEAKS.items()):
        source = pure if kind in PURE else world
        frame = source.later if kind in source.later else source.planted
        texts = frame[kind if kind in source.later else leak.heading][: len(truth)]
        name = f"planted_{place}"
        planted[name] = kind
        columns[name] = texts.reset_index(drop=True)
        names = Names(ja=leak.heading, en=leak.heading)
        if kind in definition.fields:
            names = definition.fields[kind].names
        if plain_names:
            names = Names(ja=f"項目{place}", en=f"Column {place}")
        fields[name] = LeadField(type=KINDS[kind], names=names, group="data")
    for place, honest in enumerate(honest_columns(history, truth, world.settings.seed)):
        columns[f"honest_{place}"] = honest.texts
        names = Names(ja=honest.heading, en=honest.heading)
        fields[f"honest_{place}"] = LeadField(type=honest.type, names=names, group="data")
    frame = history.fields.assign(**columns).astype(object).replace({np.nan: None})
    return (
        replace(history, fields=frame, later=history.later.iloc[:, :0]),
        definition.model_copy(update={"fields": fields}),
        planted,
    )


def _worst(scan: LeakScan, name: str) -> tuple[str, tuple[str, ...]]:
    own = [finding for finding in scan.findings if finding.field == name]
    blocking = [finding for finding in own if finding.blocks]
    severity = own[0].severity if own else ""
    return severity, tuple(finding.signal for finding in blocking)


def table_text(lines: Sequence[Line]) -> str:
    """Return the table: each kind at each strength, then the honest columns."""
    rows = [f"{'planted':18s} {'strength':>8s} {'n':>4s} {'found':>6s} {'leak':>6s}  by"]
    planted = [line for line in lines if line.planted]
    for kind in LEAKS:
        for strength in sorted({e.strength for e in planted if e.column == kind}, reverse=True):
            own = [e for e in planted if e.column == kind and e.strength == strength]
            rows.append(_row(kind, f"{strength:8.2f}", own))
    rows.append(_row("all planted", f"{'':8s}", planted))
    rows.append(_row("all honest", f"{'':8s}", [line for line in lines if not line.planted]))
    called = Counter(e.column for e in lines if not e.planted and e.severity in ("leak", "suspect"))
    rows.append(
        "honest columns called: " + (", ".join(f"{k} {v}" for k, v in called.items()) or "-")
    )
    return "\n".join(rows)


def _row(name: str, strength: str, own: Sequence[Line]) -> str:
    found = sum(line.severity in ("leak", "suspect") for line in own) / max(len(own), 1)
    leak = sum(line.severity == "leak" for line in own) / max(len(own), 1)
    by = Counter(signal for line in own for signal in line.signals)
    named = " ".join(f"{signal} {n}" for signal, n in by.most_common())
    return f"{name:18s} {strength} {len(own):4d} {found:6.1%} {leak:6.1%}  {named}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--strengths", type=float, nargs="+", default=[1.0, 0.5, 0.2])
    parser.add_argument("--leads", type=int, default=8000)
    parser.add_argument("--plain-names", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    lines: list[Line] = []
    for seed in given.seeds:
        started = time.perf_counter()
        lines += judge_seed(seed, given.strengths, given.leads, plain_names=given.plain_names)
        print(f"seed {seed}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    print(table_text(lines))
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(line) for line in lines], ensure_ascii=False))


if __name__ == "__main__":
    main()
