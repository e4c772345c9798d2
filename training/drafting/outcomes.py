"""What a status, an entry of a decision log or a reason means, by the words it is written in.

Ordered rules, Japanese and English; the first that fits decides. A value that is nothing but a
known word is taken as certain; one that only holds it is a guess, and is marked as such.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from features.source_map import Meaning
from features.strict_yaml import load_yaml
from features.text import category_key
from training.drafting.headings import packaged_definition, words_pattern

__all__ = ["Reading", "names_reason", "read_behaviour", "read_reason", "read_status"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a written value is taken to mean.

    Attributes
    ----------
    event : str
        As in `features.source_map.Meaning`; for behaviour its kind.
    reason : str or None
        Code of the packaged definition.
    is_certain : bool
        Whether the value is the word itself, and not only holds it.
    """

    event: str
    reason: str | None = None
    is_certain: bool = True

    @property
    def meaning(self) -> Meaning:
        """Return the meaning as a source map holds it."""
        return Meaning.model_validate({"event": self.event, "reason": self.reason})


Rules = tuple[tuple[str, re.Pattern[str]], ...]
_LONGEST = 60
_AROUND = re.compile(
    r"^(?:\d{1,2}\s*[.):-]\s*|(?:lead|closed|sales|status)\s*[-:/]?\s*(?=\w))+"
    r"|\s*(?:leads?|deals?|済み?|中|しました|した)$"
)
_UNDECIDED_FIRST = re.compile(
    r"(?:受注|成約|契約|決定)(?:見込|予定|間近|待ち|確度)"
    r"|(?<![a-z])(?:likely|expected|about) to (?:close|convert|win)"
)
_NEGATED_WIN = re.compile(
    r"未(?:成約|受注|契約)|不成約|(?:成約|受注|契約)(?:せず|なし|ならず)"
    r"|(?<![a-z])(?:not|never|non|un)[ -]?(?:converted|won|closed|sold|enrol?led|purchased)"
)


@lru_cache(maxsize=50_000)
def read_status(written: str, *, is_log: bool = False) -> Reading | None:
    """Return what a status means, None where no rule knows.

    In a log of decisions a contact is an event; as the state of a lead it is still undecided.

    >>> read_status("Closed - Won").event, read_status("連絡がつかない").reason
    ('won', 'unresponsive')
    """
    key = category_key(written) or ""
    if len(key) > _LONGEST:
        return None  # a sentence, whatever words it holds
    own = _packaged_reasons().get(key)
    if own is not None and own.reason != "other" and not is_log:
        return own
    if _UNDECIDED_FIRST.search(key):
        return Reading("open", is_certain=False)
    if _NEGATED_WIN.search(key):
        return Reading("lost", "lost_other", is_certain=False)
    events, reasons, losses = _rules("events"), _rules("reasons"), _rules("losses")
    bare = _AROUND.sub("", key) or key
    event = _whole(events, key) or _whole(events, bare) or _joined(events, key)
    is_certain = event is not None
    if event is None:
        # Why it ended is said more often than that it ended: "customer is not responding".
        reason = _whole(reasons, key) or _whole(reasons, bare) or _first(reasons[:-1], key)
        event = _first(events, key)
        if reason is not None and event not in ("lost", "rejected"):
            return Reading("rejected", reason, is_certain=False)
    if event is None:
        return None
    if event in ("touched", "recycled") and not is_log:
        event = "open"
    if is_log:
        return Reading(event, None, is_certain)
    if event in ("audit", "retracted"):
        return None
    if event == "rejected":
        return Reading(event, _first(reasons[:-1], key) or "no_reason", is_certain)
    if event == "lost":
        return Reading(event, _first(losses[:-1], key) or "lost_other", is_certain)
    return Reading(event, None, is_certain)


def read_reason(written: str, kind: str) -> Reading | None:
    """Return which reason of the packaged table a text is; `kind` is ``rejected`` or ``lost``."""
    key = category_key(written) or ""
    own = _packaged_reasons().get(key)
    if own is not None and own.event == kind:
        return own
    rules = _rules("losses" if kind == "lost" else "reasons")
    code = _whole(rules, key)
    found = code or _first(rules, key)
    return None if found is None else Reading(kind, found, is_certain=code is not None)


def names_reason(written: str, code: str) -> bool:
    """Return whether a text is this reason's own code or name, which needs no line in a map."""
    own = _packaged_reasons().get(category_key(written) or "")
    return own is not None and own.reason == code


def read_behaviour(written: str) -> str | None:
    """Return which kind of behaviour a text is, None where no rule knows."""
    return _first(_rules("behaviours"), (category_key(written) or "").replace("_", " "))


def _joined(rules: Rules, key: str) -> str | None:
    """Return what all parts of "contact / call" mean, if it is one thing."""
    parts = [_whole(rules, part.strip()) for part in re.split("[・/、,]", key)]
    return parts[0] if len(set(parts)) == 1 else None


@cache
def _rules(part: str) -> Rules:
    text = files("training.drafting").joinpath("outcomes.yaml").read_text("utf-8")
    return tuple((one["code"], words_pattern(one)) for one in load_yaml(text)[part])


@cache
def _packaged_reasons() -> dict[str, Reading]:
    return {
        category_key(written) or code: Reading(
            "lost" if reason.kind == "loss" else "rejected", code
        )
        for code, reason in packaged_definition().reasons.items()
        for written in (code, reason.names.ja, reason.names.en)
    }


def _whole(rules: Rules, key: str) -> str | None:
    return next((code for code, rule in rules if rule.fullmatch(key)), None)


def _first(rules: Rules, key: str) -> str | None:
    return next((code for code, rule in rules if rule.search(key)), None)
