"""How many connections each of several workers holds: what tells whose turn the next caller is."""

from __future__ import annotations

import mmap
import os
import tempfile
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
        In which they tell each other what they have counted.
    number : int
        Its place in `held`.
    parent : int
        The process that looks after them; without it, the worker ends too.
    held : OpenConnections
        What each of them holds.
    """

    folder: Path
    number: int
    parent: int
    held: OpenConnections


class OpenConnections:
    """How many connections each worker holds, in memory that all of them see.

    The memory has no name: what cleans folders for temporary files would take a file away that
    nobody opens for days, and no worker could be replaced from then on.

    Parameters
    ----------
    memory : int
        The descriptor that `make` has opened, in this process or in the one that started it.
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self._held = memoryview(mmap.mmap(memory, 0)).cast("i")

    @classmethod
    def make(cls, n_places: int) -> OpenConnections:
        """Return new memory with a place for each worker; all are closed."""
        with tempfile.TemporaryFile() as opened:
            opened.write(array("i", [CLOSED] * n_places).tobytes())
            opened.flush()
            return cls(os.dup(opened.fileno()))

    def tell(self, place: int, n: int) -> None:
        """Say that a worker holds so many connections."""
        self._held[place] = n

    def close(self, place: int) -> None:
        """Say that a worker leaves callers to others, or is gone."""
        self._held[place] = CLOSED

    def close_all(self) -> None:
        """Say that all workers end: nobody leaves callers to one that is dead, or hangs."""
        for place in range(len(self._held)):
            self.close(place)

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
