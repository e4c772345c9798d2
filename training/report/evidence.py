"""Whether there are enough judged wins to say anything: a single win must not make a claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.report.html import count, note

__all__ = ["ENOUGH_WINS", "judged_row", "says_enough", "too_few_wins"]

Facts = Mapping[str, Any]

ENOUGH_WINS = 30
"""Judged wins below which a page says how many there are and nothing else."""


def judged_row(facts: Facts) -> Facts | None:
    """Return the model's own figures at the main horizon, if they could be told."""
    rows: Sequence[Facts] = facts.get("results") or ()
    main = facts.get("main_horizon")
    return next((r for r in rows if r["model"] == "student" and r["horizon"] == main), None)


def says_enough(facts: Facts) -> bool:
    """Return whether the leads it was checked on hold enough wins to judge by."""
    return _wins(facts) >= ENOUGH_WINS


def too_few_wins(facts: Facts, kind: str = "") -> str:
    """Return the sentence that stands where a claim would, below enough wins."""
    wins = _wins(facts)
    if not wins:
        return note(
            "確かめに使えたリードの中に、受注はまだありません。"
            f"受注が{ENOUGH_WINS}件になるまで、どれだけ当たるかは何も言えません。",
            "Among the leads it could be checked on there is no win yet. Until there are "
            f"{ENOUGH_WINS}, nothing can be said of how well it forecasts.",
            kind,
        )
    return note(
        f"確かめに使えたリードのうち、受注は{count(wins)}件だけです。"
        f"{ENOUGH_WINS}件になるまで、どれだけ当たるかは何も言えません。",
        f"Among the leads it could be checked on, only {count(wins)} were won. Until there are "
        f"{ENOUGH_WINS}, nothing can be said of how well it forecasts.",
        kind,
    )


def _wins(facts: Facts) -> int:
    row = judged_row(facts)
    return 0 if row is None else int(row["n_won"])
