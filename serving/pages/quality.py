"""How good the model was on leads it had not seen, from ``evaluation.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from features.definition import EVER
from features.wording import percent
from serving.pages.svg import Svg, nice_ticks
from serving.texts import Texts

__all__ = ["METRICS", "Quality", "quality_of"]

METRICS = ("log_loss", "auc", "brier", "ece", "lift_10", "predicted_over_observed")
STUDENT = "student"


@dataclass(frozen=True, slots=True)
class Quality:
    """What the page says of the model's quality.

    Attributes
    ----------
    heading : tuple of str
        Names of the figures.
    rows : tuple
        Model, whether it is the one that serves, and its figures as texts.
    tested_on : str
        On which leads; or why none.
    reliability : Markup or None
        Promised against observed share won.
    """

    heading: tuple[str, ...]
    rows: tuple[tuple[str, bool, tuple[str, ...]], ...]
    tested_on: str
    reliability: Markup | None


def quality_of(evaluation: Mapping[str, Any], horizon: int, texts: Texts) -> Quality:
    """Return the figures at `horizon`, the serving model first; parts that are absent stay out."""
    results = [row for row in evaluation.get("results") or () if row.get("horizon") == horizon]
    results.sort(key=lambda row: row.get("model") != STUDENT)
    told = [name for name in METRICS if any(row.get(name) is not None for row in results)]
    rows = tuple(
        (
            texts.get(f"model.models.{row['model']}", str(row["model"])),
            row["model"] == STUDENT,
            tuple(_figure(row.get(name)) for name in told),
        )
        for row in results
    )
    return Quality(
        heading=tuple(texts(f"model.metric.{name}") for name in told),
        rows=rows,
        tested_on=_tested_on(evaluation, results, horizon, texts),
        reliability=_reliability(evaluation.get("reliability") or (), texts) if results else None,
    )


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) else "–"


def _tested_on(
    evaluation: Mapping[str, Any], results: Sequence[Mapping[str, Any]], horizon: int, texts: Texts
) -> str:
    if not results:
        return texts("model.not_tested")
    n, n_won = (f"{int(results[0].get(name) or 0):,}" for name in ("n", "n_won"))
    if horizon == EVER or not evaluation.get("cut_off"):
        return texts("model.tested_ever", n=n, n_won=n_won)
    days = texts("model.horizon_list", days=horizon)
    return texts(
        "model.tested_on", n=n, n_won=n_won, days=days, cut_off=str(evaluation["cut_off"])[:10]
    )


def _reliability(groups: Sequence[Mapping[str, Any]], texts: Texts) -> Markup | None:
    if not groups:
        return None
    language = texts.language
    width, height, left, right, top, bottom = 520.0, 300.0, 54.0, 24.0, 30.0, 44.0
    figure = Svg(width, height, texts("model.reliability"))
    top_rate = nice_ticks(
        max(max(float(one["predicted"]), float(one.get("high", one["observed"]))) for one in groups)
    )
    most = top_rate[-1]

    def at(predicted: float, observed: float) -> tuple[float, float]:
        x = left + (width - left - right) * predicted / most
        return x, height - bottom - (height - top - bottom) * observed / most

    for tick in top_rate:
        x, y = at(tick, tick)
        label = percent(tick, language) if tick else "0"
        figure.line(left, y, width - right, y, "grid")
        figure.text(left - 8, y + 4.5, label, "tick", "end")
        figure.text(x, height - bottom + 17, label, "tick", "middle")
    figure.text(4, 16, f"{texts('model.observed')} ↑", "axis")
    figure.text(width - right, height - 8, f"{texts('model.predicted')} →", "axis", "end")
    figure.path([at(0, 0), at(most, most)], "diagonal")
    for one in groups:
        x, y = at(float(one["predicted"]), float(one["observed"]))
        if "low" in one and "high" in one:
            figure.line(x, at(0, float(one["low"]))[1], x, at(0, float(one["high"]))[1], "whisker")
        hint = (
            f"{texts('model.predicted')} {percent(float(one['predicted']), language)} · "
            f"{texts('model.observed')} {percent(float(one['observed']), language)}"
        )
        figure.add("circle", None, hint, cx=x, cy=y, r=5.0, class_="dot")
    return figure.render()
