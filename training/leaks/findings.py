"""What a leak scan says: findings, worst first, and which of them block publication."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from features.terms import AcceptedFinding, Names

__all__ = ["SEVERITIES", "LeakFinding", "LeakScan", "Sentences", "Severity"]

Severity = Literal["leak", "suspect", "note"]
SEVERITIES: tuple[Severity, ...] = ("leak", "suspect", "note")
"""Worst first. A leak or a suspect blocks publication until somebody answers for it by name."""


class Sentences(Names):
    """Sentences in both languages; longer than a name may be."""

    ja: str = Field(min_length=1, max_length=1000)
    en: str = Field(min_length=1, max_length=1000)


@dataclass(frozen=True, slots=True)
class LeakFinding:
    """One finding about one field.

    Attributes
    ----------
    field : str
        Field, behaviour or column.
    signal : str
        Kind of finding: ``declared_later``, ``time_proof``, ``purity``, ``single_field``,
        ``missingness``, ``reason_excludes_win``, ``outcome_name``, ``identifier``, ``personal`` or
        ``distribution_break``.
    severity : {"leak", "suspect", "note"}
        How sure it is.
    what, remedy : Names
        What was seen, with its figures, and what to do.
    evidence : mapping of str to float or str
        The figures by name.
    accepted : AcceptedFinding or None
        Who answers for it.
    """

    field: str
    signal: str
    severity: Severity
    what: Names
    remedy: Names
    evidence: Mapping[str, float | str]
    accepted: AcceptedFinding | None = None

    @property
    def blocks(self) -> bool:
        """Whether it stands in the way of publication."""
        return self.severity != "note" and self.accepted is None

    def document(self) -> dict[str, Any]:
        """Return plain JSON content; a figure that cannot be told is None."""
        accepted = self.accepted
        return {
            "field": self.field,
            "signal": self.signal,
            "severity": self.severity,
            "what": {"ja": self.what.ja, "en": self.what.en},
            "remedy": {"ja": self.remedy.ja, "en": self.remedy.en},
            "evidence": {
                name: None if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in self.evidence.items()
            },
            "accepted": None
            if accepted is None
            else {
                "by": accepted.by,
                "why": accepted.why,
                "on": accepted.on.isoformat(),
                "severity": accepted.severity,
            },
        }


@dataclass(frozen=True)
class LeakScan:
    """All findings of one scan.

    Attributes
    ----------
    findings : tuple of LeakFinding
        Worst first.
    n_leads : int
        Leads that were looked at.
    """

    findings: tuple[LeakFinding, ...]
    n_leads: int

    @property
    def blocking(self) -> tuple[LeakFinding, ...]:
        """Leaks and suspects that nobody has accepted by name."""
        return tuple(finding for finding in self.findings if finding.blocks)

    def document(self) -> dict[str, Any]:
        """Return plain JSON content."""
        return {
            "n_leads": self.n_leads,
            "findings": [finding.document() for finding in self.findings],
            "n_blocking": len(self.blocking),
        }
