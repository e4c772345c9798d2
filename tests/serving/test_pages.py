"""Pages: complete in both languages, escaped, and true to what was recorded."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from features.definition import EVER, Grades
from features.scorer import Calibration, LeadScorer
from features.tables import AdditiveTables, PairTable
from serving.app import create_app
from serving.pages.explain import field_figures, importance_of, pair_figures
from serving.pages.lead_charts import Step, ladder, score_history, score_scale, win_curve
from serving.pages.model_charts import number_chart
from serving.pages.quality import quality_of
from serving.pages.svg import Svg, fit_text, nice_ticks, signed, text_width
from serving.settings import ServeSettings
from serving.texts import Language, load_texts
from tests.builders import random_tables, small_encoder
from tests.serving.conftest import NOW, approved

VOID = {"meta", "link", "img", "input", "br"}
LEAD: dict[str, Any] = {
    "lead_id": "L-1042",
    "fields": {
        "source": "ウェビナー",
        "employees": "???",
        "job_title": "営業部長",
        "new": 1,
        "message": "x",
    },
    "events": [{"kind": "page_view", "at": "2026-11-19T10:00:00+09:00"}, {"kind": "x", "at": "?"}],
}


class Outline(HTMLParser):
    """Checks that elements close in order, and keeps texts and addresses."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.addresses += [str(named[name]) for name in ("href", "src", "action") if name in named]
        self.styles += [name for name in named if name == "style" or name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("path", ["/", "/model", "/leads/L-1042", "/leads/nobody"])
def test_pages_are_well_formed_and_ask_nobody_else(
    client: TestClient, path: str, language: Language
) -> None:
    client.post("/v1/score", json=LEAD)
    client.post("/v1/score", json=LEAD | {"as_of": "2026-11-01"})

    response = client.get(path, params={"lang": language})

    outline = Outline(response.text)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-language"] == language
    assert f'lang="{language}"' in response.text
    assert all(address.startswith(("/", "#")) for address in outline.addresses)
    assert outline.styles == []
    assert "<script" not in response.text
    assert re.search("[ぁ-ん]", " ".join(outline.texts)) if language == "ja" else True


def test_the_page_of_a_lead_says_what_was_recorded(client: TestClient) -> None:
    told = client.post("/v1/score", json=LEAD | {"language": "ja"}).json()

    page = client.get("/leads/L-1042?lang=ja").text

    assert f">{told['score']}<" in page
    for factor in told["factors"]:
        assert factor["short"]["ja"] in page
    for word in (
        "スコアを上げている要因",
        "スコアを下げている要因",
        "スコアの内訳",
        "180日以内に受注する見込み",
        "定義",
    ):
        assert word in page
    assert "「従業員数」の値を読み取れず" in page
    assert "日時を読み取れない行動が1件" in page
    assert told["definition_fingerprint"][:12] in page


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "'; DROP TABLE"],
)
def test_what_a_caller_sent_is_shown_as_text(client: TestClient, hostile: str) -> None:
    body = LEAD | {"lead_id": hostile, "fields": LEAD["fields"] | {"prefecture": hostile}}
    assert client.post("/v1/score", json=body).status_code == 200

    for page in (client.get("/"), client.get("/leads?", params={"lead_id": hostile})):
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "<img src=x" not in page.text
        assert hostile in "".join(Outline(page.text).texts)


def test_the_search_goes_to_the_lead_and_keeps_the_language(shared_client: TestClient) -> None:
    response = shared_client.get(
        "/leads", params={"lead_id": " 東京/1 ", "lang": "en"}, follow_redirects=False
    )

    assert response.status_code == 303
    assert response.headers["location"] == "/leads/%E6%9D%B1%E4%BA%AC/1?lang=en"


def test_the_address_of_leads_without_an_id_leads_to_the_search(shared_client: TestClient) -> None:
    response = shared_client.get("/leads", params={"lang": "en"}, follow_redirects=False)

    assert (response.status_code, response.headers["location"]) == (303, "/?lang=en")


def test_the_language_can_be_changed_on_the_same_page(shared_client: TestClient) -> None:
    assert 'href="/model?lang=en"' in shared_client.get("/model").text
    assert 'href="/model?lang=ja"' in shared_client.get("/model?lang=en").text


def test_a_recorded_lead_waits_for_a_model_to_be_explained(
    settings: ServeSettings, scorer: LeadScorer
) -> None:
    approved(settings, scorer)
    with TestClient(create_app(settings, clock=lambda: NOW)) as client:
        client.post("/v1/score", json=LEAD)
        client.app.state.service.models._model = None  # type: ignore[attr-defined]

        assert client.get("/leads/L-1042").status_code == 503
        assert "L-1042" in client.get("/").text


def test_the_page_of_the_model_holds_every_input_and_the_pair(
    shared_client: TestClient, scorer: LeadScorer
) -> None:
    page = shared_client.get("/model?lang=ja").text

    assert page.count("<figure") == len(scorer.encoder.inputs) + 1
    for word in ("適合度", "関心", "時期", "データ", "何がスコアを動かしているか", "流入元 × 業種"):
        assert word in page


def test_a_model_of_one_undated_horizon_has_pages_without_a_curve(settings: ServeSettings) -> None:
    encoder = small_encoder()
    scorer = LeadScorer(
        encoder,
        random_tables(encoder.sizes, (EVER,)),
        None,
        Calibration("snapshot", "base_rate", EVER),
        {},
        {},
    )
    approved(settings, scorer)
    with TestClient(create_app(settings, clock=lambda: NOW)) as client:
        told = client.post("/v1/score", json=LEAD).json()
        serving = client.get("/v1/model").json()
        page, model = client.get("/leads/L-1042?lang=en").text, client.get("/model?lang=en").text

    assert (told["curve"], told["method"]) == ("none", "base_rate")
    assert (serving["mode"], serving["horizons"]) == ("snapshot", [])
    assert "horizon_days" not in serving
    assert (
        not {"horizon_days", "interval_low", "quadrant", "acceptance_probability", "p_180"}
        & told.keys()
    )
    assert "The records hold no dates of “won”" in page
    assert "No decisions of sales" in page
    assert "rates by source" in page
    assert "none (no dates of “won” on record)" in model
    assert "too short to test" in model


def test_a_score_at_its_end_says_that_the_points_go_further() -> None:
    from serving.pages.lead import _clipped

    answer = {"base_points": 50.0, "other_points": 0.0, "factors": [{"points": 61.0}]}

    assert "111.0" in _clipped(answer, 100.0, load_texts("en"))
    assert _clipped(answer | {"factors": []}, 50.0, load_texts("en")) == ""


EVALUATION: dict[str, Any] = {
    "cut_off": "2026-04-07T00:00:00+00:00",
    "reliability": [
        {"predicted": 0.02, "observed": 0.01, "low": 0.0, "high": 0.1, "n": 50},
        {"predicted": 0.3, "observed": 0.4, "n": 50},
    ],
    "results": [
        {
            "model": "base_rate",
            "horizon": 180,
            "n": 100.0,
            "n_won": 12.0,
            "log_loss": 0.4,
            "auc": 0.5,
        },
        {
            "model": "student",
            "horizon": 180,
            "n": 100.0,
            "n_won": 12.0,
            "log_loss": 0.3,
            "auc": None,
        },
        {
            "model": "own idea",
            "horizon": 180,
            "n": 100.0,
            "n_won": 12.0,
            "log_loss": 0.35,
            "auc": 0.6,
        },
        {"model": "student", "horizon": 30, "n": 10.0, "n_won": 2.0, "log_loss": 0.9, "auc": 0.1},
    ],
}


def test_quality_shows_the_serving_model_first_beside_its_opponents() -> None:
    quality = quality_of(EVALUATION, 180, load_texts("en"))

    assert quality.heading == ("Log loss", "AUC (ranking)")
    assert [row[0] for row in quality.rows] == ["this model", "overall rate", "own idea"]
    assert quality.rows[0] == ("this model", True, ("0.300", "–"))
    assert "after 2026-04-07 (12 won within 180 days)" in quality.tested_on
    assert quality.reliability is not None
    assert quality.reliability.count("<circle") == 2


def test_quality_of_an_undated_model_names_no_day() -> None:
    rows = [row | {"horizon": EVER} for row in EVALUATION["results"][:2]]

    quality = quality_of({"results": rows}, EVER, load_texts("en"))

    assert quality.tested_on == "100 leads worked by sales (12 won)"
    assert quality.reliability is None


def test_points_of_a_curve_are_those_of_the_tables(scorer: LeadScorer) -> None:
    figures = {figure.heading: figure for figure in field_figures(scorer, load_texts("en"))}
    position = [given.name for given in scorer.encoder.inputs].index("source")
    points = scorer.tables.mains[2][position] * 10 / 0.6931471805599453

    for value in points:
        assert signed(value) in figures["Source"].figure


def test_fields_are_ranked_by_how_much_they_move(scorer: LeadScorer) -> None:
    ranked = importance_of(scorer, load_texts("ja"))

    assert [field.points for field in ranked] == sorted(
        (field.points for field in ranked), reverse=True
    )
    assert len(ranked) == len({given.field for given in scorer.encoder.inputs})


def test_a_pair_that_adds_nothing_is_not_drawn(scorer: LeadScorer) -> None:
    quiet = LeadScorer(
        scorer.encoder,
        AdditiveTables(scorer.raw_tables.horizons, scorer.raw_tables.base, scorer.raw_tables.mains),
        None,
        scorer.calibration,
    )

    assert pair_figures(quiet, load_texts("ja")) == []
    assert len(field_figures(quiet, load_texts("ja"))) == len(scorer.encoder.inputs)


def test_a_map_of_two_numbers_merges_bins_and_weighs_them_by_past_leads(
    scorer: LeadScorer,
) -> None:
    names = [given.name for given in scorer.encoder.inputs]
    i, j = sorted((names.index("message.length"), names.index("webinar_minutes_90d")))
    sizes = (scorer.encoder.sizes[i], scorer.encoder.sizes[j])
    counts = [[1] * size for size in scorer.encoder.sizes]
    tables = AdditiveTables(
        scorer.raw_tables.horizons,
        scorer.raw_tables.base,
        scorer.raw_tables.mains,
        (PairTable(i, j, np.full(sizes, 0.1), np.full(sizes, 0.1)),),
    )
    paired = LeadScorer(scorer.encoder, tables, None, scorer.calibration, {"counts": counts})

    (figure,) = pair_figures(paired, load_texts("ja"))

    assert min(sizes) > 16
    assert figure.note.startswith("区分の多い項目は")
    assert figure.figure.count("：") == 0
    assert figure.figure.count("+2.9点") == 16 * 16


def test_long_values_below_a_curve_do_not_run_into_each_other() -> None:
    values = ("1,000,000", "13,000,000", "61,500,000", "250,000,000", "1,100,000,000")
    for n_bins in (5, 8, 20, 40):
        codes = [1 + round(k * (n_bins - 1) / 4) for k in range(5)]
        ticks = list(zip(codes, values, strict=True))
        figure = number_chart([0.0] * (n_bins + 1), ticks, [], 0.1, "", load_texts("en"))

        pattern = (
            r'<text x="([\d.]+)"[^>]*class="tick"(?: text-anchor="(\w+)")?[^>]*>([\d,]+)</text>'
        )
        shown = [found for found in re.findall(pattern, figure) if found[2] in values]
        told = [label for _, _, label in shown]
        assert (told[0], told[-1]) == (values[0], values[-1])
        before = 0.0
        for x, anchor, label in shown:
            wide = text_width(label, 14)
            begin = float(x) - {"start": 0.0, "": 0.0, "middle": wide / 2, "end": wide}[anchor]
            assert begin >= before, (n_bins, told)
            before = begin + wide
        assert before <= 520
    short = [(code, f"{code}") for code in range(1, 6)]
    drawn = number_chart([0.0] * 6, short, [], None, "", load_texts("en"))
    assert all(f">{label}</text>" in drawn for _, label in short)


def test_a_category_of_many_values_shows_both_ends_and_counts_the_rest(
    scorer: LeadScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.pages.explain.MOST_LEVELS", 4)

    figures = {figure.heading: figure for figure in field_figures(scorer, load_texts("en"))}

    assert figures["Job title"].note == "3 more values (points in between)"


@pytest.mark.parametrize("score", [0.0, 35.0, 64.9, 100.0])
def test_figures_stand_at_the_ends_of_their_scales(score: float) -> None:
    texts, grades = load_texts("ja"), Grades(A=65, B=50, C=35)

    assert f"{score:.0f} / 100" in score_scale(score, grades, texts)
    assert "<circle" in score_history([("2026-01-01", score), ("2026-02-01", 50.0)], grades, texts)
    assert "<path" in win_curve([(30, 0.0), (365, score / 100)], 365, 0.075, texts)
    assert "50" in ladder(50.0, [Step("x", score - 50.0)], score, texts)


def test_drawn_texts_are_escaped() -> None:
    figure = Svg(10, 10, "<b>")
    figure.text(1, 1, "a < b & c")
    figure.rect(0, 0, -1, 1, "x", hint='"quoted"')

    drawn = figure.render()

    assert "<b>" not in drawn
    assert "a &lt; b &amp; c" in drawn
    assert 'width="0"' in drawn


def test_ticks_cover_what_they_measure() -> None:
    for top in (1e-6, 0.013, 0.29, 0.5, 1.0, 7.3, 99.0):
        ticks = nice_ticks(top)
        assert ticks[0] == 0
        assert ticks[-1] >= top * 0.999
        assert 2 <= len(ticks) <= 8
    assert nice_ticks(0.0) == [0.0, 1.0]


def test_texts_are_cut_to_their_room() -> None:
    assert fit_text("short", 100, 12) == "short"
    assert text_width(fit_text("とても長い項目の名前です", 60, 12), 12) <= 60


@pytest.mark.parametrize(
    ("language", "level", "words"),
    [("ja", "条件つきで使えます", "条件つきで良い"), ("en", "OK to use", "Good, with a condition")],
)
def test_the_model_page_tells_the_verdict_of_the_gate(shared_client, language, level, words):
    page = shared_client.get(f"/model?lang={language}").text

    assert level in page
    assert words in page
