"""YAML for files that people edit: no key comes twice, and where it matters, words stay words.

Ordinary YAML keeps the last of two equal keys and reads an unquoted ``No`` as false. In an
agreement or a map of statuses both lose a line without a word.
"""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["load_text_yaml", "load_yaml"]


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
