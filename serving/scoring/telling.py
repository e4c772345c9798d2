"""The parts of an answer that are the same for every lead of a model, made once and kept.

A factor's words depend on its value, not on the lead: there are as many as the model has codes,
twice (a value may raise one lead and lower another).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from features.definition import EVER
from features.factors import Factor, Shown, factor_of
from features.scored import Contribution, ScoredLead
from features.scorer import LeadScorer
from features.wording import sentence, short
from serving.store import Approval
from serving.texts import LANGUAGES, Language

__all__ = ["FactorTold", "Telling"]


class FactorTold(NamedTuple):
    """A factor without its size.

    Attributes
    ----------
    before, after : bytes
        For the list of factors, as JSON: points and odds stand between them.
    short : mapping of str to bytes
        For the flat part, by language, as JSON.
    """

    before: bytes
    after: bytes
    short: Mapping[Language, bytes]


class Telling:
    """What a model tells of every lead.

    Parameters
    ----------
    scorer : LeadScorer
        The model.
    approval : Approval
        Whose version and digest are told.

    Attributes
    ----------
    stamps : dict of str to dict
        By language: which model and definition speak.
    stamps_written : dict of str to tuple of bytes
        The same as JSON, before and after the scoring time.
    chances : tuple of str
        Names of the chances, ``p_30`` …; empty in snapshot mode.
    horizon_written : bytes
        The horizon of the decision as JSON; empty in snapshot mode.
    grades, grades_written : tuple
        Grade of each score, 0 to 100; also as JSON.
    categories : tuple of (int, str)
        Inputs that are a category field's own, with the field.
    input_names : tuple of str
        In the order of the codes.
    behaviour_kinds : frozenset of str
        Kinds of what leads do that the definition counts.
    """

    def __init__(self, scorer: LeadScorer, approval: Approval) -> None:
        self._scorer = scorer
        definition, inputs = scorer.definition, scorer.encoder.inputs
        stamp = {
            "method": scorer.method,
            "curve": scorer.curve,
            "model_version": approval.version,
            "model_digest": approval.digest,
            "definition_version": definition.version,
            "definition_fingerprint": definition.fingerprint,
            "as_of": "",
        }
        self.stamps: dict[Language, dict[str, Any]] = {
            language: stamp | {"language": language} for language in LANGUAGES
        }
        self.stamps_written: dict[Language, tuple[bytes, bytes]] = {
            language: _around(told, "as_of") for language, told in self.stamps.items()
        }
        self.chances = tuple(f"p_{days}" for days in scorer.horizons if days != EVER)
        main = scorer.main_horizon
        self.horizon_written = b"" if main == EVER else b',"horizon_days":%d' % main
        self.grades = tuple(definition.grades.of(score) for score in range(101))
        self.grades_written = tuple(orjson.dumps(grade) for grade in self.grades)
        self.categories = tuple(
            (position, given.field)
            for position, given in enumerate(inputs)
            if given.kind == "category" and given.name == given.field
        )
        self.input_names = tuple(given.name for given in inputs)
        self.behaviour_kinds = frozenset(
            behaviour.kind for behaviour in definition.behaviours.values()
        )
        self._factors: dict[tuple[int, int, bool], FactorTold] = {}

    def factors(self, scored: ScoredLead, places: Sequence[int]) -> list[FactorTold]:
        """Return the words of the factors at places of the definition's order."""
        codes, by_field, members = scored.codes, scored.by_field, scored.members
        found = []
        for place in places:
            positions = members[place].positions
            position = positions[0] if len(positions) == 1 else scored.strongest(place)
            key = (position, codes[position], by_field[place] > 0)
            told = self._factors.get(key)
            if told is None:
                told = self._factors[key] = self._told(scored.contribution(place))
            found.append(told)
        return found

    def _told(self, part: Contribution) -> FactorTold:
        encoder = self._scorer.encoder
        factor = factor_of(self._scorer, part)
        brief: dict[Language, str] = {
            language: short(encoder, factor, language) for language in LANGUAGES
        }
        before: dict[str, Any] = {
            "field": factor.field,
            "input": factor.input,
            "value": _value_of(factor.shown),
            "group": factor.group,
        }
        after: dict[str, Any] = {
            "is_rare": factor.is_rare,
            "text": {language: sentence(encoder, factor, language) for language in LANGUAGES},
            "short": brief,
        }
        return FactorTold(
            orjson.dumps(before)[:-1] + b',"points":',
            b"," + orjson.dumps(after | _evidence_of(factor))[1:],
            {language: orjson.dumps(words) for language, words in brief.items()},
        )


def _around(told: Mapping[str, Any], name: str) -> tuple[bytes, bytes]:
    """Return members of an object as JSON, before and after the value of one of them."""
    names = list(told)
    at = names.index(name)
    before = {one: told[one] for one in names[: at + 1]}
    after = {one: told[one] for one in names[at + 1 :]}
    return orjson.dumps(before | {name: 0})[1:-2], b"," + orjson.dumps(after)[1:-1]


def _evidence_of(factor: Factor) -> dict[str, Any]:
    found = factor.evidence
    if found is None:
        return {}
    told: dict[str, Any] = {"rate": found.rate, "overall": found.overall, "n": found.n}
    return {"evidence": told if found.days == EVER else told | {"days": found.days}}


def _value_of(shown: Shown) -> str:
    if shown.kind == "level":
        return shown.code
    if shown.kind != "range":
        return shown.kind
    low = "" if shown.low is None else f"{shown.low:.6g}"
    high = "" if shown.high is None else f"{shown.high:.6g}"
    return f"{low}..{high}"
