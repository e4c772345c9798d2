"""Figures as JSON content: what cannot be told is None, never NaN or infinite."""

from __future__ import annotations

import math

from training.metrics import Interval

__all__ = ["figures_of", "finite"]


def finite(value: float) -> float | None:
    """Return a plain float, or None where there is none to tell."""
    return float(value) if math.isfinite(value) else None


def figures_of(interval: Interval) -> list[float | None]:
    """Return value, low and high of an interval."""
    return [finite(value) for value in interval]
