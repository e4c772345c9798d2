"""``GET /model``: the model explained by itself, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from features.definition import EVER
from features.wording import group_name
from serving.dependencies import LanguageDep, ServiceDep
from serving.model_life.models import ServingModel
from serving.pages.explain import field_figures, importance_of, pair_figures
from serving.pages.model_charts import importance_chart
from serving.pages.quality import quality_of
from serving.pages.view import render, shown_time
from serving.texts import Texts, load_texts

__all__ = ["router"]

router = APIRouter()

GROUPS = ("fit", "interest", "timing", "data")


@router.get("/model")
def model_page(request: Request, service: ServiceDep, language: LanguageDep) -> Response:
    """Show what the serving model is, how good it was, and every curve and map it consists of."""
    model = service.models.model
    if model is None:
        return render(request, "model_missing.html", language, {}, status=503)
    if language not in model.pages:
        model.pages[language] = _view(model, load_texts(language).about(model.definition))
    content = {**model.pages[language], "warning": service.models.warning}
    return render(request, "model.html", language, content)


def _view(model: ServingModel, texts: Texts) -> Mapping[str, Any]:
    language = texts.language
    scorer, approval, definition = model.scorer, model.approval, model.definition
    ranked = importance_of(scorer, texts)
    figures = field_figures(scorer, texts)
    return {
        "approval": approval,
        "approved": texts(
            "model.approved_by",
            who=approval.approved_by,
            time=shown_time(approval.approved_at, definition.zone, language),
        ),
        "definition": texts(
            "model.definition_value",
            name=definition.name.get(language),
            version=definition.version,
            fingerprint=definition.fingerprint[:12],
        ),
        "horizons": [
            texts("model.horizon_list", days=days) for days in scorer.horizons if days != EVER
        ]
        or [texts("model.ever")],
        "verdict": _verdict(scorer.evaluation, texts),
        "quality": quality_of(scorer.evaluation, scorer.main_horizon, texts),
        "is_base_rate": scorer.method == "base_rate",
        "importance": importance_chart(ranked, texts("model.importance")),
        "groups": [
            {
                "name": group_name(group, language),
                "code": group,
                "note": texts(f"model.group_note.{group}"),
                "figures": [figure for figure in figures if figure.group == group],
            }
            for group in GROUPS
            if any(figure.group == group for figure in figures)
        ],
        "pairs": pair_figures(scorer, texts),
    }


def _verdict(evaluation: Mapping[str, Any], texts: Texts) -> Mapping[str, str] | None:
    """Return what the gate said of the model, as a word and a sentence; None before it spoke."""
    said = evaluation.get("verdict")
    if not isinstance(said, Mapping):
        return None
    return {
        "level": texts(f"model.verdicts.{said['level']}"),
        "words": str(said["words"][texts.language]),
    }
