"""The folder in which workers tell each other their counts, and the sum of them.

Each worker writes one file, once a second. What a worker that has ended counted is added to one
file of all that have, so that totals never fall and files do not pile up. Plain JSON and nothing
imported: the supervisor, which is small, folds them.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "FRESH_SECONDS",
    "Counts",
    "add_up",
    "counts_of_others",
    "fold_counts",
    "tells_model",
    "write_counts",
]

Counts = dict[str, Any]
"""What one worker counted, as plain JSON."""

FRESH_SECONDS = 5.0
"""A file not written for longer is of a worker that is gone: its counts stay, its state goes."""

_ENDED = "ended.json"
_MOST_TRIES = 50


def add_up(all_counts: Sequence[Counts]) -> Counts:
    """Return the sum of what several workers counted; how things stand only of living ones."""
    total: Counts = {
        "answers": {},
        "scores": [],
        "counters": {},
        "codes": {},
        "gauges": {},
        "models": {},
        "workers": 0,
    }
    now = time.time()
    for counts in all_counts:
        total["scores"] = _added(total["scores"] or [0.0] * len(counts["scores"]), counts["scores"])
        for key, at in counts["answers"].items():
            total["answers"][key] = _added(total["answers"].get(key, [0.0] * len(at)), at)
        for name, counter in counts["counters"].items():
            total["counters"].setdefault(name, Counter()).update(counter)
        for digest, columns in counts["codes"].items():
            before = total["codes"].get(digest)
            total["codes"][digest] = (
                columns
                if before is None
                else [_added(one, other) for one, other in zip(before, columns, strict=True)]
            )
        if now - counts["at"] < FRESH_SECONDS:
            for name in ("gauges", "models"):
                for key, value in counts[name].items():
                    total[name][key] = total[name].get(key, 0) + value
            total["workers"] += counts["workers"]
    return total


def _added(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [a + b for a, b in zip(one, other, strict=True)]


def counts_of_others(folder: Path, own: int) -> list[Counts]:
    """Return what the other workers of a folder wrote last, and the sum of those that ended."""
    found: list[Counts] = []
    for _ in range(_MOST_TRIES):
        ended = _read(folder / _ENDED)
        passed = {f"worker-{own}"} | ({f"worker-{ended['process']}"} if ended else set())
        told = [
            _read(path) for path in sorted(folder.glob("worker-*.json")) if path.stem not in passed
        ]
        found = [counts for counts in (ended, *told) if counts is not None]
        if _n_folded(_read(folder / _ENDED)) == _n_folded(ended):
            break  # else one was folded meanwhile, and would be missing
    return found


def tells_model(folder: Path, process: int) -> bool:
    """Return whether a worker has told that it has a model."""
    counts = _read(folder / f"worker-{process}.json")
    return counts is not None and bool(counts["models"])


def write_counts(folder: Path, counts: Counts) -> None:
    """Write a worker's counts where the others find them, whole or not at all.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    _write_whole(folder / f"worker-{counts['process']}.json", counts)


def fold_counts(folder: Path, process: int) -> None:
    """Add what a worker that has ended counted to what all those before it did.

    Its latest codes go: drift is told of the leads scored lately, by those that score.

    Raises
    ------
    OSError
        If the folder cannot be written; the worker's own file stays then.
    """
    own = folder / f"worker-{process}.json"
    counts = _read(own)
    if counts is not None:
        before = _read(folder / _ENDED)
        n_folded = _n_folded(before)
        total = add_up([one | {"at": 0.0} for one in (before, counts) if one is not None])
        total |= {"at": 0.0, "codes": {}}
        # Named in it until its own file is away, so that nobody counts it twice.
        _write_whole(folder / _ENDED, total | {"process": process, "n_folded": n_folded + 1})
        own.unlink(missing_ok=True)
        _write_whole(folder / _ENDED, total | {"process": 0, "n_folded": n_folded + 2})
    own.with_suffix(".new").unlink(missing_ok=True)


def _n_folded(ended: Counts | None) -> int:
    return 0 if ended is None else int(ended["n_folded"])


def _read(path: Path) -> Counts | None:
    with contextlib.suppress(OSError, ValueError):
        counts: Counts = json.loads(path.read_text("utf-8"))
        return counts
    return None


def _write_whole(path: Path, counts: Counts) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(counts), "utf-8")
    new.replace(path)
