"""One page for each run: everything it says, in both languages, from one document."""

from __future__ import annotations

import copy
from html.parser import HTMLParser

import pytest

from features.scorer import LeadScorer
from tests.builders import small_scorer
from tests.training.report_facts import full_facts
from training.report import render_report

SECTIONS = (
    "verdict", "learnt", "calibration", "gains", "curve", "drivers", "checks", "slices",
    "accounts", "disagreements", "reasons", "feedback", "leaks", "comparison", "origins", "drift",
)  # fmt: skip
VOID = {"meta", "input", "br", "path", "use", "link", "rect", "circle", "image"}


class Page(HTMLParser):
    """Reads a page: which tags stand open, which ids, and the words of each language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.broken: list[str] = []
        self.ids: list[str] = []
        self.words: dict[str, list[str]] = {"ja": [], "en": [], "": []}
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if given.get("id") and not any(name == "svg" for name, _ in self.open):
            self.ids.append(str(given["id"]))
        if tag not in VOID:
            self.open.append((tag, str(given.get("lang") or "") if tag == "span" else ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open[-1][0] != tag:
            self.broken.append(tag)
        else:
            self.open.pop()

    def handle_data(self, text: str) -> None:
        language = next((lang for _, lang in reversed(self.open) if lang), "")
        if not any(tag in ("style", "svg") for tag, _ in self.open):
            self.words[language].append(text)


@pytest.fixture(scope="module")
def scorer() -> LeadScorer:
    return small_scorer()


@pytest.fixture(scope="module")
def full(scorer) -> str:
    return render_report(scorer, full_facts())


def test_every_section_is_there_once_and_every_tag_is_closed(full):
    page = Page(full)

    assert page.broken == []
    assert page.open == []
    assert [name for name in page.ids if name in SECTIONS] == list(SECTIONS)


def test_each_language_says_as_much_as_the_other(full):
    page = Page(full)

    assert len(page.words["ja"]) == len(page.words["en"]) > 100
    english = " ".join(page.words["en"])
    assert not any("ぁ" <= letter <= "ヿ" for letter in english)


def test_the_page_asks_nothing_of_any_other_machine(full):
    assert "<script" not in full
    assert "src=" not in full
    assert "@import" not in full
    # The names of SVG's vocabulary are no addresses that a browser would fetch.
    assert "https://" not in full.replace("https://matplotlib.org/", "")


def test_values_of_leads_cannot_break_the_page(full):
    assert "<b>x</b>" not in full
    assert "&lt;b&gt;x&lt;/b&gt;" in full


def test_every_drawing_and_every_table_has_a_sentence(full):
    assert full.count("<figure>") == full.count("<figcaption>") == 3
    for part in full.split("<section ")[1:]:
        assert "<p" in part or "<figcaption>" in part, part[:60]


def test_no_font_is_needed_for_the_drawings(full):
    drawings = full.split("<svg")[1:]

    assert len(drawings) == 3
    assert all("<text" not in drawing.split("</svg>")[0] for drawing in drawings)


def test_the_verdict_shows_what_failed_and_what_cannot_be_told(full):
    part = full.split("id='verdict'")[1].split("</section>")[0]

    assert part.count("chip yes") == 1
    assert part.count("chip no") == 1
    assert part.count("chip unknown") == 1


def test_accepted_findings_show_who_answers_for_them_and_why(full):
    part = full.split("id='leaks'")[1].split("</section>")[0]

    assert "田中" in part
    assert "最初のフォームで必ず聞いている" in part


@pytest.mark.parametrize("name", sorted(set(full_facts())))
def test_a_part_that_is_missing_leaves_the_rest_of_the_page(scorer, name):
    facts = full_facts()
    del facts[name]

    page = Page(render_report(scorer, facts))

    assert page.broken == []
    assert len(page.ids) >= len(SECTIONS) - 3


def test_a_model_that_could_not_be_judged_still_has_a_page(scorer):
    page = Page(render_report(scorer, {"note": "The history is too short.", "results": []}))

    assert page.broken == []
    assert any("The history is too short." in words for words in page.words["en"])


def test_few_wins_are_said_with_how_many_are_missing(scorer):
    facts = copy.deepcopy(full_facts())
    facts["learnt"] |= {"wins": 31, "method": "base_rate"}

    page = render_report(scorer, facts)

    assert "With 19 more recorded wins learning begins." in page


def test_the_same_facts_give_the_same_bytes(scorer, full):
    assert render_report(scorer, full_facts()) == full
