"""Where sales and outcome disagree: groups turned away more, or less, than their outlook justifies.

The outlook of a lead is the teacher's chance to win if worked, at the longest horizon. A group that
sales accepts less often than other leads with the same outlook is named, with the reason that is
given too often there. Three things keep honest groups out: the doubt about a group's own outlook is
part of its interval (`training.equal_outlook`), all groups are tested together (Holm), and a group
is named only if it adds to those named before it, the clearest one first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from training.disagreement_words import NOTES, words_of
from training.documents import figures_of
from training.doubt import Doubt
from training.equal_outlook import EqualOutlook
from training.groups import Group, groups_of
from training.metrics import Z95, Interval
from training.sales_counts import SalesCounts, count_sales

if TYPE_CHECKING:
    from features.encoder import LeadEncoder
    from features.terms import Names
    from training.labels import HistoryLabels, SnapshotLabels
    from training.snapshot_teacher import SnapshotTeacher
    from training.teacher import HazardTeacher

__all__ = ["LEVEL", "Disagreement", "Disagreements", "find_disagreements"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]

LEVEL = 0.05
"""Chance to name any group at all where sales and outcome agree."""

LEAST_GAP = 0.05
"""A smaller difference in acceptance is not worth a conversation."""

MOST_GROUPS = 5
MIN_DECIDED = 150
"""Accepted leads, and turned away ones, that are needed to compare anything."""

MIN_OF_A_REASON = 20


@dataclass(frozen=True)
class Disagreement:
    """One group that sales treats differently from other leads with the same outlook.

    Attributes
    ----------
    group : Group
        The leads it speaks of.
    n : int
        Decided leads of the group.
    accepted : float
        Share of them that sales accepted.
    gap : Interval
        That share less what other leads with the same outlook get; below 0, turned away more.
    reason : str or None
        The reason given most above its share at the same outlook; None if none surely is.
    reason_excess : Interval or None
        How far above, as a share of the group's rejections; allows for all reasons looked at.
    words : Names
        All of it in one sentence.
    """

    group: Group
    n: int
    accepted: float
    gap: Interval
    reason: str | None
    reason_excess: Interval | None
    words: Names

    def document(self) -> dict[str, Any]:
        """Return JSON content."""
        return {
            "field": self.group.field,
            "input": self.group.input,
            "value": self.group.value,
            "reason": self.reason,
            "n": self.n,
            "accepted": self.accepted,
            "gap": figures_of(self.gap),
            "reason_excess": None if self.reason_excess is None else figures_of(self.reason_excess),
            "words": {"ja": self.words.ja, "en": self.words.en},
        }


@dataclass(frozen=True)
class Disagreements:
    """What there is to talk about between sales and marketing.

    Attributes
    ----------
    groups : tuple of Disagreement
        The clearest first; those that others explain are left out.
    counts : SalesCounts
        Channels, and leads whose outcome contradicts what sales said.
    note : Names
        What these figures mean, or why no groups could be looked for.
    """

    groups: tuple[Disagreement, ...]
    counts: SalesCounts
    note: Names

    def document(self) -> dict[str, Any]:
        """Return JSON content: codes, counts and sentences, no value of a single lead."""
        return {
            "groups": [one.document() for one in self.groups],
            **self.counts.document(),
            "note": {"ja": self.note.ja, "en": self.note.en},
        }


def find_disagreements(
    codes: Codes,
    encoder: LeadEncoder,
    labels: HistoryLabels | SnapshotLabels,
    teacher: HazardTeacher | SnapshotTeacher | None,
    *,
    rows: Mask | None = None,
) -> Disagreements:
    """Find the groups that sales treats differently from their outlook, and count what is odd.

    Parameters
    ----------
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of all leads.
    encoder : LeadEncoder
        What made them.
    labels : HistoryLabels or SnapshotLabels
        Of the same leads.
    teacher : HazardTeacher, SnapshotTeacher or None
        None where base rates stand in: then no groups are looked for.
    rows : ndarray of bool, optional
        Leads to look at; all by default.
    """
    there = np.ones(len(labels.state), dtype=bool) if rows is None else rows
    counts = count_sales(codes, encoder, labels, there)
    if teacher is None:
        return Disagreements((), counts, NOTES["no_teacher"])
    reasons = encoder.definition.reasons
    never = [code for code, reason in reasons.items() if reason.conversion == "zero"]
    decided = there & ~np.isnan(labels.accepted)
    decided &= ~(labels.turned_away & np.isin(labels.reason.astype(str), never))
    accepted, own = labels.accepted[decided], codes[decided]
    if min(accepted.sum(), (1.0 - accepted).sum()) < MIN_DECIDED:
        return Disagreements((), counts, NOTES["few_decided"])
    if not (labels.worked & ~labels.turned_away & there).any():
        return Disagreements((), counts, NOTES["few_decided"])
    doubt = Doubt.measure(teacher, codes, encoder, labels, there)
    layout = EqualOutlook.of(teacher, own, doubt)
    given = np.where(accepted == 1.0, "", labels.reason[decided].astype(str))
    found = _name_groups(layout, accepted, given, groups_of(own, encoder), own, encoder)
    return Disagreements(found, counts, NOTES["named" if found else "none_named"])


def _name_groups(
    layout: EqualOutlook,
    accepted: Floats,
    given: NDArray[np.str_],
    candidates: tuple[Group, ...],
    codes: Codes,
    encoder: LeadEncoder,
) -> tuple[Disagreement, ...]:
    """Name one group after the other, each beside those named before."""
    if not candidates:
        return ()
    members = np.column_stack([group.members(codes) for group in candidates]).astype(np.float64)
    inputs = np.array([group.position for group in candidates])
    is_cut = np.array([group.shown.kind == "range" for group in candidates])
    named: list[int] = []
    found: list[Disagreement] = []
    while len(named) < MOST_GROUPS:
        # All cuts of a number speak of the same thing: it is named once and then held.
        taken = np.isin(inputs, [inputs[one] for one in named if is_cut[one]]) & is_cut
        taken[named] = True
        lift, spread = layout.fit(accepted, members[:, taken]).off(members)
        chance = np.where(taken, 1.0, 2.0 * norm.sf(np.abs(lift) / spread))
        # Holm: the clearest must pass among all that are left.
        best = int(np.argmin(chance))
        if chance[best] * int((~taken).sum()) > LEVEL:
            break
        if is_cut[best]:
            cuts = np.flatnonzero((inputs == inputs[best]) & is_cut)
            best = _sharpest(layout, accepted, members[:, named], members, cuts)
        known = members[:, [*named, best]]
        curve = layout.fit(accepted, known)
        value, doubt = curve.last()
        ends = sorted(curve.gap(value + far * doubt) for far in (-Z95, Z95))
        gap = Interval(curve.gap(value), *ends)
        if abs(gap.value) < LEAST_GAP or gap.low <= 0.0 <= gap.high:
            break
        named.append(best)
        reason, excess = _reason_given_too_often(layout, given, known) if gap.value < 0 else _NONE
        own = known[:, -1] == 1.0
        words = words_of(encoder, candidates[best], gap, reason, excess)
        found.append(
            Disagreement(
                candidates[best],
                int(own.sum()),
                float(accepted[own].mean()),
                gap,
                reason,
                excess,
                words,
            )
        )
    return tuple(found)


def _sharpest(
    layout: EqualOutlook, accepted: Floats, named: Floats, members: Floats, cuts: NDArray[np.intp]
) -> int:
    """Return the cut of a number that tells accepted leads from others best at equal outlook."""
    fits = [layout.fit(accepted, np.column_stack([named, members[:, cut]])) for cut in cuts]
    return int(cuts[int(np.argmin([fit.log_loss() for fit in fits]))])


_NONE: tuple[None, None] = (None, None)


def _reason_given_too_often(
    layout: EqualOutlook, given: NDArray[np.str_], known: Floats
) -> tuple[str, Interval] | tuple[None, None]:
    """Return the reason given furthest above its share in the last group, if surely above.

    Compared with other turned-away leads of the same outlook, beside the groups named before.
    """
    away = given != ""
    counts = Counter(given[away & (known[:, -1] == 1.0)].tolist())
    tried = [code for code, n in counts.items() if n >= MIN_OF_A_REASON]
    reach = float(norm.isf(0.025 / max(len(tried), 1)))
    turned_away = layout.only(away)
    sure: dict[str, Interval] = {}
    for code in tried:
        curve = turned_away.fit((given[away] == code).astype(np.float64), known[away])
        value, doubt = curve.last()
        excess = Interval(*(curve.gap(value + far * doubt) for far in (0.0, -reach, reach)))
        if excess.low > 0.0:
            sure[code] = excess
    if not sure:
        return _NONE
    code = max(sure, key=lambda each: sure[each].value)
    return code, sure[code]
