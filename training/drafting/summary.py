"""The answer of `lead-train inspect` as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from training.drafting.draft import Draft
from training.drafting.headings import spoken
from training.drafting.words import say
from training.leaks import LeakFinding
from training.leaks.findings import Sentences

__all__ = ["summarise"]

_FEW_WINS = 50
_MOST_NAMED = 8


def summarise(draft: Draft, folder: Path, command: str) -> str:
    """Return what was read, what is suspect, what is open, and the next step."""
    return "\n".join(_lines(draft, folder, command))


def _lines(draft: Draft, folder: Path, command: str) -> Iterator[str]:
    yield from _files(draft)
    yield from _findings(draft)
    if draft.notes:
        yield from ("", _told(draft, "decided"))
        yield from (f"  - {note.get(draft.language)}" for note in draft.notes)
    yield from _questions(draft)
    yield from ("", _told(draft, "written", folder=folder))
    if draft.trial.problem:
        yield from (_told(draft, "trial_stops"), draft.trial.problem)
    # A sentence shortens the words in it; a command must stay whole.
    yield _told(draft, "then" if draft.trial.problem else "next", command="") + command


def _files(draft: Draft) -> Iterator[str]:
    for one in draft.tables:
        how = ", ".join(filter(None, [one["encoding"], _spoken(one["delimiter"])]))
        said = {key: one[key] for key in ("name", "rows", "columns")}
        line = _told(draft, "file_line", part=say(f"part_{one['part']}"), **said)
        yield f"{line} ({how})" if how else line
    counts = draft.trial.counts
    if counts is None:
        return
    rest = ", ".join(f"{kind} {count:,}" for kind, count in counts.items() if kind != "leads")
    told = Sentences(ja=rest or "-", en=rest or "-")
    yield _told(draft, "counts", leads=counts["leads"], rest=told)
    if counts.get("won", 0) < _FEW_WINS:
        yield _told(draft, "few_wins")


def _findings(draft: Draft) -> Iterator[str]:
    serious: dict[str, list[LeakFinding]] = {}
    quiet: dict[tuple[str, str], list[str]] = {}
    later = {name for name, field in draft.definition.fields.items() if not field.is_usable}
    for one in draft.findings:
        if one.severity == "note" and one.field in later:
            continue  # the draft hides it from models already
        if one.severity == "note":
            key = one.signal, one.remedy.get(draft.language)
            quiet.setdefault(key, []).append(_called(draft, one))
        else:
            serious.setdefault(one.field, []).append(one)
    if serious:
        yield from ("", _told(draft, "suspicious"))
    remedies: dict[str, None] = {}
    for found in serious.values():
        yield f"  {_told(draft, f'severity_{found[0].severity}')} {_called(draft, found[0])}"
        for one in found:
            yield f"    [{one.signal}] {one.what.get(draft.language)}"
            remedies.setdefault(one.remedy.get(draft.language))
    yield from (f"  → {remedy}" for remedy in remedies)
    if quiet:
        yield from ("", _told(draft, "also_seen"))
    for (signal, remedy), fields in quiet.items():
        rest = len(fields) - _MOST_NAMED
        shown = ", ".join(fields[:_MOST_NAMED]) + (f" (+{rest})" if rest > 0 else "")
        yield f"  [{signal}] {shown}: {remedy}"


def _questions(draft: Draft) -> Iterator[str]:
    numbered = list(enumerate(draft.questions, start=1))
    for must, heading in ((True, "answer_first"), (False, "please_check")):
        asked = [(number, one) for number, one in numbered if one.must_be_answered is must]
        if asked:
            yield from ("", _told(draft, heading))
        for number, one in asked:
            yield f"  {number}. {one.what.get(draft.language)}"
            yield f"     → {one.expected.get(draft.language)} [{one.where}]"


def _called(draft: Draft, finding: LeakFinding) -> str:
    heading = " ".join(draft.headings.get(finding.field, finding.field).split())[:60]
    plain = spoken(heading) == spoken(finding.field)
    return heading if plain else f"{heading} ({finding.field})"


def _told(draft: Draft, sentence: str, **parts: object) -> str:
    return say(sentence, **parts).get(draft.language)


def _spoken(delimiter: str | None) -> str:
    return {",": "comma", ";": "semicolon", "tab": "tab"}.get(delimiter or "", "")
