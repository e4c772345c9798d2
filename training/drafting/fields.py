"""Which field a column of the leads becomes: its type by its values, its names by its heading."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from features.terms import FieldType, Group, LeadField, Names
from training.drafting.columns import Column
from training.drafting.headings import Concept, find_concept, is_about, packaged_definition, spoken
from training.drafting.tables import is_time

__all__ = ["LeftOut", "MappedField", "draft_fields", "find_type"]

Why = Literal["constant", "blank", "identifier", "person", "too_many", "long_heading"]
_LONGEST_HEADING = 300
_MOST_LEVELS = 1_000
_SHAPE: dict[str, FieldType] = {
    "email": "email",
    "phone": "phone",
    "company": "company",
    "job_title": "job_title",
}
_TIMED = re.compile("日|時|期|date|time|when|month|year|deadline")
_ACTIVE = re.compile(
    "閲覧|訪問|滞在|資料|検索|広告|流入|経路|関心|興味|製品|希望|動機|きっかけ|目的"
    "|(?<![a-z])(?:page|visit|view|click|site|web|search|advert|ad|campaign|source|form|course|product"
    "|plan|mode|interest|download|copy|newsletter|newspaper|magazine|forum|recommend|hear|matter)"
)


@dataclass(frozen=True, eq=False)
class MappedField:
    """One field of the draft, and the column that feeds it.

    Attributes
    ----------
    name : str
        Field name in the definition.
    column : Column
        Its column.
    field : LeadField
        Type, names, group and so on.
    why_later : str
        Why it counts as known only after hand-off: ``heading``, ``time`` or ``scan``; else blank.
    """

    name: str
    column: Column
    field: LeadField
    why_later: str = ""

    def moved_later(self, why: str) -> MappedField:
        """Return the field as one that no model may see."""
        field = self.field.model_copy(update={"known": "later"})
        return replace(self, field=field, why_later=why)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """A column that the draft does not read, and why."""

    column: Column
    why: Why


def draft_fields(
    columns: Iterable[Column], arrival: Column | None
) -> tuple[list[MappedField], list[LeftOut]]:
    """Return the fields of the lead table, and the columns that are better not read."""
    fields: list[MappedField] = []
    left_out: list[LeftOut] = []
    taken: set[str] = set()
    for column in columns:
        why = _why_not(column, arrival)
        if why is not None:
            left_out.append(LeftOut(column, why))
            continue
        concept = find_concept(column.name)
        kind = find_type(column, concept)
        if kind is None:
            left_out.append(LeftOut(column, "identifier" if _is_identifier(column) else "too_many"))
            continue
        if concept is not None and concept.code in _SHAPE and _SHAPE[concept.code] != kind:
            concept = None  # "Mail opened" is a number, whatever its first word
        fields.append(_field(column, concept, kind, taken, column is arrival))
    return fields, left_out


def find_type(column: Column, concept: Concept | None) -> FieldType | None:
    """Return how the values of a column are read; None where they are of no use to a model."""
    code = "" if concept is None else concept.code
    if is_time(column):
        return "time"
    if column.email_share >= 0.5:
        return "email"
    if column.phone_share >= (0.5 if code == "phone" else 0.9) and column.mean_length >= 7:
        return "phone"
    if column.boolean_share == 1 and 2 <= len(column.values) <= 4:
        return "boolean"
    if column.number_share >= 0.95 and not is_about(column.name, "code"):
        return None if _is_row_number(column) else "number"
    if column.title_share >= (0.4 if code == "job_title" else 0.8) and len(column.values) >= 5:
        return "job_title"
    if column.company_share >= (0.2 if code == "company" else 0.6) and column.distinct_share > 0.05:
        return "company"
    if column.mean_length > 30 and column.distinct_share > 0.3 and not _is_code_like(column):
        return "text"
    if code == "message" and (len(column.values) > 60 or column.mean_length > 10):
        return "text"
    if _is_identifier(column):
        return None
    if column.distinct_share > 0.5 and len(column.values) > 50:
        return "company" if code == "company" else None
    return "category" if len(column.values) <= _MOST_LEVELS else None


def _why_not(column: Column, arrival: Column | None) -> Why | None:
    concept = find_concept(column.name)
    if len(column.name) > _LONGEST_HEADING:
        return "long_heading"
    if not column.values:
        return "blank"
    if column is arrival:
        return None
    if concept is not None and concept.use == "personal":
        return "person"
    return "constant" if len(column.values) == 1 and not column.n_blank else None


def _is_row_number(column: Column) -> bool:
    return column.is_digits and column.distinct_share > 0.99 and is_about(column.name, "id")


def _is_identifier(column: Column) -> bool:
    return len(column.values) >= 20 and column.distinct_share > 0.95


def _is_code_like(column: Column) -> bool:
    return column.share(lambda one: " " not in one and one.isascii()) > 0.9


def _field(
    column: Column, concept: Concept | None, kind: FieldType, taken: set[str], is_arrival: bool
) -> MappedField:
    packaged = packaged_definition().fields
    code = "arrived_at" if is_arrival else _code(column, concept, taken)
    taken.add(code)
    own = packaged.get(code)
    if own is not None and own.type == kind:
        return MappedField(code, column, _fitting(own, column), "heading" * (not own.is_usable))
    is_handler = concept is not None and concept.use == "handler"  # the names of sales people
    is_later = concept is not None and concept.use in ("later", "handler") and not is_arrival
    field = LeadField(
        type=kind,
        names=_names(column, concept, code),
        group=_group(column, concept, kind),
        known="later" if is_later else "arrival",
        personal=kind in ("email", "phone", "company", "text") or is_handler,
    )
    return MappedField(code, column, field, "heading" * is_later)


def _fitting(own: LeadField, column: Column) -> LeadField:
    """Return a packaged field with those of its named values that the column holds."""
    from features.inputs import synonyms_of
    from features.text import category_key

    if not own.values:
        return own
    synonyms = synonyms_of(own.values)
    held = {synonyms.get(category_key(one) or "") for one in column.values}
    values = {code: names for code, names in own.values.items() if code in held}
    return own.model_copy(update={"values": values})


def _code(column: Column, concept: Concept | None, taken: set[str]) -> str:
    words = spoken(column.name)
    plain = re.sub(r"[^a-z0-9]+", "_", words).strip("_") if words.isascii() else ""
    is_proper = concept is not None and (
        concept.use == "field" or not plain or _is_packaged(concept)
    )
    if concept is not None and is_proper and concept.code not in taken:
        return concept.code
    code = plain[:50].strip("_") if plain[:1].isalpha() else f"column_{column.position}"
    if concept is not None and not plain:
        code = f"{concept.code}_{column.position}"
    return code if code not in taken else f"{code}_{column.position}"


def _is_packaged(concept: Concept) -> bool:
    return concept.code in packaged_definition().fields


def _names(column: Column, concept: Concept | None, code: str) -> Names:
    written = " ".join(column.name.split())[:120] or code
    if concept is None or code != concept.code:
        return Names(ja=written, en=written)
    if spoken(column.name).isascii():
        return Names(ja=concept.names.ja, en=written)
    return Names(ja=written, en=concept.names.en)


def _group(column: Column, concept: Concept | None, kind: FieldType) -> Group:
    if concept is not None:
        return concept.group
    words = spoken(column.name)
    if kind == "time" or (kind != "number" and _TIMED.search(words)):
        return "timing"
    if kind in ("email", "phone", "company"):
        return "data"
    return "interest" if kind == "text" or _ACTIVE.search(words) else "fit"
