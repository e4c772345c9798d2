"""YAML for files that people edit: no key comes twice, and where it matters, words stay words.

Ordinary YAML keeps the last of two equal keys and reads an unquoted ``No`` as false. In an
agreement or a map of statuses both lose a line without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from features.errors import shorten

__all__ = ["broken_rules", "load_text_yaml", "load_yaml"]


def load_yaml(text: str) -> Any:
    """Read YAML with its numbers, dates and booleans.

    Raises
    ------
    yaml.YAMLError
        If the text is not YAML, is nested beyond reason, or a mapping has a key twice.
    """
    return _load(text, _UniqueKeys)


def load_text_yaml(text: str) -> Any:
    """Read YAML in which every plain word is text (``Yes``, ``0``, ``1.50``); only null is not.

    Raises
    ------
    yaml.YAMLError
        As for `load_yaml`.
    """
    return _load(text, _TextOnly)


def broken_rules(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return what is wrong with a file that people edit, one line for each broken rule.

    Parameters
    ----------
    error : ValidationError
        What `model` said of the file's content.
    model : type of BaseModel
        Knows which keys there are, to say which one a misspelt key may mean.
    """
    lines = []
    for found in error.errors(include_url=False, include_input=False):
        where, problem = found["loc"], found["msg"].removeprefix("Value error, ")
        if found["type"] == "missing":
            problem = "is missing"
        elif found["type"] == "extra_forbidden":
            problem = _unknown_key(str(where[-1]), _known_keys(model, where[:-1]))
        lines.append(f"- {'.'.join(map(str, where)) or 'whole file'}: {problem}")
    return lines


def _unknown_key(key: str, known: Sequence[str]) -> str:
    shown = repr(key if len(key) <= 40 else key[:39] + "…")
    if close := get_close_matches(key.casefold()[:100], known, n=1):
        return f"unknown key {shown}; did you mean {close[0]!r}?"
    return f"unknown key {shown}; the keys here are {shorten(known, limit=40)}"


def _known_keys(model: type[BaseModel], where: Sequence[int | str]) -> list[str]:
    """Return the keys of the part of `model` that stands at `where`."""
    kinds: list[Any] = [model]
    for step in where:
        kinds = [below for kind in kinds for below in _below(kind, step)]
    return [
        key
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        for key in kind.model_fields
    ]


def _below(kind: Any, step: int | str) -> Iterator[Any]:
    origin, inner = get_origin(kind), get_args(kind)
    found: tuple[Any, ...] = ()
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        known = kind.model_fields.get(str(step))
        found = () if known is None else (known.annotation,)
    elif origin in (dict, Mapping):
        found = inner[1:]
    elif origin in (tuple, list):
        found = inner[:1]
    for one in found:
        is_union = get_origin(one) in (Union, UnionType)
        yield from (get_args(one) if is_union else (one,))


def _load(text: str, loader: type[yaml.SafeLoader]) -> Any:
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506 - both derive from the safe loader
    except RecursionError:
        raise yaml.MarkedYAMLError(problem="it is nested too deeply") from None
    except ValueError as error:
        raise yaml.MarkedYAMLError(problem=f"a number or date cannot be read: {error}") from error


class _UniqueKeys(yaml.SafeLoader):
    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                written = repr(key.value) if isinstance(key, yaml.ScalarNode) else "of a line"
                raise yaml.MarkedYAMLError(
                    problem=f"the key {written} comes twice or is not a word",
                    problem_mark=key.start_mark,
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


class _TextOnly(_UniqueKeys):
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML reads this class attribute
        first: [pair for pair in pairs if pair[0].endswith((":null", ":merge"))]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
