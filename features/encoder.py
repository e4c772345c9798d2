"""Fields of a lead → codes of the look-up tables: one encoder for training and serving.

Every input is finite. A number falls into a bin learnt from past leads (code 0 is missing, the
outer bins catch what lies outside); a category is a kept level, `other` (1) or missing (0).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from features.binning import MAX_BINS, MIN_LEADS_PER_LEVEL, ONE_IN
from features.column_codes import Encoded, encode_columns, encode_leads
from features.definition import LeadDefinition
from features.errors import ArtefactRefused
from features.events import Act, Measured, acts_by_kind
from features.field_codes import FieldCodes
from features.inputs import (
    ARRIVAL,
    MISSING,
    OTHER,
    PARSERS_VERSION,
    Derivation,
    Habits,
    Input,
    Value,
    derivations_of,
    stored_input,
    synonyms_of,
)
from features.past_leads import fitted_inputs, value_columns
from features.text import Unreadable, parse_number

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = ["MISSING", "OTHER", "Encoded", "Input", "LeadEncoder", "LeadInput"]

Codes = NDArray[np.int32]

FEW = 8
"""Leads that are encoded one by one; more are encoded field by field."""
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


class LeadInput(NamedTuple):
    """What is known of a lead at the scoring time.

    Attributes
    ----------
    fields : mapping of str to object
        Raw values by field name; a behaviour may be given here as a ready number.
    acts : sequence of Act or None
        What the lead did; None when it is not known (then behaviours are missing, not zero).
    as_of : datetime
        The scoring time, with a time zone.
    """

    fields: Mapping[str, object]
    acts: Sequence[Act] | None
    as_of: datetime


class LeadEncoder:
    """Turns leads into codes; learnt once, stored as plain JSON.

    Parameters
    ----------
    definition : LeadDefinition
        Types, time zone and category names of the fields.
    inputs : sequence of Input
        In the order of the codes.
    habits : Habits, optional
        How the leads it learnt from were written; by default nothing special.

    Attributes
    ----------
    readers : list of (str, tuple of Derivation)
        The fields a model may see, each with the inputs it gives.
    positions : dict of str to list of int
        Where each field's or behaviour's inputs stand; empty where they never varied.
    """

    def __init__(
        self,
        definition: LeadDefinition,
        inputs: Sequence[Input],
        habits: Habits | None = None,
    ) -> None:
        self.definition = definition
        self.inputs = tuple(inputs)
        self.habits = habits or Habits(definition.zone)
        self.readers = _readers(definition)
        known = {name for name, _ in self.readers} | set(definition.behaviours)
        self.positions: dict[str, list[int]] = {name: [] for name in known}
        for position, given in enumerate(self.inputs):
            if given.field not in known:
                raise ArtefactRefused(
                    f"Input {given.name!r} names a field that the definition does not have."
                )
            self.positions[given.field].append(position)
        for name, derived in self.readers:
            expected = [_input_name(name, derivation) for derivation in derived]
            found = [self.inputs[position].name for position in self.positions[name]]
            if found and found != expected:
                raise ArtefactRefused(
                    f"Field {name!r} should give the inputs {expected}, the model has {found}."
                )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each input."""
        return tuple(given.size for given in self.inputs)

    def centres(self, position: int) -> NDArray[np.float64]:
        """Return the median training value of each code of a number input; NaN where missing."""
        return np.array([math.nan, *self.inputs[position].centres])

    # -- applying ------------------------------------------------------------------------------

    def encode(self, lead: LeadInput) -> Encoded:
        """Return the codes of one lead; a value that cannot be read becomes missing."""
        fields, as_of = lead.fields, lead.as_of
        codes = [MISSING] * len(self.inputs)
        unreadable: list[str] = []
        for name, field in self.field_codes:
            raw = fields.get(name)
            if raw is None:
                if name != ARRIVAL:
                    continue
                raw = as_of
            read = (field.kept.get(raw) if type(raw) is str else None) or field.of(raw)
            if not read:
                unreadable.append(name)
                continue
            codes[field.positions[0]] = read[0]
            if len(read) > 1:
                for position, code in zip(field.positions, read, strict=True):
                    codes[position] = code
        self.fill_behaviours(lead, codes, unreadable)
        return Encoded(codes, tuple(unreadable), self.n_unknown(fields))

    def encode_many(self, leads: Sequence[LeadInput]) -> list[Encoded]:
        """Return the codes of many leads, in order; each equal to what `encode` says."""
        if len(leads) < FEW:
            return [self.encode(lead) for lead in leads]
        return encode_leads(self, leads)

    def n_unknown(self, fields: Mapping[str, object]) -> int:
        """Return how many of the given fields no model may see."""
        known = self.positions
        if fields.keys() <= known.keys():
            return 0
        return sum(name not in known for name in fields)

    def encode_columns(
        self,
        columns: Mapping[str, Sequence[object] | NDArray[Any]],
        as_of: datetime | Sequence[datetime],
    ) -> tuple[Codes, dict[str, NDArray[np.bool_]]]:
        """Return the codes of leads given as columns, and which values could not be read.

        The same values give the same codes as with `encode`.

        Raises
        ------
        ValueError
            If the columns differ in length.
        """
        return encode_columns(self, columns, as_of)

    def encode_history(self, history: LeadHistory, rows: NDArray[np.bool_] | None = None) -> Codes:
        """Return the codes of past leads as of their arrival, shape (n_leads, n_inputs), int32."""
        columns = value_columns(self, history, rows)
        codes = np.zeros((len(columns[0]) if columns else 0, len(self.inputs)), dtype=np.int32)
        for position, (given, values) in enumerate(zip(self.inputs, columns, strict=True)):
            code_of = {value: given.code(value) for value in set(values)}
            codes[:, position] = [code_of[value] for value in values]
        return codes

    def read(self, name: str, derivation: Derivation, raw: object) -> Value:
        """Return one derived value of a field; Unreadable where there is no reading it."""
        value = derivation.read(raw, self.habits)
        if isinstance(value, str) and not derivation.suffix:
            return self._synonyms.get(name, {}).get(value, value)
        return value

    @cached_property
    def field_codes(self) -> tuple[tuple[str, FieldCodes], ...]:
        """The readers of the fields that give inputs."""
        fields = self.definition.usable_fields
        return tuple(
            (
                name,
                FieldCodes(
                    fields[name].type,
                    [self.inputs[position] for position in self.positions[name]],
                    self.positions[name],
                    self.habits,
                    {} if derived[0].suffix else self._synonyms.get(name, {}),
                    is_personal=fields[name].personal,
                ),
            )
            for name, derived in self.readers
            if self.positions[name]
        )

    @cached_property
    def behaviour_inputs(self) -> tuple[tuple[str, int, Input], ...]:
        """The behaviours that give inputs, each with its place."""
        return tuple(
            (name, position, self.inputs[position])
            for name in self.definition.behaviours
            for position in self.positions[name]
        )

    @cached_property
    def _measured(self) -> tuple[tuple[str, int, tuple[float, ...], Measured, int], ...]:
        """Of each behaviour: name, place, edges, how it is measured, the code of doing nothing."""
        found = []
        for name, position, given in self.behaviour_inputs:
            measured = Measured.by(self.definition.behaviours[name])
            of_none = given.code(measured.value({}, _ANY_TIME))
            found.append((name, position, given.edges, measured, of_none))
        return tuple(found)

    @cached_property
    def _synonyms(self) -> dict[str, dict[str, str]]:
        return {
            name: synonyms_of(field.values)
            for name, field in self.definition.usable_fields.items()
            if field.values
        }

    def fill_behaviours(self, lead: LeadInput, codes: list[int], unreadable: list[str]) -> None:
        """Set the codes of behaviours; add those that were given and cannot be read."""
        acts, fields, as_of = lead.acts, lead.fields, lead.as_of
        done = None if acts is None else acts_by_kind(acts, as_of)
        for name, position, edges, measured, of_none in self._measured:
            if done is not None:
                if measured.kind not in done:
                    codes[position] = of_none
                else:
                    value = measured.value(done, as_of)
                    codes[position] = MISSING if value is None else 1 + bisect_left(edges, value)
            if name in fields and fields[name] is not None:
                try:
                    codes[position] = self.inputs[position].code(parse_number(fields[name]))
                except Unreadable:
                    unreadable.append(name)

    # -- learning ------------------------------------------------------------------------------

    @classmethod
    def fit(
        cls,
        history: LeadHistory,
        definition: LeadDefinition,
        rows: NDArray[np.bool_] | None = None,
        *,
        max_bins: int = MAX_BINS,
        min_leads: int | None = None,
    ) -> Self:
        """Learn bins and levels from past leads.

        Parameters
        ----------
        history : LeadHistory
            Past leads; each is seen as of its own arrival.
        definition : LeadDefinition
            Fields known only after hand-off are left out.
        rows : ndarray of bool, optional
            The leads to learn from; all by default.
        max_bins : int
            Most bins of a number (missing has its own code beside them), at most 254.
        min_leads : int, optional
            Leads a category value needs to keep its own code; by default 5, or one lead in a
            thousand where that is more.

        Raises
        ------
        NotEnoughEvidence
            If there are no leads, or no field says anything.
        """
        if min_leads is None:
            n_leads = len(history.leads) if rows is None else int(rows.sum())
            min_leads = max(MIN_LEADS_PER_LEVEL, n_leads // ONE_IN)
        if not 2 <= max_bins <= 254 or min_leads < 1:
            raise ValueError(
                f"max_bins must be 2 to 254 and min_leads 1 or more, got {max_bins} and {min_leads}"
            )
        habits = Habits(definition.zone, history.blanks, history.date_formats)
        blank = cls(definition, _blank_inputs(definition), habits)
        return cls(definition, fitted_inputs(blank, history, rows, max_bins, min_leads), habits)

    # -- storing -------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON content."""
        return {
            "parsers": PARSERS_VERSION,
            "blanks": list(self.habits.blanks),
            "date_formats": list(self.habits.date_formats),
            "inputs": [
                {
                    "name": given.name,
                    "field": given.field,
                    "group": given.group,
                    "kind": given.kind,
                    "edges": list(given.edges),
                    "centres": list(given.centres),
                    "lows": list(given.lows),
                    "highs": list(given.highs),
                    "levels": list(given.levels),
                    "shown": list(given.shown),
                }
                for given in self.inputs
            ],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], definition: LeadDefinition) -> Self:
        """Read what `to_dict` wrote.

        Raises
        ------
        ArtefactRefused
            If a part is missing or misshapen, or the parsers have changed since.
        """
        try:
            if stored["parsers"] != PARSERS_VERSION:
                raise ArtefactRefused(
                    f"The model was made with parsers {stored['parsers']}, this program has "
                    f"{PARSERS_VERSION}. Train again, or run the program version it was made with."
                )
            inputs = [stored_input(given) for given in stored["inputs"]]
            habits = Habits(
                definition.zone,
                tuple(str(blank) for blank in stored["blanks"]),
                tuple(str(form) for form in stored["date_formats"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactRefused(
                f"The encoder cannot be read ({type(error).__name__}). Publish the model again.",
                "encoder_invalid",
            ) from error
        return cls(definition, inputs, habits)


def _readers(definition: LeadDefinition) -> list[tuple[str, tuple[Derivation, ...]]]:
    return [(name, derivations_of(field)) for name, field in definition.usable_fields.items()]


def _input_name(field: str, derivation: Derivation) -> str:
    return f"{field}.{derivation.suffix}" if derivation.suffix else field


def _blank_inputs(definition: LeadDefinition) -> list[Input]:
    blank = [
        Input(_input_name(name, derivation), name, definition.fields[name].group, derivation.kind)
        for name, derived in _readers(definition)
        for derivation in derived
    ]
    return blank + [
        Input(name, name, behaviour.group, "number")
        for name, behaviour in definition.behaviours.items()
    ]
