"""Templates: one environment, escaping always on, words and numbers in the page's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from features.wording import percent
from serving.dependencies import Service
from serving.guard.callers import Caller
from serving.guard.sessions import form_token
from serving.texts import Language, load_texts

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render", "shown_day", "shown_time"]


@cache
def _environment() -> Environment:
    # Imported by the first who looks at a page: scoring does without it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("serving", "pages/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(
    request: Request,
    template: str,
    language: Language,
    values: Mapping[str, Any],
    status: int = 200,
) -> Response:
    """Return a page.

    Parameters
    ----------
    template : str
        File in ``templates``.
    values : mapping
        What the template shows; figures are `Markup`, everything else is escaped. ``next`` goes on
        with a change of the language; ``address`` is where it leads, instead of the same page.
    """
    texts = load_texts(language)
    service: Service = request.app.state.service
    if service.models.model is not None:
        texts = texts.about(service.models.model.definition)
    explicit = request.query_params.get("lang")
    caller: Caller | None = request.scope.get("caller")
    form_secret: str | None = request.scope.get("form_secret")
    onward = {"next": str(values["next"])} if values.get("next", "/") != "/" else {}

    def link(path: str, **query: str) -> str:
        if explicit in ("ja", "en"):
            query.setdefault("lang", explicit)
        return path + (f"?{urlencode(query)}" if query else "")

    page = (
        _environment()
        .get_template(template)
        .render(
            t=texts,
            language=language,
            link=link,
            lead_link=lambda lead_id: link(f"/leads/{quote(lead_id, safe='')}"),
            other_language=link(
                quote(values.get("address", request.url.path)),
                lang=texts("site.language_code"),
                **onward,
            ),
            is_inside=caller is not None,
            person=caller.name if caller is not None and caller.kind == "person" else "",
            form_token=form_token(form_secret) if form_secret else "",
            percent=lambda share: percent(share, language),
            **values,
        )
    )
    return HTMLResponse(
        page, status_code=status, headers={"Content-Language": language, "Vary": "Accept-Language"}
    )


def shown_day(day: date, language: Language) -> str:
    """Return a day in the language's order."""
    if language == "ja":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {day:%b %Y}"


def shown_time(moment: datetime, zone: ZoneInfo, language: Language) -> str:
    """Return a moment to the minute, in the definition's zone and the language's order."""
    local = moment.astimezone(zone)
    between = " " if language == "ja" else ", "
    return f"{shown_day(local.date(), language)}{between}{local:%H:%M}"
