"""YAML for files that people edit: plain words stay words, and no key comes twice.

Ordinary YAML reads an unquoted ``No`` as false and keeps the last of two equal keys. In a map of
statuses both lose a line without a word.
"""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["load_text_yaml"]


def load_text_yaml(text: str) -> Any:
    """Read YAML in which every plain word is text (``Yes``, ``0``, ``1.50``); only null is not.

    Raises
    ------
    yaml.YAMLError
        If the text is not YAML, or a mapping has a key twice.
    """
    return yaml.load(text, Loader=_TextLoader)  # noqa: S506 - derives from the safe loader


class _TextLoader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML reads this class attribute
        first: [pair for pair in pairs if pair[0].endswith((":null", ":merge"))]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

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
