"""How one company's export is read: files, columns, dates, and what its statuses mean.

Changing the CRM changes this file and nothing else. Every key is explained in
docs/guide/source_map.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from features.definition import LeadDefinition
from features.errors import SourceMapInvalid, shorten
from features.strict_yaml import broken_rules, load_text_yaml
from features.text import Unreadable, category_key

__all__ = [
    "BehaviourKind",
    "BehaviourTable",
    "EventKind",
    "EventTable",
    "LeadTable",
    "Meaning",
    "ReasonColumn",
    "SourceMap",
    "StatusColumn",
    "check_source_map",
    "load_source_map",
    "parse_source_map",
]

Decision = Literal[
    "accepted", "rejected", "touched", "won", "lost", "recycled", "audit", "retracted"
]
Encoding = Literal["auto", "utf-8", "utf-8-sig", "cp932"]
Delimiter = Literal["auto", ",", ";", "tab"]
_SAMPLE_DAY = date(2026, 11, 22)
ColumnName = Annotated[str, Field(min_length=1, max_length=300)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Meaning(_Frozen):
    """What one value of a status or kind column says; ``won`` alone is short for ``{event: won}``.

    ``open`` says nothing has been decided yet, ``drop`` leaves the rows out (and counts them).
    """

    event: Literal[
        "accepted", "rejected", "touched", "won", "lost", "recycled", "audit", "retracted",
        "open", "drop",
    ]  # fmt: skip
    reason: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        return {"event": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _reason_has_an_event(self) -> Self:
        if self.reason is not None and self.event not in ("rejected", "lost"):
            raise ValueError(f"only rejected and lost carry a reason, {self.event!r} does not")
        return self


_Meant = TypeVar("_Meant")


def _keys(values: Mapping[str, _Meant]) -> dict[str, _Meant]:
    """Return the values under the keys they are compared by; refuse two that become one."""
    keyed: dict[str, _Meant] = {}
    for written, meaning in values.items():
        try:
            key = category_key(written)
        except Unreadable as error:
            raise ValueError(f"a listed value cannot be read: {error}") from error
        if key is None:
            raise ValueError("a listed value is blank; blanks need no line")
        if keyed.setdefault(key, meaning) != meaning:
            raise ValueError(f"{written!r} is listed twice (width and case do not count)")
    return keyed


class _OneOf(_Frozen):
    """Either a constant for the whole table, or a column."""

    column: ColumnName | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        constant = getattr(self, "constant", None)
        if (constant is None) == (self.column is None):
            raise ValueError("give either `constant` or `column`")
        if constant is not None and getattr(self, "values", None):
            raise ValueError("`values` belong to a `column`, not to a `constant`")
        _keys(getattr(self, "values", {}))
        return self


class EventKind(_OneOf):
    """What the rows of an event table are; without `values` the column holds the kinds' names."""

    constant: Decision | None = None
    values: dict[str, Meaning] = Field(default_factory=dict)

    @property
    def meanings(self) -> Mapping[str, Meaning]:
        """The listed values, or the kinds' own names, by the key they are compared by."""
        own = {kind: Meaning(event=kind) for kind in Decision.__args__}  # type: ignore[attr-defined]
        return _keys(self.values) if self.values else own


class ReasonColumn(_OneOf):
    """Why; a value that is not listed is looked up among the definition's codes and names."""

    constant: str | None = None
    values: dict[str, str] = Field(default_factory=dict)

    def codes(self, definition: LeadDefinition) -> Mapping[str, str]:
        """Return the reason code of every value that can be read."""
        own: dict[str, str] = {}
        for code, reason in definition.reasons.items():
            for written in (code, reason.names.ja, reason.names.en):
                own.setdefault(category_key(written) or code, code)
        return own | _keys(self.values)


class BehaviourKind(_OneOf):
    """What a lead did; without `values` the column holds the definition's kinds."""

    constant: str | None = None
    values: dict[str, str] = Field(default_factory=dict)

    def kinds(self, definition: LeadDefinition) -> Mapping[str, str]:
        """Return the behaviour kind of every value that can be read; ``drop`` leaves rows out."""
        own = {behaviour.kind: behaviour.kind for behaviour in definition.behaviours.values()}
        return _keys(self.values) if self.values else own


class StatusColumn(_Frozen):
    """A column of the lead table that says what became of the lead."""

    column: ColumnName
    values: dict[str, Meaning] = Field(min_length=1)
    at: ColumnName | None = None
    reason: ReasonColumn | None = None

    @field_validator("values")
    @classmethod
    def _distinct(cls, values: dict[str, Meaning]) -> dict[str, Meaning]:
        _keys(values)
        return values

    @property
    def meanings(self) -> Mapping[str, Meaning]:
        """What each value says, by the key it is compared by."""
        return _keys(self.values)


class _Table(_Frozen):
    """What every table has; what is left out is as for the lead table."""

    file: str | None = Field(default=None, min_length=1, max_length=300)
    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    date_formats: tuple[str, ...] | None = None
    blanks: tuple[str, ...] | None = None

    @field_validator("date_formats")
    @classmethod
    def _formats_read_back(cls, formats: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for form in formats or ():
            try:
                read = datetime.strptime(_SAMPLE_DAY.strftime(form), form)  # noqa: DTZ007
            except ValueError:
                read = None
            if read is None or read.date() != _SAMPLE_DAY:
                raise ValueError(f"{form!r} is not a date format; write one like '%d-%m-%Y %H:%M'")
        return formats


class LeadTable(_Table):
    """The table with one row for each lead."""

    lead_id: ColumnName | tuple[ColumnName, ...] | None = None
    arrived_at: ColumnName | None = None
    order_by: ColumnName | None = None
    fields: dict[str, ColumnName] = Field(min_length=1)
    later: tuple[ColumnName, ...] = ()
    status: StatusColumn | None = None


class EventTable(_Table):
    """A table of sales decisions and outcomes, one row for each."""

    file: str = Field(min_length=1, max_length=300)
    lead_id: ColumnName | tuple[ColumnName, ...]
    at: ColumnName
    kind: EventKind
    reason: ReasonColumn | None = None
    amount: ColumnName | None = None
    actor: ColumnName | None = None
    source: ColumnName | None = None
    event_id: ColumnName | None = None


class BehaviourTable(_Table):
    """A table of what leads did: page views, downloads, webinars."""

    file: str = Field(min_length=1, max_length=300)
    lead_id: ColumnName | tuple[ColumnName, ...]
    at: ColumnName
    kind: BehaviourKind
    amount: ColumnName | None = None


class SourceMap(_Frozen):
    """How one company's export is read.

    Attributes
    ----------
    mode : {"history", "snapshot"}
        ``history``: leads with arrival times, and dated events. ``snapshot``: one table with a
        status column and no outcome dates; only whether a lead was ever won can be learnt.
    """

    version: Literal[1] = 1
    mode: Literal["history", "snapshot"]
    leads: LeadTable
    events: tuple[EventTable, ...] = ()
    behaviours: tuple[BehaviourTable, ...] = ()

    @field_validator("version", mode="before")
    @classmethod
    def _version_number(cls, version: Any) -> Any:
        return 1 if version == "1" else version

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        problems = list(self._history() if self.mode == "history" else self._snapshot())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _history(self) -> Iterator[str]:
        leads = self.leads
        if leads.lead_id is None:
            yield "history mode needs leads.lead_id"
        if leads.arrived_at is None:
            yield "history mode needs leads.arrived_at"
        if leads.status is not None and leads.status.at is None:
            yield "history mode needs leads.status.at, the column with the date of the status"
        if not self.events and leads.status is None:
            yield "history mode needs events or leads.status; without dates use mode: snapshot"

    def _snapshot(self) -> Iterator[str]:
        if self.leads.status is None:
            yield "snapshot mode needs leads.status"
        elif self.leads.status.at is not None:
            yield "snapshot mode has no leads.status.at; with dates use mode: history"
        if self.events or self.behaviours:
            yield "snapshot mode has no events and no behaviours; with dates use mode: history"
        if self.leads.arrived_at is None and self.leads.order_by is None:
            yield "snapshot mode needs leads.arrived_at, or leads.order_by to know older from newer"

    def to_yaml(self) -> str:
        """Return the map as YAML that `parse_source_map` reads back to an equal object."""
        dumped = self.model_dump(mode="json", exclude_defaults=True)
        return yaml.safe_dump({"version": "1"} | dumped, allow_unicode=True, sort_keys=False)


def load_source_map(path: str | Path) -> SourceMap:
    """Read a source map from a YAML file.

    Raises
    ------
    SourceMapInvalid
        If the file cannot be read or breaks a rule; every broken rule is named.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceMapInvalid(
            f"The source map {Path(path).name} cannot be read ({type(error).__name__}). "
            "Expected a UTF-8 YAML file; check the path."
        ) from error
    return parse_source_map(text, Path(path).name)


def parse_source_map(text: str, name: str = "the source map") -> SourceMap:
    """Read a source map from YAML text; `name` is what error messages call it."""
    try:
        loaded = load_text_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" near line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise SourceMapInvalid(
            f"{name} is not YAML{where}: {problem}. Check indentation and quotes there."
        ) from error
    if not isinstance(loaded, dict):
        raise SourceMapInvalid(f"{name} holds no mapping. Expected the keys version, mode, leads.")
    try:
        return SourceMap.model_validate(loaded)
    except ValidationError as error:
        lines = broken_rules(error, SourceMap)
        raise SourceMapInvalid(
            f"{name} breaks {len(lines)} rule(s); docs/guide/source_map.md lists them all.\n"
            + "\n".join(lines)
        ) from error


def check_source_map(source_map: SourceMap, definition: LeadDefinition) -> None:
    """Check that a map speaks the definition's language.

    Raises
    ------
    SourceMapInvalid
        If it names fields, reasons or behaviour kinds that the definition does not have, or gives
        a rejection the reason of a loss; every disagreement is named.
    """
    problems = list(_disagreements(source_map, definition))
    if problems:
        raise SourceMapInvalid(
            f"The source map does not fit definition {definition.version!r}:\n"
            + "\n".join(f"- {problem}" for problem in problems)
        )


def _disagreements(source_map: SourceMap, definition: LeadDefinition) -> Iterator[str]:
    leads = source_map.leads
    if unknown := [name for name in leads.fields if name not in definition.fields]:
        yield (
            f"leads.fields names {shorten(unknown)}, not in the definition; its fields are "
            f"{shorten(definition.fields, limit=40)}. Rename them, or add them to the definition."
        )
    if not set(leads.fields) & set(definition.usable_fields):
        yield "leads.fields maps no field known at arrival, so there is nothing to learn from"
    for name, column in leads.fields.items():
        if column in leads.later and name in definition.usable_fields:
            yield (
                f"column {column!r} is listed under leads.later and feeds {name!r}, which the "
                "definition says is known at arrival. Remove one of the two."
            )
    for where, meaning in _meanings(source_map):
        yield from _reason_problems(where, meaning, definition)
    for where, reason in _reasons(source_map):
        for code in [reason.constant, *reason.values.values()]:
            if code is not None and code not in definition.reasons:
                yield f"{where} gives reason {code!r}, which the definition does not have"
    kinds = {behaviour.kind for behaviour in definition.behaviours.values()} | {"drop"}
    for index, table in enumerate(source_map.behaviours):
        for kind in [table.kind.constant, *table.kind.values.values()]:
            if kind is not None and kind not in kinds:
                yield (
                    f"behaviours.{index}.kind names {kind!r}; the definition's kinds are "
                    f"{shorten(sorted(kinds - {'drop'}))}, and 'drop' leaves rows out"
                )


def _meanings(source_map: SourceMap) -> Iterator[tuple[str, Meaning]]:
    if source_map.leads.status is not None:
        for value, meaning in source_map.leads.status.values.items():
            yield f"leads.status.values[{value!r}]", meaning
    for index, table in enumerate(source_map.events):
        for value, meaning in table.kind.values.items():
            yield f"events.{index}.kind.values[{value!r}]", meaning


def _reasons(source_map: SourceMap) -> Iterator[tuple[str, ReasonColumn]]:
    if source_map.leads.status is not None and source_map.leads.status.reason is not None:
        yield "leads.status.reason", source_map.leads.status.reason
    for index, table in enumerate(source_map.events):
        if table.reason is not None:
            yield f"events.{index}.reason", table.reason


def _reason_problems(where: str, meaning: Meaning, definition: LeadDefinition) -> Iterator[str]:
    if meaning.reason is None:
        return
    reason = definition.reasons.get(meaning.reason)
    if reason is None:
        yield f"{where} gives reason {meaning.reason!r}, which the definition does not have"
    elif (reason.kind == "loss") != (meaning.event == "lost"):
        expected = "lost" if reason.kind == "loss" else "rejected"
        yield f"{where}: reason {meaning.reason!r} goes with {expected!r}, not {meaning.event!r}"
