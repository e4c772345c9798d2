"""The gate: may this model take the place of the one in use? Every condition, with its figure.

All conditions are computed, none is skipped because another failed. A model may be promoted by one
of four rules, kept apart by name: ``first_model`` and ``better`` (its forecasts miss by less than
those of the champion, by more than luck), ``refresh`` (only not worse, but the champion is stale or
promises wrongly) and ``base_rate`` (too few wins to learn anything: rates by channel).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from features.definition import EVER
from features.scorer import LeadScorer
from features.terms import Names
from training.audit_lane import AuditLane
from training.gate_conditions import (
    MIN_CUT_OFFS,
    MIN_WINS_JUDGED,
    Comparison,
    Condition,
    condition,
    is_audited,
    is_better,
    is_calibrated,
    is_even_over_segments,
    is_exact,
    is_near,
    is_ranking,
    is_simplest,
    is_steady_over_horizons,
    paired,
)
from training.gate_renewal import is_renewal, served_ratio
from training.gate_segments import Part, segments_of
from training.gate_words import NONE, TITLES, VERDICTS, filled, verdict_text
from training.judging import CHAMPION, STUDENT, TEACHER
from training.leaks.findings import Sentences
from training.metrics import Interval
from training.recipe import MIN_WINS

if TYPE_CHECKING:
    from training.champion import Champion
    from training.leaks.findings import LeakScan
    from training.rolling import RollingJudgement

__all__ = ["STALE_DAYS", "Condition", "Level", "Rule", "Verdict", "compare", "decide", "judge_gate"]

Level = Literal["ready", "ok", "not_ready"]
Rule = Literal["first_model", "better", "refresh", "base_rate", ""]
Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

_MOST_LEADS = 20_000
"""The newest so many show whether reasons add up."""
STALE_DAYS = 90
"""Age from which a champion may be renewed by a model that is only not worse."""

_FIRST = "base_rate_by_channel"
"""The champion before there is one."""
_WAYS = ("better", "refresh")
"""Of these, one must hold; the other conditions must not fail."""
_EVIDENCE = f"≥ {MIN_CUT_OFFS}, ≥ {MIN_WINS_JUDGED}"


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one model.

    Attributes
    ----------
    level : {"ready", "ok", "not_ready"}
        ``ok``: may be published, with a weakness that the words name.
    rule : str
        By which rule it may take the place; empty where by none.
    conditions : tuple of Condition
        All of them, passed or not.
    words : Names
        Why, in a few sentences, ja and en.
    failed : tuple of str
        Names of the conditions that stand in the way.
    champion_version : str
        The version it was judged against; empty where there was none.
    """

    level: Level
    rule: Rule
    conditions: tuple[Condition, ...]
    words: Names
    failed: tuple[str, ...] = ()
    champion_version: str = ""

    @property
    def may_be_promoted(self) -> bool:
        """Whether `lead-train promote` takes it without an override."""
        return self.level != "not_ready"

    def in_words(self, language: str) -> str:
        """Return the level and why, in one piece of text."""
        return verdict_text(self.document(), language)

    def document(self) -> dict[str, Any]:
        """Return the content of ``gate.json``."""
        return {
            "level": self.level,
            "rule": self.rule,
            "may_be_promoted": self.may_be_promoted,
            "champion_version": self.champion_version,
            "words": {"ja": self.words.ja, "en": self.words.en},
            "failed": list(self.failed),
            "conditions": [one.document() for one in self.conditions],
        }


def judge_gate(
    judgement: RollingJudgement | None,
    scorer: LeadScorer,
    *,
    parts: Sequence[Part] = (),
    champion: Champion | None = None,
    leaks: LeakScan | None = None,
    audit: AuditLane | None = None,
    codes: Codes | None = None,
    n_wins: int = 0,
    as_of: datetime | None = None,
    stale_days: int = STALE_DAYS,
    champion_ratio: Interval | None = None,
) -> Verdict:
    """Judge a model that would be published.

    Parameters
    ----------
    judgement : RollingJudgement or None
        How its recipe, and the champion, did at several cut-offs; None where none could be tried.
    scorer : LeadScorer
        The model that would be published.
    parts : sequence of Part
        The judged leads by field and value (`training.gate_segments.parts_of`).
    champion : Champion or None
        The model in use; without one, base rates by channel stand in.
    leaks : LeakScan or None
        What the scan of the fields found.
    audit : AuditLane or None
        Both models on the audit lane.
    codes : ndarray of int32, shape (n_leads, n_inputs), optional
        Past leads as the model sees them: on these its reasons must add up.
    n_wins : int
        Wins that the model could learn from.
    as_of : datetime, optional
        Today: the age of the champion is counted from it.
    stale_days : int
        Age from which the champion may be renewed.
    champion_ratio : Interval, optional
        Promised over observed wins of the champion as it is served, on leads newer than it; taken
        from the newest cut-off where it was there already.
    """
    served = champion.version if champion is not None else ""
    checks = (_exactness(scorer, codes), _arrival(scorer, leaks))
    if scorer.method == "base_rate":
        return _of_base_rates(champion, n_wins, checks)
    if judgement is None or _FIRST not in judgement.probabilities:  # nothing was learnt anywhere
        return _drawn((condition("evidence", None, "–", _EVIDENCE), *checks), "", served)
    found = compare(judgement, champion)
    age = None
    if champion is not None and champion.as_of is not None and as_of is not None:
        age = max(0.0, (as_of - champion.as_of) / timedelta(days=1))
    if champion_ratio is None and judgement.standings[-1] == "as_served":
        champion_ratio = served_ratio(found)
    return decide(
        found,
        judgement.probabilities,
        checks=checks,
        parts=parts,
        audit=audit,
        champion_version=served,
        age_days=age,
        stale_days=stale_days,
        champion_ratio=champion_ratio,
    )


def decide(
    found: Comparison,
    baselines: Mapping[str, Floats],
    *,
    checks: Sequence[Condition] = (),
    parts: Sequence[Part] = (),
    audit: AuditLane | None = None,
    champion_version: str = "",
    age_days: float | None = None,
    stale_days: int = STALE_DAYS,
    champion_ratio: Interval | None = None,
) -> Verdict:
    """Judge from arrays alone; parameters as `judge_gate`, the champion by version and age.

    An empty `champion_version` says that base rates by channel stand in for a champion.
    """
    measured = paired(found)
    better = is_better(measured)
    renewal = condition("refresh", None, "–", "–")
    if champion_version:
        renewal = is_renewal(measured, age_days, stale_days, champion_ratio)
    rule: Rule = ""
    if better.passed:
        rule = "better" if champion_version else "first_model"
    elif renewal.passed:
        rule = "refresh"
    conditions = (
        _evidence(found),
        better,
        renewal,
        is_steady_over_horizons(found),
        is_ranking(found),
        is_calibrated(found),
        is_near(found),
        is_even_over_segments(segments_of(found, parts)),
        is_simplest(found, baselines),
        is_audited(audit),
        *checks,
    )
    return _drawn(conditions, rule, champion_version)


def compare(judgement: RollingJudgement, champion: Champion | None) -> Comparison:
    """Return challenger and champion on the judged leads, chances of like meaning side by side."""
    promised, outcome, weight = judgement.probabilities, judgement.outcome, judgement.weight
    shifts = np.array([part.shift for part in judgement.origins])[judgement.origin]
    student = promised[STUDENT]
    worked = _moved(promised[TEACHER], shifts) if TEACHER in promised else student
    worked = np.where(np.isnan(worked), student, worked)
    learnt = champion is not None and champion.scorer.method != "base_rate"
    theirs = promised[CHAMPION if learnt else _FIRST]
    return Comparison(
        horizons=judgement.horizons,
        column=judging_column(outcome, weight, judgement.main),
        outcome=outcome,
        weight=weight,
        origin=judgement.origin,
        student=student,
        worked=worked,
        mine=student if learnt else worked,
        theirs=theirs,
        n_taught=judgement.newest.learned.labels.n_wins,
    )


def judging_column(outcome: Floats, weight: Floats, main: int) -> int:
    """Return the main horizon's column, else that of the longest shorter one with 100 wins."""
    n_won = (outcome * (weight > 0)).sum(axis=0)
    return next((h for h in range(main, -1, -1) if n_won[h] >= MIN_WINS_JUDGED), main)


def _moved(chance: Floats, shifts: Floats) -> Floats:
    """Return chances moved by log-odds, one for each lead."""
    factors = np.exp(shifts)[:, None]
    return np.asarray(factors * chance / (1.0 - chance + factors * chance))


def _evidence(found: Comparison) -> Condition:
    cut_offs = len(np.unique(found.origin))
    outcome = found.at(found.column, found.student)[0]
    n_won, horizon = int(outcome.sum()), found.horizons[found.column]
    within = Sentences(ja=f"{horizon}日以内の", en=f" within {horizon} days")
    return condition(
        "evidence",
        cut_offs >= MIN_CUT_OFFS and n_won >= MIN_WINS_JUDGED,
        f"{cut_offs}, {n_won:,}",
        _EVIDENCE,
        cut_offs=cut_offs,
        wins=f"{n_won:,}",
        within="" if horizon == EVER else within,
    )


def _exactness(scorer: LeadScorer, codes: Codes | None) -> Condition:
    """Add up the reasons of the published tables over leads, and look for falling chances.

    Without leads it is asked of two invented ones: everything missing, and the last code of
    everything.
    """
    if codes is None or not len(codes):
        sizes = np.array(scorer.encoder.sizes, dtype=np.int32)
        codes = np.stack([np.zeros_like(sizes), sizes - 1])
    codes = codes[-_MOST_LEADS:]
    tables = scorer.tables
    logits = tables.logits(codes)
    errors = [
        np.abs(tables.base[h] + tables.contributions(codes, days).sum(axis=1) - logits[:, h]).max()
        for h, days in enumerate(tables.horizons)
    ]
    falls = (np.diff(logits, axis=1) < 0).any(axis=1)
    return is_exact(float(max(errors)), float(falls.mean()))


def _arrival(scorer: LeadScorer, leaks: LeakScan | None) -> Condition:
    """Look whether the model sees only what is known at arrival, and no open finding."""
    known = set(scorer.definition.usable_fields) | set(scorer.definition.behaviours)
    late = sorted({one.field for one in scorer.encoder.inputs if one.field not in known})
    blocking = () if leaks is None else leaks.blocking
    open_ones = [*late, *dict.fromkeys(f"{one.field} ({one.signal})" for one in blocking)]
    accepted = [] if leaks is None else [one for one in leaks.findings if one.accepted is not None]
    passed = False if open_ones else None if leaks is None else True
    return condition(
        "arrival",
        passed,
        f"{len(open_ones)}",
        "0",
        where=", ".join(open_ones) or "–",
        accepted=", ".join(dict.fromkeys(one.field for one in accepted)) or NONE,
    )


def _of_base_rates(
    champion: Champion | None, n_wins: int, checks: tuple[Condition, ...]
) -> Verdict:
    """Return the verdict of a model that is nothing but win rates by channel."""
    served = "" if champion is None else champion.version
    failed = tuple(one for one in checks if one.passed is False)
    if failed:
        return _drawn(checks, "base_rate", served)
    parts = {"wins": n_wins, "missing": max(0, MIN_WINS - n_wins), "champion": served}
    if champion is not None and champion.scorer.method != "base_rate":
        words = filled(VERDICTS["base_rate_refused"], **parts)
        return Verdict("not_ready", "", checks, words, ("base_rate",), served)
    words = filled(VERDICTS["base_rate"], **parts)
    return Verdict("ok", "base_rate", checks, words, (), served)


def _drawn(conditions: tuple[Condition, ...], rule: Rule, served: str) -> Verdict:
    """Draw the verdict: a rule must apply, and no other condition may have failed."""
    others = [one for one in conditions if one.name not in _WAYS]
    failed = [one for one in others if one.passed is False]
    failed += [one for one in others if one.passed is None and one.name == "evidence"]
    if not rule:
        failed += [one for one in conditions if one.name == "better"]
    if failed:
        words = filled(VERDICTS["failed"], failed=_titles(failed))
        names = tuple(one.name for one in failed)
        return Verdict("not_ready", "", conditions, words, names, served)
    weak = [one for one in others if one.passed is None]
    level: Level = "ok" if weak or rule == "refresh" else "ready"
    words = filled(VERDICTS[rule], champion=served)
    if weak:
        words = _joined(words, filled(VERDICTS["weak"], weak=_titles(weak)))
    return Verdict(level, rule, conditions, words, (), served)


def _joined(first: Names, second: Names) -> Names:
    return Sentences(ja=first.ja + second.ja, en=f"{first.en} {second.en}")


def _titles(conditions: Sequence[Condition]) -> Names:
    return Sentences(
        ja="、".join(TITLES[one.name].ja for one in conditions),
        en="; ".join(TITLES[one.name].en.lower() for one in conditions),
    )
