"""One lead alone, among many and as a row of columns: the same answer, to the last bit."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definition import load_definition
from features.encoder import LeadInput
from features.events import Act
from features.factors import strongest, strongest_of_each, top_factors
from features.field_codes import LONGEST_KEPT, MOST_KEPT, FieldCodes
from features.inputs import Habits
from features.scorer import LeadScorer
from tests.builders import small_encoder, small_scorer

ODD = {
    "email": ("a@gmail.com", "INFO@Example.co.jp", "Taro <taro＠example.co.jp>", "x@docomo.ne.jp",
              "x@a.plala.or.jp", "a@b", "a@@b.com", "é@b.com", " a@yahoo.co.jp ", "x" * 1001, ""),
    "phone": ("090-1234-5678", "０９０-1234-5678", "+81 3 1234 5678", "984XXXXXXX", "123", "--1-2",
              "٣٤٥٦٧", "03-1234-5678 内線12", "8112345678"),
    "company": ("株式会社山田", "㈱山田製作所", "Acme Inc.", "山田商店", "東京都", "x" * 1001),
    "message": ("", "資料を送ってください", "a\u200bb", "a\x00b", "\ud800", "〜−―─ テスト"),
    "employees": ("１，２００名", "100〜299名", 7, "約50", "?", -3.5, 0, True, float("nan"), 10**400,
                  2**70, "1e3", "", [1], {"a": 1}),
    "source": ("ウェビナー", "webinar", "ORGANIC_search", " ", 9, 9.0, True, "unseen", 2**53, 2.0**53),
    "industry": ("製造業", "it", "IT", 1, 2.5, 1e20),
    "job_title": ("代表取締役", "営業部長", "Marketing Manager", "社長秘書", "", 5),
    "arrived_at": ("2026-10-19T15:05:00+09:00", "2026-10-19", "令和8年1月5日", "20260105", "?",
                   "2026-01-05T00:00:00Z", 1700000000000, datetime(2026, 1, 1, tzinfo=UTC)),
    "page_views_30d": (3, "4", "x", float("nan"), True),
    "favourite_colour": ("red",),
}  # fmt: skip


def odd_lead(rng: random.Random, zone: object) -> LeadInput:
    """Return a lead with whatever callers write."""
    fields = {
        name: rng.choice(given) for name, given in ODD.items() if rng.random() < 0.75
    }  # fmt: skip
    zones = (UTC, zone, timezone(timedelta(hours=-5)))
    as_of = datetime(2026, 10, 20, rng.randrange(24), rng.choice((0, 30)), tzinfo=rng.choice(zones))
    acts = [
        Act(
            rng.choice(("page_view", "webinar", "download", "odd")),
            as_of.astimezone(rng.choice((UTC, zone))) - timedelta(days=rng.uniform(-5, 100)),
            rng.choice((None, 1.5, 30.0, 0.1)),
        )
        for _ in range(rng.randrange(9))
    ]
    return LeadInput(fields, None if rng.random() < 0.2 else acts, as_of)


@pytest.fixture(scope="module")
def scorer() -> LeadScorer:
    return small_scorer()


@pytest.fixture(scope="module")
def leads(scorer: LeadScorer) -> list[LeadInput]:
    rng = random.Random(7)
    return [odd_lead(rng, scorer.definition.zone) for _ in range(2000)]


def test_two_thousand_odd_leads_have_the_same_answer_alone_and_among_many(scorer, leads):
    alone = [scorer.score(lead) for lead in leads]

    assert scorer.score_many(leads) == alone
    assert [scorer.score(lead) for lead in reversed(leads)] == alone[::-1]
    assert {one.is_guarded for one in alone} == {False}
    assert len({one.unreadable for one in alone}) > 20


def test_the_factors_are_the_same_too(scorer, leads):
    many = scorer.score_many(leads[:500])

    for lead, among in zip(leads[:500], many, strict=True):
        assert top_factors(scorer, scorer.score(lead)) == top_factors(scorer, among)


def test_columns_give_each_row_the_answer_of_its_lead(scorer, leads):
    without_acts = [lead._replace(acts=None) for lead in leads]
    alone = [scorer.score(lead) for lead in without_acts]
    columns = {name: [lead.fields.get(name) for lead in leads] for name in ODD}

    rows = scorer.score_columns(columns, [lead.as_of for lead in leads])

    assert rows.probabilities.tolist() == [list(one.probabilities) for one in alone]
    assert rows.probability.tolist() == [one.probability for one in alone]
    assert rows.score.tolist() == [one.score for one in alone]
    assert rows.acceptance.tolist() == [one.acceptance for one in alone]
    assert rows.contributions.tolist() == [one.by_field for one in alone]
    assert rows.codes.tolist() == [one.codes for one in alone]
    assert rows.fields == tuple(part.field for part in alone[0].contributions)
    for k, one in enumerate(alone):
        failed = {name for name, whose in rows.unreadable.items() if whose[k]}
        assert failed == set(one.unreadable)


def test_columns_may_be_arrays_of_one_kind_and_longer_than_a_part(scorer, monkeypatch):
    monkeypatch.setattr("features.column_codes.PART", 7)
    as_of = datetime(2026, 10, 20, 9, 0, tzinfo=UTC)
    employees = np.array([1.0, 25.0, 330.0, 1e7, -1.0] * 4)
    sources = ["webinar", None, "ウェビナー", "fax", ""] * 4

    rows = scorer.score_columns({"employees": employees, "source": sources}, as_of)

    for k, score in enumerate(rows.score.tolist()):
        fields = {"employees": float(employees[k]), "source": sources[k]}
        assert score == scorer.score(LeadInput(fields, None, as_of)).score
    assert rows.unreadable == {}


def test_columns_of_different_lengths_are_refused(scorer):
    now = datetime(2026, 10, 20, tzinfo=UTC)
    with pytest.raises(ValueError, match=r"one length, got \[1, 2\]"):
        scorer.score_columns({"source": ["a"], "industry": ["b", "c"]}, now)
    with pytest.raises(ValueError, match=r"one length, got \[1, 2\]"):
        scorer.score_columns({"source": ["a"]}, [now, now])
    assert len(scorer.score_columns({}, now).score) == 0


# -- what is remembered ------------------------------------------------------------------------


def readers() -> dict[str, FieldCodes]:
    encoder = small_encoder(load_definition())
    return dict(encoder.field_codes)


def test_texts_that_come_again_are_remembered_but_never_those_of_a_person():
    encoder = small_encoder(load_definition())
    lead = LeadInput(
        {"source": "webinar", "job_title": "営業部長", "email": "a@gmail.com", "message": "help"},
        None,
        datetime(2026, 10, 20, tzinfo=UTC),
    )

    encoder.encode(lead)

    kept = {name: list(field.kept) for name, field in encoder.field_codes if field.kept}
    assert kept == {"source": ["webinar"], "job_title": ["営業部長"]}
    personal = {name for name, field in encoder.definition.fields.items() if field.personal}
    assert {"email", "message"} <= personal


def test_what_is_remembered_has_an_end(monkeypatch):
    monkeypatch.setattr("features.field_codes.MOST_KEPT", 3)
    source = readers()["source"]

    told = [source.of(f"value {k}") for k in range(20)]
    source.of("x" * (LONGEST_KEPT + 1))

    assert len(source.kept) <= 3
    assert set(told) == {source.of("another")}
    assert MOST_KEPT == 2_000


def test_numbers_yes_and_texts_that_look_alike_are_not_mixed_up():
    encoder = small_encoder(load_definition())
    given = encoder.inputs[encoder.positions["employees"][0]]
    number = FieldCodes("number", [given], [0], Habits(encoder.definition.zone), {},
                        is_personal=False)  # fmt: skip

    mixed = [1, True, 1.0, "1", None, False, 0]
    codes, failed = number.of_column(mixed)

    assert failed.tolist() == [False, True, False, False, False, True, False]
    assert codes[:, 0].tolist() == [
        0 if isinstance(raw, bool) else number.of(raw)[0] for raw in mixed
    ]


def test_of_equal_contributions_the_first_field_comes_first():
    assert strongest([0.2, -0.3, 0.2, 0.3, 0.2], 2) == ([3, 0], [1], pytest.approx(5.77, abs=0.01))


CONTRIBUTION = st.sampled_from([0.0, -0.0, 0.2, -0.2, 1e-5, -1e-5]) | st.floats(-3, 3)


@settings(max_examples=200)
@given(
    st.integers(1, 9).flatmap(
        lambda n: st.lists(st.lists(CONTRIBUTION, min_size=n, max_size=n), min_size=1, max_size=4)
    ),
    st.integers(1, 5),
)
def test_of_many_leads_the_same_factors_are_named_as_of_each(many, n):
    assert strongest_of_each(many, n) == [strongest(by_field, n) for by_field in many]
