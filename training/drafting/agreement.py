"""The drafted definition: fields of the files, and the packaged agreement for all else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from features.definition import LeadDefinition
from features.terms import Behaviour, Language, Names
from training.drafting.fields import MappedField
from training.drafting.headings import find_concept, packaged_definition
from training.drafting.layout import Layout
from training.drafting.words import Question, ask, listed, say
from training.leaks.findings import Sentences

__all__ = ["Agreement", "draft_definition"]

_CHANNELS = ("source", "origin", "medium", "campaign", "form", "landing_page")
_COUNTS = ("page_views", "visits", "time_on_site", "downloads", "mail_opens", "webinar")
_NEW_BEHAVIOURS = {
    "mail_click": Names(ja="メールクリック数(30日)", en="Mail clicks in 30 days"),
    "form": Names(ja="フォーム送信数(30日)", en="Forms sent in 30 days"),
}


@dataclass(frozen=True, eq=False)
class Agreement:
    """A drafted definition.

    Attributes
    ----------
    definition : LeadDefinition
        The draft.
    fields : tuple of MappedField
        Its fields with their columns.
    questions : tuple of Question
        What it leaves open.
    notes : tuple of Sentences
        What was decided without asking.
    """

    definition: LeadDefinition
    fields: tuple[MappedField, ...]
    questions: tuple[Question, ...]
    notes: tuple[Sentences, ...]


def draft_definition(
    fields: Sequence[MappedField], layout: Layout, language: Language, headings: Language
) -> Agreement:
    """Return a definition of these fields; reasons, grades and economics are the packaged ones.

    `language` is the one that sentences are in; the language of the `headings` tells the time zone
    if they are Japanese, and else nobody does.
    """
    questions: list[Question] = []
    fields, channel, is_plain = _with_channel(fields)
    if not is_plain:
        questions.append(ask("channel", field=channel))
    if headings != "ja" and any(one.field.type == "time" for one in fields):
        questions.append(ask("zone"))
    questions.append(ask("money"))
    counts = [
        one.column.name
        for one in fields
        if one.field.is_usable and one.field.type == "number" and one.name in _COUNTS
    ]
    if counts:
        questions.append(ask("counts", shown=listed(counts)))
    untold = [
        mapped.name
        for mapped in fields
        if mapped.field.is_usable and mapped.field.names.ja == mapped.field.names.en
    ]
    if untold:
        questions.append(ask("headings", shown=listed(untold)))
    packaged = packaged_definition()
    content = packaged.model_dump(mode="json") | {
        "version": "draft",
        "language": language,
        "time_zone": packaged.time_zone if headings == "ja" else "UTC",
        "channel_field": channel,
        "fields": {mapped.name: mapped.field.model_dump(mode="json") for mapped in fields},
        "behaviours": {
            name: behaviour.model_dump(mode="json")
            for name, behaviour in _behaviours(layout.behaviour_kinds).items()
        },
    }
    definition = LeadDefinition.model_validate(content)
    return Agreement(definition, tuple(fields), tuple(questions), tuple(_notes(fields)))


def _with_channel(fields: Sequence[MappedField]) -> tuple[list[MappedField], str, bool]:
    """Return the fields, the one that names the channel, and whether that is plain."""
    usable = [one for one in fields if one.field.is_usable]
    categories = [one for one in usable if one.field.type == "category"]
    for code in _CHANNELS:
        for one in categories:
            concept = find_concept(one.column.name)
            if one.name == code or (concept is not None and concept.code == code):
                return list(fields), one.name, True
    if categories:
        few = [one for one in categories if len(one.column.values) <= 50] or categories
        return list(fields), few[0].name, False
    # A definition needs a channel; the field with the fewest values is read as one.
    chosen = min(usable, key=lambda one: len(one.column.values))
    as_category = chosen.field.model_copy(update={"type": "category", "monotone": None})
    changed = [replace(one, field=as_category) if one is chosen else one for one in fields]
    return changed, chosen.name, False


def _behaviours(kinds: Sequence[str]) -> dict[str, Behaviour]:
    packaged = packaged_definition().behaviours
    found = {name: one for name, one in packaged.items() if one.kind in kinds}
    for kind in kinds:
        if kind in _NEW_BEHAVIOURS:
            found[f"{kind}s_30d"] = Behaviour(
                kind=kind, measure="count", window_days=30, names=_NEW_BEHAVIOURS[kind],
                group="interest", unit=Names(ja="回", en="times"),
            )  # fmt: skip
    return found


def _notes(fields: Sequence[MappedField]) -> list[Sentences]:
    notes = []
    for why in ("heading", "scan"):
        later = [one.column.name for one in fields if one.why_later == why]
        if later:
            notes.append(say(f"note_later_{why}", shown=listed(later)))
    return notes
