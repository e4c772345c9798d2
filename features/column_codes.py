"""Leads given as columns → codes, for files and tables: no object is made for a lead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.field_codes import FieldCodes
from features.inputs import ARRIVAL, MISSING, Habits

if TYPE_CHECKING:
    from features.encoder import LeadEncoder, LeadInput

__all__ = ["PART", "Encoded", "encode_columns", "encode_leads"]

PART = 10_000
"""Leads whose columns are read together; what was read is forgotten after each part, so that memory
does not grow with the number of different values."""


class Encoded(NamedTuple):
    """A lead as the tables see it.

    Attributes
    ----------
    codes : list of int
        One for each input.
    unreadable : tuple of str
        Fields whose value was there but could not be read, and counts as missing.
    unknown : int
        Number of given fields that the definition does not have, or that are known only later.
    """

    codes: list[int]
    unreadable: tuple[str, ...]
    unknown: int


def encode_columns(
    encoder: LeadEncoder,
    columns: Mapping[str, Sequence[object] | NDArray[Any]],
    as_of: datetime | Sequence[datetime],
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.bool_]]]:
    """Return the codes of leads given as columns, and of each field whose values failed; see
    `LeadEncoder.encode_columns`.
    """
    lengths = {len(column) for column in columns.values()}
    if not isinstance(as_of, datetime):
        lengths.add(len(as_of))
    if len(lengths) > 1:
        raise ValueError(f"columns must have one length, got {sorted(lengths)}")
    n_leads = lengths.pop() if lengths else 0
    codes = np.full((n_leads, len(encoder.inputs)), MISSING, np.int32)
    unreadable: dict[str, NDArray[np.bool_]] = {}
    readers = _readers(encoder)
    for start in range(0, n_leads, PART):
        rows = slice(start, min(start + PART, n_leads))
        for name, reader in readers.items():
            column = columns.get(name)
            raws: Sequence[object] | None = None
            if isinstance(column, np.ndarray):
                raws = column[rows].tolist()  # Python's own numbers and texts are read faster
            elif column is not None:
                raws = column[rows]
            if name == ARRIVAL:
                moments = (
                    [as_of] * (rows.stop - start) if isinstance(as_of, datetime) else as_of[rows]
                )
                raws = _with_arrivals(raws, moments)
            if raws is None:
                continue
            read, failed = reader.of_column(raws)
            for place, position in enumerate(reader.positions):
                codes[rows, position] = read[:, place]
            if failed is not None:
                unreadable.setdefault(name, np.zeros(n_leads, np.bool_))[rows] = failed
    return codes, unreadable


def encode_leads(encoder: LeadEncoder, leads: Sequence[LeadInput]) -> list[Encoded]:
    """Return the codes of many leads, read field by field; each equal to `LeadEncoder.encode`'s."""
    encoded: list[Encoded] = []
    for start in range(0, len(leads), PART):
        encoded += _encode_part(encoder, leads[start : start + PART])
    return encoded


def _encode_part(encoder: LeadEncoder, leads: Sequence[LeadInput]) -> Iterator[Encoded]:
    codes = np.full((len(leads), len(encoder.inputs)), MISSING, np.int32)
    failed: dict[int, list[str]] = {}
    given, moments = [lead.fields for lead in leads], [lead.as_of for lead in leads]
    for name, field in encoder.field_codes:
        raws: Sequence[object] = [fields.get(name) for fields in given]
        if name == ARRIVAL:
            raws = _with_arrivals(raws, moments)
        read, unreadable = field.of_column(raws)
        codes[:, field.positions] = read
        if unreadable is not None:
            for row in np.flatnonzero(unreadable).tolist():
                failed.setdefault(row, []).append(name)
    for row, (lead, own) in enumerate(zip(leads, codes.tolist(), strict=True)):
        names = failed.get(row, [])
        encoder.fill_behaviours(lead, own, names)
        yield Encoded(own, tuple(names), encoder.n_unknown(lead.fields))


def _readers(encoder: LeadEncoder) -> dict[str, FieldCodes]:
    """Return the readers of all fields and behaviours; a behaviour is given as its number."""
    as_written = Habits(encoder.definition.zone)
    return dict(encoder.field_codes) | {
        name: FieldCodes("number", [given], [position], as_written, {}, is_personal=False)
        for name, position, given in encoder.behaviour_inputs
    }


def _with_arrivals(raws: Sequence[object] | None, moments: Sequence[datetime]) -> Sequence[object]:
    """Return times of arrival, with the scoring time where none is given."""
    if raws is None:
        return moments
    return [moment if raw is None else raw for raw, moment in zip(raws, moments, strict=True)]
