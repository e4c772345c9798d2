"""The drawings of a report, as SVG with nothing but figures in them.

All words stand in HTML around a drawing, where the reader's own fonts show Japanese; digits are
drawn as shapes. So no font is needed, neither here nor there.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_curve", "draw_gains", "draw_reliability"]

OWN, OTHER, SOFT, LINE = "#1f5fae", "#c4622d", "#566575", "#dbe2ea"

Groups = Sequence[Mapping[str, Any]]


def draw_reliability(groups: Groups) -> str:
    """Draw what was promised against what came true; on the diagonal both agree."""

    def fill(axes: Axes) -> None:
        promised = [100 * group["predicted"] for group in groups]
        observed = [100 * group["observed"] for group in groups]
        top = 1.05 * max(*promised, *(100 * group["high"] for group in groups), 1.0)
        # At a rate of 0 or 1 rounding may set the bound a hair beyond it.
        pairs = list(zip(observed, groups, strict=True))
        below = [max(0.0, seen - 100 * group["low"]) for seen, group in pairs]
        above = [max(0.0, 100 * group["high"] - seen) for seen, group in pairs]
        axes.plot([0, top], [0, top], color=SOFT, linewidth=1, linestyle="--")
        axes.errorbar(
            promised, observed, yerr=[below, above], fmt="o", color=OWN, ecolor=OWN, capsize=2
        )
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        _in_percent(axes, "xy")

    return _drawn(fill, square=True)


def draw_gains(points: Groups) -> str:
    """Draw the share of all wins found among the best-scored share of leads."""

    def fill(axes: Axes) -> None:
        shares = [0.0, *(100 * point["share"] for point in points)]
        axes.plot([0, 100], [0, 100], color=SOFT, linewidth=1, linestyle="--")
        axes.plot(
            shares,
            [0.0, *(100 * point["won_share"] for point in points)],
            color=OWN,
            linewidth=2,
            clip_on=False,
        )
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        _in_percent(axes, "xy")

    return _drawn(fill, square=True)


def draw_curve(points: Groups) -> str:
    """Draw the promised chance by days after arrival over the observed one with its band."""

    def fill(axes: Axes) -> None:
        days = [point["days"] for point in points]
        seen = [point for point in points if point.get("observed") is not None]
        seen_days = [point["days"] for point in seen]
        axes.fill_between(
            seen_days,
            [100 * (point.get("low") or 0.0) for point in seen],
            [100 * (point.get("high") or 0.0) for point in seen],
            color=OTHER,
            alpha=0.18,
            linewidth=0,
        )
        axes.plot(seen_days, [100 * point["observed"] for point in seen], color=OTHER, linewidth=2)
        told = [point for point in points if point.get("promised") is not None]
        axes.plot(
            [point["days"] for point in told],
            [100 * point["promised"] for point in told],
            color=OWN,
            linewidth=2,
            marker="o" if len(told) < 8 else None,
            clip_on=False,
        )
        axes.set_xlim(0, max(days))
        axes.set_ylim(bottom=0)
        _in_percent(axes, "y")

    return _drawn(fill)


def _in_percent(axes: Axes, which: str) -> None:
    for axis in (axes.xaxis if name == "x" else axes.yaxis for name in which):
        axis.set_major_formatter(lambda value, _: f"{value:g}%")


def _drawn(fill: Callable[[Axes], None], *, square: bool = False) -> str:
    """Return the drawing as an SVG element that lies inside a page."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # Fixed salt and no date: the same figures give the same bytes.
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "lead-quality", "font.size": 9}):
        figure = Figure(figsize=(4.2, 4.2) if square else (6.2, 3.2), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.grid(color=LINE, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(colors=SOFT, length=0)
        fill(axes)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None}, transparent=True)
    text = written.getvalue()
    return text[text.index("<svg") :].replace("<svg ", "<svg role='img' ", 1)
