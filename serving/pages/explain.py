"""From look-up tables and past leads to what the model's page draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from features.encoder import Input
from features.factors import shown_value
from features.scorer import POINTS_PER_LOGIT, LeadScorer
from features.tables import PairTable
from features.wording import input_name, number_text, value_text
from serving.pages.model_charts import Band, Importance, Level, level_chart, number_chart, pair_map
from serving.texts import Texts

__all__ = ["FieldFigure", "field_figures", "importance_of", "pair_figures"]

Floats = NDArray[np.float64]

MOST_LEVELS = 24
MOST_CELLS_A_SIDE = 16
MIN_PAIR_POINTS = 0.3
"""A pair that nowhere adds this much is not drawn."""


@dataclass(frozen=True, slots=True)
class FieldFigure:
    """A figure with its heading."""

    group: str
    heading: str
    figure: Markup
    note: str


def importance_of(scorer: LeadScorer, texts: Texts) -> list[Importance]:
    """Return by how many points each field moves past leads on average, the most first."""
    moved: dict[str, tuple[str, str, float]] = {}
    for position, given in enumerate(scorer.encoder.inputs):
        weights = _weights(scorer.reference, position, given.size)
        points = float(np.abs(_points(scorer, position)) @ weights)
        name = input_name(scorer.definition, given.field, texts.language)
        _, _, before = moved.get(given.field, (name, given.group, 0.0))
        moved[given.field] = (name, given.group, before + points)
    ranked = sorted(moved.values(), key=lambda one: -one[2])
    return [Importance(name, group, points) for name, group, points in ranked]


def field_figures(scorer: LeadScorer, texts: Texts) -> list[FieldFigure]:
    """Return the exact curve of every input with the observed rates, in the definition's order."""
    overall = _overall(scorer.reference)
    figures = []
    for position, given in enumerate(scorer.encoder.inputs):
        heading = input_name(scorer.definition, given.name, texts.language)
        title = texts("model.points_title", field=heading)
        points = _points(scorer, position).tolist()
        note = ""
        if given.kind == "number":
            bands = _bands(scorer, position, given, texts)
            figure = number_chart(points, _ticks(given, texts), bands, overall, title, texts)
        else:
            levels = _levels(scorer, position, given, points, texts)
            shown = _strongest(levels)
            if len(shown) < len(levels):
                note = texts("model.rows_left_out", n=len(levels) - len(shown))
            figure = level_chart(shown, overall, title, texts)
        figures.append(FieldFigure(given.group, heading, figure, note))
    return figures


def pair_figures(scorer: LeadScorer, texts: Texts) -> list[FieldFigure]:
    """Return a map of each pair that adds something, the strongest first."""
    found = []
    for pair in scorer.tables.pairs:
        points = (pair.first + pair.second) * POINTS_PER_LOGIT
        strength = float(np.abs(points).max())
        if strength >= MIN_PAIR_POINTS:
            found.append((strength, _pair_figure(scorer, pair, points, texts)))
    return [figure for _, figure in sorted(found, key=lambda one: -one[0])]


def _pair_figure(scorer: LeadScorer, pair: PairTable, points: Floats, texts: Texts) -> FieldFigure:
    language = texts.language
    sides = []
    for position in (pair.i, pair.j):
        given = scorer.encoder.inputs[position]
        weights = _weights(scorer.reference, position, given.size)
        sides.append((given, _merged(given, weights), weights))
    (first, rows, row_weights), (second, columns, column_weights) = sides
    cells = [
        [
            float(
                np.average(
                    points[np.ix_(row, column)],
                    weights=np.outer(row_weights[row], column_weights[column]) + 1e-12,
                )
            )
            for column in columns
        ]
        for row in rows
    ]
    names = tuple(input_name(scorer.definition, given.name, language) for given in (first, second))
    title = texts("model.pair_title", first=names[0], second=names[1])
    figure = pair_map(
        [_group_label(scorer, first, row, texts) for row in rows],
        [_group_label(scorer, second, column, texts) for column in columns],
        cells,
        (names[0], names[1]),
        title,
        texts,
    )
    is_merged = len(rows) < first.size or len(columns) < second.size
    return FieldFigure(first.group, title, figure, texts("model.pair_merged") if is_merged else "")


def _points(scorer: LeadScorer, position: int) -> Floats:
    horizon = scorer.tables.position(scorer.main_horizon)
    return scorer.tables.mains[horizon][position] * POINTS_PER_LOGIT


def _overall(reference: Mapping[str, Any]) -> float | None:
    overall = reference.get("overall") or {}
    rate = overall.get("rate")
    return None if rate is None else float(rate)


def _weights(reference: Mapping[str, Any], position: int, size: int) -> Floats:
    """Return the share of past leads with each code; equal shares when nothing was counted."""
    counts = reference.get("counts")
    if not counts or not sum(counts[position]):
        return np.full(size, 1.0 / size)
    counted = np.asarray(counts[position], dtype=np.float64)
    shares: Floats = counted / counted.sum()
    return shares


def _raw_bands(reference: Mapping[str, Any], position: int) -> Sequence[Mapping[str, Any]]:
    bands = reference.get("inputs")
    return bands[position] if bands else ()


def _bands(scorer: LeadScorer, position: int, given: Input, texts: Texts) -> list[Band]:
    return [
        Band(
            int(band["from"]),
            int(band["to"]),
            None if band["rate"] is None else float(band["rate"]),
            int(band["n"]),
            value_text(
                scorer.encoder,
                given.name,
                shown_value(given, int(band["from"]), band),
                texts.language,
            ),
        )
        for band in _raw_bands(scorer.reference, position)
    ]


def _levels(
    scorer: LeadScorer, position: int, given: Input, points: Sequence[float], texts: Texts
) -> list[Level]:
    told = {int(band["from"]): band for band in _raw_bands(scorer.reference, position)}
    levels = []
    for code in range(given.size):
        band = told.get(code, {"rate": None, "n": 0})
        label = value_text(scorer.encoder, given.name, shown_value(given, code), texts.language)
        levels.append(
            Level(
                label,
                points[code],
                None if band["rate"] is None else float(band["rate"]),
                int(band["n"]),
            )
        )
    return sorted(levels, key=lambda level: -level.points)


def _strongest(levels: list[Level]) -> list[Level]:
    if len(levels) <= MOST_LEVELS:
        return levels
    return levels[: MOST_LEVELS // 2] + levels[-(MOST_LEVELS // 2) :]


def _ticks(given: Input, texts: Texts) -> list[tuple[int, str]]:
    """Return about five codes of a number with the value to write at each."""
    n_bins = given.size - 1
    chosen = sorted({1 + round(k * (n_bins - 1) / 4) for k in range(5)})
    return [(code, number_text(given.centres[code - 1], texts.language)) for code in chosen]


def _merged(given: Input, weights: Floats) -> list[list[int]]:
    """Return groups of neighbouring codes that hold about equally many past leads."""
    if given.kind == "category":
        ranked = np.argsort(-weights[2:], kind="stable")[: MOST_CELLS_A_SIDE - 2] + 2
        return [[0], [1], *([int(code)] for code in sorted(ranked))]
    if given.size <= MOST_CELLS_A_SIDE:
        return [[code] for code in range(given.size)]
    # The middle of each bin on the scale from 0 to 1 says which group it belongs to.
    own = weights[1:] + 1e-9
    middle = (np.cumsum(own) - own / 2) / own.sum()
    place = np.minimum(
        (middle * (MOST_CELLS_A_SIDE - 1)).astype(int), MOST_CELLS_A_SIDE - 2
    ).tolist()
    grouped = groupby(range(1, given.size), key=lambda code: place[code - 1])
    return [[0], *(list(codes) for _, codes in grouped)]


def _group_label(scorer: LeadScorer, given: Input, codes: Sequence[int], texts: Texts) -> str:
    if codes[0] == 0:
        return texts("model.missing")
    if given.kind == "category" and codes[0] == 1:
        return texts("model.other")
    span = {"from": codes[0], "to": codes[-1]} if given.kind == "number" else None
    return value_text(
        scorer.encoder, given.name, shown_value(given, codes[0], span), texts.language
    )
