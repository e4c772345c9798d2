"""A recipe as JSON content, and back: what a champion needs to be learnt again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, TypeVar

from training.recipe import Recipe

__all__ = ["recipe_document", "recipe_from"]

T = TypeVar("T")


def recipe_document(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as JSON content."""
    return {key: _plain(value) for key, value in asdict(recipe).items()}


def recipe_from(document: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a document; keys that are missing or unknown are the default's.

    A recipe of an older or newer program is so learnt again as nearly as this one can.
    """
    return _filled(Recipe(), document)


def _filled(default: T, document: Mapping[str, Any]) -> T:
    """Return `default`, a frozen dataclass, with those of its fields that the document gives."""
    assert is_dataclass(default)
    assert not isinstance(default, type)
    given: dict[str, Any] = {}
    for field in fields(default):
        own = getattr(default, field.name)
        value = document.get(field.name, own)
        if is_dataclass(own):
            value = _filled(own, value) if isinstance(value, Mapping) else own
        elif isinstance(value, list):
            value = tuple(value)
        given[field.name] = value
    return type(default)(**given)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value
