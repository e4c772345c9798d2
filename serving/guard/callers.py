"""Who calls, and what they may do; set on every request before a route sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

__all__ = ["LOCAL", "SCOPES", "Caller", "Right", "caller_of"]

Right = Literal["score", "events", "read", "export", "promote", "admin"]
SCOPES: Final[tuple[Right, ...]] = get_args(Right)


@dataclass(frozen=True, slots=True)
class Caller:
    """A key, a person who signed in, or this machine's own user.

    Attributes
    ----------
    name : str
        What is written down of them: the key's name, or the account's.
    kind : {"key", "person", "local"}
        `local`: the service is open, and everybody on this machine is trusted.
    scopes : frozenset of str
        What they may do.
    """

    name: str
    kind: Literal["key", "person", "local"]
    scopes: frozenset[Right]


LOCAL = Caller("local", "local", frozenset(SCOPES))


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Return who sent the request of an ASGI `scope`; KeyError if nobody checked."""
    caller: Caller = scope["caller"]
    return caller
