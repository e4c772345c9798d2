"""What a column's heading says, in Japanese or English, as CRMs and forms usually write it.

General vocabulary: the packaged definition's own names, then ordered rules of which the first that
fits decides. A heading only proposes; what the values are decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from features.definition import LeadDefinition, load_definition
from features.strict_yaml import load_yaml
from features.terms import Group, Names
from features.text import normalise

__all__ = ["Concept", "find_concept", "is_about", "packaged_definition", "spoken", "words_pattern"]

Use = Literal["field", "later", "handler", "personal"]
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MARKS = re.compile(r"[_./:*\"'`()\[\]{}|\\?#-]+")


@dataclass(frozen=True, slots=True)
class Concept:
    """What a heading is about.

    Attributes
    ----------
    code : str
        Field name in a definition.
    names : Names
        What people call it.
    group : str
        Fit, interest, timing or data.
    use : {"field", "later", "handler", "personal"}
        Whether it is a field known at arrival, is written after hand-off, names who works the lead
        (decided after arrival too), or tells who a person is and is not read at all.
    """

    code: str
    names: Names
    group: Group
    use: Use = "field"


def spoken(heading: str) -> str:
    """Return a heading as words: ``Product_ID`` and ``ProductID`` are both ``product id``."""
    apart = _CAMEL.sub(" ", normalise(heading[:300]))
    return " ".join(_MARKS.sub(" ", apart).casefold().split())


def is_about(heading: str, topic: str) -> bool:
    """Whether a heading speaks of a topic, such as ``arrival`` or ``won``."""
    return _vocabulary()[1][topic].search(spoken(heading)) is not None


@cache
def find_concept(heading: str) -> Concept | None:
    """Return what a heading is about, None where no rule knows it.

    >>> find_concept("Lead Source").code, find_concept("お問い合わせ内容").code
    ('source', 'message')
    """
    words = spoken(heading)
    own = _packaged().get(words)
    if own is not None:
        return own
    # The whole heading first: "Lead Source" is a source, "Source of the company's data" is not.
    rules, _ = _vocabulary()
    whole = next((concept for concept, rule in rules if rule.fullmatch(words)), None)
    if whole is not None:
        return whole
    found = next((concept for concept, rule in rules if rule.search(words)), None)
    # Japanese runs words together; in an English sentence "amount" or "name" says little.
    return found if found is None or found.use == "field" or not words.isascii() else None


@cache
def packaged_definition() -> LeadDefinition:
    """Return the packaged definition, read once."""
    return load_definition()


@cache
def _packaged() -> dict[str, Concept]:
    known: dict[str, Concept] = {}
    for code, field in packaged_definition().fields.items():
        concept = Concept(code, field.names, field.group, "field" if field.is_usable else "later")
        for written in (code, field.names.ja, field.names.en):
            known.setdefault(spoken(written), concept)
    return known


@cache
def _vocabulary() -> tuple[list[tuple[Concept, re.Pattern[str]]], dict[str, re.Pattern[str]]]:
    text = files("training.drafting").joinpath("headings.yaml").read_text("utf-8")
    loaded = load_yaml(text)
    rules = [
        (
            Concept(one["code"], Names(**one["names"]), one["group"], one.get("use", "field")),
            words_pattern(one),
        )
        for one in loaded["concepts"]
    ]
    return rules, {topic: words_pattern(one) for topic, one in loaded["topics"].items()}


def words_pattern(words: Mapping[str, Sequence[str]]) -> re.Pattern[str]:
    """Return a pattern of words: Japanese ones anywhere, English ones between other letters."""
    japanese, english = "|".join(words["japanese"]), "|".join(words["english"])
    return re.compile(f"{japanese}|(?<![a-z])(?:{english})(?![a-z])")
