"""What answers look like, for ``/openapi.json`` alone: answers are written by orjson, unchecked.

A value that may be absent has a default factory, which makes it optional without making it null.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.guard.callers import Right

__all__ = [
    "ActionList",
    "Alive",
    "ApprovalAnswer",
    "BatchAnswer",
    "DefinitionAnswer",
    "EventStored",
    "EventsStored",
    "KeyList",
    "KeyMade",
    "KeyRevoked",
    "LeadAnswer",
    "LeadDeleted",
    "ModelAnswer",
    "ModelsAnswer",
    "NotScored",
    "Problem",
    "Ready",
    "Responses",
    "Scored",
    "sometimes",
    "told",
]

Responses = dict[int | str, dict[str, Any]]


Registry = Literal["ok", "unreachable", "off", "unknown"]


class Problem(BaseModel):
    """What went wrong; never a byte of what was sent."""

    error: str = Field(description="A code, see docs/guide/api.md.")
    detail: str = Field(description="What is wrong and what to do.")
    request_id: str


def sometimes(kind: type, description: str) -> Any:
    """Return a field that is left out where it is not known, never null."""
    return Field(default_factory=kind, description=description)


class Words(BaseModel):
    """A text in both languages."""

    ja: str
    en: str


class EvidenceAnswer(BaseModel):
    """What became of past leads with the same value."""

    rate: float = Field(ge=0, le=1)
    overall: float = Field(ge=0, le=1)
    n: int
    days: int = sometimes(int, "Left out when past wins have no dates.")


class FactorAnswer(BaseModel):
    """One reason for a score."""

    field: str
    input: str
    value: str = Field(description="A code, a range such as 125..173, missing or other.")
    group: Literal["fit", "interest", "timing", "data"]
    points: float
    odds: float
    is_rare: bool
    text: Words
    short: Words
    evidence: EvidenceAnswer = sometimes(dict, "Where past leads bear the factor out.")


class _Stamp(BaseModel):
    lead_id: str
    warnings: str = Field(description="Codes with commas between; empty when there are none.")
    method: Literal["student", "base_rate"]
    curve: Literal["full", "short", "none"]
    model_version: str
    model_digest: str
    definition_version: str
    definition_fingerprint: str
    as_of: str = Field(description="ISO 8601 with offset.")
    language: Literal["ja", "en"]


class _Score(_Stamp):
    model_config = ConfigDict(
        json_schema_extra={
            "patternProperties": {
                r"^p_[0-9]+$": {
                    "type": "number",
                    "minimum": 0,
                    "maximum": 1,
                    "description": "Chance within so many days.",
                },
                r"^(positive|negative)_[1-5]$": {
                    "type": "string",
                    "description": "The strongest factors each way, in a few words.",
                },
            }
        }
    )

    status: Literal["scored"]
    score: int = Field(ge=0, le=100)
    score_exact: float = Field(ge=0, le=100)
    grade: Literal["A", "B", "C", "D"]
    probability: float = Field(ge=0, le=1)
    decision: Literal["handoff", "nurture", "review", "suppress"]
    decision_reason: str
    decision_code: str = Field(description="Decision and ground, e.g. handoff_line.")
    line: float = Field(ge=0, le=1, description="Probability from which on leads are handed off.")
    line_places: int = Field(description="Leads that sales can work in a week.")
    line_week: str = Field(description="The Monday of the week the line holds for.")
    audit: bool = Field(description="Below the line, drawn at random to be worked all the same.")
    audit_probability: float = Field(ge=0, le=1, description="With which it was drawn; else 0.")
    suppress_reason: str = sometimes(str, "Code of the reason, where `decision` is suppress.")
    acceptance_probability: float = sometimes(float, "Left out where no decisions are on record.")
    quadrant: Literal["handoff", "review", "doubtful", "nurture"] = sometimes(
        str, "Left out where no decisions are on record."
    )
    horizon_days: int = sometimes(int, "Left out when past wins have no dates.")
    interval_low: float = sometimes(float, "Left out where past leads are too few.")
    interval_high: float = sometimes(float, "Left out where past leads are too few.")
    factors: list[FactorAnswer]
    other_points: float
    base_points: float


class Scored(_Score):
    """A lead's score; of the flat part nothing is ever null, what is not known is left out."""

    recorded: bool = Field(description="True: the score is committed in the database.")


class NotScored(_Stamp):
    """A lead of which nothing is known."""

    status: Literal["not_scored"]
    why: Literal["no_known_field"]
    detail: str
    recorded: bool


class BatchAnswer(BaseModel):
    """Answers in the order of the leads."""

    n: int
    n_scored: int
    results: list[Scored | NotScored]


class Inputs(BaseModel):
    """What a recorded score was made from, without personal values."""

    fields: dict[str, Any]
    codes: dict[str, int]
    events: list[list[Any]] = sometimes(list, "What the lead did: kind, time, amount.")


class Recorded(_Score):
    """A score as it was told."""

    recorded_at: str
    recorded: bool = sometimes(bool, "True, as it was told; left out by older versions.")
    inputs: Inputs


class EventTold(BaseModel):
    """Something that sales did, as it is stored; what was not given is left out."""

    event_id: str
    at: str
    kind: str
    reason: str = sometimes(str, "Code of the definition, or the event taken back.")
    amount: float = sometimes(float, "Size of the deal, or share of an audit.")
    actor: str = sometimes(str, "Who did it.")
    source: str = sometimes(str, "Which system said so.")
    return_on: str = sometimes(str, "When to come back.")
    received_at: str


class LeadAnswer(BaseModel):
    """Where a lead stands; its scores, the latest first; its events in order of time."""

    lead_id: str
    state: Literal["open", "accepted", "rejected", "won", "lost", "suppressed"]
    state_reason: str = sometimes(str, "Why it was rejected, lost or suppressed.")
    state_since: str = sometimes(str, "Left out while nothing has happened.")
    return_on: str = sometimes(str, "When to come back to it, as somebody said.")
    n: int
    scores: list[Recorded]
    events: list[EventTold]


class LeadDeleted(BaseModel):
    """How much was deleted."""

    status: Literal["deleted"]
    scores: int
    events: int


class EventStored(BaseModel):
    """One event is committed."""

    status: Literal["stored"]
    event_id: str


class EventsStored(BaseModel):
    """All events of the request are committed; ids in the order of the request."""

    status: Literal["stored"]
    n: int
    event_ids: list[str]


class InputAnswer(BaseModel):
    """One input of the model."""

    name: str
    field: str
    group: Literal["fit", "interest", "timing", "data"]
    kind: Literal["number", "category"]


class ModelAnswer(BaseModel):
    """The model that serves."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    model_digest: str
    approved_by: str
    approved_at: str
    why: str
    warning: str
    registry: Registry
    proposed: str = Field(description="Version that training proposes; empty when none.")
    mode: Literal["history", "snapshot"]
    method: Literal["student", "base_rate"]
    curve: Literal["full", "short", "none"]
    horizons: list[int] = Field(description="Empty in snapshot mode.")
    horizon_days: int = sometimes(int, "Left out in snapshot mode.")
    line: float
    definition_version: str
    definition_fingerprint: str
    inputs: list[InputAnswer]
    evaluation: dict[str, Any]


class ApprovalAnswer(BaseModel):
    """One person's word that a version may serve."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    version: str
    model_digest: str
    manifest_digest: str = Field(description="Empty in approvals of an earlier program.")
    approved_by: str
    approved_at: str
    why: str
    serves: bool = Field(description="Whether this worker answers with it now.")


class ModelsAnswer(BaseModel):
    """What was approved, what serves, and what is proposed."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    serving: str = Field(description="A version; empty when none serves.")
    warning: str
    registry: Registry
    proposed: str = Field(description="A version; empty when training proposes none.")
    n: int
    approvals: list[ApprovalAnswer] = Field(description="The latest first.")


class DefinitionAnswer(BaseModel):
    """The definition as its file holds it, with its fingerprint; see docs/guide/definition.md."""

    model_config = ConfigDict(extra="allow")

    fingerprint: str


class Alive(BaseModel):
    """The process runs."""

    status: Literal["alive"]


class Ready(BaseModel):
    """Whether leads can be scored, and what else is amiss."""

    status: Literal["ready", "not_ready", "ending"]
    model: str
    store: Literal["ok", "unavailable"]
    warning: str
    registry: Registry
    proposed: str = Field(description="Version that training proposes; empty when none.")


class KeyTold(BaseModel):
    """A key as a list shows it; no secret."""

    key_id: str
    name: str
    scopes: list[Right]
    made_at: str
    made_by: str
    expires_at: str = sometimes(str, "Left out when it opens for good.")
    revoked_at: str = sometimes(str, "Left out when it was not revoked.")
    last_used_at: str = sometimes(str, "To the minute; left out when it was never used.")


class KeyListed(KeyTold):
    """A key, and whether it opens anything now."""

    is_active: bool


class KeyMade(KeyTold):
    """A new key with its secret, which is told here and nowhere else."""

    key: str


class KeyList(BaseModel):
    """Every key that was ever made, the latest first."""

    n: int
    keys: list[KeyListed]


class KeyRevoked(BaseModel):
    """The key opens nothing any more."""

    key_id: str
    name: str
    revoked: bool


class ActionTold(BaseModel):
    """One thing that somebody did with the service itself."""

    at: str
    actor: str
    action: str
    detail: dict[str, Any]


class ActionList(BaseModel):
    """What was done, the latest first."""

    n: int
    actions: list[ActionTold]


_MEANINGS = {
    400: "Not JSON, or empty.",
    401: "No key, or one that is not known, revoked or expired.",
    403: "The key lacks the right; `detail` says which.",
    404: "Nothing is recorded for this lead.",
    409: "What is asked for does not fit how things stand.",
    413: "The body is too large.",
    415: "Another content type than JSON.",
    422: "A value is missing or cannot be used; `detail` says which.",
    503: "No model is approved, or the database is away. Wait as Retry-After says.",
}


def told(answer: object, *statuses: int) -> Responses:
    """Return what a route answers, as FastAPI's `responses`: 200 and these failures."""
    responses: Responses = {200: {"model": answer, "description": "The answer."}}
    for one in statuses:
        responses[one] = {"model": Problem, "description": _MEANINGS[one]}
    return responses
