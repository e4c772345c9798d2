"""From files to a drafted definition and source map, with all that only a person can answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from features.definition import LeadDefinition, parse_definition
from features.errors import FileUnreadable, LeadQualityError, shorten
from features.leads import read_history
from features.source_map import SourceMap, parse_source_map
from features.terms import Language
from training.drafting.agreement import draft_definition
from training.drafting.changes import find_changes
from training.drafting.fields import LeftOut, MappedField, draft_fields
from training.drafting.layout import draft_layout
from training.drafting.remarks import definition_text, source_map_text
from training.drafting.suspects import find_habits, find_leaks
from training.drafting.tables import Table, find_roles, read_tables
from training.drafting.words import Question
from training.leaks import LeakFinding
from training.leaks.findings import Sentences

__all__ = ["Draft", "Trial", "draft_files"]


@dataclass(frozen=True)
class Trial:
    """What comes of reading the files with the drafts as they are.

    Attributes
    ----------
    problem : str
        What stops the reading, as `lead-train train` would say it; blank when nothing does.
    counts : dict of str to int
        Leads, and events by kind.
    """

    problem: str = ""
    counts: dict[str, int] | None = None

    def document(self) -> dict[str, Any]:
        """Return JSON content."""
        return {"reads": not self.problem, "problem": self.problem, "counts": self.counts or {}}


@dataclass(frozen=True, eq=False)
class Draft:
    """Everything that `lead-train inspect` has to say about files.

    Attributes
    ----------
    tables : tuple of dict
        For each file its name, part, rows, columns, encoding and delimiter.
    definition_text, source_map_text : str
        The two files as YAML, with the open questions as comments.
    questions : tuple of Question
        Those that stop the reading first.
    findings : tuple of LeakFinding
        Worst first.
    notes : tuple of Sentences
        What the draft decided by itself.
    trial : Trial
        Whether the drafts read the files.
    headings : dict of str to str
        The column of each field.
    language : {"ja", "en"}
        The language of the comments.
    """

    tables: tuple[dict[str, Any], ...]
    definition_text: str
    source_map_text: str
    questions: tuple[Question, ...]
    findings: tuple[LeakFinding, ...]
    notes: tuple[Sentences, ...]
    trial: Trial
    headings: dict[str, str]
    language: Language

    @cached_property
    def definition(self) -> LeadDefinition:
        """The drafted definition, as read from its text."""
        return parse_definition(self.definition_text, "the drafted definition")

    @cached_property
    def source_map(self) -> SourceMap:
        """The drafted source map, as read from its text."""
        return parse_source_map(self.source_map_text, "the drafted source map")

    def document(self) -> dict[str, Any]:
        """Return all of it as JSON content."""
        return {
            "files": list(self.tables),
            "definition": self.definition.model_dump(mode="json"),
            "source_map": self.source_map.model_dump(mode="json", exclude_defaults=True),
            "questions": [question.document() for question in self.questions],
            "findings": [finding.document() for finding in self.findings],
            "notes": [note.model_dump() for note in self.notes],
            "trial": self.trial.document(),
        }


def draft_files(
    paths: Sequence[Path],
    *,
    today: date,
    earlier: Path | None = None,
    language: Language | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Draft:
    """Draft a definition and a source map for files of leads.

    Parameters
    ----------
    paths : sequence of Path
        A lead table, and if there are any, tables of decisions and of behaviour.
    today : date
        Later times are impossible.
    earlier : Path, optional
        The lead table as it was exported on an earlier day: what changes was not known at arrival.
    language : {"ja", "en"}, optional
        Of the comments; by default that of the headings.
    tell : callable
        Is told each step.

    Raises
    ------
    FileUnreadable
        If a file is not a readable table, or no column is left that a model could learn from.
    """
    tables = read_tables(paths, tell)
    tell("Telling the tables and columns apart")
    roles = find_roles(tables)
    layout = draft_layout(roles, tables)
    fields, left_out = draft_fields(layout.rest, layout.arrival)
    if not any(mapped.field.is_usable for mapped in fields):
        raise _nothing_to_learn(roles.leads, fields, left_out)
    written = _language(tables)
    spoken = language or written
    tell("Looking for leaks")
    base = draft_definition(fields, layout, spoken, written)
    leaks = find_leaks(
        base.fields,
        left_out,
        layout.outcome,
        layout.order,
        zone=base.definition.zone,
        arrived=None if layout.arrival is None else layout.arrival.moments,
        worked=layout.worked,
    )
    if earlier is not None:
        zone = base.definition.zone
        leaks += find_changes(earlier, base.fields, layout.lead_id, zone=zone, tell=tell)
    agreed = draft_definition(_moved(base.fields, leaks), layout, spoken, written)
    findings = [*leaks, *find_habits(roles.leads, agreed.fields, left_out, layout.lead_id, today)]
    findings.sort(key=lambda finding: ("leak", "suspect", "note").index(finding.severity))
    source_map = layout.source_map({one.name: one.column.name for one in agreed.fields})
    questions = [*layout.questions, *agreed.questions]
    questions.sort(key=lambda question: not question.must_be_answered)
    map_text = source_map_text(source_map, questions, left_out, layout, spoken)
    text = definition_text(agreed.definition, questions, agreed.fields, spoken)
    tell("Trying the drafts on the files")
    trial = _try(paths, parse_definition(text), parse_source_map(map_text), today)
    return Draft(
        tuple(layout.describe(table) for table in tables),
        text,
        map_text,
        tuple(questions),
        tuple(findings),
        (*layout.notes, *agreed.notes),
        trial,
        {one.name: one.column.name for one in agreed.fields},
        spoken,
    )


def _moved(fields: Sequence[MappedField], findings: Sequence[LeakFinding]) -> list[MappedField]:
    """Return the fields, those that the scan calls leaks as known later; never all of them."""
    leaking = {finding.field for finding in findings if finding.severity == "leak"}
    moved = [one.moved_later("scan") if one.name in leaking else one for one in fields]
    return moved if any(one.field.is_usable for one in moved) else list(fields)


def _language(tables: Sequence[Table]) -> Language:
    """Return the language that the headings are in: one kana or kanji makes them Japanese."""
    headings = "".join(column.name for table in tables for column in table.columns)
    return "ja" if any("\u3040" <= letter <= "\u9fff" for letter in headings) else "en"


def _nothing_to_learn(
    table: Table, fields: Sequence[MappedField], left_out: Sequence[LeftOut]
) -> FileUnreadable:
    why = [f"{' '.join(one.column.name.split())[:60]!r} ({one.why})" for one in left_out]
    why += [f"{' '.join(one.column.name.split())[:60]!r} (known after hand-off)" for one in fields]
    return FileUnreadable(
        f"{table.name} has no column that tells something of a lead when it arrives; it has "
        f"{len(table.columns)} column(s), not usable are {shorten(why) or 'none'}. Export what is "
        "known of the leads (source, industry, product …) beside what became of them."
    )


def _try(
    paths: Sequence[Path], definition: LeadDefinition, source_map: SourceMap, today: date
) -> Trial:
    try:
        history = read_history(paths, definition, source_map, today=today)
    except LeadQualityError as error:
        return Trial(str(error))
    kinds = history.events["kind"].value_counts()
    counts = {str(kind): int(count) for kind, count in kinds.items()}
    return Trial(counts={"leads": len(history.leads)} | counts)
