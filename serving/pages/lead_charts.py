"""Figures of a lead's page: the score on its scale, the chance over time, the ladder of points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from features.terms import Grades
from features.wording import percent
from serving.pages.svg import Svg, nice_ticks, signed, text_width
from serving.texts import Texts

__all__ = [
    "Step",
    "acceptance_bar",
    "ladder",
    "rate_bars",
    "score_history",
    "score_scale",
    "win_curve",
]

WIDTH = 520.0


def score_scale(score: float, grades: Grades, texts: Texts) -> Markup:
    """Draw where `score` (0 to 100) lies among the grades."""
    figure = Svg(WIDTH, 64, f"{texts('lead.score')} {score:.0f} / 100")
    zones = (
        ("D", 0.0, grades.C),
        ("C", grades.C, grades.B),
        ("B", grades.B, grades.A),
        ("A", grades.A, 100.0),
    )
    scale = (WIDTH - 20) / 100
    here = grades.of(score)
    for name, low, high in zones:
        x, width = 10 + low * scale, (high - low) * scale
        figure.rect(x + 1, 22, width - 2, 14, f"zone zone-{name.lower()}", radius=3)
        figure.text(x + width / 2, 54, name, "label strong" if name == here else "label", "middle")
        if low:
            figure.text(x, 54, f"{low:g}", "tick", "middle")
    x = 10 + min(100.0, max(0.0, score)) * scale
    figure.add("path", d=f"M{x:.1f} 20 l-7 -12 h14 z", class_="marker")
    figure.line(x, 18, x, 40, "marker-line")
    return figure.render()


def win_curve(points: Sequence[tuple[int, float]], main: int, line: float, texts: Texts) -> Markup:
    """Draw the chance of a win (0 to 1) by days, with the hand-off line.

    Parameters
    ----------
    points : sequence of (int, float)
        Days and chance, ascending.
    main : int
        The horizon that decides, marked.
    line : float
        Probability from which on leads were handed off.
    """
    language = texts.language
    said = ", ".join(
        f"{texts('lead.curve_days', days=d)} {percent(p, language)}" for d, p in points
    )
    height, left, right, top, bottom = 236.0, 48.0, 24.0, 26.0, 34.0
    figure = Svg(WIDTH, height, f"{texts('lead.curve_title')}: {said}")
    ticks = nice_ticks(max(*(p for _, p in points), line) * 1.08)
    longest = max(days for days, _ in points)

    def at(days: float, chance: float) -> tuple[float, float]:
        x = left + (WIDTH - left - right) * math.sqrt(days / longest)
        return x, height - bottom - (height - top - bottom) * chance / ticks[-1]

    for tick in ticks:
        _, y = at(0, tick)
        figure.line(left, y, WIDTH - right, y, "grid")
        figure.text(left - 8, y + 4.5, percent(tick, language) if tick else "0", "tick", "end")
    whole = [(0, 0.0), *points]
    area = [at(*point) for point in whole]
    floor = height - bottom
    corners = " ".join(f"L{x:.1f} {y:.1f}" for x, y in area)
    figure.add(
        "path",
        d=f"M{left:.1f} {floor:.1f} {corners} L{area[-1][0]:.1f} {floor:.1f} Z",
        class_="area",
    )
    figure.path(area, "curve")
    _, y_line = at(0, line)
    figure.line(left, y_line, WIDTH - right, y_line, "break-even")
    # Its label stands at the right, on the side of the line where the curve is not.
    late = [at(*point)[1] for point in points if point[0] >= 0.4 * longest]
    is_free_above = all(y > y_line or y < y_line - 30 for y in late)
    y_label = y_line - 6 if is_free_above else y_line + 15
    label = texts("lead.line", line=percent(line, language))
    figure.text(WIDTH - right - 4, y_label, label, "tick break-even-text", "end")
    for days, chance in points:
        x, y = at(days, chance)
        is_main = days == main
        figure.add(
            "circle", cx=x, cy=y, r=6.0 if is_main else 4.0, class_="dot main" if is_main else "dot"
        )
        anchor = "end" if days == longest else "middle"
        label_y = y - 11
        figure.text(
            x + (6 if days == longest else 0),
            label_y,
            percent(chance, language),
            "value strong" if is_main else "value",
            anchor,
        )
        figure.text(
            x + (6 if days == longest else 0),
            height - 10,
            texts("lead.curve_days", days=days),
            "tick strong" if is_main else "tick",
            anchor,
        )
    return figure.render()


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the ladder: its name, its points, and whether few past cases bear it out."""

    label: str
    points: float
    is_rare: bool = False


def ladder(base: float, steps: Sequence[Step], score: float, texts: Texts) -> Markup:
    """Draw how points lead from the average lead to the score; the rungs add up."""
    row, left, right = 44.0, 10.0, 58.0
    height = row * (len(steps) + 2) + 8
    total = base + math.fsum(step.points for step in steps)
    figure = Svg(WIDTH, height, f"{texts('lead.ladder')}: {base:.0f} → {score:.0f}")
    reached = [base]
    for step in steps:
        reached.append(reached[-1] + step.points)
    low = max(-20.0, min(*reached, base, total) - 6)
    high = max(*reached, base, total) + 6
    scale = (WIDTH - left - right) / (high - low)

    def x_of(points: float) -> float:
        return left + (points - low) * scale

    # The lines come first and stop short of the labels, which would be struck through else.
    for place in range(len(steps) + 2):
        y = row * place + 4
        figure.line(x_of(base), y + 18, x_of(base), y + 37, "base-line")
        if place:
            start = x_of(reached[place - 1] if place <= len(steps) else base)
            figure.line(start, y - 9, start, y - 2, "link")
            figure.line(start, y + 16, start, y + 19, "link")

    def rung(place: int, label: str, start: float, end: float, amount: str, kind: str) -> None:
        y = row * place + 4
        x, width = min(x_of(start), x_of(end)), abs(x_of(end) - x_of(start))
        figure.label(left, y + 12, label, WIDTH - left - 40, 14.0)
        figure.text(WIDTH - 4, y + 32, amount, f"value {kind.partition(' ')[0]}-text", "end")
        figure.rect(
            x, y + 19, max(width, 1.5), 16, f"bar {kind}", hint=f"{label} {amount}", radius=2
        )

    rung(
        0,
        texts("lead.ladder_base"),
        base - 0.7 / scale,
        base + 0.7 / scale,
        f"{base:.0f}",
        "neutral",
    )
    for place, (step, start) in enumerate(zip(steps, reached, strict=False), start=1):
        kind = "positive" if step.points >= 0 else "negative"
        pale = f"{kind} pale" if step.is_rare else kind
        rung(place, step.label, start, start + step.points, signed(step.points), pale)
    rung(len(steps) + 1, texts("lead.ladder_total"), base, total, f"{score:.1f}", "total")
    return figure.render()


def acceptance_bar(acceptance: float, texts: Texts) -> Markup:
    """Draw the chance of being accepted (0 to 1) on a scale with its middle marked."""
    figure = Svg(WIDTH, 40, f"{texts('lead.acceptance')} {percent(acceptance, texts.language)}")
    room = WIDTH - 20
    figure.rect(10, 6, room, 12, "track", radius=3)
    figure.rect(10, 6, max(2.0, room * acceptance), 12, "bar total", radius=3)
    figure.line(10 + room / 2, 2, 10 + room / 2, 22, "zero")
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        figure.text(
            10 + room * share, 36, percent(share, texts.language) if share else "0", "tick", anchor
        )
    return figure.render()


def rate_bars(rate: float, overall: float, top: float, texts: Texts) -> Markup:
    """Draw the share won of leads with one value over the share of all leads (0 to 1).

    `top` (0 to 1) is the share whose bar takes all the room: the same for all bars of a page.
    """
    language = texts.language
    rows = (
        (texts("lead.rate_this"), rate, "bar total"),
        (texts("lead.rate_all"), overall, "bar faint"),
    )
    label_width = max(text_width(label, 14) for label, _, _ in rows) + 10
    figure = Svg(
        WIDTH, 42, "; ".join(f"{label} {percent(share, language)}" for label, share, _ in rows)
    )
    room = WIDTH - label_width - 62
    for place, (label, share, kind) in enumerate(rows):
        y = 4 + place * 20
        figure.text(0, y + 11, label, "tick")
        width = room * share / max(top, rate, overall, 1e-9)
        figure.rect(label_width, y, max(width, 1.5), 13, kind, radius=2)
        figure.text(label_width + width + 7, y + 11, percent(share, language), "tick")
    return figure.render()


def score_history(scores: Sequence[tuple[str, float]], grades: Grades, texts: Texts) -> Markup:
    """Draw recorded scores (0 to 100) in the order they were made, with their times."""
    height, left, right, top, bottom = 176.0, 34.0, 20.0, 16.0, 28.0
    said = ", ".join(f"{when} {score:.0f}" for when, score in scores)
    figure = Svg(WIDTH, height, f"{texts('lead.past_title')}: {said}")

    def y_of(score: float) -> float:
        return height - bottom - (height - top - bottom) * score / 100

    for line, name in ((grades.A, "A"), (grades.B, "B"), (grades.C, "C")):
        figure.line(left, y_of(line), WIDTH - right, y_of(line), "grid")
        figure.text(left - 8, y_of(line) + 4.5, f"{line:g}", "tick", "end")
        figure.text(WIDTH - right + 4, y_of(line) - 3, name, "tick")
    room = WIDTH - left - right - 40
    apart = room / max(1, len(scores) - 1)
    places = [(left + 20 + k * apart, y_of(score)) for k, (_, score) in enumerate(scores)]
    figure.path(places, "curve")
    for (x, y), (when, score) in zip(places, scores, strict=True):
        figure.add("circle", None, f"{when}: {score:.0f}", cx=x, cy=y, r=4.5, class_="dot")
        if len(scores) <= 8:
            figure.text(x, y - 10, f"{score:.0f}", "value", "middle")
    for k in sorted({0, len(scores) - 1}):
        figure.text(places[k][0], height - 8, scores[k][0][:10], "tick", "middle")
    return figure.render()
