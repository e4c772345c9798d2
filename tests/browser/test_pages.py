"""The pages in a real browser: they render, ask nobody else, and fit a phone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from features.scorer import LeadScorer
from serving.app import create_app
from serving.settings import ServeSettings
from tests.browser.conftest import Serving
from tests.builders import small_scorer
from tests.serving.conftest import NOW, approved

# The driver closes its sockets when the interpreter collects them.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

LEAD = {
    "lead_id": "L-1042",
    "fields": {
        "source": "ウェビナー",
        "industry": "製造業",
        "employees": "１，２００名",
        "job_title": "営業部長",
        "message": "<script>document.title='owned'</script>",
        "prefecture": "<img src=x onerror=\"document.title='owned'\">",
    },
    "events": [{"kind": "page_view", "at": "2026-11-19T10:00:00+09:00"}],
}
PAGES = ("/", "/leads/L-1042", "/leads/L-9", "/leads/nobody", "/model")
SALES = (
    ("L-1042", "touched", None, "2026-10-02"),
    ("L-1042", "accepted", None, "2026-10-05"),
    ("L-1042", "lost", "lost_price", "2026-10-20"),
    ("L-1042", "recycled", None, "2026-11-02"),
    ("L-1042", "rejected", "bad_timing", "2026-11-18"),
    ("L-9", "won", None, "2026-11-18"),
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, serving: Serving) -> Iterator[str]:
    settings = ServeSettings(access="open", home=tmp_path_factory.mktemp("home"))
    scorer: LeadScorer = small_scorer()
    approved(settings, scorer)
    with TestClient(create_app(settings, clock=lambda: NOW)) as client:
        for as_of in ("2026-10-01", "2026-11-20"):
            assert client.post("/v1/score", json=LEAD | {"as_of": as_of}).status_code == 200
        told = [dict(zip(("lead_id", "kind", "reason", "at"), one, strict=True)) for one in SALES]
        assert client.post("/v1/events", json={"events": told}).status_code == 200
    with serving(settings) as told:
        yield told


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("language", "locale"), [("ja", "ja-JP"), ("en", "en-GB")])
@pytest.mark.parametrize("width", [1200, 420])
def test_a_page_renders_without_errors_outside_requests_or_overflow(
    browser: Any, address: str, path: str, language: str, locale: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, locale=locale)
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    response = page.goto(address + path, wait_until="networkidle")

    expected = 404 if path.endswith("nobody") else 200
    assert response.status == expected
    assert [c for c in complaints if expected == 200 or "404" not in c] == []
    assert [url for url in asked if not url.startswith(address)] == []
    assert page.evaluate("document.documentElement.lang") == language
    assert page.title() != "owned"
    widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    wide, room = page.evaluate(widths)
    assert wide <= room
    context.close()


def test_japanese_is_drawn_with_glyphs_and_figures_have_size(browser: Any, address: str) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, locale="ja-JP")
    page = context.new_page()
    page.goto(f"{address}/leads/L-1042")

    heading = page.get_by_role("heading", name="スコアを上げている要因")
    assert heading.is_visible()
    assert page.get_by_text("180日以内に受注する見込み").is_visible()
    figures = page.locator("svg[role=img]")
    assert figures.count() >= 4
    for figure in figures.all():
        box = figure.bounding_box()
        assert box["width"] > 100
        assert box["height"] > 20
        assert figure.get_attribute("aria-label")
    context.close()


def test_a_person_finds_a_lead_and_changes_the_language(browser: Any, address: str) -> None:
    context = browser.new_context(locale="ja-JP")
    page = context.new_page()
    page.goto(address)

    page.get_by_label("リードID").fill("L-1042")
    page.get_by_role("button", name="表示").click()
    assert page.get_by_role("heading", name="リード L-1042").is_visible()
    page.get_by_role("link", name="English").click()

    assert page.get_by_role("heading", name="Lead L-1042").is_visible()
    page.get_by_role("link", name="The model explained").click()
    assert page.get_by_role("heading", name="The model explained").is_visible()
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_time_line_of_sales_is_drawn_in_order_and_inside_its_card(
    browser: Any, address: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, locale="ja-JP")
    page = context.new_page()
    page.goto(f"{address}/leads/L-1042")

    card = page.locator("section", has=page.get_by_role("heading", name="営業の対応"))
    rows = card.get_by_role("listitem")
    assert card.get_by_text("営業が見送り").is_visible()
    assert [" ".join(row.inner_text().split()) for row in rows.all()] == [
        "2026年11月18日 見送り · 時期尚早",
        "2026年11月2日 再び対象に",
        "2026年10月20日 失注 · 価格で失注",
        "2026年10月5日 受け入れ",
        "2026年10月2日 連絡",
    ]
    around = card.bounding_box()
    boxes = [row.bounding_box() for row in rows.all()]
    assert all(above["y"] + above["height"] <= below["y"] + 1 for above, below in pairwise(boxes))
    for box in boxes:
        assert around["x"] < box["x"]
        assert box["x"] + box["width"] < around["x"] + around["width"]
    days = [row.locator("time").bounding_box() for row in rows.all()]
    words = [row.locator(".what").bounding_box() for row in rows.all()]
    for day, word in zip(days, words, strict=True):  # beside each other, or one below the other
        assert day["x"] + day["width"] <= word["x"] or day["y"] + day["height"] <= word["y"] + 1
    context.close()


def test_a_page_prints_on_paper(browser: Any, address: str, tmp_path: Path) -> None:
    context = browser.new_context(locale="ja-JP")
    page = context.new_page()
    page.goto(f"{address}/leads/L-1042")

    printed = page.pdf(path=tmp_path / "lead.pdf", format="A4")

    assert printed.startswith(b"%PDF")
    context.close()
