"""What can go wrong, each with a name, an HTTP status and a message that says what to do.

A message never holds a lead's personal data: it names columns, rows, codes and counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "ArtefactRefused",
    "DefinitionInvalid",
    "FileUnreadable",
    "Finding",
    "LeadQualityError",
    "LeadsRejected",
    "NotEnoughEvidence",
    "SourceMapInvalid",
    "shorten",
]


class LeadQualityError(Exception):
    """Root of every error this project raises on purpose.

    Attributes
    ----------
    status : int
        The HTTP status that fits when the error reaches an API caller.
    """

    status = 500


class DefinitionInvalid(LeadQualityError):
    """The lead definition breaks its own rules."""

    status = 422


class SourceMapInvalid(LeadQualityError):
    """The source map breaks its own rules, or does not fit the definition."""

    status = 422


class FileUnreadable(LeadQualityError):
    """A file is missing, empty, in another encoding, or not the table it claims to be."""

    status = 422


class NotEnoughEvidence(LeadQualityError):
    """There are too few leads or outcomes for what was asked."""

    status = 422


class ArtefactRefused(LeadQualityError):
    """A stored model is damaged, foreign, or does not reproduce its own golden rows.

    Parameters
    ----------
    message : str
        What is wrong and what to do.
    code : str
        The reason in one word for logs, metrics and pages; `features.contract.REASONS` lists them.
    """

    status = 503

    def __init__(self, message: str, code: str = "does_not_fit") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a file: what, where, found, expected, what to do.

    Attributes
    ----------
    code : str
        Stable name of the kind of finding, e.g. ``"unknown_status"``.
    message : str
        What is wrong and what was expected, without personal data.
    remedy : str
        What to do about it.
    column : str or None
        The column concerned.
    rows : tuple of int
        File rows concerned (1 is the heading), the first few.
    n_rows : int
        How many rows are concerned in all; 0 when the finding is about the whole table.
    severity : {"error", "warning"}
        An error stops the run unless the user says to use the good rows.
    """

    code: str
    message: str
    remedy: str
    column: str | None = None
    rows: tuple[int, ...] = ()
    n_rows: int = 0
    severity: str = "error"

    def __str__(self) -> str:
        where = [] if self.column is None else [f"column {self.column!r}"]
        if self.rows:
            where.append(
                f"row {shorten(self.rows)}"
                + (f" ({self.n_rows} in all)" if self.n_rows > len(self.rows) else "")
            )
        return (
            f"{', '.join(where)}: {self.message} {self.remedy}"
            if where
            else f"{self.message} {self.remedy}"
        )


class LeadsRejected(LeadQualityError):
    """A table of leads or events was read but cannot be trusted; holds every finding.

    Parameters
    ----------
    findings : iterable of Finding
        All that was found; errors are told first, then what would not have stopped the run.
    """

    status = 422

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        errors = [finding for finding in self.findings if finding.severity == "error"]
        warnings = [finding for finding in self.findings if finding.severity != "error"]
        lines = [f"{len(errors)} error(s); nothing was used and nothing was written."]
        lines += [f"- {finding}" for finding in errors]
        if warnings:
            lines += ["Also noted (would not stop the run):"]
            lines += [f"- {finding}" for finding in warnings]
        super().__init__("\n".join(lines))


def shorten(names: Iterable[object], limit: int = 8) -> str:
    """Return the names separated by commas, cut after `limit` with the count of the rest.

    >>> shorten(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    listed = [str(name) for name in names]
    rest = len(listed) - limit
    return ", ".join(listed) if rest <= 0 else f"{', '.join(listed[:limit])} and {rest} more"
