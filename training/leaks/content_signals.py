"""Signals of what a column is: its name, keys of records, personal data that is not declared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from training.leaks import wording
from training.leaks.columns import FEWEST, ScanColumn
from training.leaks.findings import LeakFinding
from training.leaks.words import outcome_word, person_word

__all__ = ["find_content_signals", "find_outcome_names", "looks_personal"]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"\+?\(?\d[\d() .-]{7,16}\d")
_LOOKED_AT = 2000
_ONCE = 0.9
_RELATED = 4.5


def looks_personal(value: str) -> bool:
    """Return whether a value is an e-mail address or a phone number."""
    return _EMAIL.fullmatch(value) is not None or _PHONE.fullmatch(value) is not None


def find_outcome_names(
    columns: Mapping[str, ScanColumn], related: Mapping[str, float]
) -> Iterator[LeakFinding]:
    """Yield the columns whose headings speak of outcomes.

    A word for the outcome itself is suspect by itself. A word for what sales does is suspect when
    the column also tells something of the outcome or of who was worked; else it is a note.

    Parameters
    ----------
    columns : mapping of str to ScanColumn
        With their headings.
    related : mapping of str to float
        How surely each column is related to what is known later, in standard errors.
    """
    for name, column in columns.items():
        word = None if column.proven else outcome_word(f"{column.heading} {column.field or name}")
        if word is None:
            continue
        is_related = related.get(name, 0.0) >= _RELATED
        evidence: dict[str, float | str] = {"word": word[0], "relation": related.get(name, 0.0)}
        yield LeakFinding(
            column.field or name,
            "outcome_name",
            "suspect" if word[1] or is_related else "note",
            wording.outcome_name(evidence),
            wording.REMEDY,
            evidence,
        )


def find_content_signals(columns: Mapping[str, ScanColumn]) -> Iterator[LeakFinding]:
    """Yield keys of records, and personal data that is not declared."""
    for name, column in columns.items():
        if column.proven or column.kind not in ("category", "number"):
            continue
        filled = column.values[column.filled]
        if len(filled) < FEWEST:
            continue
        counts = np.asarray(pd.Series(filled).value_counts(sort=False))
        once = float((counts == 1).sum() / len(filled))
        if once >= _ONCE and (column.kind == "category" or _counts_up(filled)):
            evidence: dict[str, float | str] = {"distinct_share": once, "n": float(len(filled))}
            yield LeakFinding(
                column.field or name,
                "identifier",
                "note",
                wording.identifier(evidence),
                wording.REMEDY_IDENTIFIER,
                evidence,
            )
        if column.kind == "category" and not column.personal:
            yield from _personal(name, column, filled)


def _counts_up(filled: np.ndarray) -> bool:
    numbers = np.asarray(filled, dtype=np.float64)
    step = np.diff(numbers)
    return bool((numbers % 1 == 0).all() and ((step > 0).mean() > 0.99 or (step < 0).mean() > 0.99))


def _personal(name: str, column: ScanColumn, filled: np.ndarray) -> Iterator[LeakFinding]:
    distinct = pd.unique(filled[:: max(1, len(filled) // _LOOKED_AT)])
    shares = {
        kind: float(np.mean([pattern.fullmatch(str(value)) is not None for value in distinct]))
        for kind, pattern in (("email", _EMAIL), ("phone", _PHONE))
    }
    looks_like = next((kind for kind, share in shares.items() if share > 0.5), None)
    if looks_like is None and person_word(column.heading) and len(distinct) > FEWEST:
        looks_like = "name"
    if looks_like is None or len(distinct) <= 10:
        return
    evidence: dict[str, float | str] = {"looks_like": looks_like, "n": float(len(filled))}
    yield LeakFinding(
        column.field or name,
        "personal",
        "note" if looks_like == "name" else "suspect",
        wording.personal(evidence),
        wording.REMEDY_PERSONAL,
        evidence,
    )
