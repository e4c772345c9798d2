"""What a check finds, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Level", "fault", "fine", "warn"]

Level = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    level : {"ok", "warning", "fault"}
        `fault`: the service cannot do its work so; `warning`: it can, and somebody should look.
    topic : str
        What was looked at, one or two words.
    told : str
        What was found. Never a secret, a name or a lead.
    advice : str
        What to do; empty when nothing is to be done.
    """

    level: Level
    topic: str
    told: str
    advice: str = ""


def fine(topic: str, told: str) -> Finding:
    """Return that all is well."""
    return Finding("ok", topic, told)


def warn(topic: str, told: str, advice: str) -> Finding:
    """Return something that somebody should look at."""
    return Finding("warning", topic, told, advice)


def fault(topic: str, told: str, advice: str) -> Finding:
    """Return something that keeps the service from its work."""
    return Finding("fault", topic, told, advice)
