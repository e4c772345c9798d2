"""Past leads as the encoder sees them: column by column, with the code that serves one lead.

What is learnt from them (bins, kept levels) is learnt here; applying it is `features.encoder`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.binning import MIN_LEADS_PER_LEVEL, bins_of, levels_of
from features.errors import NotEnoughEvidence
from features.events import Act, behaviour_values
from features.inputs import ARRIVAL, Derivation, Value
from features.text import Unreadable, category_key, normalise

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.encoder import Input, LeadEncoder
    from features.leads import LeadHistory

__all__ = ["acts_by_lead", "fitted_inputs", "value_columns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fitted_inputs(
    blank: LeadEncoder,
    history: LeadHistory,
    rows: NDArray[np.bool_] | None,
    max_bins: int,
    min_leads: int,
) -> list[Input]:
    """Return the inputs of a blank encoder with bins and levels learnt from past leads.

    A field that never varies is dropped; a derived field keeps all its inputs or none, since they
    are read together.

    Raises
    ------
    NotEnoughEvidence
        If nothing varies.
    """
    columns = value_columns(blank, history, rows)
    written = _spellings(blank.definition, history, rows)
    fitted = [
        replace(given, **bins_of(values, max_bins, min(min_leads, MIN_LEADS_PER_LEVEL)))
        if given.kind == "number"
        else replace(given, **levels_of(values, min_leads, written.get(given.name, {})))
        for given, values in zip(blank.inputs, columns, strict=True)
    ]
    alive = {
        given.field
        for given, values in zip(fitted, columns, strict=True)
        if len({given.code(value) for value in values}) > 1
    }
    kept = [given for given in fitted if given.field in alive]
    if not kept:
        raise NotEnoughEvidence(
            "No field differs between leads, so there is nothing to learn from. "
            "Check that the source map names the columns of the fields."
        )
    return kept


def value_columns(
    encoder: LeadEncoder, history: LeadHistory, rows: NDArray[np.bool_] | None
) -> list[list[Value]]:
    """Return the values of past leads as of their arrival: a list for each input of the encoder.

    Reading is the greater part of learning, and a model is learnt again on many days: what was read
    once under a definition is kept with the history.
    """
    kept = _kept_values(encoder, history)
    if any(given.name not in kept for given in encoder.inputs):
        kept.update(_read_values(encoder, history))
    if rows is None:
        return [kept[given.name].tolist() for given in encoder.inputs]
    return [kept[given.name][rows].tolist() for given in encoder.inputs]


def _kept_values(encoder: LeadEncoder, history: LeadHistory) -> dict[str, NDArray[np.object_]]:
    """Return where values read in this encoder's way are kept, by input."""
    habits = encoder.habits
    how = (encoder.definition.model_dump_json(), habits.blanks, habits.date_formats)
    kept: dict[str, NDArray[np.object_]] = history.memory.setdefault(repr(how), {})
    return kept


def _read_values(encoder: LeadEncoder, history: LeadHistory) -> dict[str, NDArray[np.object_]]:
    arrivals = [
        None if stamp != stamp else stamp.to_pydatetime() for stamp in history.leads["arrived_at"]
    ]
    columns = [np.full(len(arrivals), None, dtype=object) for _ in encoder.inputs]
    for name, derived in encoder.readers:
        positions = encoder.positions[name]
        if not positions:
            continue
        raws = list(history.fields[name]) if name in history.fields else [None] * len(arrivals)
        if name == ARRIVAL:
            raws = [
                arrival if raw is None else raw for raw, arrival in zip(raws, arrivals, strict=True)
            ]
        read = _column_reader(encoder, name, derived)
        for k, raw in enumerate(raws):
            if raw is not None:
                for position, value in zip(positions, read(raw), strict=True):
                    columns[position][k] = value
    _fill_behaviour_columns(encoder, history, arrivals, columns)
    return {given.name: column for given, column in zip(encoder.inputs, columns, strict=True)}


def _column_reader(
    encoder: LeadEncoder, name: str, derived: tuple[Derivation, ...]
) -> Callable[[object], tuple[Value, ...]]:
    nothing = (None,) * len(derived)
    seen: dict[object, tuple[Value, ...]] = {}

    def read(raw: object) -> tuple[Value, ...]:
        if raw not in seen and encoder.habits.is_blank(raw):
            seen[raw] = nothing
        if raw not in seen:
            try:
                seen[raw] = tuple(encoder.read(name, derivation, raw) for derivation in derived)
            except Unreadable:
                seen[raw] = nothing
        return seen[raw]

    return read


def _fill_behaviour_columns(
    encoder: LeadEncoder,
    history: LeadHistory,
    arrivals: list[datetime | None],
    columns: list[NDArray[np.object_]],
) -> None:
    behaviours = encoder.definition.behaviours
    if not behaviours or not len(history.behaviours):
        return
    acts = acts_by_lead(history)
    for k, (lead_id, as_of) in enumerate(zip(history.leads["lead_id"], arrivals, strict=True)):
        if as_of is None:
            continue
        for name, value in behaviour_values(behaviours, acts.get(lead_id, ()), as_of).items():
            for position in encoder.positions[name]:
                columns[position][k] = value


def _spellings(
    definition: LeadDefinition, history: LeadHistory, rows: NDArray[np.bool_] | None
) -> dict[str, dict[str, str]]:
    """Return, for each category field, how each of its values is mostly written."""
    mostly: dict[str, dict[str, str]] = {}
    for name, field in definition.usable_fields.items():
        if field.type != "category" or name not in history.fields:
            continue
        column = history.fields[name] if rows is None else history.fields[name][rows]
        counts: dict[str, Counter[str]] = {}
        for raw, n in Counter(raw for raw in column if raw is not None).items():
            key = category_key(raw)
            if key is not None:
                counts.setdefault(key, Counter())[normalise(str(raw))] += n
        mostly[name] = {
            key: min(found, key=lambda form: (-found[form], form)) for key, found in counts.items()
        }
    return mostly


def acts_by_lead(history: LeadHistory) -> dict[str, list[Act]]:
    """Return what each lead did, in the order of the file."""
    table = history.behaviours
    moments = table["at"].to_numpy("datetime64[us]").astype("int64").tolist()
    acts: dict[str, list[Act]] = {}
    for lead_id, moment, kind, amount in zip(
        table["lead_id"], moments, table["kind"], table["amount"].tolist(), strict=True
    ):
        at = _EPOCH + timedelta(microseconds=moment)
        acts.setdefault(lead_id, []).append(Act(kind, at, None if math.isnan(amount) else amount))
    return acts
