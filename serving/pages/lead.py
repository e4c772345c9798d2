"""``GET /leads/{lead_id}``: one lead, for the people of both teams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from features.definition import LeadDefinition
from features.wording import percent
from serving.decision.decide import reason_text
from serving.dependencies import LanguageDep, ServiceDep
from serving.errors import StoreUnavailable
from serving.pages.lead_charts import (
    Step,
    acceptance_bar,
    ladder,
    rate_bars,
    score_history,
    score_scale,
    win_curve,
)
from serving.pages.sales import sales_view
from serving.pages.svg import shorten_codes, signed
from serving.pages.view import render, shown_time
from serving.routes.leads import MOST_EVENTS, LeadIdInPath
from serving.store import Prediction
from serving.texts import Language, Texts, load_texts

__all__ = ["router"]

router = APIRouter()

MOST_PAST = 20


@router.get("/leads/{lead_id:path}", name="lead_page")
def lead_page(
    lead_id: LeadIdInPath, request: Request, service: ServiceDep, language: LanguageDep
) -> Response:
    """Show the latest score of a lead with its reasons, what sales did, and the scores before."""
    try:
        recorded = service.predictions.of_lead(lead_id, MOST_PAST)
        events = service.events.of_lead(lead_id, MOST_EVENTS)
    except StoreUnavailable as error:
        return render(request, "store_away.html", language, {"problem": str(error)}, status=503)
    if not recorded and not events:
        return render(request, "lead_unknown.html", language, {"lead_id": lead_id}, status=404)
    model = service.models.model
    if model is None:
        return render(request, "model_missing.html", language, {}, status=503)
    definition = model.definition
    texts = load_texts(language).about(definition)
    today = service.clock().astimezone(definition.zone).date()
    sales = sales_view(lead_id, events, definition, texts, today)
    if not recorded:
        told = {"lead_id": lead_id, "sales": sales}
        return render(request, "lead_unscored.html", language, told)
    view = _view(recorded, definition, texts)
    return render(request, "lead.html", language, view | {"sales": sales})


def _view(recorded: list[Prediction], definition: LeadDefinition, texts: Texts) -> dict[str, Any]:
    language = texts.language
    newest = recorded[0]
    answer = newest.answer
    positive, negative = _factors(answer, texts)
    return {
        "lead_id": newest.lead_id,
        "as_of": shown_time(newest.as_of, definition.zone, language),
        "answer": answer,
        "score": f"{newest.score:.0f}",
        "grade": newest.grade,
        "scale": score_scale(newest.score, definition.grades, texts),
        "reason": reason_text(answer, definition, language),
        "grade_note": texts("lead.grade_note") if _seem_to_differ(newest) else "",
        "acceptance": acceptance_bar(answer["acceptance_probability"], texts)
        if "acceptance_probability" in answer
        else None,
        "chance_label": _chance_label(answer, texts),
        "interval": _interval(answer, texts),
        "curve": _curve(answer, texts),
        "curve_note": {
            "full": "",
            "short": texts("lead.curve_short"),
            "none": texts("lead.curve_none"),
        }[answer["curve"]],
        "positive": positive,
        "negative": negative,
        "ladder": _ladder(answer, newest.score, texts),
        "clipped": _clipped(answer, newest.score, texts),
        "past": [_past_row(one, definition, language) for one in recorded],
        "history": _history(recorded, definition, texts),
        "warnings": [
            _warning(code, definition, texts) for code in answer["warnings"].split(",") if code
        ],
        "inputs": _inputs(newest, definition, language),
    }


def _seem_to_differ(newest: Prediction) -> bool:
    is_high = newest.grade in ("A", "B")
    return is_high if newest.decision == "nurture" else not is_high


def _chance_label(answer: Mapping[str, Any], texts: Texts) -> str:
    if "horizon_days" not in answer:
        return texts("lead.chance_ever")
    within = texts("lead.chance_within", days=answer["horizon_days"])
    return (
        f"{texts('lead.chance')} ({within})"
        if texts.language == "en"
        else f"{within}に{texts('lead.chance')}"
    )


def _interval(answer: Mapping[str, Any], texts: Texts) -> str:
    if "interval_low" not in answer:
        return ""
    low, high = (percent(answer[f"interval_{end}"], texts.language) for end in ("low", "high"))
    return texts("lead.interval", low=low, high=high)


def _curve(answer: Mapping[str, Any], texts: Texts) -> object:
    points = sorted(
        (int(name[2:]), chance)
        for name, chance in answer.items()
        if name.startswith("p_") and name[2:].isdigit()
    )
    return win_curve(points, answer["horizon_days"], answer["line"], texts) if points else None


def _factors(
    answer: Mapping[str, Any], texts: Texts
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    language = texts.language
    told = [factor["evidence"] for factor in answer["factors"] if "evidence" in factor]
    top = max((max(one["rate"], one["overall"]) for one in told), default=1.0)
    shown = []
    for factor in answer["factors"]:
        row = {
            "short": shorten_codes(factor["short"][language]),
            "full": factor["short"][language],
            "is_positive": factor["points"] >= 0,
            "group": factor["group"],
            "points": texts("lead.points", points=signed(factor["points"])),
            "odds": texts("lead.odds", odds=f"{factor['odds']:.2f}"),
            "evidence": "",
            "bars": None,
            "note": "",
        }
        evidence = factor.get("evidence")
        if evidence is not None:
            key = "lead.evidence" if "days" in evidence else "lead.evidence_ever"
            row["evidence"] = texts(
                key,
                days=evidence.get("days"),
                rate=percent(evidence["rate"], language),
                overall=percent(evidence["overall"], language),
                n=f"{evidence['n']:,}",
            )
            row["bars"] = rate_bars(evidence["rate"], evidence["overall"], top, texts)
        else:
            row["note"] = texts("lead.rare" if factor["is_rare"] else "lead.no_rate")
        shown.append(row)
    return [row for row in shown if row["is_positive"]], [
        row for row in shown if not row["is_positive"]
    ]


def _ladder(answer: Mapping[str, Any], score: float, texts: Texts) -> object:
    steps = [
        Step(factor["short"][texts.language], factor["points"], factor["is_rare"])
        for factor in answer["factors"]
    ]
    steps.append(Step(texts("lead.ladder_other"), answer["other_points"]))
    return ladder(answer["base_points"], steps, score, texts)


def _clipped(answer: Mapping[str, Any], score: float, texts: Texts) -> str:
    total = (
        answer["base_points"]
        + answer["other_points"]
        + sum(one["points"] for one in answer["factors"])
    )
    return texts("lead.ladder_clipped", total=f"{total:.1f}") if abs(total - score) > 0.05 else ""


def _past_row(one: Prediction, definition: LeadDefinition, language: Language) -> dict[str, Any]:
    return {
        "when": shown_time(one.as_of, definition.zone, language),
        "score": f"{one.score:.0f}",
        "grade": one.grade,
        "decision": one.decision,
        "probability": one.probability,
        "model": one.model_version,
        "definition": one.definition_version,
    }


def _history(recorded: list[Prediction], definition: LeadDefinition, texts: Texts) -> object:
    if len(recorded) < 2:
        return None
    oldest_first = [
        (one.as_of.astimezone(definition.zone).strftime("%Y-%m-%d %H:%M"), one.score)
        for one in sorted(recorded, key=lambda one: one.as_of)
    ]
    return score_history(oldest_first, definition.grades, texts)


def _warning(code: str, definition: LeadDefinition, texts: Texts) -> str:
    name, _, what = code.partition(":")
    if name in ("unreadable", "unseen"):
        return texts(f"warning.{name}", field=_name(what, definition, texts.language))
    return texts(f"warning.{name}_one" if what == "1" else f"warning.{name}", n=what)


def _inputs(
    one: Prediction, definition: LeadDefinition, language: Language
) -> list[tuple[str, str]]:
    return [
        (_name(name, definition, language), str(raw)) for name, raw in one.inputs["fields"].items()
    ]


def _name(field: str, definition: LeadDefinition, language: Language) -> str:
    holder = definition.fields.get(field) or definition.behaviours.get(field)
    return field if holder is None else holder.names.get(language)
