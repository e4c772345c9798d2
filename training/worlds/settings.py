"""What an invented world is made of; same settings, same world, to the byte."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from features.errors import LeadQualityError

__all__ = ["HORIZONS", "WorldImpossible", "WorldSettings"]

HORIZONS = (30, 90, 180, 365)
"""Days after arrival at which the truth is known."""


class WorldImpossible(LeadQualityError, ValueError):
    """No world can be made from these settings."""

    status = 422


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """The knobs of a world; `WorldImpossible` if one is out of range.

    Attributes
    ----------
    n_leads : int
        Leads that arrive inside the training span.
    n_test : int
        Leads that arrive in the `test_days` after the cut-off; never exported.
    days, test_days : int
        Length of the training span, and of the span after it, in days.
    end : date
        The cut-off: the training span ends when this day begins (time zone Asia/Tokyo).
    seed : int
        Everything random follows from it.
    prejudice : float
        Weight of the sales people's dislike of small firms and of webinar leads, 0 (none) to about
        3 (strong). It moves decisions and never the truth.
    rejection_shift : float
        Log-odds at 90 days by which rejected leads are truly worse than worked leads with the same
        fields, pooled; at or below 0. How well the representative hears on the phone what no field
        says follows from it; 0 means that nothing is heard.
    unseen : float
        Weight of what no field says in the truth.
    drift : float
        Strength of changes over the span: channels, a new product, a falling market. 0 is none.
    audit_share : float
        Share of the rejected leads that are worked all the same, at random, 0 to 0.5.
    leaks : tuple of str
        Names of the planted columns that know the future (`training.worlds.leaks.LEAKS`).
    leak_strength : float
        Share of the leads on which a planted column tells the outcome, 0 to 1; for an honest column
        with one bad value, the share of leads that have the value.
    """

    n_leads: int = 16_000
    n_test: int = 5_000
    days: int = 730
    test_days: int = 60
    end: date = date(2026, 11, 1)
    seed: int = 1
    prejudice: float = 1.5
    rejection_shift: float = -0.7
    unseen: float = 0.8
    drift: float = 1.0
    audit_share: float = 0.0
    leaks: tuple[str, ...] = ("sales_stage", "visit_count", "quote_amount")
    leak_strength: float = 1.0

    def __post_init__(self) -> None:
        limits = {
            "n_leads": (20, 2_000_000),
            "n_test": (0, 1_000_000),
            "days": (60, 3650),
            "test_days": (1, 365),
            "seed": (0, 2**32 - 1),
            "prejudice": (0, 10),
            "rejection_shift": (-3, 0),
            "unseen": (0, 3),
            "drift": (0, 3),
            "audit_share": (0, 0.5),
            "leak_strength": (0, 1),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise WorldImpossible(f"{name} must be from {low} to {high}, got {value}.")
