"""One page for each run: everything it says, in both languages, from one document."""

from __future__ import annotations

import copy
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from features.definition import Names
from features.scorer import LeadScorer
from tests.builders import small_scorer
from tests.training.report_facts import full_facts
from training.evaluation import Backtest
from training.gate import Verdict
from training.judging import ResultRow
from training.leaks import LeakScan
from training.metrics import Evaluation, Interval
from training.recipe import Recipe
from training.report import render_report
from training.trained_model import TrainedModel

SECTIONS = (
    "verdict", "learnt", "calibration", "gains", "curve", "drivers", "checks", "slices",
    "accounts", "disagreements", "reasons", "feedback", "leaks", "comparison", "origins", "drift",
)  # fmt: skip
CLAIMS = ("times as often", "by score held", "groups by score", "points the same", "●")
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


def test_figures_and_limits_of_conditions_are_escaped_in_either_form(full):
    part = full.split("id='verdict'")[1].split("</section>")[0]

    assert "&lt; 1e-06" in part
    assert "<span lang='ja'>1件 &lt;残り&gt;</span><span lang='en'>1 &lt;left&gt;</span>" in part


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


def with_wins(n_won: int) -> dict[str, Any]:
    facts = copy.deepcopy(full_facts())
    for row in facts["results"]:
        row["n_won"] = n_won
    return facts


@pytest.mark.parametrize(
    ("n_won", "words"), [(0, "there is no win yet"), (1, "only 1 were won"), (29, "only 29 were")]
)
def test_below_thirty_judged_wins_nothing_is_claimed(scorer, n_won, words):
    page = render_report(scorer, with_wins(n_won))

    for claim in CLAIMS:
        assert claim not in page
    head = page.split("<section")[0]
    assert words in head
    assert words in page.split("id='calibration'")[1].split("</section>")[0]


def test_from_thirty_judged_wins_on_the_page_speaks(scorer):
    page = render_report(scorer, with_wins(30))

    for claim in CLAIMS:
        assert claim in page
    assert "nothing can be said" not in page


def test_no_clear_difference_is_not_counted_as_none_of_none(scorer):
    facts = copy.deepcopy(full_facts())
    facts["explanations"]["signs"] = []

    page = render_report(scorer, facts)

    assert "実績にはっきりした差がある値はまだありません。" in page
    assert "0個の値のうち" not in page


def test_fields_that_move_nothing_are_not_said_to_drive_the_score(scorer):
    facts = copy.deepcopy(full_facts())
    facts["explanations"]["importance"][1]["points"] = 0.0
    facts["explanations"]["dependence"].append(
        {
            "field": "employees",
            "bands": [{"label": {"ja": "5名", "en": "5"}, "points": 0.0, "n": 90, "rate": 0.1}],
        }
    )

    part = render_report(scorer, facts).split("id='drivers'")[1].split("</section>")[0]

    assert part.count("<h3>") == 1
    assert "5名" not in part
    assert "Employees" not in part


@pytest.mark.parametrize(
    ("error", "words"), [(4e-15, "reasons add up"), (0.3, "reasons do not add up")]
)
def test_reasons_that_do_not_add_up_are_not_said_to(scorer, error, words):
    facts = copy.deepcopy(full_facts())
    facts["explanations"]["additivity"] = error

    assert f"{words} to the score" in render_report(scorer, facts)


def test_a_model_judged_on_fewer_leads_stands_apart_with_the_same_leads_beside_it(scorer):
    facts = copy.deepcopy(full_facts())
    facts["results"].append(
        facts["results"][0]
        | {
            "model": "lightgbm_tuned",
            "n": 400,
            "n_won": 44,
            "log_loss": 0.33,
            "against_student": [-0.0123, -0.03, 0.01],
        }
    )

    part = render_report(scorer, facts).split("id='comparison'")[1].split("</section>")[0]

    first, apart = part.split("(newest cut-off only)")
    assert "LightGBM" not in first
    row = apart.split("<tbody>")[1].split("</tr>")[0]
    assert "LightGBM" in row
    for figure in ("400 (44)", "0.3300", "0.3177", "-0.0123 [-0.0300, 0.0100]"):
        assert figure in row


def test_more_places_than_leads_are_no_claim_of_the_score(scorer):
    facts = copy.deepcopy(full_facts())
    chosen = render_report(scorer, facts)
    facts["capacity"] |= {"precision": [0.13, 0.11, 0.16], "all": 0.13}

    roomy = render_report(scorer, facts)

    assert "無作為に選ぶと" in chosen
    assert "全員に電話できます" not in chosen
    assert "全員に電話できます" in roomy
    assert "無作為に選ぶと<" not in roomy


def test_leads_turned_away_for_no_capacity_have_their_own_row(full):
    part = full.split("id='accounts'")[1].split("</section>")[0]

    row = part.split("余力不足など")[1].split("</tr>")[0]
    assert ">341<" in row


def test_the_command_compares_the_tuned_model_on_its_own_leads_only(scorer):
    def row(model: str, loss: float, n: int, against: Interval | None) -> ResultRow:
        ratio = Interval(1.0, 0.9, 1.1)
        figures = Evaluation(n, 40, 0.7, 0.2, loss, 0.1, 0.01, 2.0, ratio)
        return ResultRow(model, scorer.main_horizon, figures, against)

    rows = (
        row("student", 0.31, 900, None),
        row("lightgbm_tuned", 0.29, 200, Interval(-0.0123, -0.03, 0.01)),
    )
    learned: Any = SimpleNamespace(rows=np.ones(9, dtype=bool), labels=SimpleNamespace(n_wins=3))
    verdict = Verdict("ok", "first_model", (), Names(ja="可", en="OK"))
    leaks = LeakScan((), 9)
    judged = Backtest("history", Recipe(), rows=rows)
    registered: Any = SimpleNamespace(version="1", name="n", model_digest="d" * 64, run_id="r")

    words = TrainedModel(scorer, learned, judged, verdict, leaks).in_words(registered)

    line = next(line for line in words.splitlines() if "lightgbm_tuned" in line)
    assert "student better by 0.0123" in line
    assert "the 200 leads of the newest cut-off" in line
    assert "0.29" not in words
