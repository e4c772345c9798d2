"""What to do with a lead, from its two probabilities and the line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ACCEPTED", "Decision", "decide"]

ACCEPTED = 0.5
"""At or above this chance of being accepted, sales is expected to take the lead."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and on what ground.

    Attributes
    ----------
    decision : {"handoff", "nurture", "review", "suppress"}
        `review`: likely to be won, though sales usually declines such leads.
    quadrant : {"handoff", "review", "doubtful", "nurture"} or None
        Acceptance against conversion; None when nothing is known of acceptance.
    line : float
        The probability at which a lead is handed off (0 to 1).
    """

    decision: Literal["handoff", "nurture", "review", "suppress"]
    quadrant: Literal["handoff", "review", "doubtful", "nurture"] | None
    line: float


def decide(probability: float, acceptance: float | None, line: float) -> Decision:
    """Return the decision for a lead.

    Parameters
    ----------
    probability : float
        Chance of a win at the main horizon (0 to 1).
    acceptance : float or None
        Chance that sales accepts the lead (0 to 1).
    line : float
        Break-even probability of the definition (0 to 1).

    Examples
    --------
    >>> decide(0.21, 0.64, 0.18).decision, decide(0.21, 0.2, 0.18).decision
    ('handoff', 'review')
    >>> decide(0.05, 0.9, 0.18).quadrant
    'doubtful'
    """
    is_likely = probability >= line
    if acceptance is None:
        return Decision("handoff" if is_likely else "nurture", None, line)
    is_welcome = acceptance >= ACCEPTED
    if is_likely:
        both: Literal["handoff", "review"] = "handoff" if is_welcome else "review"
        return Decision(both, both, line)
    return Decision("nurture", "doubtful" if is_welcome else "nurture", line)
