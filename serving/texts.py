"""Interface texts of pages and flat answers, in Japanese and English."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from features.definition import LeadDefinition

__all__ = ["LANGUAGES", "Language", "Texts", "choose_language", "load_texts"]

Language = Literal["ja", "en"]
LANGUAGES: tuple[Language, ...] = ("ja", "en")
_WON: Mapping[Language, str] = {"ja": "受注", "en": "won"}


class Texts:
    """The texts of one language; keys are paths such as ``lead.title``.

    ``{won}`` in a text stands for the definition's word for a conversion, see `about`.

    Examples
    --------
    >>> load_texts("en")("lead.grade_label")
    'Grade'
    """

    def __init__(self, language: Language, tree: Mapping[str, Any]) -> None:
        self.language = language
        self._texts = dict(_leaves(tree))
        self._won = _WON[language]

    def about(self, definition: LeadDefinition) -> Texts:
        """Return these texts with the definition's own word for a conversion."""
        name = definition.conversion.get(self.language)
        named = copy(self)
        named._won = name if self.language == "ja" else _inside(name)
        return named

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the text of `key` with `values` filled in; KeyError when there is none."""
        return self._texts[key].format(won=self._won, **values)

    def form(self, key: str) -> str:
        """Return the text of `key` with its gaps, such as ``{days}``."""
        return self._texts[key]

    def names(self) -> set[str]:
        """Return all keys."""
        return set(self._texts)

    def get(self, key: str, default: str) -> str:
        """Return the text of `key`, or `default` when there is none."""
        return self(key) if key in self._texts else default


@cache
def load_texts(language: Language) -> Texts:
    """Return the packaged texts of a language."""
    written = files("serving").joinpath("wording", f"{language}.yaml").read_text("utf-8")
    return Texts(language, yaml.safe_load(written))


def choose_language(asked: str | None, accepted: str | None, default: Language) -> Language:
    """Return the language of an answer.

    Parameters
    ----------
    asked : str or None
        What the caller named; anything but ja and en is passed over.
    accepted : str or None
        The Accept-Language header.
    default : str
        The definition's language.

    Examples
    --------
    >>> choose_language(None, "de, en;q=0.8, ja;q=0.9", "ja"), choose_language("en", "ja", "ja")
    ('ja', 'en')
    """
    for language in LANGUAGES:
        if asked == language:
            return language
    if not accepted:
        return default
    best: tuple[float, Language] | None = None
    for part in accepted[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        weight = _weight(parameter)
        for language in LANGUAGES:
            if tag.strip().lower().split("-")[0] == language and weight > (
                best[0] if best else 0.0
            ):
                best = weight, language
    return best[1] if best else default


def _inside(name: str) -> str:
    # Inside a sentence an English name begins small, unless it is an acronym.
    return name[0].lower() + name[1:] if name[1:2].islower() else name


def _weight(parameter: str) -> float:
    name, _, number = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(number)))
    except ValueError:
        return 0.0


def _leaves(tree: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, node in tree.items():
        here = f"{path}.{key}" if path else str(key)
        found += _leaves(node, here) if isinstance(node, Mapping) else [(here, str(node))]
    return found
