"""Pages in the words of the definition, and figures whose parts do not cover each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from features.definition import Names, load_definition
from serving.app import create_app
from serving.pages.lead_charts import Step, ladder, rate_bars
from serving.pages.model_charts import Level, level_chart
from serving.pages.svg import shorten_codes
from serving.settings import ServeSettings
from serving.texts import load_texts
from tests.builders import lead_input, small_scorer
from tests.serving.conftest import NOW, approved

PATHS = ("/", "/leads/L-1042", "/model")
LEAD: dict[str, Any] = {
    "lead_id": "L-1042",
    "fields": {"source": "ウェビナー", "job_title": "営業部長", "message": "x"},
    "events": [{"kind": "page_view", "at": "2026-11-19T10:00:00+09:00"}],
}


@pytest.fixture
def joined(settings: ServeSettings) -> Iterator[TestClient]:
    """A service whose definition calls a conversion Joined, not Won."""
    names = Names(ja="出店", en="Joined")
    definition = load_definition().model_copy(update={"conversion": names})
    approved(settings, small_scorer(definition))
    with TestClient(create_app(settings, clock=lambda: NOW)) as running:
        yield running


def test_pages_and_answers_speak_of_a_conversion_as_the_definition_does(
    joined: TestClient,
) -> None:
    told = joined.post("/v1/score", json=LEAD | {"language": "ja"}).json()
    pages = {
        language: [joined.get(path, params={"lang": language}).text for path in PATHS]
        for language in ("ja", "en")
    }

    assert "受注" not in told["decision_reason"]
    assert [page for page in pages["ja"] if "受注" in page] == []
    assert [page for page in pages["en"] if re.search(r"\b([Ww]on|wins?)\b", page)] == []
    assert "180日以内に出店する見込み" in pages["ja"][1]
    assert "Chance of “joined”" in pages["en"][1]


def test_a_grade_that_seems_to_contradict_the_decision_is_explained(client: TestClient) -> None:
    seen = set()
    for k in range(40):
        lead = lead_input(k)
        fields = dict(lead.fields) | ({"industry": "another"} if k % 5 == 0 else {})
        body = {"lead_id": f"L{k}", "fields": fields, "events": []}
        told = client.post("/v1/score", json=body).json()
        differ = (told["decision"] == "nurture") == (told["grade"] in "AB")
        page = client.get(f"/leads/L{k}?lang=en").text
        assert ("compares this lead with the average lead" in page) is differ
        seen.add(differ)
    assert seen == {True, False}


def test_warnings_are_counted_in_the_right_number(client: TestClient) -> None:
    for fields, said in (
        ({"new": 1, "source": "himitsu"}, ("1 field that the", "Hardly any past lead had")),
        ({"new": 1, "newer": 2, "source": "webinar"}, ("2 fields that the",)),
    ):
        client.post("/v1/score", json={"lead_id": "L", "fields": fields})
        page = client.get("/leads/L?lang=en").text
        assert [one for one in said if one not in page] == []


def test_bars_of_evidence_share_one_scale() -> None:
    texts = load_texts("en")

    def widest(rate: float) -> float:
        drawn = rate_bars(rate, 0.05, 0.4, texts)
        return max(float(width) for width in re.findall(r'width="([\d.]+)"', drawn))

    assert widest(0.4) == pytest.approx(2 * widest(0.2), rel=0.01)


def test_long_codes_are_cut_and_told_in_full_on_pointing() -> None:
    code = "88740e65d5d6b056e0cda098e1ea6313"
    levels = [Level(code, -2.0, 0.1, 400), Level("rare", 1.0, None, 3)]

    drawn = level_chart(levels, 0.1, "t", load_texts("en"))

    assert f"<title>{code}</title>88740e65d5d6b0" in drawn
    assert drawn.count("…</text>") == 1
    assert "−2.0" in drawn
    assert drawn.count("pale") == 1
    assert shorten_codes(f"Page is {code}") == "Page is 88740e65d5d6b056e…"
    assert (
        shorten_codes("流入元:とても長い名前のウェビナーの申し込み")
        == "流入元:とても長い名前のウェビナーの申し込み"
    )


def test_lines_of_the_ladder_leave_room_for_its_labels() -> None:
    drawn = ladder(50.0, [Step("a", 4.0), Step("b", -9.0, True)], 45.0, load_texts("en"))

    lines = [
        (float(top), float(low))
        for top, low in re.findall(r'<line[^>]* y1="([\d.]+)"[^>]* y2="([\d.]+)"', drawn)
    ]
    labels = [float(y) for y in re.findall(r'<text [^>]*y="([\d.]+)" class="label"', drawn)]
    assert len(labels) == 4
    for baseline in labels:
        assert [line for line in lines if line[0] < baseline < line[1]] == []
    assert drawn.count("pale") == 1
    assert "−9.0" in drawn
