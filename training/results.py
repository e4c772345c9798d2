"""The figures on real data: the served student beside its baselines, on the same rows.

The data sets are not part of the project; their maps and definitions are (`docs/examples`). Test
rows choose nothing: the split is by time, and every choice is made inside the training part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.definition import EVER, load_definition
from features.errors import FileUnreadable
from features.leads import read_history
from features.source_map import load_source_map
from training.judging import Judged, ResultRow, judge_origin, judge_snapshot, result_rows
from training.pipeline import as_of_history
from training.rolling import RollingJudgement, pool
from training.splits import earlier_part

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = ["KEPT", "TASKS", "Task", "as_markdown", "real_results"]

KEPT = "<!-- What follows is kept when this page is written again. -->"

_DAYS_ASKED = 30.0


@dataclass(frozen=True)
class Task:
    """One question on one data set.

    Attributes
    ----------
    name : str
        As in the table.
    maps : str
        Path of definition and source map under the examples folder, without their endings.
    files : tuple of str
        Files under the data folder.
    cut_offs : tuple of str
        Days to stand on (history mode); empty takes the earlier 75 % against the rest.
    """

    name: str
    maps: str
    files: tuple[str, ...]
    cut_offs: tuple[str, ...] = ()


_FICZON = ("ficzon/sales_leads_masked.csv",)
_XEDUCATION = ("xeducation/Leads.csv",)
TASKS = (
    Task("ficzon high potential (with agent)", "ficzon/high_potential_with_agent", _FICZON),
    Task("ficzon high potential (no agent)", "ficzon/high_potential", _FICZON),
    Task("ficzon junk", "ficzon/junk", _FICZON),
    Task("xeducation strict", "xeducation/strict", _XEDUCATION),
    Task("xeducation form", "xeducation/form", _XEDUCATION),
    Task(
        "olist won",
        "olist/won",
        (
            "olist_funnel/olist_marketing_qualified_leads_dataset.csv",
            "olist_funnel/olist_closed_deals_dataset.csv",
        ),
        ("2018-02-01", "2018-03-01", "2018-04-01", "2018-05-01"),
    ),
)


def real_results(
    data: Path,
    examples: Path,
    *,
    tasks: Sequence[Task] = TASKS,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[dict[str, Any]]:
    """Yield one row for each task, horizon and model.

    Parameters
    ----------
    data : Path
        Folder of the data sets.
    examples : Path
        Folder of definitions and source maps.
    tasks : sequence of Task
        The questions.
    tell : callable
        Told each step as it begins.

    Raises
    ------
    FileUnreadable
        If a data set is not there.
    """
    for task in tasks:
        history, judged, split = _judge(task, data, examples, tell)
        # Leads are drawn from all cut-offs alike, as in the figures of earlier versions.
        for row in result_rows(
            judged.horizons, judged.probabilities, judged.outcome, judged.weight
        ):
            yield _as_json(task, split, row, history)


def as_markdown(rows: Sequence[dict[str, Any]], before: str = "") -> str:
    """Return the rows as the page ``docs/results.md``, with what `before` kept below them."""
    head = "task|split|horizon|model|n|AUC|PR-AUC|log loss|Brier|ECE|lift@10 %|pred/obs"
    head += "|log loss of the student minus this, 95 %"
    lines = [
        "# Results on real data",
        "",
        "Written by `python3 dev.py results --data DIR --markdown`. The data sets are no part of",
        "the project. `student` is what is served; all models learnt from the same rows and were",
        "asked about the same later ones. Every choice was made inside the training rows.",
        "",
        f"| {head.replace('|', ' | ')} |",
        f"|{' --- |' * (head.count('|') + 1)}",
    ]
    for row in rows:
        against = row["against_student"]
        cells = (
            row["task"],
            row["split"],
            row["horizon"] or "ever",
            row["model"],
            row["n"],
            *(f"{row[name]:.3f}" for name in ("auc", "pr_auc")),
            *(f"{row[name]:.4f}" for name in ("log_loss", "brier")),
            f"{row['ece']:.3f}",
            f"{row['lift_10']:.2f}",
            f"{row['predicted_over_observed']:.2f}",
            "" if against is None else f"{against[0]:+.4f} [{against[1]:+.4f}, {against[2]:+.4f}]",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    if KEPT in before:
        lines += ["", before[before.index(KEPT) :].rstrip()]
    return "\n".join(lines) + "\n"


def _judge(
    task: Task, data: Path, examples: Path, tell: Callable[[str], None]
) -> tuple[LeadHistory, Judged | RollingJudgement, str]:
    files = [data / name for name in task.files]
    absent = [path.name for path in files if not path.is_file()]
    if absent:
        raise FileUnreadable(
            f"The data folder lacks {', '.join(absent)}. Give the folder that holds ficzon, "
            "xeducation and olist_funnel."
        )
    definition = load_definition(examples / f"{task.maps}.definition.yaml")
    how = load_source_map(examples / f"{task.maps}.source_map.yaml")
    tell(f"{task.name}: reading")
    history = read_history(files, definition, how)
    if not task.cut_offs:
        train, test = earlier_part(history)
        return history, judge_snapshot(history, definition, train, test), "time"
    today = as_of_history(history)
    parts = []
    for day in task.cut_offs:
        tell(f"{task.name}: standing on {day}")
        cut_off = datetime.fromisoformat(day).replace(tzinfo=definition.zone)
        parts.append(judge_origin(history, definition, cut_off, today, test_days=_DAYS_ASKED))
    return history, pool(parts), f"{len(parts)} cut-offs"


def _as_json(task: Task, split: str, row: ResultRow, history: LeadHistory) -> dict[str, Any]:
    figures = row.figures()
    return {
        "task": task.name,
        "split": split,
        "horizon": None if row.horizon == EVER else row.horizon,
        "model": row.model,
        "n": int(figures.pop("n")),
        "n_leads": len(history.leads),
        "n_won": int(figures.pop("n_won")),
        **figures,
        "against_student": None if row.against_student is None else list(row.against_student),
    }
