"""Invented leads that are already codes: two numbers, three categories, a known truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.definition import LeadDefinition
from features.encoder import Input

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


@dataclass(frozen=True)
class InventedInputs:
    """Stands in for an encoder where only kinds, sizes and bin medians matter."""

    inputs: tuple[Input, ...]
    definition: LeadDefinition | None = None

    def centres(self, position: int) -> Floats:
        return np.array([np.nan, *self.inputs[position].centres])


def number(name: str, bins: int) -> Input:
    centres = tuple(float(2**step) for step in range(bins))
    edges = tuple(1.5 * centre for centre in centres[:-1])
    return Input(name, name, "fit", "number", edges=edges, centres=centres)


def category(name: str, levels: int) -> Input:
    names = tuple(f"{name}{level}" for level in range(levels))
    return Input(name, name, "interest", "category", levels=names, shown=names)


INPUTS = InventedInputs(
    (
        number("employees", 12),
        category("source", 7),
        category("industry", 30),
        number("visits", 5),
        category("product", 2),
    )
)

SIZES = tuple(given.size for given in INPUTS.inputs)


def any_codes(n_leads: int, seed: int, sizes: tuple[int, ...] = SIZES) -> Codes:
    """Codes over every value, those no training lead had included."""
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.integers(0, size, n_leads) for size in sizes]).astype(np.int32)


def usual_codes(n_leads: int, seed: int) -> Codes:
    """Codes as they come in practice: some missing, common levels first, some never seen."""
    rng = np.random.default_rng(seed)
    columns = []
    for given in INPUTS.inputs:
        if given.kind == "number":
            column = 1 + rng.binomial(given.size - 2, 0.4, n_leads)
        else:
            column = 2 + np.minimum(rng.geometric(0.25, n_leads) - 1, given.size - 4)
        columns.append(np.where(rng.random(n_leads) < 0.1, 0, column))
    return np.column_stack(columns).astype(np.int32)


def true_logits(codes: Codes) -> Floats:
    """A slope, two levels that matter, and a pair that only acts together."""
    slope = 0.25 * (codes[:, 0] - 5.0)
    levels = 0.8 * (codes[:, 1] == 2) - 0.6 * (codes[:, 2] == 3)
    together = 1.2 * ((codes[:, 3] > 3) & (codes[:, 4] == 2))
    return np.asarray(slope + levels + together - 1.5, dtype=np.float64)


def chance(logits: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)), dtype=np.float64)


def soft_curve(codes: Codes, n_horizons: int = 3) -> Floats:
    """Probabilities that rise with the horizon, shape (n_leads, n_horizons)."""
    return chance(true_logits(codes)[:, None] + 0.7 * np.arange(n_horizons))


def outcomes(codes: Codes, seed: int) -> Floats:
    drawn = np.random.default_rng([seed, 1]).random(len(codes)) < chance(true_logits(codes))
    return drawn.astype(np.float64)
