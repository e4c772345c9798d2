"""How models do on all leads that sales decided on: accepted ones, and rejected ones worked anyway.

Accepted leads are a selection, and a model that is right for them alone looks better on them than
it is. The audit lane works some rejected leads at random; each stands for ``1 / share`` of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.definition import Names
from training.bootstrap import paired_difference
from training.documents import figures_of, finite
from training.judging import Judged
from training.labels import HistoryLabels
from training.metrics import Interval, censoring_weights, log_loss
from training.verdicts import to_microseconds

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.leads import LeadHistory
    from training.rolling import RollingJudgement

__all__ = ["MIN_AUDIT_WINS", "AuditLane", "audit_shares", "judge_audit_lane"]

MIN_AUDIT_WINS = 20
"""Below so many wins of audited leads, design-weighted figures say nothing."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AuditLane:
    """The audit lane at the main horizon.

    Attributes
    ----------
    n, n_won : int
        Audited leads of the test spans whose outcome can be told, and wins among them.
    log_loss, champion_log_loss : float or None
        Design-weighted, over accepted and audited leads; None where it cannot be told.
    difference : Interval or None
        Student minus champion, paired, 95 %.
    low_90 : float or None
        Lower one-sided 90 % bound of that difference: above 0 the student is worse.
    words : Names
        What this rests on, or why nothing can be told.
    """

    n: int
    n_won: int
    log_loss: float | None
    champion_log_loss: float | None
    difference: Interval | None
    low_90: float | None
    words: Names

    def document(self) -> dict[str, Any]:
        """Return the figures as JSON content."""
        return {
            "n": self.n,
            "n_won": self.n_won,
            "log_loss": None if self.log_loss is None else finite(self.log_loss),
            "champion_log_loss": None
            if self.champion_log_loss is None
            else finite(self.champion_log_loss),
            "difference": None if self.difference is None else figures_of(self.difference),
            "low_90": None if self.low_90 is None else finite(self.low_90),
            "words": self.words.model_dump(),
        }


def judge_audit_lane(
    judgement: RollingJudgement, history: LeadHistory, definition: LeadDefinition
) -> AuditLane:
    """Judge on accepted leads (weight 1) and audited leads (weight 1 / share of the lane).

    Audited leads come from the same test spans; the share is the amount of their audit event, else
    that of the definition. An audited lead counts from its arrival: it could not be won before
    somebody worked it, and it waited days. Censoring is weighed at each cut-off as for all leads.
    """
    known = judgement.newest.known
    if not isinstance(known, HistoryLabels):
        return _nothing(0, 0)
    shares = audit_shares(history, known, definition.economics.audit_share)
    shares[_left_truncated(history, known)] = 0.0
    parts = [_lane_of(part, judgement.main_horizon, known, shares) for part in judgement.origins]
    outcome, weight, own, theirs, audited = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    is_audited = audited > 0
    n, n_won = int(is_audited.sum()), int(outcome[is_audited].sum())
    if n_won < MIN_AUDIT_WINS:
        return _nothing(n, n_won)
    has_champion = not np.isnan(theirs).any()
    strata = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    strata = 2 * strata + is_audited

    def difference(level: float) -> Interval:
        return paired_difference(outcome, own, theirs, weight=weight, strata=strata, level=level)

    return AuditLane(
        n,
        n_won,
        log_loss(outcome, own, weight),
        log_loss(outcome, theirs, weight) if has_champion else None,
        difference(0.95) if has_champion else None,
        difference(0.8).low if has_champion else None,
        Names(
            ja=f"却下後に無作為で対応した{n}件(受注{n_won}件)で、却下されたリード全体を代表させています。",
            en=f"{n} leads worked at random after a rejection ({n_won} won) stand for all such.",
        ),
    )


def audit_shares(history: LeadHistory, known: HistoryLabels, usual: float) -> Floats:
    """Return the share with which each audited lead was drawn, 0 for all others.

    Parameters
    ----------
    history : LeadHistory
        The amount of an ``audit`` event is the share of its lane.
    known : HistoryLabels
        Says which leads were audited.
    usual : float
        Share where an event gives none (or none between 0 and 1).
    """
    events = history.events
    audits = events[np.asarray(events["kind"] == "audit")]
    given = dict(zip(audits["lead_id"], audits["amount"].astype(float), strict=True))
    shares = np.array(
        [given.get(lead_id, np.nan) for lead_id in history.leads["lead_id"]], dtype=np.float64
    )
    shares = np.where((shares > 0.0) & (shares <= 1.0), shares, usual)
    return np.asarray(np.where(known.audited & (shares > 0.0), shares, 0.0))


def _left_truncated(history: LeadHistory, known: HistoryLabels) -> NDArray[np.bool_]:
    """Flag leads that came before outcomes were recorded."""
    if known.recording_began is None:
        return np.zeros(len(known.state), dtype=bool)
    began = int(known.recording_began.timestamp() * 1e6)
    return np.asarray(to_microseconds(history.leads["arrived_at"]) < began)


def _lane_of(
    part: Judged, days: int, known: HistoryLabels, shares: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return outcome, weight, both models' chances and the audit flag for one cut-off's leads."""
    audited = part.span[(shares[part.span] > 0.0) & known.worked[part.span]]
    leads = np.concatenate([part.lead, audited])
    design = np.concatenate([np.ones(len(part.lead)), 1.0 / shares[audited]])
    is_audited = np.repeat([0.0, 1.0], [len(part.lead), len(audited)])
    outcome, weight = np.zeros(len(leads)), np.zeros(len(leads))
    if (known.follow_up_days[leads] >= days).any():
        # Censoring falls by arrival alone, so both kinds of leads share one estimate.
        outcome, weight = censoring_weights(
            known.won_days[leads], known.follow_up_days[leads], days
        )
    own = part.promise(leads)[:, part.horizons.index(days)]
    theirs = (
        np.full(len(leads), np.nan)
        if part.champion is None
        else part.champion.promise(leads, (days,))[:, 0]
    )
    told = weight > 0
    columns = (outcome, weight * design, own, theirs, is_audited)
    return tuple(column[told] for column in columns)  # type: ignore[return-value]


def _nothing(n: int, n_won: int) -> AuditLane:
    return AuditLane(
        n,
        n_won,
        None,
        None,
        None,
        None,
        Names(
            ja=f"却下後に無作為で対応したリードの受注は{n_won}件です。{MIN_AUDIT_WINS}件になるまで、"
            "却下が正しかったかは分かりません。",
            en=f"{n_won} of the leads worked at random after a rejection won; whether rejecting "
            f"was right can be told from {MIN_AUDIT_WINS} on.",
        ),
    )
