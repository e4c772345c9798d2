"""The agreement between marketing and sales: what a good lead is, and what each reason means.

One YAML file, versioned, with a fingerprint over the parts that change meaning. Wording does not
enter the fingerprint: correcting a Japanese name must not make a model look out of date.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cached_property, lru_cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from features.errors import DefinitionInvalid, shorten
from features.strict_yaml import broken_rules, load_yaml
from features.terms import (
    AcceptedFinding,
    Behaviour,
    Economics,
    Frozen,
    Grades,
    Identifier,
    Language,
    LeadField,
    Names,
    Reason,
)

__all__ = [
    "EVER",
    "AcceptedFinding",
    "Behaviour",
    "Change",
    "Economics",
    "LeadDefinition",
    "LeadField",
    "Names",
    "Reason",
    "load_definition",
    "parse_definition",
]

EVER = 0
"""The one horizon of snapshot mode: won at any time, no date known."""


class Change(Frozen):
    """One difference between two definitions."""

    path: str
    before: Any
    after: Any
    changes_meaning: bool


_WORDING = re.compile(
    r"version|language|economics\.currency|accepted_findings|(name|conversion)\.(ja|en)"
    r"|(fields|behaviours|reasons)\.\w+\.((names|unit)(\.(ja|en))?|values\..+\.(ja|en))"
)


class LeadDefinition(Frozen):
    """What marketing and sales agreed on.

    Attributes
    ----------
    horizons : tuple of int
        Days after arrival at which the chance of a win is given, ascending.
    main_horizon : int
        The horizon of score, grade and decision; one of `horizons`.
    recording_began : date or None
        First day on which outcomes were recorded. Exposure before it is dropped (left truncation);
        None takes the day of the first recorded win.
    channel_field : str
        The category field that names the channel: the base rate by channel is computed over it.
    accepted_findings : tuple of AcceptedFinding
        Findings of the leak scan that somebody answers for; the others block publication.
    """

    version: str = Field(min_length=1, max_length=40)
    name: Names
    language: Language = "ja"
    time_zone: str = "Asia/Tokyo"
    conversion: Names
    horizons: tuple[int, ...] = (30, 90, 180, 365)
    main_horizon: int = 180
    recording_began: date | None = None
    channel_field: Identifier
    fields: dict[Identifier, LeadField]
    behaviours: dict[Identifier, Behaviour] = Field(default_factory=dict)
    reasons: dict[Identifier, Reason]
    grades: Grades
    economics: Economics
    accepted_findings: tuple[AcceptedFinding, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"unknown time zone {zone!r}; an IANA name such as Asia/Tokyo is expected"
            ) from error
        return zone

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        problems = list(self._disagreements())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _disagreements(self) -> Iterator[str]:
        if not self.horizons or any(b <= a for a, b in pairwise((0, *self.horizons))):
            yield f"horizons must be ascending days above 0, got {list(self.horizons)}"
        if self.main_horizon not in self.horizons:
            yield f"main_horizon {self.main_horizon} is not one of horizons {list(self.horizons)}"
        channel = self.fields.get(self.channel_field)
        if channel is None or channel.type != "category" or not channel.is_usable:
            yield f"channel_field {self.channel_field!r} must be a category field known at arrival"
        both = sorted(set(self.fields) & set(self.behaviours))
        if both:
            yield f"named both as field and as behaviour: {shorten(both)}"
        if not any(field.is_usable for field in self.fields.values()):
            yield "no field is known at arrival, so there is nothing to score on"
        for code, reason in self.reasons.items():
            if isinstance(reason.conversion, tuple) and len(reason.conversion) != len(
                self.horizons
            ):
                yield (
                    f"reason {code!r} has {len(reason.conversion)} shifts for "
                    f"{len(self.horizons)} horizons; give one log-odds shift for each"
                )

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone in which a naive time is read."""
        return ZoneInfo(self.time_zone)

    @property
    def usable_fields(self) -> dict[str, LeadField]:
        """The fields a model may see, in the file's order."""
        return {name: field for name, field in self.fields.items() if field.is_usable}

    def shift(self, code: str, horizon: int) -> float:
        """Return the log-odds shift of a rejection reason at `horizon` days (or ``EVER``).

        Snapshot mode has one horizon without a date and takes the shift of the main horizon.

        Raises
        ------
        KeyError
            If the reason is not in the definition or has no shift.
        """
        conversion = self.reasons[code].conversion
        if not isinstance(conversion, tuple):
            raise KeyError(f"reason {code!r} has treatment {conversion!r}, not a shift")
        return conversion[self.horizons.index(self.main_horizon if horizon == EVER else horizon)]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the parts that change meaning; wording and version do not enter."""
        meaning = json.dumps(
            _meaning(self.model_dump(mode="json")), sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(meaning.encode()).hexdigest()

    def diff(self, other: LeadDefinition) -> list[Change]:
        """Return what `other` changes against this definition, ordered by path."""
        before = dict(_leaves(self.model_dump(mode="json")))
        after = dict(_leaves(other.model_dump(mode="json")))
        return [
            Change(
                path=path,
                before=before.get(path),
                after=after.get(path),
                # Words that come or go belong to a code that comes or goes.
                changes_meaning=not _is_wording(path) or (path in before) != (path in after),
            )
            for path in sorted(before.keys() | after.keys())
            if before.get(path) != after.get(path)
        ]

    def to_yaml(self) -> str:
        """Return the definition as YAML that `parse_definition` reads back to an equal object."""
        return yaml.safe_dump(self.model_dump(mode="json"), allow_unicode=True, sort_keys=False)


def load_definition(path: str | Path | None = None) -> LeadDefinition:
    """Read a definition from a YAML file; without a path, the packaged Japanese B2B default.

    Raises
    ------
    DefinitionInvalid
        If the file cannot be read or breaks a rule; every broken rule is named.
    """
    if path is None:
        return parse_definition(
            files("features").joinpath("lead_definition.yaml").read_text("utf-8"),
            "the packaged definition",
        )
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionInvalid(
            f"The definition {Path(path).name} cannot be read ({type(error).__name__}). "
            "Expected a UTF-8 YAML file; check the path."
        ) from error
    return parse_definition(text, Path(path).name)


@lru_cache(maxsize=4)  # the next model mostly brings the definition of the last one
def parse_definition(text: str, name: str = "the definition") -> LeadDefinition:
    """Read a definition from YAML text; `name` is what error messages call it."""
    try:
        return LeadDefinition.model_validate(_mapping(text, name))
    except ValidationError as error:
        lines = broken_rules(error, LeadDefinition)
        raise DefinitionInvalid(
            f"{name} breaks {len(lines)} rule(s); docs/guide/definition.md lists them all.\n"
            + "\n".join(lines)
        ) from error


def _mapping(text: str, name: str) -> Mapping[str, Any]:
    try:
        loaded = load_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" near line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise DefinitionInvalid(
            f"{name} is not YAML{where}: {problem}. Check indentation and quotes there."
        ) from error
    if not isinstance(loaded, dict):
        raise DefinitionInvalid(
            f"{name} holds no mapping. Expected keys such as version, fields, reasons."
        )
    return loaded


def _is_wording(path: str) -> bool:
    return _WORDING.fullmatch(path) is not None


def _meaning(dumped: dict[str, Any]) -> dict[str, Any]:
    """Return what decides: every leaf but wording, and which category codes there are."""
    codes = {name: sorted(field["values"]) for name, field in dumped["fields"].items()}
    leaves = {
        path: value
        for path, value in _leaves(dumped)
        # An option that is not used leaves fingerprints as they were before there was one.
        if not _is_wording(path) and not (path.endswith(".monotone") and value is None)
    }
    return leaves | {"codes": codes}


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, node
