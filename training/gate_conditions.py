"""The single conditions of the gate, on plain arrays: each a figure, a limit and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.terms import Names
from training.audit_lane import MIN_AUDIT_WINS, AuditLane
from training.gate_scores import curve_differences, resampled_means
from training.gate_words import LIMITS, SIMPLER, WORDS, filled
from training.leaks.findings import Sentences
from training.metrics import Z95, Interval, log_loss, predicted_over_observed, roc_auc

__all__ = [
    "Comparison",
    "Condition",
    "Segment",
    "condition",
    "is_audited",
    "is_better",
    "is_calibrated",
    "is_even_over_segments",
    "is_exact",
    "is_level",
    "is_near",
    "is_ranking",
    "is_simplest",
    "is_steady_over_horizons",
    "paired",
]

MIN_CUT_OFFS = 3
MIN_WINS_JUDGED = 100
MIN_WINS_HORIZON = 30
MOST_WORSE_AT_A_HORIZON = 0.02
MOST_AUC_LOST = 0.01
MOST_LOG_RATIO = 0.15
MIN_WINS_SEGMENT = 30
SEGMENT_RATIOS = (0.67, 1.5)
MOST_ADDITION_ERROR = 1e-6
MOST_GUARDED = 1e-3
SERVED_RATIOS = (0.2, 1.1)
"""What is served over the chance of worked leads: reasons lower a chance to a half at most, junk to
nothing; four in five leads would have to be junk to leave a fifth."""

Floats = NDArray[np.float64]
Text = str | Names


@dataclass(frozen=True)
class Condition:
    """One question of the gate and its answer.

    Attributes
    ----------
    name : str
        Identifier.
    passed : bool or None
        None where it cannot be told.
    figure, limit : str or Names
        What was measured, and what was asked for.
    words : Names
        The same in one or two plain sentences, ja and en; what to do where it failed.
    """

    name: str
    passed: bool | None
    figure: Text
    limit: Text
    words: Names

    def document(self) -> dict[str, Any]:
        """Return the condition as JSON content."""
        return {
            "name": self.name,
            "passed": self.passed,
            "figure": _plain(self.figure),
            "limit": _plain(self.limit),
            "words": {"ja": self.words.ja, "en": self.words.en},
        }


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the judged leads: promised over observed wins, by challenger and champion."""

    field: str
    value: str
    ratio: float
    champion_ratio: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Challenger and champion on the same judged leads.

    A champion of base rates speaks of worked leads only; what is served lowers every chance a
    little, for what refusals mean. So `mine` is then the challenger's chance for a worked lead.

    Attributes
    ----------
    horizons : tuple of int
        Days of the columns.
    column : int
        The judging horizon's.
    outcome, weight : ndarray of shape (n_leads, n_horizons)
        As in `training.judging.Judged`.
    origin : ndarray of int, shape (n_leads,)
        Cut-off of each lead.
    student : ndarray of shape (n_leads, n_horizons)
        What the challenger would serve.
    worked : ndarray of shape (n_leads, n_horizons)
        Its calibrated chance for a lead that sales works.
    mine, theirs : ndarray of shape (n_leads, n_horizons)
        What is compared: chances of like meaning, challenger's and champion's.
    n_taught : int
        Wins that the challenger of the last cut-off had learnt from; 0 where not known.
    """

    horizons: tuple[int, ...]
    column: int
    outcome: Floats
    weight: Floats
    origin: NDArray[np.int64]
    student: Floats
    worked: Floats
    mine: Floats
    theirs: Floats
    n_taught: int = 0

    def at(self, column: int, *models: Floats) -> tuple[Floats, ...]:
        """Return outcome, weight and chances at a horizon, of leads that all models tell."""
        told = self.weight[:, column] > 0
        for chances in models:
            told &= ~np.isnan(chances[:, column])
        return (
            self.outcome[told, column],
            self.weight[told, column],
            *(chances[told, column] for chances in models),
        )


def condition(
    name: str, passed: bool | None, figure: Text, limit: Text, **parts: object
) -> Condition:
    """Return the condition with its sentence: ``NAME.passed``, ``.failed`` or ``.unknown``.

    Parts fill in the sentence; one that is `Names` does so in each language.
    """
    passed = None if passed is None else bool(passed)  # figures come as numpy's own truth
    said = WORDS[name][{True: "passed", False: "failed", None: "unknown"}[passed]]
    return Condition(name, passed, figure, limit, filled(said, figure=figure, limit=limit, **parts))


def paired(found: Comparison) -> tuple[float, float, int] | None:
    """Return the mean difference over the curve, its one-sided 95 % bound, and the leads.

    Challenger minus champion, nats per lead; None where no lead tells anything.
    """
    difference, told = curve_differences(found.outcome, found.weight, found.mine, found.theirs)
    if not told.any():
        return None
    drawn = resampled_means(difference[told], found.origin[told])
    return float(difference[told].mean()), float(np.percentile(drawn, 95.0)), int(told.sum())


def is_better(measured: tuple[float, float, int] | None) -> Condition:
    """Return whether the challenger beats the champion by more than luck (see `paired`)."""
    if measured is None:
        return condition("better", None, "–", "< 0")
    point, most, n = measured
    return condition("better", most < 0, f"{point:+.4f} (≤ {most:+.4f})", "< 0", n=f"{n:,}")


def is_steady_over_horizons(found: Comparison) -> Condition:
    """Return whether no horizon got worse by more than 2 % of its log loss."""
    worse: dict[int, float] = {}
    for column, horizon in enumerate(found.horizons):
        outcome, weight, mine, theirs = found.at(column, found.mine, found.theirs)
        if outcome.sum() >= MIN_WINS_HORIZON:
            theirs_loss = log_loss(outcome, theirs, weight)
            worse[horizon] = log_loss(outcome, mine, weight) / theirs_loss - 1.0
    limit = f"≤ {MOST_WORSE_AT_A_HORIZON:+.1%}"
    if not worse:
        return condition("horizons", None, "–", limit, horizon="–")
    horizon = max(worse, key=lambda days: worse[days])
    return condition(
        "horizons", worse[horizon] <= MOST_WORSE_AT_A_HORIZON, f"{worse[horizon]:+.1%}", limit,
        horizon=horizon or "ever",
    )  # fmt: skip


def is_ranking(found: Comparison) -> Condition:
    """Return whether what is served ranks leads about as well as the champion, or better."""
    outcome, weight, mine, theirs = found.at(found.column, found.student, found.theirs)
    lost = roc_auc(outcome, mine, weight) - roc_auc(outcome, theirs, weight) if len(outcome) else 0
    if not len(outcome) or np.isnan(lost):
        return condition("ranking", None, "–", f"≥ {-MOST_AUC_LOST:+.3f}")
    return condition("ranking", lost >= -MOST_AUC_LOST, f"{lost:+.3f}", f"≥ {-MOST_AUC_LOST:+.3f}")


def is_level(ratio: Interval) -> bool:
    """Return whether promised over observed wins is 1, or near it, as far as can be told."""
    return ratio.low <= 1.0 <= ratio.high or abs(np.log(ratio.value)) <= MOST_LOG_RATIO


def is_calibrated(found: Comparison) -> Condition:
    """Return whether as many wins came as were forecast, on the leads of the last cut-off.

    The interval holds the luck of the wins that came, and of those that were learnt from: the level
    of a model that had n wins is known to about 1/√n.
    """
    newest = found.origin == found.origin.max()
    told = newest & (found.weight[:, found.column] > 0)
    told &= ~np.isnan(found.worked[:, found.column])
    limit = f"{np.exp(-MOST_LOG_RATIO):.2f}–{np.exp(MOST_LOG_RATIO):.2f}"
    outcome = found.outcome[told, found.column]
    if not outcome.any():
        return condition("calibration", None, "–", limit)
    ratio = predicted_over_observed(
        outcome, found.worked[told, found.column], found.weight[told, found.column]
    )
    if found.n_taught:
        ratio = _widened(ratio, 1.0 / np.sqrt(found.n_taught))
    figure = f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
    parts = dict(zip(("ratio", "low", "high"), (f"{one:.2f}" for one in ratio), strict=True))
    return condition("calibration", is_level(ratio), figure, limit, **parts)


def _widened(ratio: Interval, error: float) -> Interval:
    """Return a ratio with its 95 % interval after one more error, independent, of its logarithm."""
    own = np.log(ratio.high / ratio.value) / Z95
    reach = float(np.exp(Z95 * np.hypot(own, error)))
    return Interval(ratio.value, ratio.value / reach, ratio.value * reach)


def is_near(found: Comparison) -> Condition:
    """Return whether what is served lies as near to the chances of worked leads as reasons explain.

    What is served speaks of all leads: lower than the chance of a worked lead for what refusals
    mean, but never above it, and not lower by orders of magnitude.
    """
    _, weight, served, worked = found.at(found.column, found.student, found.worked)
    low, high = SERVED_RATIOS
    limit = f"{low:g}–{high:g}"
    if not len(weight) or not worked.any():
        return condition("served", None, "–", limit)
    ratio = float((weight @ served) / (weight @ worked))
    return condition("served", low <= ratio <= high, f"{ratio:.2f}", limit)


def is_even_over_segments(segments: Iterable[Segment]) -> Condition:
    """Return whether no segment is promised far too much or too little, champion apart."""
    large = list(segments)
    limit = "{:g}–{:g}".format(*SEGMENT_RATIOS)
    outside = [one for one in large if _leaves(one.ratio) and not _leaves(one.champion_ratio)]
    return condition(
        "segments",
        not outside if large else None,
        f"{len(outside)} / {len(large)}",
        limit,
        where=", ".join(f"{one.field} = {one.value or '–'} ({one.ratio:.2f})" for one in outside),
    )


def _leaves(ratio: float) -> bool:
    return not SEGMENT_RATIOS[0] <= ratio <= SEGMENT_RATIOS[1]


def is_simplest(found: Comparison, baselines: Mapping[str, Floats]) -> Condition:
    """Return whether it beats the base rate, and is not clearly worse than the linear model alone.

    A truth that is linear leaves nothing to gain on the linear model: being behind it counts only
    beyond luck (one-sided 5 %, leads drawn again within each cut-off).
    """
    figures: list[Names] = []
    passed = True
    for name in ("base_rate", "linear"):
        if name not in baselines:
            continue
        theirs = baselines[name]
        outcome, weight, mine, other = found.at(found.column, found.worked, theirs)
        if not len(outcome):
            continue
        gain = log_loss(outcome, mine, weight) - log_loss(outcome, other, weight)
        figures.append(filled(SIMPLER[name], gain=f"{gain:+.4f}"))
        passed &= gain < 0 if name == "base_rate" else not _clearly_worse(found, theirs)
    limit = LIMITS["simple"]
    if not figures:
        return condition("simple", None, "–", limit)
    figure = Sentences(
        ja="、".join(one.ja for one in figures), en=", ".join(one.en for one in figures)
    )
    return condition("simple", passed, figure, limit)


def _clearly_worse(found: Comparison, theirs: Floats) -> bool:
    """Return whether the challenger's chance for a worked lead misses by more, beyond luck."""
    difference, told = curve_differences(found.outcome, found.weight, found.worked, theirs)
    if not told.any():
        return False
    drawn = resampled_means(difference[told], found.origin[told])
    return float(np.percentile(drawn, 5.0)) > 0.0


def is_audited(audit: AuditLane | None) -> Condition:
    """Return whether leads that sales had refused and worked all the same speak against it.

    A veto, one-sided at 10 %: the design-weighted log loss may not be clearly worse than the
    champion's.
    """
    n_won = 0 if audit is None else audit.n_won
    given = {"n_won": n_won, "wanted": MIN_AUDIT_WINS}
    if audit is None or audit.difference is None or audit.low_90 is None or n_won < MIN_AUDIT_WINS:
        return condition("audit", None, "–", "≤ 0", **given)
    figure = f"{audit.difference.value:+.4f} (≥ {audit.low_90:+.4f})"
    return condition("audit", audit.low_90 <= 0, figure, "≤ 0", **given)


def is_exact(addition_error: float, guarded: float) -> Condition:
    """Return whether the reasons add up to the score, and chances never fall with time.

    Parameters
    ----------
    addition_error : float
        Largest ``|base + Σ contributions - log-odds|``.
    guarded : float
        Share of leads, 0 to 1, on which the guard of the horizons would act.
    """
    return condition(
        "exact",
        addition_error < MOST_ADDITION_ERROR and guarded <= MOST_GUARDED,
        f"{addition_error:.0e}, {guarded:.2%}",
        f"< {MOST_ADDITION_ERROR:.0e}, ≤ {MOST_GUARDED:.1%}",
    )


def _plain(text: Text) -> str | dict[str, str]:
    return text if isinstance(text, str) else {"ja": text.ja, "en": text.en}
