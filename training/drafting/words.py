"""What a draft says to a person: in both languages, and where an answer is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from features.strict_yaml import load_yaml
from training.leaks.findings import Sentences

__all__ = ["ANSWER_HERE", "DEFINITION_FILE", "SOURCE_MAP_FILE", "Question", "ask", "listed", "say"]

DEFINITION_FILE = "lead_definition.yaml"
SOURCE_MAP_FILE = "source_map.yaml"
ANSWER_HERE = "(answer here)"
"""Stands in a draft where only a person can say which column or value it is; no file has it."""
_FILES = {"definition": DEFINITION_FILE, "source_map": SOURCE_MAP_FILE}


@dataclass(frozen=True, slots=True)
class Question:
    """Something that the files do not tell.

    Attributes
    ----------
    file, key : str
        File and dotted key that hold the answer, such as ``leads.status.values``.
    what, expected : Sentences
        The question, and what an answer looks like.
    must_be_answered : bool
        Whether the files cannot be read before; else the draft holds a default to be checked.
    """

    file: str
    key: str
    what: Sentences
    expected: Sentences
    must_be_answered: bool = False

    @property
    def where(self) -> str:
        """File and key in one text."""
        return f"{self.file}: {self.key}" if self.key else self.file

    def document(self) -> dict[str, Any]:
        """Return the question as JSON content."""
        return {
            "what": self.what.model_dump(),
            "where": self.where,
            "expected": self.expected.model_dump(),
            "must_be_answered": self.must_be_answered,
        }


def say(sentence: str, **parts: object) -> Sentences:
    """Return a sentence of ``wording.yaml``; a part may itself be in both languages."""
    return _filled(_wording()["sentences"][sentence], parts)


def ask(question: str, **parts: object) -> Question:
    """Return a question of ``wording.yaml``, its parts filled in."""
    asked = _wording()["questions"][question]
    return Question(
        _FILES[asked["file"]],
        asked["key"].format(**parts),
        _filled(asked["what"], parts),
        _filled(asked["expected"], parts),
        asked.get("must_be_answered", False),
    )


def listed(names: Sequence[str], limit: int = 12) -> Sentences:
    """Return names for a sentence: each in quotes, cut after `limit` with the count of the rest."""
    quoted = [f"'{_short(name)}'" for name in names[:limit]]
    joined, rest = ", ".join(quoted) or "-", len(names) - limit
    if rest <= 0:
        return Sentences(ja=joined, en=joined)
    return Sentences(ja=f"{joined} ほか{rest}件", en=f"{joined} and {rest} more")


def _short(name: str) -> str:
    plain = " ".join(name.split())
    return plain if len(plain) <= 60 else f"{plain[:59]}…"


def _filled(wording: dict[str, str], parts: dict[str, object]) -> Sentences:
    def part(value: object, language: str) -> object:
        if isinstance(value, Sentences):
            return value.get(language)
        return _short(value) if isinstance(value, str) else value

    ja, en = (
        wording[language].format(**{name: part(value, language) for name, value in parts.items()})
        for language in ("ja", "en")
    )
    return Sentences(ja=ja, en=en)


@cache
def _wording() -> dict[str, Any]:
    text = files("training.drafting").joinpath("wording.yaml").read_text("utf-8")
    loaded: dict[str, Any] = load_yaml(text)
    return loaded
