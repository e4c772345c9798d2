"""What a lead's page tells of sales: the state and the time line, in words, and nobody's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from features.definition import load_definition
from features.events import EVENT_KINDS
from serving.app import create_app
from serving.pages.sales import MOST_SHOWN, sales_view
from serving.settings import ServeSettings
from serving.store import Event
from serving.texts import Language, load_texts
from tests.serving.test_event_store import NOW, event
from tests.serving.test_pages import LEAD, Outline

AGREED = load_definition()
TODAY = date(2026, 11, 20)


def view(*events: Event, language: Language = "en", today: date = TODAY) -> dict[str, Any]:
    return sales_view("L", events, AGREED, load_texts(language).about(AGREED), today)


def act(days: float, kind: str, reason: str | None = None, **told: Any) -> Event:
    """Return an event of so many days ago."""
    at = NOW - timedelta(days=days)
    return event(f"{kind}-{days}", kind=kind, reason=reason, at=at, **told)


@pytest.mark.parametrize(
    ("events", "word", "reason", "since"),
    [
        ([], "Waits for sales", "", ""),
        ([act(3, "touched")], "Waits for sales", "", ""),
        ([act(3, "accepted")], "Accepted by sales", "", "since 17 Nov 2026"),
        ([act(3, "rejected", "no_budget")], "Declined by sales", "No budget", "since 17 Nov 2026"),
        ([act(3, "rejected")], "Declined by sales", "No reason given", "since 17 Nov 2026"),
        ([act(3, "won")], "Won", "", "since 17 Nov 2026"),
        ([act(3, "lost", "lost_price")], "Lost", "Lost on price", "since 17 Nov 2026"),
        ([act(3, "rejected", "duplicate")], "Not for sales", "Duplicate", "since 17 Nov 2026"),
        (
            [act(3, "rejected", "no_budget"), act(1, "recycled")],
            "Waits for sales",
            "",
            "since 19 Nov 2026",
        ),
    ],
    ids=["nothing", "touched", "accepted", "rejected", "blank", "won", "lost", "off", "recycled"],
)
def test_the_state_is_told_in_words(
    events: list[Event], word: str, reason: str, since: str
) -> None:
    found = view(*events)

    assert (found["state_word"], found["reason"], found["since"]) == (word, reason, since)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([act(3, "accepted")], ""),
        ([act(3, "rejected", "duplicate")], ""),
        (
            [act(3, "rejected", "no_budget", return_on=date(2027, 2, 1))],
            "Comes back on 1 Feb 2027, as sales said",
        ),
        ([act(9, "rejected", "capacity")], "Due to be approached again since 11 Nov 2026"),
    ],
    ids=["accepted", "suppressed", "stated", "due"],
)
def test_when_a_lead_comes_back_is_told(events: list[Event], told: str) -> None:
    assert view(*events)["returns"] == told


def test_the_usual_time_of_a_reason_and_a_reason_without_return_are_told() -> None:
    told = {
        code: view(act(3, "lost" if reason.kind == "loss" else "rejected", code))["returns"]
        for code, reason in AGREED.reasons.items()
    }

    for code, reason in AGREED.reasons.items():
        if reason.queue in ("suppress", "merge"):
            assert told[code] == ""
        elif reason.queue == "drop":
            assert told[code] == "Does not come back"
        elif reason.queue != "front" and reason.return_days:
            on = date(2026, 11, 17) + timedelta(days=reason.return_days)
            assert told[code] == (
                f"Comes back on {on.day} {on:%b %Y}, the usual time for this reason"
            )
        else:
            assert told[code] == "Due to be approached again since 17 Nov 2026"


def test_the_time_line_is_told_from_the_latest_with_reasons_and_what_was_taken_back() -> None:
    told = [
        act(30, "touched"),
        act(20, "touched"),
        act(15, "rejected", "duplicate"),
        act(14, "retracted", "rejected-15"),
        act(12, "touched"),
        act(10, "rejected", "bad_timing", return_on=date(2027, 2, 1)),
        act(5, "recycled"),
        act(1, "won"),
    ]

    rows = view(*told[::-1])["rows"]

    assert [(one["day"], one["what"], one["reason"], one["note"]) for one in rows] == [
        ("19 Nov 2026", "Won", "", ""),
        ("15 Nov 2026", "Taken up again", "", ""),
        ("10 Nov 2026", "Declined", "Not now", "not before 1 Feb 2027"),
        ("8 Nov 2026", "Contacted", "", ""),
        ("5 Nov 2026", "Declined", "Duplicate", ""),
        ("31 Oct 2026", "Contacted 2 times", "", "the first on 21 Oct 2026"),
    ]
    assert [one["is_undone"] for one in rows] == [False] * 4 + [True, False]
    assert view(*told, language="ja")["rows"][2]["reason"] == "時期尚早"


def test_a_long_time_line_is_cut_and_says_so() -> None:
    told = [act(k, "accepted") for k in range(MOST_SHOWN)]

    assert view(*told)["more"] == ""
    assert view(*told, act(50, "lost"), act(51, "won"))["more"] == "2 more before"
    assert len(view(*told, act(50, "lost"))["rows"]) == MOST_SHOWN


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_kind_and_state_has_words(language: Language) -> None:
    for kind in EVENT_KINDS:
        found = view(act(1, kind, "no_fit" if kind == "rejected" else None), language=language)
        assert found["state_word"]
        assert all(one["what"] for one in found["rows"])


def test_a_reason_that_the_definition_does_not_have_is_not_repeated() -> None:
    found = view(act(1, "rejected", "山田太郎さんに断られた"))

    assert "山田" not in str(found)
    assert found["reason"] == "a reason that the definition does not have"


# -- on the page ---------------------------------------------------------------------------------


@pytest.fixture
def tell(client: TestClient) -> Callable[..., None]:
    def post(lead_id: str, kind: str, **told: Any) -> None:
        given = {"lead_id": lead_id, "kind": kind, "at": "2026-11-18T10:00:00+09:00"} | told
        assert client.post("/v1/events", json=given).status_code == 200

    return post


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_page_tells_what_sales_did_without_names_and_sums(
    client: TestClient, tell: Callable[..., None], language: Language
) -> None:
    client.post("/v1/score", json=LEAD)
    tell("L-1042", "touched", actor="営業 花子", source="<b>CRM</b>")
    tell("L-1042", "rejected", reason="no_budget", amount=1234567, actor="営業 花子")

    page = client.get("/leads/L-1042", params={"lang": language}).text

    words = {
        "ja": ("営業が見送り", "予算なし", "連絡"),
        "en": ("Declined by", "No budget", "Contac"),
    }
    assert [one for one in words[language] if one not in page] == []
    assert re.search("花子|1,?234,?567|CRM", page) is None
    assert 'datetime="2026-11-18T01:00:00+00:00"' in page


def test_a_lead_of_which_only_events_are_known_has_a_page(
    client: TestClient, tell: Callable[..., None]
) -> None:
    tell("L-9", "won")

    answer = client.get("/leads/L-9?lang=en")

    outline = Outline(answer.text)
    assert answer.status_code == 200
    assert {"Lead L-9", "not scored yet", "Won"} <= {one.strip() for one in outline.texts}
    assert client.get("/leads/L-10?lang=en").status_code == 404


def test_a_lead_without_events_says_so(client: TestClient) -> None:
    client.post("/v1/score", json=LEAD)

    assert "Nothing is recorded of sales yet." in client.get("/leads/L-1042?lang=en").text


def test_without_a_model_events_alone_make_no_page(settings: ServeSettings) -> None:
    with TestClient(create_app(settings, clock=lambda: NOW)) as bare:
        told = {"lead_id": "L-9", "kind": "won", "at": "2026-11-18T10:00:00+09:00"}
        assert bare.post("/v1/events", json=told).status_code == 200
        assert bare.get("/leads/L-9?lang=en").status_code == 503
