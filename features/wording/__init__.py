"""Sentences from factors, in Japanese and English, out of two files with equal keys.

The words of fields, values and reasons come from the definition; the words around them from here.
Answers, pages and reports all speak through these functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from features.definition import EVER, LeadDefinition
from features.encoder import LeadEncoder
from features.factors import Factor, Shown

__all__ = [
    "LANGUAGES",
    "group_name",
    "input_name",
    "number_text",
    "percent",
    "sentence",
    "short",
    "value_text",
]

LANGUAGES = ("ja", "en")


def sentence(encoder: LeadEncoder, factor: Factor, language: str) -> str:
    """Return one factor as a sentence, with its evidence where there is any.

    *Source is Webinar: 18 % won within 180 days (all worked leads 9 %, 412 such leads)*.
    """
    forms = _words(language)["sentence"]
    what = short(encoder, factor, language)
    if factor.evidence is None:
        return str(forms["rare" if factor.is_rare else "plain"]).format(what=what)
    evidence = factor.evidence
    return str(forms["evidence_ever" if evidence.days == EVER else "evidence"]).format(
        what=what,
        days=evidence.days,
        won=_won(encoder.definition, language),
        rate=percent(evidence.rate, language),
        overall=percent(evidence.overall, language),
        n=f"{evidence.n:,}",
    )


def short(encoder: LeadEncoder, factor: Factor, language: str) -> str:
    """Return one factor in a few words: ``流入元:ウェビナー``, ``Source is Webinar``."""
    forms = _words(language)["what"]
    name = input_name(encoder.definition, factor.input, language)
    if factor.shown.kind == "missing":
        field = _field_name(encoder.definition, factor.field, language)
        if factor.field in encoder.definition.behaviours:
            return str(forms["missing_behaviour"]).format(field=field)
        return str(forms["missing"]).format(field=field if language == "ja" else _inside(field))
    if factor.shown.kind == "other":
        return str(forms["other"]).format(field=name)
    form = forms["range" if factor.shown.kind == "range" else "value"]
    return str(form).format(
        field=name, value=value_text(encoder, factor.input, factor.shown, language)
    )


def value_text(encoder: LeadEncoder, name: str, shown: Shown, language: str) -> str:
    """Return a value in words: ``ウェビナー``, ``100–299 people``, ``general manager``."""
    words = _words(language)
    if shown.kind == "range":
        return _range_text(encoder.definition, name, shown, language)
    if shown.kind != "level":
        return str(words["absent"][shown.kind])
    field = encoder.definition.fields[name.partition(".")[0]]
    if shown.code in field.values:
        return field.values[shown.code].get(language)
    listed = words["values"].get(_part_key(encoder.definition, name), {})
    return str(listed.get(shown.code) or _spelling(encoder, name, shown.code))


def input_name(definition: LeadDefinition, name: str, language: str) -> str:
    """Return what people call an input: the field's name, and the derived part if there is one."""
    field, _, part = name.partition(".")
    words = _words(language)
    own = _field_name(definition, field, language)
    part_name = words["part"][_part_key(definition, name)] if part else ""
    return str(words["part_name"]).format(field=own, part=part_name) if part_name else own


def group_name(group: str, language: str) -> str:
    """Return the name of Fit, Interest, Timing or Data."""
    return str(_words(language)["groups"][group])


def percent(rate: float, language: str) -> str:
    """Return a share as a whole percentage, with one decimal below 10 %.

    >>> percent(0.184, "en"), percent(0.021, "ja")
    ('18 %', '2.1%')
    """
    shown = f"{100 * rate:.0f}" if rate >= 0.0995 else f"{100 * rate:.1f}"
    return f"{shown}%" if language == "ja" else f"{shown} %"


def number_text(value: float, language: str) -> str:
    """Return a number to three digits or whole, with thousands; Japanese uses 万 and 億.

    >>> number_text(50_000_000, "ja"), number_text(1200, "en"), number_text(2.256, "en")
    ('5,000万', '1,200', '2.26')
    """
    words = _words(language)["number"]
    if abs(value) >= 1e8 and words["oku"]:
        return f"{value / 1e8:,.4g}{words['oku']}"
    if abs(value) >= 1e6 and words["man"]:
        return f"{value / 1e4:,.0f}{words['man']}"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}".rstrip("0").rstrip(".")


def _range_text(definition: LeadDefinition, name: str, shown: Shown, language: str) -> str:
    words = _words(language)
    unit = _unit(definition, name, language)
    low = None if shown.low is None else number_text(shown.low, language)
    high = None if shown.high is None else number_text(shown.high, language)
    form = (
        "any"
        if low is None and high is None
        else "below"
        if low is None
        else "above"
        if high is None
        else "single"
        if low == high
        else "between"
    )
    bound = shown.high if low is None else shown.low
    if language != "ja" and form != "between" and bound == 1:
        unit = _singular(unit)
    return str(words["range"][form]).format(low=low, high=high, unit=unit)


def _unit(definition: LeadDefinition, name: str, language: str) -> str:
    field, _, part = name.partition(".")
    if part:
        return str(_words(language)["unit"].get(part, ""))
    holder = definition.behaviours.get(field) or definition.fields[field]
    if holder.unit is None:
        return ""
    return holder.unit.ja if language == "ja" else f" {holder.unit.en}"


def _singular(unit: str) -> str:
    return " person" if unit == " people" else unit.removesuffix("s")


def _field_name(definition: LeadDefinition, field: str, language: str) -> str:
    holder = definition.behaviours.get(field) or definition.fields[field]
    return holder.names.get(language)


def _part_key(definition: LeadDefinition, name: str) -> str:
    field, _, part = name.partition(".")
    kind = definition.fields[field].type
    return f"{kind}.{part}" if part else kind


def _spelling(encoder: LeadEncoder, name: str, code: str) -> str:
    for given in encoder.inputs:
        if given.name == name and code in given.code_of_level:
            return given.shown[given.code_of_level[code] - 2]
    return code


def _won(definition: LeadDefinition, language: str) -> str:
    name = definition.conversion.get(language)
    return name if language == "ja" else _inside(name)


def _inside(name: str) -> str:
    """Lower the first letter of an English name inside a sentence, unless it is an acronym."""
    return name[0].lower() + name[1:] if name[1:2].islower() or name[1:2] == "-" else name


@cache
def _words(language: str) -> Mapping[str, Any]:
    name = language if language in LANGUAGES else "en"
    loaded: Mapping[str, Any] = yaml.safe_load(
        files("features.wording").joinpath(f"{name}.yaml").read_text("utf-8")
    )
    return loaded
