"""Figures of the model's page: a field's exact curve with the observed rates, and pair maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from features.factors import MIN_CASES
from features.wording import percent
from serving.pages.svg import MINUS, Svg, fit_text, nice_ticks, shorten_codes, signed, text_width
from serving.texts import Texts

__all__ = [
    "Band",
    "Importance",
    "Level",
    "importance_chart",
    "level_chart",
    "number_chart",
    "pair_map",
]

WIDTH = 520.0
LABEL_SIZE = 14.0
"""Of the values below a curve on a narrow page, where they are largest (style.css)."""
LABEL_GAP = 6.0


@dataclass(frozen=True, slots=True)
class Band:
    """Neighbouring codes of a number with what became of past leads.

    Attributes
    ----------
    first, last : int
        Codes.
    rate : float or None
        Share won (0 to 1); None with too few leads.
    n : int
        Past leads.
    label : str
        The range in words.
    """

    first: int
    last: int
    rate: float | None
    n: int
    label: str


@dataclass(frozen=True, slots=True)
class Level:
    """A category value (or "not given") with its points and what became of such leads."""

    label: str
    points: float
    rate: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Importance:
    """How many points a field moves the score of past leads on average."""

    label: str
    group: str
    points: float


def importance_chart(fields: Sequence[Importance], title: str) -> Markup:
    """Draw fields by how much they move the score, the strongest first."""
    row, left = 27.0, 226.0
    figure = Svg(WIDTH, row * len(fields) + 6, title)
    top = max((field.points for field in fields), default=1.0) or 1.0
    for place, field in enumerate(fields):
        y = row * place + 4
        figure.label(left - 10, y + 14, field.label, left - 14, 15.0, anchor="end")
        width = (WIDTH - left - 54) * field.points / top
        figure.rect(
            left,
            y + 2,
            max(width, 1.5),
            16,
            f"bar group-{field.group}",
            f"{field.label} {field.points:.1f}",
            2,
        )
        figure.text(left + width + 8, y + 15, f"{field.points:.1f}", "tick")
    return figure.render()


def number_chart(
    points: Sequence[float],
    ticks: Sequence[tuple[int, str]],
    bands: Sequence[Band],
    overall: float | None,
    title: str,
    texts: Texts,
) -> Markup:
    """Draw a number's curve bin by bin, and below it the observed rates of the same bins.

    Parameters
    ----------
    points : sequence of float
        Points of each code; code 0 (not given) stands apart on the left.
    ticks : sequence of (int, str)
        Codes to label with their value.
    bands : sequence of Band
        Observed rates.
    overall : float or None
        Share won among all past leads.
    """
    language = texts.language
    left, gap, right = 46.0, 58.0, 10.0
    top, middle, lower, bottom = 24.0, 130.0, 86.0, 24.0
    height = top + middle + 34 + lower + bottom
    figure = Svg(WIDTH, height, title)
    n_bins = max(1, len(points) - 1)
    start = left + gap + 10
    bin_width = (WIDTH - start - right) / n_bins

    def x_of(code: int) -> float:
        return left + 4 if code == 0 else start + (code - 1) * bin_width

    def width_of(first: int, last: int) -> float:
        return gap - 8 if first == 0 else (last - first + 1) * bin_width

    # Points.
    low, high = min(0.0, *points), max(0.0, *points)
    spread = max(high - low, 2.0)
    low, high = low - 0.06 * spread, high + 0.06 * spread

    def y_of(value: float) -> float:
        return top + middle * (high - value) / (high - low)

    figure.text(4, 14, texts("model.points_axis"), "axis")
    for tick in _around_zero(low, high):
        figure.line(left, y_of(tick), WIDTH - right, y_of(tick), "zero" if tick == 0 else "grid")
        figure.text(
            left - 7,
            y_of(tick) + 4.5,
            f"{tick:+g}".replace("-", MINUS) if tick else "0",
            "tick",
            "end",
        )
    is_rare = any(band.first == 0 and band.n < MIN_CASES for band in bands)
    missing = "curve pale" if is_rare else "curve"
    figure.line(x_of(0), y_of(points[0]), x_of(0) + gap - 8, y_of(points[0]), missing)
    steps = [
        place
        for code in range(1, len(points))
        for place in (
            (x_of(code), y_of(points[code])),
            (x_of(code) + bin_width, y_of(points[code])),
        )
    ]
    figure.path(steps, "curve")

    # Observed rates.
    floor = top + middle + 34 + lower
    rate_top = nice_ticks(
        max([overall or 0.0, *(band.rate for band in bands if band.rate is not None)], default=0.1)
        or 0.1,
        2,
    )
    figure.text(4, floor - lower - 14, texts("model.rate_axis"), "axis")
    for tick in rate_top:
        y = floor - lower * tick / rate_top[-1]
        figure.line(left, y, WIDTH - right, y, "grid")
        figure.text(left - 7, y + 4.5, percent(tick, language) if tick else "0", "tick", "end")
    for band in bands:
        x, width = x_of(band.first) + 0.7, width_of(band.first, band.last) - 1.4
        hint = f"{band.label} · {texts('model.count')} {band.n:,}"
        if band.rate is None:
            figure.rect(x, floor - 5, width, 5, "bar unsure", f"{hint} · {texts('lead.rare')}")
        else:
            tall = lower * band.rate / rate_top[-1]
            figure.rect(
                x,
                floor - tall,
                width,
                max(tall, 1),
                "bar observed",
                f"{hint} · {percent(band.rate, language)}",
            )
    if overall is not None:
        y = floor - lower * overall / rate_top[-1]
        figure.line(left, y, WIDTH - right, y, "overall")
        figure.text(
            WIDTH - right,
            floor - lower - 14,
            f"- - {texts('model.overall')} {percent(overall, language)}",
            "tick",
            "end",
        )

    # Values.
    figure.text(x_of(0) + (gap - 8) / 2, floor + 17, texts("model.missing"), "tick", "middle")
    widest = max((text_width(label, LABEL_SIZE) for _, label in ticks), default=0.0)
    is_tight = bin_width < max(40.0, widest) and len(ticks) > 1
    placed = []
    for place, (code, label) in enumerate(ticks):
        x = x_of(code) + bin_width / 2
        figure.line(x, floor, x, floor + 4, "zero")
        # The outermost labels stay inside the figure, and clear of "not given".
        anchor = "middle" if not is_tight else _anchor(place, len(ticks))
        placed.append((x, label, anchor))
    for x, label, anchor in _apart(placed):
        figure.text(x, floor + 17, label, "tick", anchor)
    return figure.render()


def level_chart(levels: Sequence[Level], overall: float | None, title: str, texts: Texts) -> Markup:
    """Draw a category's points value by value, beside the observed rates."""
    language = texts.language
    row, top = 25.0, 26.0
    label_end, points_end, rate_start = 158.0, 296.0, 344.0
    rate_room, n_end = 84.0, WIDTH - 4
    figure = Svg(WIDTH, top + row * len(levels) + 6, title)
    low = min(0.0, *(level.points for level in levels))
    high = max(0.0, *(level.points for level in levels))
    scale = (points_end - label_end - 12) / max(high - low, 2.0)
    zero = label_end + 6 - low * scale
    most = (
        max(
            [overall or 0.0, *(level.rate for level in levels if level.rate is not None)],
            default=0.0,
        )
        or 0.1
    )
    figure.text(zero, 14, texts("model.points_axis"), "axis", "middle")
    figure.text(rate_start, 14, texts("model.rate_short"), "axis")
    figure.text(n_end, 14, texts("model.count"), "axis", "end")
    bottom = top + row * len(levels) + 2
    if overall is not None:
        x = rate_start + rate_room * overall / most
        figure.line(x, top - 4, x, bottom, "overall")
    for place, level in enumerate(levels):
        y = top + row * place
        kind = "positive" if level.points >= 0 else "negative"
        figure.label(label_end - 8, y + 14, level.label, label_end - 10, 16.0, anchor="end")
        end = zero + level.points * scale
        figure.rect(
            min(zero, end),
            y + 2,
            max(abs(end - zero), 1.5),
            15,
            f"bar {kind} pale" if level.n < MIN_CASES else f"bar {kind}",
            f"{level.label} {signed(level.points)}",
            2,
        )
        # Right of the bar or of the line, where there is always room.
        figure.text(max(zero, end) + 5, y + 14, signed(level.points), "tick")
        if level.rate is None:
            rare = texts("lead.rare") if level.n else "–"
            figure.rect(rate_start - 2, y + 1, n_end - 40 - rate_start, 18, "paper")
            figure.text(rate_start, y + 14, rare, "tick faint")
        else:
            width = rate_room * level.rate / most
            figure.rect(
                rate_start,
                y + 2,
                max(width, 1.5),
                15,
                "bar observed",
                f"{level.label} {percent(level.rate, language)}",
                2,
            )
            figure.text(rate_start + rate_room + 6, y + 14, percent(level.rate, language), "tick")
        figure.text(n_end, y + 14, f"{level.n:,}", "tick", "end")
    figure.line(zero, top - 4, zero, bottom, "zero")
    return figure.render()


def pair_map(
    rows: Sequence[str],
    columns: Sequence[str],
    points: Sequence[Sequence[float]],
    names: tuple[str, str],
    title: str,
    texts: Texts,
) -> Markup:
    """Draw what two fields add together, in points, as shades: teal adds, rust takes away.

    Parameters
    ----------
    rows, columns : sequence of str
        Values of the first and of the second field.
    points : sequence of sequences of float, shape (n_rows, n_columns)
        What each combination adds.
    names : (str, str)
        The two fields.
    """
    left, top, bottom = 132.0, 30.0, 92.0
    cell = min(26.0, max(12.0, 330.0 / len(rows)))
    wide = (WIDTH - left - 8) / len(columns)
    height = top + cell * len(rows) + bottom
    figure = Svg(WIDTH, height, title)
    most = max((abs(value) for line in points for value in line), default=0.0) or 1.0
    figure.text(4, 16, f"{fit_text(names[0], 240, 12.5)} ↓", "axis")
    figure.text(WIDTH - 8, 16, f"{fit_text(names[1], 240, 12.5)} →", "axis", "end")
    for r, (row, values) in enumerate(zip(rows, points, strict=True)):
        y = top + r * cell
        if cell >= 13 or r % 2 == 0:
            figure.label(left - 6, y + cell / 2 + 4, row, left - 10, 13.0, "small", "end")
        for c, value in enumerate(values):
            hint = texts("model.cell", row=row, column=columns[c], points=signed(value))
            figure.add(
                "rect",
                None,
                hint,
                x=left + c * wide,
                y=y,
                width=wide - 0.6,
                height=cell - 0.6,
                fill=_shade(value / most),
            )
    base = top + cell * len(rows)
    for c, column in enumerate(columns):
        x = left + (c + 0.5) * wide
        turn = f"rotate(-38 {x:.1f} {base + 12:.1f})"
        figure.add(
            "text",
            fit_text(shorten_codes(column), 84, 11.5),
            column,
            x=x,
            y=base + 14,
            class_="small",
            text_anchor="end",
            transform=turn,
        )
    for k in range(21):
        figure.add(
            "rect",
            x=left - 124 + k * 5.0,
            y=height - 20,
            width=5.0,
            height=9,
            fill=_shade((k - 10) / 10),
        )
    figure.text(left - 124, height - 26, f"−{most:.1f}", "small")
    figure.text(left - 19, height - 26, f"+{most:.1f}", "small", "end")
    return figure.render()


def _apart(labels: Sequence[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """Return the first label, the last, and of those between what leaves room to read them."""
    if len(labels) < 3:
        return list(labels)
    kept = [labels[0]]
    last, _ = _ends(*labels[-1])
    for one in labels[1:-1]:
        begin, end = _ends(*one)
        if begin >= _ends(*kept[-1])[1] + LABEL_GAP and end <= last - LABEL_GAP:
            kept.append(one)
    return [*kept, labels[-1]]


def _ends(x: float, label: str, anchor: str) -> tuple[float, float]:
    wide = text_width(label, LABEL_SIZE)
    begin = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
    return begin, begin + wide


def _anchor(place: int, n_ticks: int) -> str:
    return "start" if place == 0 else "end" if place == n_ticks - 1 else "middle"


_ADDS, _TAKES = (11, 122, 117), (180, 73, 47)


def _shade(strength: float) -> str:
    target = _ADDS if strength > 0 else _TAKES
    share = min(1.0, abs(strength)) ** 0.8
    mixed = (round(255 + (channel - 255) * share) for channel in target)
    return (
        "#" + "".join(f"{channel:02x}" for channel in mixed) if abs(strength) > 0.004 else "#f7f8f9"
    )


def _around_zero(low: float, high: float) -> list[float]:
    step = nice_ticks(max(high - low, 1e-9), 4)[1]
    first, last = int(low / step), int(high / step)
    return [round(step * k, 9) for k in range(first, last + 1)]
