"""Leads given as columns → codes, for files and tables: no object is made for a lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.field_codes import ColumnCodes, FieldCodes
from features.inputs import ARRIVAL, MISSING, Habits
from features.plain_columns import READ_PLAIN, numbered

if TYPE_CHECKING:
    from features.encoder import LeadEncoder, LeadInput

__all__ = ["PART", "Encoded", "encode_columns", "encode_leads"]

PART = 10_000
"""Leads whose columns are read together; what was read is forgotten after each part, so that memory
does not grow with the number of different values."""

_LEAST = 200
"""Fewer values are read one by one: looking at all of them at once has a price of its own."""
_DIFFERENT = frozenset({"email", "phone", "company", "time"})
"""Types whose texts differ in nearly every lead: looking for equal ones does not pay."""
_TEXTS = frozenset({str, type(None)})

Reader = Callable[[Sequence[object]], ColumnCodes]
"""From raw values to what `FieldCodes.of_column` says of them."""


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
        for name, (positions, read_column) in readers.items():
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
            read, failed = read_column(raws)
            for place, position in enumerate(positions):
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
    for name, (positions, read_column) in _field_readers(encoder).items():
        raws: Sequence[object] = [fields.get(name) for fields in given]
        if name == ARRIVAL:
            raws = _with_arrivals(raws, moments)
        read, unreadable = read_column(raws)
        codes[:, positions] = read
        if unreadable is not None:
            for row in np.flatnonzero(unreadable).tolist():
                failed.setdefault(row, []).append(name)
    for row, (lead, own) in enumerate(zip(leads, codes.tolist(), strict=True)):
        names = failed.get(row, [])
        encoder.fill_behaviours(lead, own, names)
        yield Encoded(own, tuple(names), encoder.n_unknown(lead.fields))


def _readers(encoder: LeadEncoder) -> dict[str, tuple[list[int], Reader]]:
    """Return the readers of all fields and behaviours; a behaviour is given as its number."""
    as_written = Habits(encoder.definition.zone)
    numbers = {
        name: FieldCodes("number", [given], [position], as_written, {}, is_personal=False)
        for name, position, given in encoder.behaviour_inputs
    }
    behaviours = {
        name: (list(number.positions), number.of_column) for name, number in numbers.items()
    }
    return _field_readers(encoder) | behaviours


def _field_readers(encoder: LeadEncoder) -> dict[str, tuple[list[int], Reader]]:
    """Return for each field where its codes stand, and what reads its values."""
    fields = encoder.definition.usable_fields
    return {
        name: (list(field.positions), _reader(encoder, fields[name].type, field))
        for name, field in encoder.field_codes
    }


def _reader(encoder: LeadEncoder, kind: str, field: FieldCodes) -> Reader:
    """Return a reader that says what the field's own says, and reads what is plain at once."""
    habits, inputs = encoder.habits, [encoder.inputs[position] for position in field.positions]
    read_plain = READ_PLAIN.get(kind)

    def read_texts(texts: Sequence[str | None]) -> ColumnCodes:
        found = None if read_plain is None else read_plain(texts, habits, inputs)
        return field.of_column(texts) if found is None else _with_odd_ones(field, texts, *found)

    def read(raws: Sequence[object]) -> ColumnCodes:
        if len(raws) < _LEAST or not set(map(type, raws)) <= _TEXTS:
            return field.of_column(raws)
        texts: Sequence[str | None] = raws  # type: ignore[assignment]  # as was just seen
        if kind in _DIFFERENT:
            return read_texts(texts)
        distinct, rows = numbered(texts)
        codes, unreadable = read_texts(distinct)
        return ColumnCodes(codes[rows], None if unreadable is None else unreadable[rows])

    return read


def _with_odd_ones(
    field: FieldCodes,
    texts: Sequence[str | None],
    codes: NDArray[np.int32],
    is_read: NDArray[np.bool_],
) -> ColumnCodes:
    """Have the texts that are not plain read one by one."""
    odd = np.flatnonzero(~is_read)
    if not odd.size:
        return ColumnCodes(codes, None)
    codes[odd], failed = field.of_column([texts[row] for row in odd.tolist()])
    if failed is None:
        return ColumnCodes(codes, None)
    unreadable = np.zeros(len(texts), np.bool_)
    unreadable[odd] = failed
    return ColumnCodes(codes, unreadable)


def _with_arrivals(raws: Sequence[object] | None, moments: Sequence[datetime]) -> Sequence[object]:
    """Return times of arrival, with the scoring time where none is given."""
    if raws is None:
        return moments
    return [moment if raw is None else raw for raw, moment in zip(raws, moments, strict=True)]
