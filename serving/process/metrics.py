"""Counts of what the service does, cheap enough for every request, and added up over workers.

A request costs a dictionary look-up and a bisection here; a score costs one append. The text that
Prometheus reads is made only when it asks (`serving.process.exposition`). Each of several workers
tells its counts once a second; whoever is asked adds them up (`serving.process.told_counts`).
Labels are names of ours (routes, codes, fields of the definition), never a value that was sent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from serving.model_life.holder import ModelHolder
from serving.process.told_counts import Counts, write_counts
from serving.scoring.recent_codes import RecentCodes

__all__ = [
    "SCORE_BOUNDS",
    "TIME_BOUNDS",
    "Meter",
    "count_beside",
]

log = logging.getLogger("lead_serve")

COUNT_SECONDS = 1.0
"""How often counts are told to the other workers."""

TIME_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds."""
SCORE_BOUNDS: Final = tuple(float(bound) for bound in range(10, 101, 10))

_MOST_NOTED = 4_096
_MOST_WARNINGS = 2_000
_SEPARATOR = "\t"


class Meter:
    """Counts for one process.

    Attributes
    ----------
    counters : mapping of str to Counter
        Counts by family and labels; labels are joined with tabs.
    gauges : dict of str to callable
        Read when asked: each gives a number that is added up over workers.
    model : tuple of (str, str) or None
        Version and digest of the model that serves here.
    folder : Path or None
        Where several workers tell each other their counts.
    """

    def __init__(self) -> None:
        self.counters: dict[str, Counter[str]] = {
            name: Counter()
            for name in ("refused", "decisions", "not_scored", "warnings", "unseen", "unrecorded")
        }
        self.gauges: dict[str, Callable[[], float]] = {"resident": _resident_bytes}
        self.model: tuple[str, str] | None = None
        self.codes = RecentCodes()
        self._answers: dict[tuple[str, str, int], list[float]] = {}
        self._scores = [0.0] * (len(SCORE_BOUNDS) + 2)
        self._noted: list[tuple[Mapping[str, Any], Sequence[int] | None]] = []
        self._parsed: dict[str, tuple[tuple[str, str], ...]] = {}
        self.folder: Path | None = None

    # -- in the path of requests -------------------------------------------------------------------

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        key = (method, route, status)
        counts = self._answers.get(key)
        if counts is None:
            counts = self._answers[key] = [0.0] * (len(TIME_BOUNDS) + 2)
        counts[bisect_left(TIME_BOUNDS, seconds)] += 1
        counts[-1] += seconds

    def refused(self, reason: str) -> None:
        """Count a request that went no further, or a connection that was cut."""
        self.counters["refused"][reason] += 1

    def scored(self, told: Mapping[str, Any], codes: Sequence[int] | None = None) -> None:
        """Note what was told of a lead, to be counted later, outside of the request.

        Parameters
        ----------
        told : mapping
            With ``status``, ``score``, ``grade``, ``decision``, ``warnings`` and ``why`` of the
            answer.
        codes : sequence of int or None
            The codes by which it was scored, in the order of the model's inputs.
        """
        self._noted.append((told, codes))
        if len(self._noted) > _MOST_NOTED:
            self.fold()

    def unrecorded(self, n: int = 1) -> None:
        """Count scores that were told but not recorded."""
        self.counters["unrecorded"][""] += n

    # -- outside of it -----------------------------------------------------------------------------

    def fold(self) -> None:
        """Count what was noted."""
        noted, self._noted = self._noted, []
        decisions, warned = self.counters["decisions"], self.counters["warnings"]
        for told, _ in noted:
            if told.get("status") == "scored":
                score = float(told["score"])
                self._scores[bisect_left(SCORE_BOUNDS, score)] += 1
                self._scores[-1] += score
                decisions[f"{told['decision']}{_SEPARATOR}{told['grade']}"] += 1
            else:
                self.counters["not_scored"][str(told.get("why", ""))] += 1
            warnings = told.get("warnings")
            if warnings:
                for kind, field in self._warnings(warnings):
                    warned[kind] += 1
                    if kind == "unseen":
                        self.counters["unseen"][field] += 1
        self.codes.add([codes for _, codes in noted if codes is not None])

    def _warnings(self, told: str) -> tuple[tuple[str, str], ...]:
        found = self._parsed.get(told)
        if found is None:
            parts = (one.partition(":") for one in told.split(","))
            found = tuple((kind, rest) for kind, _, rest in parts)
            if len(self._parsed) < _MOST_WARNINGS:
                self._parsed[told] = found
        return found

    def counts(self) -> Counts:
        """Return everything counted so far, and how things stand."""
        self.fold()
        return {
            "at": time.time(),
            "process": os.getpid(),
            "answers": {_SEPARATOR.join(map(str, key)): at for key, at in self._answers.items()},
            "scores": self._scores,
            "counters": self.counters,
            "codes": {self.codes.digest: self.codes.counts},
            "gauges": {name: read() for name, read in self.gauges.items()},
            "models": {_SEPARATOR.join(self.model): 1} if self.model is not None else {},
            "workers": 1,
        }

    def tell(self) -> None:
        """Tell the other workers what was counted, if there are others."""
        if self.folder is not None:
            try:
                write_counts(self.folder, self.counts())
            except OSError as error:
                log.warning("counts cannot be told to other workers: %s", type(error).__name__)


def _resident_bytes() -> float:
    try:
        n_pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return float(n_pages * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, AttributeError):
        return 0.0  # not told by this system


async def count_beside(meter: Meter, models: ModelHolder) -> None:
    """Once a second count what was noted, follow the model, and tell the other workers."""
    while True:
        model = models.model
        if model is not None and model.approval.digest != meter.codes.digest:
            sizes = [given.size for given in model.scorer.encoder.inputs]
            meter.codes.begin(model.approval.digest, sizes)
        if model is not None:
            meter.model = (model.approval.version, model.approval.digest)
        meter.fold()
        meter.tell()
        await asyncio.sleep(COUNT_SECONDS)
