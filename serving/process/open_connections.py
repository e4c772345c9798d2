"""How many connections each of several workers holds: what tells whose turn the next caller is."""

from __future__ import annotations

import mmap
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["OpenConnections", "Place"]

CLOSED: Final = -1
"""In the place of a worker that does not serve (yet, or any more)."""


@dataclass(frozen=True)
class Place:
    """Where a worker stands among several.

    Attributes
    ----------
    folder : Path
        In which they tell each other what they hold and have counted.
    number : int
        Its place there.
    parent : int
        The process that looks after them; without it, the worker ends too.
    """

    folder: Path
    number: int
    parent: int


class OpenConnections:
    """How many connections each worker holds, in memory that all of them see.

    Parameters
    ----------
    folder : Path
        In which `make` has made it.
    """

    _NAME: Final = "open_connections"

    def __init__(self, folder: Path) -> None:
        with (folder / self._NAME).open("r+b") as opened:
            self._held = memoryview(mmap.mmap(opened.fileno(), 0)).cast("i")

    @classmethod
    def make(cls, folder: Path, n_places: int) -> OpenConnections:
        """Return new memory with a place for each worker; all are closed."""
        (folder / cls._NAME).write_bytes(array("i", [CLOSED] * n_places).tobytes())
        return cls(folder)

    def tell(self, place: int, n: int) -> None:
        """Say that a worker holds so many connections."""
        self._held[place] = n

    def close(self, place: int) -> None:
        """Say that a worker leaves callers to others, or is gone."""
        self._held[place] = CLOSED

    def is_open(self, place: int) -> bool:
        """Return whether a worker lets callers in."""
        return self._held[place] != CLOSED

    def has_others(self, place: int) -> bool:
        """Return whether any other worker lets callers in."""
        return any(n != CLOSED for k, n in enumerate(self._held) if k != place)

    def surplus(self, place: int) -> float:
        """Return how many connections a worker holds beyond the mean of those that are open."""
        held = [n for n in self._held if n != CLOSED]
        return self._held[place] - sum(held) / len(held) if held else 0.0
