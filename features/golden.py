"""Golden rows: invented leads with the exact answers a model must give again wherever it is loaded.

They catch a parser that changed, a library that rounds otherwise, a table that was mixed up. Floats
are kept in hexadecimal, so "equal" means equal to the last bit. No real lead is ever among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from features.encoder import Input, LeadInput
from features.events import Act

if TYPE_CHECKING:
    from features.scorer import LeadScorer, ScoredLead

__all__ = ["golden_leads", "golden_rows", "mismatch"]

_N_ROWS = 24
_MOST_LEVEL_ROWS = 40
_AS_OF = datetime(2026, 1, 5, 3, 30, tzinfo=UTC)
_EXAMPLES: dict[str, tuple[object, ...]] = {
    "number": ("１，２００名", "100〜299名", 7, "約50", "?", None, "1千万円", -3.5, 0),
    "category": ("an unseen value", None, "  "),
    "boolean": ("はい", "no", True, None, "?"),
    "time": ("2026年1月5日", "令和8年1月5日", "2026-01-05T23:59:00+09:00", None, "?"),
    "job_title": (
        "代表取締役",
        "営業部長",
        "Marketing Manager",
        "情報システム課 主任",
        None,
        "担当",
    ),
    "email": ("a@gmail.com", "info@example.co.jp", None, "not an address"),
    "phone": ("090-0000-0000", "03-0000-0000", None, "0120-000-000"),
    "company": ("株式会社見本", "（有）見本", None, "Example Inc."),
    "text": ("資料を送ってください", "", None, "x" * 300),
}


def golden_rows(scorer: LeadScorer) -> list[dict[str, Any]]:
    """Return invented leads with what the scorer says of them, as JSON content."""
    leads = golden_leads(scorer)
    return [_answers(scorer.score(lead)) | {"row": row} for row, lead in enumerate(leads)]


def mismatch(scorer: LeadScorer, stored: Any) -> str | None:
    """Say which golden row the scorer does not reproduce, or None when it reproduces all."""
    expected = golden_rows(scorer)
    # Models of an earlier program have the first rows only.
    if not isinstance(stored, list) or len(stored) not in (_N_ROWS, len(expected)):
        return "they are missing"
    for row, (now, then) in enumerate(zip(expected, stored, strict=False)):
        if now != then:
            return f"row {row} differs"
    return None


def _answers(scored: ScoredLead) -> dict[str, Any]:
    return {
        "probabilities": [probability.hex() for probability in scored.probabilities],
        "contributions": [part.logit.hex() for part in scored.contributions],
        "acceptance": None if scored.acceptance is None else scored.acceptance.hex(),
    }


def golden_leads(scorer: LeadScorer) -> Iterator[LeadInput]:
    """Give the invented leads, each with the values that the scorer's inputs can tell apart."""
    inputs = scorer.encoder.inputs
    kinds = sorted({behaviour.kind for behaviour in scorer.definition.behaviours.values()})
    for row in range(_N_ROWS):
        fields: dict[str, object] = {}
        for position, given in enumerate(inputs):
            if given.field in scorer.definition.behaviours:
                continue
            examples = _examples(scorer, given)
            fields[given.field] = examples[(row + position) % len(examples)]
        acts = [
            Act(kind, _AS_OF - timedelta(days=(row * 7 + k) % 100, minutes=5), float(row))
            for k, kind in enumerate(kinds)
            for _ in range(row % 4)
        ]
        yield LeadInput(fields, None if row % 5 == 4 else acts, _AS_OF)
    yield from _level_leads(inputs)


def _level_leads(inputs: Sequence[Input]) -> Iterator[LeadInput]:
    """Give leads with every level in turn, by its name: they tell when codes were exchanged."""
    levels = {
        given.field: sorted(given.levels)[:_MOST_LEVEL_ROWS]
        for given in inputs
        if given.kind == "category" and given.name == given.field and given.levels
    }
    for row in range(max(map(len, levels.values()), default=0)):
        fields: dict[str, object] = {
            field: names[row % len(names)] for field, names in levels.items()
        }
        yield LeadInput(fields, None, _AS_OF)


def _examples(scorer: LeadScorer, given: Input) -> tuple[object, ...]:
    general = _EXAMPLES[scorer.definition.fields[given.field].type]
    return general + tuple(given.levels[:40]) if given.name == given.field else general
