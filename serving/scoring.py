"""From a request to an answer: read, score, find factors, decide, put into words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from features.definition import EVER
from features.encoder import OTHER, LeadInput
from features.events import Act
from features.factors import Factor, Shown, top_factors
from features.moments import parse_time
from features.scorer import ScoredLead
from features.writing import Unreadable, is_blank
from serving.decide import Decision, decide
from serving.errors import RequestRefused
from serving.models import ServingModel
from serving.store import Prediction
from serving.texts import Language, load_texts

__all__ = ["AHEAD", "Answered", "AskedEvent", "AskedLead", "ScoreService"]

AHEAD = timedelta(days=1)
"""How far ahead of the clock a scoring time may lie (time zones, clocks that run fast)."""

BASE_POINTS = 50.0
MOST_STORED = 200
"""Characters of a field value that are kept with a recorded score."""
MOST_STORED_EVENTS = 500


@dataclass(frozen=True, slots=True)
class AskedEvent:
    """Something the lead did, as the caller wrote it."""

    kind: str
    at: str
    amount: float | None


@dataclass(frozen=True, slots=True)
class AskedLead:
    """A lead as the caller wrote it.

    Attributes
    ----------
    events : sequence of AskedEvent or None
        None: what the lead did is not known, which is not the same as nothing.
    """

    lead_id: str
    as_of: str | None
    fields: Mapping[str, object]
    events: Sequence[AskedEvent] | None


@dataclass(frozen=True, slots=True)
class Answered:
    """What the caller is told, and what is recorded of it (nothing when not scored)."""

    body: dict[str, Any]
    prediction: Prediction | None


class ScoreService:
    """Scores leads with one model.

    Parameters
    ----------
    model : ServingModel
        Used for every lead of a request, even when another model is swapped in meanwhile.
    clock : callable
        Gives the present, with a time zone.
    n_factors : int
        Factors named each way.
    """

    def __init__(self, model: ServingModel, clock: Callable[[], datetime], n_factors: int) -> None:
        self._model = model
        self._clock = clock
        self._n_factors = n_factors

    def score(self, asked: AskedLead, language: Language) -> Answered:
        """Return the answer for one lead.

        Raises
        ------
        RequestRefused
            If the scoring time cannot be read or lies in the future.
        """
        now = self._clock()
        lead, warnings = self._read(asked, now)
        return self._answer(asked, lead, self._model.scorer.score(lead), warnings, language, now)

    def score_many(self, asked: Sequence[AskedLead], language: Language) -> list[Answered]:
        """Return the answers for many leads, in order; each equal to what `score` says."""
        now = self._clock()
        read = [self._read(one, now) for one in asked]
        scored = self._model.scorer.score_many([lead for lead, _ in read])
        return [
            self._answer(one, lead, answer, warnings, language, now)
            for one, (lead, warnings), answer in zip(asked, read, scored, strict=True)
        ]

    # -- reading -------------------------------------------------------------------------------

    def _read(self, asked: AskedLead, now: datetime) -> tuple[LeadInput, list[str]]:
        zone = self._model.definition.zone
        as_of = now.astimezone(zone)
        if asked.as_of is not None:
            try:
                read = parse_time(asked.as_of, zone)
            except Unreadable as error:
                raise RequestRefused(
                    "as_of is not a time. Expected ISO 8601, e.g. 2026-11-20T09:00:00+09:00."
                ) from error
            if read is not None and read > now + AHEAD:
                raise RequestRefused("as_of lies in the future. Leave it out to score as of now.")
            as_of = read or as_of
        acts: list[Act] | None = None
        warnings: list[str] = []
        if asked.events is not None:
            acts = []
            for event in asked.events:
                try:
                    at = parse_time(event.at, zone)
                except Unreadable:
                    at = None
                if at is not None:
                    acts.append(Act(event.kind, at, event.amount))
            if len(acts) < len(asked.events):
                warnings.append(f"unreadable_events:{len(asked.events) - len(acts)}")
        return LeadInput(asked.fields, acts, as_of), warnings

    # -- answering -----------------------------------------------------------------------------

    def _answer(
        self,
        asked: AskedLead,
        lead: LeadInput,
        scored: ScoredLead,
        warnings: list[str],
        language: Language,
        now: datetime,
    ) -> Answered:
        warnings += [f"unreadable:{name}" for name in scored.unreadable]
        warnings += [f"unseen:{name}" for name in self._unseen(lead, scored)]
        if scored.unknown:
            warnings.append(f"unknown_fields:{scored.unknown}")
        if scored.is_guarded:
            warnings.append("curve_guarded")
        stamp = self._stamp(lead.as_of, language, warnings)
        if not self._says_anything(lead, scored):
            why = {
                "status": "not_scored",
                "lead_id": asked.lead_id,
                "why": "no_known_field",
                "detail": load_texts(language)("not_scored.no_known_field"),
            }
            return Answered(why | stamp, None)
        decision = decide(scored.probability, scored.acceptance, asked.lead_id, self._model.desk)
        # What people see decides: a lead shown with 65 has the grade that begins at 65.
        shown_score = int(scored.score + 0.5)
        grade = self._model.definition.grades.of(shown_score)
        body = {
            "status": "scored",
            "lead_id": asked.lead_id,
            "score": shown_score,
            "grade": grade,
            "probability": scored.probability,
            **self._decided(decision, scored, language),
            **self._curve(scored),
            **self._factors(scored, language),
        }
        flat_last = stamp | {"score_exact": scored.score}
        nested = {name: body.pop(name) for name in ("factors", "other_points", "base_points")}
        return Answered(
            body | flat_last | nested,
            self._prediction(asked, lead, scored, body | flat_last | nested, now),
        )

    def _says_anything(self, lead: LeadInput, scored: ScoredLead) -> bool:
        if lead.acts:
            return True
        unreadable = set(scored.unreadable)
        return any(
            name in self._model.known and name not in unreadable and not is_blank(raw)
            for name, raw in lead.fields.items()
        )

    def _unseen(self, lead: LeadInput, scored: ScoredLead) -> Iterator[str]:
        """Return the category fields whose value no, or hardly any, past lead had."""
        inputs = self._model.scorer.encoder.inputs
        for given, code in zip(inputs, scored.codes, strict=True):
            is_category = given.kind == "category" and given.name == given.field
            if is_category and code == OTHER and not is_blank(lead.fields.get(given.field)):
                yield given.field

    def _stamp(self, as_of: datetime, language: Language, warnings: list[str]) -> dict[str, Any]:
        model = self._model
        return {
            "warnings": ",".join(warnings),
            "method": model.scorer.method,
            "curve": model.scorer.curve,
            "model_version": model.approval.version,
            "model_digest": model.approval.digest,
            "definition_version": model.definition.version,
            "definition_fingerprint": model.definition.fingerprint,
            "as_of": as_of.isoformat(),
            "language": language,
        }

    def _decided(
        self, decision: Decision, scored: ScoredLead, language: Language
    ) -> dict[str, Any]:
        said = dict(decision.said[language])
        if scored.acceptance is not None:
            said["acceptance_probability"] = scored.acceptance
        return said

    def _curve(self, scored: ScoredLead) -> dict[str, Any]:
        scorer = self._model.scorer
        said: dict[str, Any] = {
            f"p_{days}": probability
            for days, probability in zip(scorer.horizons, scored.probabilities, strict=True)
            if days != EVER
        }
        if scorer.main_horizon != EVER:
            said["horizon_days"] = scorer.main_horizon
        if scored.interval is not None:
            said["interval_low"], said["interval_high"] = scored.interval
        return said

    def _factors(self, scored: ScoredLead, language: Language) -> dict[str, Any]:
        found = top_factors(self._model.scorer, scored, self._n_factors)
        said: dict[str, Any] = {}
        for way, factors in (("positive", found.positive), ("negative", found.negative)):
            for place, factor in enumerate(factors, start=1):
                words = self._model.texts_of(factor)
                said[f"{way}_{place}"] = words.short_ja if language == "ja" else words.short_en
        said["factors"] = [self._nested(factor) for factor in (*found.positive, *found.negative)]
        said["other_points"] = found.other_points
        said["base_points"] = BASE_POINTS
        return said

    def _nested(self, factor: Factor) -> dict[str, Any]:
        words = self._model.texts_of(factor)
        nested: dict[str, Any] = {
            "field": factor.field,
            "input": factor.input,
            "value": _value_of(factor.shown),
            "group": factor.group,
            "points": factor.points,
            "odds": factor.odds,
            "is_rare": factor.is_rare,
            "text": {"ja": words.ja, "en": words.en},
            "short": {"ja": words.short_ja, "en": words.short_en},
        }
        if factor.evidence is not None:
            found = factor.evidence
            nested["evidence"] = {"rate": found.rate, "overall": found.overall, "n": found.n}
            if found.days != EVER:
                nested["evidence"]["days"] = found.days
        return nested

    def _prediction(
        self,
        asked: AskedLead,
        lead: LeadInput,
        scored: ScoredLead,
        body: dict[str, Any],
        now: datetime,
    ) -> Prediction:
        model = self._model
        return Prediction(
            lead_id=asked.lead_id,
            as_of=lead.as_of,
            recorded_at=now,
            model_version=model.approval.version,
            model_digest=model.approval.digest,
            definition_version=model.definition.version,
            definition_fingerprint=model.definition.fingerprint,
            probability=scored.probability,
            score=scored.score,
            grade=body["grade"],
            decision=body["decision"],
            acceptance=scored.acceptance,
            inputs={
                "fields": self._storable(lead.fields),
                "codes": self._codes(scored),
                **self._acts(lead),
            },
            answer=body,
            channel=model.channel_of(scored.codes),
            line=body["line"],
            audit_probability=body["audit_probability"],
            is_audited=body["audit"],
        )

    def _acts(self, lead: LeadInput) -> dict[str, object]:
        """Return what the lead did up to then, for training: the newest acts that it knows."""
        if lead.acts is None:
            return {}
        kinds = {behaviour.kind for behaviour in self._model.definition.behaviours.values()}
        acts = [one for one in lead.acts if one.kind in kinds and one.at <= lead.as_of]
        newest = sorted(acts, key=lambda one: one.at)[-MOST_STORED_EVENTS:]
        told = [[one.kind, one.at.astimezone(UTC).isoformat(), one.amount] for one in newest]
        return {"events": told}

    def _codes(self, scored: ScoredLead) -> dict[str, int]:
        inputs = self._model.scorer.encoder.inputs
        return {given.name: code for given, code in zip(inputs, scored.codes, strict=True)}

    def _storable(self, fields: Mapping[str, object]) -> dict[str, object]:
        # A personal field stays out; what the model made of it is kept as codes.
        stored: dict[str, object] = {}
        for name, raw in fields.items():
            if name not in self._model.storable:
                continue
            if isinstance(raw, str):
                stored[name] = raw[:MOST_STORED]
            elif isinstance(raw, (bool, int, float)):
                stored[name] = raw
        return stored


def _value_of(shown: Shown) -> str:
    if shown.kind == "level":
        return shown.code
    if shown.kind != "range":
        return shown.kind
    low = "" if shown.low is None else f"{shown.low:.6g}"
    high = "" if shown.high is None else f"{shown.high:.6g}"
    return f"{low}..{high}"
