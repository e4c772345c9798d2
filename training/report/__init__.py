"""One self-contained page for each run: may it be used, how good is it, what drives it, and why.

The page is made from the content of ``evaluation.json`` alone, so that what a person reads and what
a program reads are the same figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from training.report.drivers import checks_section, drivers_section
from training.report.html import both, page
from training.report.learnt import learnt_section, reasons_section
from training.report.quality import (
    accounts_section,
    calibration_section,
    curve_section,
    gains_section,
    origins_section,
    slices_section,
)
from training.report.trust import (
    disagreements_section,
    drift_section,
    feedback_section,
    leaks_section,
)
from training.report.verdict import comparison_section, headline, verdict_section

if TYPE_CHECKING:
    from features.scorer import LeadScorer

__all__ = ["render_report"]


def render_report(scorer: LeadScorer, facts: Mapping[str, Any] | None = None) -> str:
    """Return the report as one HTML file, in Japanese and English.

    Parameters
    ----------
    scorer : LeadScorer
        The model.
    facts : mapping, optional
        What ``evaluation.json`` holds; the scorer's own by default. A part that is not there is
        left out of the page.
    """
    told = scorer.evaluation if facts is None else facts
    definition = scorer.definition
    title = both(
        f"{definition.name.ja}:モデルの報告書", f"{definition.name.en}: report on the model"
    )
    agreed, digest = (
        f"{definition.version}({definition.fingerprint[:12]})",
        scorer.model_digest[:12],
    )
    made = both(f"定義 {agreed}・モデル {digest}", f"Definition {agreed}, model {digest}")
    until = str(told.get("as_of") or "")[:10]
    known = both(f"・{until}までの記録", f", records until {until}") if until else ""
    body = [
        f"<h1>{title}</h1><p class='note'>{made}{known}</p>",
        headline(told),
        verdict_section(told),
        learnt_section(told),
        calibration_section(told),
        gains_section(told),
        curve_section(told),
        drivers_section(told, definition),
        checks_section(told, definition),
        slices_section(told),
        accounts_section(told),
        disagreements_section(told, definition),
        reasons_section(told, definition),
        feedback_section(told, definition),
        leaks_section(told),
        comparison_section(told),
        origins_section(told),
        drift_section(told),
    ]
    return page(
        definition.name.ja + ":モデルの報告書",
        definition.name.en + ": report on the model",
        definition.language,
        "".join(body),
    )
