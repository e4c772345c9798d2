"""Signals that need the outcome: purity of values, being filled in, and one field that knows all.

Two looks. The first compares each value with the other leads; columns with nothing unusual are the
clean ones. The second asks the clean columns together what they expect of the leads of each unusual
value: what they explain is honest, and only what is left is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from training.leaks import wording
from training.leaks.columns import FEWEST, MISSING, Codes, Flags, Floats, ScanColumn
from training.leaks.content_signals import looks_personal
from training.leaks.findings import LeakFinding, Severity
from training.leaks.purity import CHANCE, Tally, auc_of, joint_chance, know, tally

__all__ = ["PURE", "Contrast", "Knowing", "find_outcome_signals", "look", "relation"]

STRONGEST_HONEST = 2.5
"""Odds ratio that honest values reach, careful end; beyond it, or below its inverse, a value is
called. Chosen on worlds with seeds from 100 on and read against real tables."""

STRONGEST_HONEST_BLANK = 2.0
"""The same for being filled in or not."""

PURE = 0.9
"""Share of wins from which on a value counts as pure."""

_ORDERED = 1.8
"""How much more the ends of an honest number may tell than a single value."""

_HANDLING = 2.0
"""How much more honest values tell of who was worked: teams choose by what they see."""

_NEVER = 0.1
"""Wins for each expected one, below which a value counts as never winning."""

_HARDLY_EVER = 0.02
_LONGEST_SHOWN = 40
_TELLS_MANY = 0.3
"""Share of the winners (or of the others) that sit in pure values; beyond it the column leaks."""

_AUC_SUSPECT, _AUC_LEAK = 0.85, 0.92


@dataclass(frozen=True, eq=False)
class Contrast:
    """Something that is only known later.

    Attributes
    ----------
    name : str
        ``won``, or what was done with the lead: ``worked``, ``touched``.
    told : ndarray of shape (n,)
        1, 0, or NaN where it is not told.
    """

    name: str
    told: Floats

    @property
    def is_outcome(self) -> bool:
        """Whether it is the outcome itself."""
        return self.name == "won"

    @property
    def tells_both(self) -> bool:
        """Whether there are enough leads on both sides to compare."""
        return min(int((self.told == 1).sum()), int((self.told == 0).sum())) >= FEWEST


@dataclass(eq=False)
class Knowing:
    """What the columns know of one contrast: each alone, and the clean ones together."""

    contrast: Contrast
    alone: dict[str, Floats] = field(default_factory=dict)
    unusual: set[str] = field(default_factory=set)
    clean: Floats | None = None
    clean_auc: float = 0.5
    with_channel: Floats | None = None

    def auc(self, name: str) -> float:
        """Return how well a column alone sorts the leads (0.5 chance, 1 perfect)."""
        return auc_of(self.alone[name], self.contrast.told)


def look(columns: Mapping[str, ScanColumn], contrast: Contrast, *, channel: str = "") -> Knowing:
    """Take the first look: what each column knows, which are unusual, what the clean ones know.

    Why other columns are blank is explained by the channel too, even where channels differ much
    (unless it alone tells nearly all): not every form asks every question.
    """
    knowing = Knowing(contrast)
    for name, column in columns.items():
        knowing.alone[name] = know(column.codes, contrast.told)
        if knowing.auc(name) >= _AUC_SUSPECT or any(_unusual(column, contrast)):
            knowing.unusual.add(name)
    clean = [knowing.alone[name] for name in columns if name not in knowing.unusual]
    knowing.clean = knowing.with_channel = joint_chance(clean, contrast.told)
    if channel in knowing.unusual and knowing.auc(channel) < _AUC_SUSPECT:
        knowing.with_channel = joint_chance([*clean, knowing.alone[channel]], contrast.told)
    knowing.clean_auc = auc_of(knowing.clean, contrast.told)
    return knowing


def find_outcome_signals(
    columns: Mapping[str, ScanColumn], knowing: Knowing, *, channel: str = ""
) -> Iterator[LeakFinding]:
    """Take the second look and yield what is called, in the order of the columns."""
    contrast = knowing.contrast
    for name, column in columns.items():
        if name not in knowing.unusual and not contrast.is_outcome:
            continue
        called: list[_Called] = []
        if name in knowing.unusual:
            by = knowing.clean if (column.field or name) == channel else knowing.with_channel
            called = [*_unusual(column, contrast, knowing.clean, by)]
        for find in (_blank_finding, _purity_finding):
            finding = find(name, column, contrast, called)
            if finding is not None:
                yield finding
        if contrast.is_outcome and (single := _single_finding(name, column, knowing)) is not None:
            yield single


def relation(column: ScanColumn, contrast: Contrast) -> float:
    """Return how far a value's rate lies from the others', in standard errors; the farthest."""
    counts = tally(column.codes, contrast.told, np.ones(len(contrast.told), dtype=bool))
    error = np.sqrt(np.maximum(counts.n * counts.expected * (1 - counts.expected), 1e-9))
    away = np.abs(counts.k - counts.n * counts.expected) / error
    return float(np.max(np.where(counts.enough, away, 0.0), initial=0.0))


@dataclass(frozen=True)
class _Called:
    """One unusual value: its code (0: being blank) and the counts that made it so."""

    code: int
    counts: Tally
    codes: Codes


def _unusual(
    column: ScanColumn,
    contrast: Contrast,
    known: Floats | None = None,
    known_of_blank: Floats | None = None,
) -> Iterator[_Called]:
    yield from _unusual_blank(column, contrast, known_of_blank)
    if column.kind in ("number", "category"):
        yield from _unusual_values(column, contrast, known)


def _unusual_blank(
    column: ScanColumn, contrast: Contrast, known: Floats | None
) -> Iterator[_Called]:
    codes = Codes(column.filled.astype(np.int64), ("", "filled"), ordered=False)
    everyone = np.ones(len(codes.code), dtype=bool)
    counts = tally(codes, contrast.told, everyone, known=known)
    fewer = int(np.argmin(counts.n))  # the many are a firm ground to compare with
    if counts.enough[fewer] and _beyond(counts, STRONGEST_HONEST_BLANK)[fewer]:
        yield _Called(MISSING, counts, codes)


def _unusual_values(
    column: ScanColumn, contrast: Contrast, known: Floats | None
) -> Iterator[_Called]:
    codes = column.codes
    counts = tally(codes, contrast.told, column.filled, known=known)
    limit = STRONGEST_HONEST * (1.0 if contrast.is_outcome else _HANDLING)
    limit *= _ORDERED if codes.ordered else 1.0
    # What most leads have is usual; the few others are the value to speak of.
    judged = counts.enough & (counts.n <= counts.n.sum() / 2)
    judged[MISSING] = False
    beyond = _beyond(counts, limit)
    if codes.spans:  # the low end of an honest number fades out; only a single value can be pure
        beyond &= _outside(counts, limit) | ~np.array(codes.spans)
    for code in np.flatnonzero(judged & beyond).tolist():
        yield _Called(code, counts, codes)


def _beyond(counts: Tally, limit: float) -> Flags:
    """Whether a value tells more than honest ones: odds beyond the limit, or no wins at all."""
    return np.asarray(_outside(counts, limit) | _never_wins(counts))


def _outside(counts: Tally, limit: float) -> Flags:
    return np.asarray((counts.odds_low >= limit) | (counts.odds_high <= 1 / limit))


def _never_wins(counts: Tally) -> Flags:
    few = counts.k <= _NEVER * counts.n * counts.expected
    return np.asarray(counts.enough & few & (counts.too_few_wins <= CHANCE))


def _blank_finding(
    name: str, column: ScanColumn, contrast: Contrast, called: list[_Called]
) -> LeakFinding | None:
    blank = next((each for each in called if each.code == MISSING), None)
    if blank is None:
        return None
    counts = blank.counts
    without, given = counts.rate.tolist()
    share = float(counts.n[1] / counts.n.sum())
    of_won = float(counts.k[1] / max(counts.k.sum(), 1.0))
    of_lost = float((counts.n - counts.k)[1] / max((counts.n - counts.k).sum(), 1.0))
    evidence: dict[str, float | str] = {
        "against": contrast.name,
        "n_filled": float(counts.n[1]),
        "n_blank": float(counts.n[0]),
        "rate_filled": given,
        "rate_blank": without,
        "filled_if_yes": of_won,
        "filled_if_no": of_lost,
    }
    excludes = contrast.is_outcome and of_won <= _HARDLY_EVER * of_lost
    sure = excludes or (min(of_won, of_lost) <= 0.01 and max(of_won, of_lost) >= _TELLS_MANY)
    severity: Severity = "leak" if sure else "suspect"
    signal = "reason_excludes_win" if excludes else "missingness"
    what = wording.excludes(evidence) if excludes else wording.missingness(evidence)
    return LeakFinding(
        column.field or name, signal, severity, what, wording.REMEDY, {"share": share, **evidence}
    )


def _purity_finding(
    name: str, column: ScanColumn, contrast: Contrast, called: list[_Called]
) -> LeakFinding | None:
    values = [each for each in called if each.code != MISSING]
    if not values:
        return None
    counts = values[0].counts
    won, lost = counts.k, counts.n - counts.k
    called_codes = np.zeros(len(won), dtype=bool)
    called_codes[[each.code for each in values]] = True
    pure = called_codes & (won >= PURE * counts.n)
    never = called_codes & (won <= _HARDLY_EVER * counts.n * counts.expected)
    told_won = float(won[pure].sum() / max(won.sum(), 1.0))
    told_lost = float(lost[never].sum() / max(lost.sum(), 1.0))
    severity: Severity = (
        "leak" if contrast.is_outcome and max(told_won, told_lost) >= _TELLS_MANY else "suspect"
    )
    telling = np.maximum(counts.odds_low, 1 / np.maximum(counts.odds_high, 1e-9))
    worst = max((each.code for each in values), key=lambda code: float(telling[code]))
    evidence: dict[str, float | str] = {
        "against": contrast.name,
        "n": float(counts.n[worst]),
        "rate": float(counts.rate[worst]),
        "overall": float(won.sum() / max(counts.n.sum(), 1.0)),
        "expected": float(counts.expected[worst]),
        "n_values": float(len(values)),
        "told_won": told_won,
        "told_lost": told_lost,
    }
    label = values[0].codes.labels[worst]
    if label and not column.personal and not looks_personal(label):
        evidence["value"] = label[:_LONGEST_SHOWN]
    return LeakFinding(
        column.field or name, "purity", severity, wording.purity(evidence), wording.REMEDY, evidence
    )


def _single_finding(name: str, column: ScanColumn, knowing: Knowing) -> LeakFinding | None:
    auc = knowing.auc(name)
    if auc < _AUC_SUSPECT:
        return None
    told = knowing.contrast.told
    evidence: dict[str, float | str] = {
        "auc": auc,
        "auc_of_all_clean": knowing.clean_auc,
        "n": float((~np.isnan(told)).sum()),
    }
    severity: Severity = "leak" if auc >= _AUC_LEAK else "suspect"
    return LeakFinding(
        column.field or name,
        "single_field",
        severity,
        wording.single_field(evidence),
        wording.REMEDY,
        evidence,
    )
