"""Who answers for a finding: the entries of a definition, matched with what a scan found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from features.terms import AcceptedFinding
from training.leaks import wording
from training.leaks.findings import SEVERITIES, LeakFinding

__all__ = ["accept"]


def accept(
    findings: Iterable[LeakFinding], accepted: Iterable[AcceptedFinding]
) -> tuple[LeakFinding, ...]:
    """Return the findings, each with the entry that answers for it by field and signal.

    An entry answers for nothing worse than what was accepted; a worse finding keeps blocking, and
    its remedy says who accepted less.
    """
    mildest_first = sorted(accepted, key=lambda entry: -SEVERITIES.index(entry.severity))
    answers = {(entry.field, entry.signal): entry for entry in mildest_first}
    return tuple(
        _answered(finding, answers.get((finding.field, finding.signal))) for finding in findings
    )


def _answered(finding: LeakFinding, entry: AcceptedFinding | None) -> LeakFinding:
    if entry is None:
        return finding
    if SEVERITIES.index(finding.severity) < SEVERITIES.index(entry.severity):
        return replace(finding, remedy=wording.stronger_now(entry, finding.remedy))
    return replace(finding, accepted=entry)
