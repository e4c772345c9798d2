"""The fields of a history as the scan sees them: what a model reads, one column for each input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.encoder import Input, LeadEncoder
from features.inputs import Habits, derivations_of
from features.past_leads import value_columns
from training.leaks.columns import ScanColumn, column_values, read_column

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.leads import LeadHistory

__all__ = ["columns_of"]


def columns_of(history: LeadHistory, definition: LeadDefinition) -> dict[str, ScanColumn]:
    """Return a column for each input of a model, each time of a field, and each later column."""
    columns: dict[str, ScanColumn] = {}
    habits = Habits(definition.zone, history.blanks, history.date_formats)
    inputs = [
        Input(
            f"{name}.{derivation.suffix}" if derivation.suffix else name,
            name,
            field.group,
            derivation.kind,
        )
        for name, field in definition.usable_fields.items()
        if name in history.fields
        for derivation in derivations_of(field)
    ]
    inputs += [
        Input(name, name, behaviour.group, "number")
        for name, behaviour in definition.behaviours.items()
        if len(history.behaviours)
    ]
    encoder = LeadEncoder(definition, inputs, habits)
    for given, values in zip(inputs, value_columns(encoder, history, None), strict=True):
        is_behaviour = given.field in definition.behaviours
        names = (definition.behaviours if is_behaviour else definition.fields)[given.field].names
        columns[given.name] = ScanColumn(
            given.kind,
            column_values(given.kind, values),
            heading=f"{names.ja} {names.en}",
            personal=not is_behaviour and definition.fields[given.field].personal,
            proven=is_behaviour,
            field=given.field,
        )
    for name, field in definition.usable_fields.items():
        if name in history.fields and field.type == "time":
            columns[f"{name}.moment"] = ScanColumn(
                "time",
                read_column(
                    list(history.fields[name]),
                    "time",
                    zone=definition.zone,
                    date_formats=history.date_formats,
                    blanks=history.blanks,
                ).values,
                heading=f"{field.names.ja} {field.names.en}",
                personal=field.personal,
                field=name,
            )
    for name in map(str, history.later):
        texts = np.asarray(history.later[name], dtype=object)
        columns[name] = ScanColumn("text", texts, heading=name, personal=True, later=True)
    return columns
