"""What to do with a lead, from its two probabilities, the week's line and what sales has said.

A desk is the week's state of it: made when the line, the model or the week changes, never while a
request waits. Every decision that it can take is ready, with its words in both languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import orjson

from features.wording import percent
from serving.decision.audit import draw, draw_suffix
from serving.decision.lead_state import is_off_limits
from serving.texts import LANGUAGES, Language, load_texts

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from serving.decision.line import Line

__all__ = [
    "ACCEPTED",
    "Decision",
    "Desk",
    "Quadrant",
    "Verdict",
    "decide",
    "make_desk",
    "reason_text",
]

ACCEPTED = 0.5
"""At or above this chance of being accepted, sales is expected to take the lead."""

Verdict = Literal["handoff", "nurture", "review", "suppress"]
Quadrant = Literal["handoff", "review", "doubtful", "nurture"]
_QUADRANTS: tuple[Quadrant | None, ...] = (None, "handoff", "review", "doubtful", "nurture")
_NOBODY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What to do, and on what ground; the same object for every lead that it holds for.

    Attributes
    ----------
    decision : {"handoff", "nurture", "review", "suppress"}
        `review`: likely to be won, though sales usually declines such leads.
    quadrant : {"handoff", "review", "doubtful", "nurture"} or None
        Acceptance against conversion; None when nothing is known of acceptance.
    code : str
        Decision and ground: ``handoff_line``, ``audit_floor``, …; `reason_text` puts it into words.
    line : float
        The probability at which a lead is handed off (0 to 1).
    is_audited : bool
        Below the line, but drawn: sales should work it all the same.
    audit_probability : float
        With which it was drawn; 0 where nothing is drawn.
    said : mapping
        The flat part of an answer, by language: shared, so never to be changed.
    written : mapping
        The same as JSON, without braces.
    """

    decision: Verdict
    quadrant: Quadrant | None
    code: str
    line: float
    is_audited: bool
    audit_probability: float
    said: Mapping[Language, Mapping[str, Any]]
    written: Mapping[Language, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """All that a decision needs beside the lead.

    Attributes
    ----------
    line : Line
        Of the week.
    suppressed : mapping of str to str
        Leads that are not for sales, and the reason; others may add to it while it is read.
    audit_suffix : bytes
        What is hashed with a lead id to draw for the audit lane.
    is_provisional : bool
        The line was not stored (the database was away): another may take its place in the week.
    """

    line: Line
    suppressed: Mapping[str, str]
    is_provisional: bool
    _ready: Mapping[tuple[str, Quadrant | None], Decision] = field(repr=False)
    audit_suffix: bytes = field(repr=False)
    _lot: bytes = field(repr=False)


def decide(probability: float, acceptance: float | None, lead_id: str, desk: Desk) -> Decision:
    """Return the decision for a lead.

    Parameters
    ----------
    probability : float
        Chance of a win at the main horizon (0 to 1).
    acceptance : float or None
        Chance that sales accepts the lead (0 to 1).
    lead_id : str
        Draws by lot follow from it, so that they stay the same all week.
    desk : Desk
        Made by `make_desk`.
    """
    line = desk.line
    ground = ""
    is_likely = probability >= line.line
    if probability == line.line and line.tie_share < 1.0:
        ground = "_lot"
        is_likely = draw(lead_id, desk._lot) < line.tie_share
    quadrant: Quadrant | None = None
    if acceptance is not None:
        if acceptance >= ACCEPTED:
            quadrant = "handoff" if is_likely else "doubtful"
        else:
            quadrant = "review" if is_likely else "nurture"
    why = desk.suppressed.get(lead_id)
    if why is not None:
        ready = desk._ready
        return ready.get((f"suppress:{why}", quadrant)) or ready["suppress:", quadrant]
    if is_likely:
        return desk._ready[("review" if quadrant == "review" else "handoff") + ground, quadrant]
    chance = line.audit_probability
    if chance > 0.0 and draw(lead_id, desk.audit_suffix) < chance:
        return desk._ready["audit" + ground, quadrant]
    return desk._ready["nurture" + ground, quadrant]


def make_desk(
    line: Line,
    definition: LeadDefinition,
    suppressed: Mapping[str, str] = _NOBODY,
    *,
    is_provisional: bool = False,
) -> Desk:
    """Return the desk of a line.

    Examples
    --------
    >>> from datetime import UTC, date, datetime
    >>> from features.definition import load_definition
    >>> from serving.decision.line import break_even_line
    >>> agreed, now = load_definition(), datetime(2026, 11, 20, tzinfo=UTC)
    >>> line = break_even_line(agreed, "lead-quality", "ab12", date(2026, 11, 16), now)
    >>> desk = make_desk(line, agreed, {"L-3": "duplicate"})
    >>> decide(0.21, 0.64, "L-1", desk).decision, decide(0.21, 0.2, "L-1", desk).decision
    ('handoff', 'review')
    >>> decide(0.05, 0.9, "L-2", desk).quadrant, decide(0.21, 0.9, "L-3", desk).decision
    ('doubtful', 'suppress')
    """
    ready: dict[tuple[str, Quadrant | None], Decision] = {}
    always = "_floor" if line.is_break_even else "_line"
    for quadrant in _QUADRANTS:
        for kind in ("handoff", "review", "nurture", "audit"):
            for ground in ("", "_lot"):
                code = kind + (ground or always)
                ready[kind + ground, quadrant] = _decision(code, quadrant, line, definition)
        codes = [code for code, reason in definition.reasons.items() if is_off_limits(reason)]
        for why in ("", *codes):
            ready[f"suppress:{why}", quadrant] = _decision(
                "suppress", quadrant, line, definition, why
            )
    return Desk(
        line,
        suppressed,
        is_provisional,
        ready,
        draw_suffix(line.week, line.model_name),
        draw_suffix(line.week, line.model_name, "line"),
    )


def reason_text(answer: Mapping[str, Any], definition: LeadDefinition, language: Language) -> str:
    """Return the ground of a recorded answer in words, in any language."""
    code = answer.get("decision_code")
    if code is None:  # recorded before there was a line of the week
        code = answer["decision"] if answer["decision"] == "suppress" else None
        code = code or f"{answer['decision']}_floor"
    places = answer.get("line_places", definition.economics.capacity_per_week)
    why = answer.get("suppress_reason", "")
    return _words(code, answer["line"], places, why, definition, language)


def _decision(
    code: str, quadrant: Quadrant | None, line: Line, definition: LeadDefinition, why: str = ""
) -> Decision:
    kind = code.partition("_")[0]
    is_audited = kind == "audit"
    verdict: Verdict = "nurture" if is_audited else kind  # type: ignore[assignment]
    chance = line.audit_probability if verdict == "nurture" else 0.0
    said: dict[Language, Mapping[str, Any]] = {}
    for language in LANGUAGES:
        flat: dict[str, Any] = {
            "decision": verdict,
            "decision_reason": _words(code, line.line, line.capacity, why, definition, language),
            "decision_code": code,
            "line": line.line,
            "line_places": line.capacity,
            "line_week": line.week.isoformat(),
            "audit": is_audited,
            "audit_probability": chance,
        }
        if why:
            flat["suppress_reason"] = why
        if quadrant is not None:
            flat["quadrant"] = quadrant
        said[language] = MappingProxyType(flat)
    written = {language: orjson.dumps(dict(flat))[1:-1] for language, flat in said.items()}
    return Decision(
        verdict,
        quadrant,
        code,
        line.line,
        is_audited,
        chance,
        MappingProxyType(said),
        MappingProxyType(written),
    )


def _words(
    code: str, line: float, places: int, why: str, definition: LeadDefinition, language: Language
) -> str:
    texts = load_texts(language).about(definition)
    if code == "suppress":
        reason = definition.reasons.get(why)
        if reason is None:
            return texts("decision_reason.suppress")
        return texts("decision_reason.suppress_reason", reason=reason.names.get(language))
    return texts(f"decision_reason.{code}", line=percent(line, language), places=f"{places:,}")
