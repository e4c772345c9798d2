"""What has been tried already, kept in a file, so that an interrupted choice goes on from there."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from numpy.typing import NDArray

from features.definition import LeadDefinition

if TYPE_CHECKING:
    import numpy as np

    from features.leads import LeadHistory

__all__ = ["Notebook", "Sums", "digest_of", "sha256_of"]

_FORMAT = 1
"""Counted up when a trial measures something else than before."""


class Sums(NamedTuple):
    """Of the test leads of one cut-off: number, losses, differences, their squares."""

    n: int
    loss: float
    difference: float
    squares: float


class Notebook:
    """Finished trials in a JSON file, written whole or not at all."""

    def __init__(self, folder: Path | None, context: str) -> None:
        self._path = None if folder is None else folder / f"choice-{context[:32]}.json"
        self._kept: dict[str, Any] = {}
        if self._path is not None and self._path.is_file():
            try:
                self._kept = json.loads(self._path.read_text("utf-8"))
            except ValueError:
                self._kept = {}

    def read(self, key: str) -> list[tuple[Sums, Sums]] | None:
        rows = self._kept.get(key)
        return None if rows is None else [(Sums(*one), Sums(*two)) for one, two in rows]

    def write(self, key: str, rows: list[tuple[Sums, Sums]]) -> None:
        self._kept[key] = rows
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Two runs may write at once: each has its own half-written file.
        half = self._path.with_suffix(f".{os.getpid()}.tmp")
        half.write_text(json.dumps(self._kept), "utf-8")
        half.replace(self._path)


def digest_of(
    history: LeadHistory,
    definition: LeadDefinition,
    as_of: datetime | None,
    rows: NDArray[np.bool_] | None,
) -> str:
    """Return a digest of all that a trial reads."""
    told = hashlib.sha256(f"{_FORMAT} {definition.fingerprint} {as_of}".encode())
    for table in (history.leads, history.fields, history.events, history.behaviours):
        told.update(repr(list(table)).encode())
        told.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    told.update(b"" if rows is None else rows.tobytes())
    return told.hexdigest()


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
