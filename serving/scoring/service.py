"""From a request to an answer: read, score, find factors, decide, put into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2s
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from features.encoder import OTHER, LeadInput
from features.events import Act
from features.factors import Strongest, strongest, strongest_of_each
from features.moments import parse_time
from features.scored import ScoredLead
from features.stand_ins import stand_in
from features.writing import Unreadable, is_blank
from serving.decision.decide import Decision, decide
from serving.errors import RequestRefused
from serving.model_life.models import ServingModel
from serving.scoring.answer_bytes import ToWrite, WrittenAnswer, write_answers
from serving.store import Prediction
from serving.texts import Language, load_texts

__all__ = ["AHEAD", "Answered", "AskedLead", "ScoreService"]

AHEAD = timedelta(days=1)
"""How far ahead of the clock a scoring time may lie (time zones, clocks that run fast)."""

NOTHING_KNOWN = "no_known_field"

MOST_STORED = 200
"""Characters of a field value that are kept with a recorded score."""
MOST_ACTS = 500
"""Of what a lead did, so much is kept with a recorded score: the newest."""

_BY_TIME = attrgetter("at")


class AskedLead(NamedTuple):
    """A lead as the caller wrote it, in the shape that `serving.routes.score.LeadIn` asks for.

    Attributes
    ----------
    events : sequence of mapping or None
        With `kind`, `at` and perhaps `amount`. None: what the lead did is not known, which is not
        the same as nothing.
    """

    lead_id: str
    as_of: str | None
    fields: Mapping[str, object]
    events: Sequence[Mapping[str, Any]] | None


class Answered(NamedTuple):
    """What the caller is told, and what it was made from.

    Attributes
    ----------
    lead_id : str
        As the caller wrote it.
    told : dict
        What is counted of the answer.
    written : WrittenAnswer
        The answer as JSON, but for whether it is recorded.
    scored : ScoredLead or None
        None: the lead could not be scored, and there is nothing to record.
    """

    lead_id: str
    told: dict[str, Any]
    written: WrittenAnswer
    lead: LeadInput
    scored: ScoredLead | None
    decision: Decision | None
    now: datetime


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
        scored = self._model.scorer.score(lead)
        found = strongest(scored.by_field, self._n_factors)
        return self._answers([(asked, lead, warnings, scored, found)], language, now)[0]

    def score_many(self, asked: Sequence[AskedLead], language: Language) -> list[Answered]:
        """Return the answers for many leads, in order; each equal to what `score` says."""
        now = self._clock()
        read = [self._read(one, now) for one in asked]
        leads = [lead for lead, _ in read]
        scored = self._model.scorer.score_many(leads)
        found = strongest_of_each([one.by_field for one in scored], self._n_factors)
        warnings = [told for _, told in read]
        judged = list(zip(asked, leads, warnings, scored, found, strict=True))
        return self._answers(judged, language, now)

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
                    at = parse_time(event["at"], zone)
                except Unreadable:
                    at = None
                if at is not None:
                    amount = event.get("amount")
                    acts.append(Act(event["kind"], at, None if amount is None else float(amount)))
            if len(acts) < len(asked.events):
                warnings.append(f"unreadable_events:{len(asked.events) - len(acts)}")
        return LeadInput(asked.fields, acts, as_of), warnings

    # -- answering -----------------------------------------------------------------------------

    def _answers(
        self,
        judged: Sequence[tuple[AskedLead, LeadInput, list[str], ScoredLead, Strongest]],
        language: Language,
        now: datetime,
    ) -> list[Answered]:
        telling, desk = self._model.telling, self._model.desk
        told: list[dict[str, Any]] = []
        decisions: list[Decision | None] = []
        to_write: list[ToWrite] = []
        for asked, lead, warned, scored, found in judged:
            self._warn(lead, scored, warned)
            warnings = ",".join(warned)
            if not self._says_anything(lead, scored):
                told.append({"status": "not_scored", "why": NOTHING_KNOWN, "warnings": warnings})
                decisions.append(None)
                continue
            decision = decide(scored.probability, scored.acceptance, asked.lead_id, desk)
            # What people see decides: a lead shown with 65 has the grade that begins at 65.
            shown_score = int(scored.score + 0.5)
            decisions.append(decision)
            told.append(
                {
                    "status": "scored",
                    "score": shown_score,
                    "grade": telling.grades[shown_score],
                    "decision": decision.decision,
                    "warnings": warnings,
                }
            )
            said, as_of = decision.written[language], lead.as_of.isoformat()
            to_write.append(
                ToWrite(scored, found, asked.lead_id, shown_score, said, warnings, as_of)
            )
        written = iter(write_answers(telling, to_write, language))
        return [
            self._nothing_known(asked, lead, why, language, now)
            if decision is None
            else Answered(asked.lead_id, why, next(written), lead, scored, decision, now)
            for (asked, lead, _, scored, _), why, decision in zip(
                judged, told, decisions, strict=True
            )
        ]

    def _nothing_known(
        self,
        asked: AskedLead,
        lead: LeadInput,
        why: dict[str, Any],
        language: Language,
        now: datetime,
    ) -> Answered:
        body = {
            "status": why["status"],
            "lead_id": asked.lead_id,
            "why": why["why"],
            "detail": load_texts(language)("not_scored.no_known_field"),
            "warnings": why["warnings"],
            **self._model.telling.stamps[language],
            "as_of": lead.as_of.isoformat(),
        }
        before = orjson.dumps(body)[:-1] + b',"recorded":'
        return Answered(asked.lead_id, why, WrittenAnswer(before, b"}"), lead, None, None, now)

    def _warn(self, lead: LeadInput, scored: ScoredLead, warnings: list[str]) -> None:
        if scored.unreadable:
            warnings += [f"unreadable:{name}" for name in scored.unreadable]
        codes, fields = scored.codes, lead.fields
        for position, field in self._model.telling.categories:
            # Its value is one that no, or hardly any, past lead had.
            if codes[position] == OTHER and not is_blank(fields.get(field)):
                warnings.append(f"unseen:{field}")
        if scored.unknown:
            warnings.append(f"unknown_fields:{scored.unknown}")
        if scored.is_guarded:
            warnings.append("curve_guarded")

    def _says_anything(self, lead: LeadInput, scored: ScoredLead) -> bool:
        if lead.acts:
            return True
        known, unreadable = self._model.known, scored.unreadable
        for name, raw in lead.fields.items():
            if name in known and name not in unreadable and not is_blank(raw):
                return True
        return False

    # -- recording -----------------------------------------------------------------------------

    def prediction(self, answered: Answered, written: bytes) -> Prediction:
        """Return what is recorded of an answer.

        Parameters
        ----------
        answered : Answered
            Of a lead that was scored.
        written : bytes
            Its body as JSON, as the caller gets it.
        """
        lead_id, told, _, lead, scored, decision, now = answered
        if scored is None or decision is None:
            raise ValueError("there is nothing to record of a lead that was not scored")
        model = self._model
        return Prediction(
            lead_id=lead_id,
            as_of=lead.as_of,
            recorded_at=now,
            model_version=model.approval.version,
            model_digest=model.approval.digest,
            definition_version=model.definition.version,
            definition_fingerprint=model.definition.fingerprint,
            probability=scored.probability,
            score=scored.score,
            grade=told["grade"],
            decision=decision.decision,
            acceptance=scored.acceptance,
            inputs=self._inputs(lead_id, lead, scored),
            answer=written,
            channel=model.channel_of(scored.codes),
            line=decision.line,
            audit_probability=decision.audit_probability,
            is_audited=decision.is_audited,
        )

    def _inputs(self, lead_id: str, lead: LeadInput, scored: ScoredLead) -> dict[str, Any]:
        """Return what the score was made from; of a personal field codes and a stand-in only."""
        telling = self._model.telling
        fields: dict[str, object] = {}
        for name, raw in lead.fields.items():
            if name in self._model.storable:
                if isinstance(raw, str):
                    fields[name] = raw[:MOST_STORED]
                elif isinstance(raw, (bool, int, float)):
                    fields[name] = raw
        codes = dict(zip(telling.input_names, scored.codes, strict=True))
        inputs: dict[str, Any] = {"fields": fields, "codes": codes}
        stand_ins = self._stand_ins(lead_id, lead.fields)
        if stand_ins:
            inputs["stand_ins"] = stand_ins
        if lead.acts is not None:
            kinds, as_of = telling.behaviour_kinds, lead.as_of
            acts = [act for act in lead.acts if act.kind in kinds and act.at <= as_of]
            acts.sort(key=_BY_TIME)
            inputs["events"] = [
                (act.kind, act.at.astimezone(UTC).isoformat(), act.amount)
                for act in acts[-MOST_ACTS:]
            ]
        return inputs

    def _stand_ins(self, lead_id: str, given: Mapping[str, object]) -> dict[str, str]:
        """Return what training reads where a value is personal, or too long to be kept."""
        stand_ins: dict[str, str] = {}
        token, is_nothing = "", self._model.scorer.encoder.habits.is_blank
        for name, kind, domains in self._model.stand_ins:
            raw = given.get(name)
            if (
                raw is None
                or is_nothing(raw)
                or (name in self._model.storable and len(str(raw)) <= MOST_STORED)
            ):
                continue
            token = token or blake2s(lead_id.encode(), digest_size=5).hexdigest()
            stood_in = stand_in(kind, raw, token, domains)
            if stood_in is not None:
                stand_ins[name] = stood_in
        return stand_ins
