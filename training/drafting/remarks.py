"""The two drafted files as text, with the open questions beside the keys that answer them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from features.definition import LeadDefinition
from features.source_map import SourceMap
from features.terms import Language
from training.drafting.fields import LeftOut, MappedField
from training.drafting.layout import Layout
from training.drafting.rendering import render_yaml, scalar
from training.drafting.words import (
    ANSWER_HERE,
    DEFINITION_FILE,
    SOURCE_MAP_FILE,
    Question,
    listed,
    say,
)

__all__ = ["definition_text", "source_map_text"]

_INLINE_MAP = (
    "leads.status.values.*", "events.*.kind.values.*", "leads.status.reason", "events.*.reason",
)  # fmt: skip
_INLINE_DEFINITION = ("name", "conversion", "fields.*", "behaviours.*")
_ALWAYS = ("language", "time_zone", "horizons", "main_horizon", "recording_began")
_PACKAGED = ("reasons", "grades", "economics")


def source_map_text(
    source_map: SourceMap,
    questions: Sequence[Question],
    left_out: Sequence[LeftOut],
    layout: Layout,
    language: Language,
) -> str:
    """Return the source map as YAML with its questions as comments.

    A value without a meaning has its line too, as a comment to be completed.
    """
    remarks = _remarks(SOURCE_MAP_FILE, "map_head", questions, language)
    reasons: dict[str, list[str]] = {}
    for one in left_out:
        reasons.setdefault(one.why, []).append(one.column.name)
    for why, names in reasons.items():
        line = say("columns_left_out", why=say(f"why_{why}"), shown=listed(names))
        remarks.setdefault("leads.fields", []).append(line.get(language))
    for path, values in layout.guessed.items():
        for value in values:
            remarks.setdefault(f"{path}.{value}", []).append(say("guessed").get(language))
    dumped = source_map.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    content = _with_short_meanings({"version": 1} | dumped)
    for path, values in layout.unknown.items():
        first = next(iter(_at(content, path)))
        lines = [f"{scalar(value)}: {ANSWER_HERE}" for value in values]
        remarks[f"{path}.{first}"] = [*lines, *remarks.get(f"{path}.{first}", [])]
    return render_yaml(content, remarks, _INLINE_MAP)


def _at(content: Any, path: str) -> Any:
    for step in path.split("."):
        content = content[int(step) if isinstance(content, list) else step]
    return content


def definition_text(
    definition: LeadDefinition,
    questions: Sequence[Question],
    fields: Sequence[MappedField],
    language: Language,
) -> str:
    """Return the definition as YAML with its questions as comments."""
    remarks = _remarks(DEFINITION_FILE, "definition_head", questions, language)
    for one in fields:
        if one.why_later:
            remarks[f"fields.{one.name}"] = [say(f"later_{one.why_later}").get(language)]
    full = definition.model_dump(mode="json")
    short = definition.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    content = {
        key: value if key in _ALWAYS else short[key]
        for key, value in full.items()
        if (key in short or key in _ALWAYS) and key not in _PACKAGED
    }
    own = render_yaml(content, remarks, _INLINE_DEFINITION)
    return own + _packaged_end(remarks.get("economics", ()), language)


def _packaged_end(remarks: Sequence[str], language: Language) -> str:
    """Return the packaged reasons, grades and economics as they are written there."""
    packaged = files("features").joinpath("lead_definition.yaml").read_text("utf-8")
    end = packaged[packaged.index("\n# kind:") :].rstrip("\n")
    before, economics = end.split("\neconomics:")
    questions = "".join(f"\n# {remark}" for remark in remarks)
    head = say("packaged_end").get(language)
    return f"\n# {head}{before}{questions}\neconomics:{economics}\n"


def _remarks(
    file: str, head: str, questions: Sequence[Question], language: Language
) -> dict[str, list[str]]:
    """Return the questions of a file by the key that answers them, and how many there are."""
    here = [one for one in questions if one.file == file]
    top = [say(head).get(language)]
    if here:
        n_first = sum(one.must_be_answered for one in here)
        top.append(say("open_questions", n=len(here), n_first=n_first).get(language))
    remarks = {"": top}
    for number, question in enumerate(questions, start=1):
        if question.file == file:
            called = "question_first" if question.must_be_answered else "question"
            line = say(called, number=number, what=question.what, expected=question.expected)
            remarks.setdefault(question.key, []).append(line.get(language))
    return remarks


def _with_short_meanings(content: dict[str, object]) -> dict[str, object]:
    """Write ``won`` for ``{event: won}``, as a person would."""

    def short(node: object) -> object:
        if isinstance(node, dict):
            if set(node) == {"event"}:
                return node["event"]
            return {key: short(value) for key, value in node.items()}
        return [short(value) for value in node] if isinstance(node, list) else node

    return {key: short(value) for key, value in content.items()}
