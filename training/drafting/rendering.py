"""A definition and a source map as YAML that a person reads: in order, short, with remarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

__all__ = ["render_yaml", "scalar"]

_WIDTH = 10_000


def render_yaml(
    content: Mapping[str, Any], remarks: Mapping[str, Sequence[str]], inline: Sequence[str] = ()
) -> str:
    """Return YAML in block style.

    Parameters
    ----------
    content : mapping
        Plain JSON content.
    remarks : mapping of str to sequence of str
        Comment lines by dotted path (``leads.status.values``), set above its key; those of the
        empty path stand at the head. Line breaks in them become spaces.
    inline : sequence of str
        Paths whose value stands on one line; ``*`` is any one key.
    """
    lines = [*_comments(remarks.get("", ()), ""), *_mapping(content, (), remarks, inline)]
    return "\n".join(lines) + "\n"


def scalar(value: Any) -> str:
    """Return one value on one line, quoted where YAML needs it."""
    text = yaml.safe_dump(
        value, allow_unicode=True, default_flow_style=True, width=_WIDTH, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _mapping(
    content: Mapping[str, Any],
    path: tuple[str, ...],
    remarks: Mapping[str, Sequence[str]],
    inline: Sequence[str],
) -> Iterator[str]:
    indent = "  " * len(path)
    for key, value in content.items():
        here = (*path, str(key))
        yield from _comments(remarks.get(".".join(here), ()), indent)
        name = scalar(str(key))
        if isinstance(value, Mapping) and value and not _is_inline(here, inline):
            yield f"{indent}{name}:"
            yield from _mapping(value, here, remarks, inline)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield f"{indent}{name}:"
            for position, item in enumerate(value):
                lines = list(_mapping(item, (*here, str(position)), remarks, inline))
                shift = "  " * (len(here) + 1)
                is_first = True
                for line in lines:
                    body = line.removeprefix(shift)
                    is_remark = body.startswith("#")
                    mark = "- " if is_first and not is_remark else "  "
                    is_first = is_first and is_remark
                    yield f"{'  ' * len(here)}{mark}{body}"
        else:
            yield f"{indent}{name}: {scalar(value)}"


def _is_inline(path: tuple[str, ...], patterns: Sequence[str]) -> bool:
    for pattern in patterns:
        parts = pattern.split(".")
        if len(parts) == len(path) and all(
            part in ("*", step) for part, step in zip(parts, path, strict=True)
        ):
            return True
    return False


def _comments(lines: Sequence[str], indent: str) -> Iterator[str]:
    for line in lines:
        yield f"{indent}# {' '.join(line.split())}".rstrip()
