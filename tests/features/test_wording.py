from importlib.resources import files

import pytest
import yaml

from features.definition import EVER, load_definition
from features.encoder import LeadInput
from features.factors import MIN_CASES, Evidence, Factor, Factors, Shown, top_factors
from features.scorer import LeadScorer
from features.titles import DEPARTMENTS, RANKS
from features.wording import (
    group_name,
    input_name,
    number_text,
    percent,
    sentence,
    short,
    value_text,
)
from tests.builders import START, lead_input, small_scorer


@pytest.fixture(scope="module")
def scorer() -> LeadScorer:
    return small_scorer()


def factor(
    input_: str, shown: Shown, evidence: Evidence | None = None, *, is_rare: bool = False
) -> Factor:
    return Factor(input_.partition(".")[0], input_, "fit", shown, 0.4, 5.8, 1.5, evidence, is_rare)


def keys(node: object, path: str = "") -> set[str]:
    if not isinstance(node, dict):
        return {path}
    return set().union(*(keys(inner, f"{path}/{key}") for key, inner in node.items()))


def test_both_languages_have_the_same_keys():
    japanese, english = (
        yaml.safe_load(files("features.wording").joinpath(f"{language}.yaml").read_text("utf-8"))
        for language in ("ja", "en")
    )

    assert keys(japanese) == keys(english)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_rank_and_department_has_a_name(scorer, language):
    for name, codes in (("job_title.rank", RANKS), ("job_title.department", DEPARTMENTS)):
        for code in codes:
            assert value_text(scorer.encoder, name, Shown("level", code), language) != code or (
                language == "en"
            )


def test_a_factor_with_evidence_reads_as_in_the_design(scorer):
    found = factor("source", Shown("level", "webinar"), Evidence(0.18, 0.09, 412, 180))

    assert sentence(scorer.encoder, found, "ja") == (
        "流入元:ウェビナー ― 180日以内の受注率18%(対応リード全体9.0%、該当412件)"
    )
    assert sentence(scorer.encoder, found, "en") == (
        "Source is Webinar: 18 % won within 180 days (all worked leads 9.0 %, 412 such leads)"
    )


def test_without_dates_no_days_are_named(scorer):
    found = factor("source", Shown("level", "webinar"), Evidence(0.18, 0.09, 1412, EVER))

    assert sentence(scorer.encoder, found, "ja").endswith(
        "受注率18%(対応リード全体9.0%、該当1,412件)"
    )
    assert "within" not in sentence(scorer.encoder, found, "en")


@pytest.mark.parametrize(
    ("name", "shown", "ja", "en"),
    [
        ("job_title.rank", Shown("missing"), "役職の記載なし", "No job title given"),
        ("job_title.rank", Shown("level", "manager"), "役職:課長クラス", "Job title is manager"),
        ("source", Shown("other"), "流入元:その他・過去に少ない値", "Source is a value rarely seen before"),
        ("employees", Shown("range", low=100.0, high=299.0), "従業員数:100〜299名", "Employees (100–299 people)"),
        ("employees", Shown("range", low=None, high=9.0), "従業員数:9名以下", "Employees (up to 9 people)"),
        ("employees", Shown("range", low=1000.0), "従業員数:1,000名以上", "Employees (1,000 people or more)"),
        ("employees", Shown("range", low=7.0, high=7.0), "従業員数:7名", "Employees (7 people)"),
        ("pricing_views_30d", Shown("range", low=1.0), "料金ページ閲覧数(30日):1回以上", "Pricing page views in 30 days (1 time or more)"),
        ("employees", Shown("range", high=1.0), "従業員数:1名以下", "Employees (up to 1 person)"),
        ("employees", Shown("range"), "従業員数:記載あり", "Employees (given)"),
        ("email.domain", Shown("level", "gmail.com"), "メールアドレスのドメイン:gmail.com", "E-mail domain is gmail.com"),
        ("page_views_30d", Shown("missing"), "ページ閲覧数(30日):記録なし", "Page views in 30 days: none on record"),
        ("message.length", Shown("range", low=8.0, high=8.0), "お問い合わせ内容の文字数:8字", "Message length (8 characters)"),
    ],
    ids=["missing", "rank", "other", "between", "below", "above", "single", "one time", "one person", "any", "spelling", "behaviour", "length"],
)  # fmt: skip
def test_a_value_is_put_into_words(scorer, name, shown, ja, en):
    assert short(scorer.encoder, factor(name, shown), "ja") == ja
    assert short(scorer.encoder, factor(name, shown), "en") == en


def test_a_rare_value_says_so_and_gives_no_rate(scorer):
    found = factor("source", Shown("level", "webinar"), is_rare=True)

    assert sentence(scorer.encoder, found, "ja") == "流入元:ウェビナー ― 過去の例が少ない"
    assert sentence(scorer.encoder, found, "en") == "Source is Webinar: few past cases"


@pytest.mark.parametrize(
    ("value", "ja", "en"),
    [(50_000_000, "5,000万", "50,000,000"), (350_000_000, "3.5億", "350,000,000"), (1200, "1,200", "1,200"),
     (2.256, "2.26", "2.26"), (0.5, "0.5", "0.5"), (0, "0", "0"), (12.34, "12.3", "12.3")],
    ids=str,
)  # fmt: skip
def test_numbers_are_written_as_each_language_does(value, ja, en):
    assert (number_text(value, "ja"), number_text(value, "en")) == (ja, en)


def test_small_shares_keep_a_decimal():
    assert (percent(0.0214, "ja"), percent(0.184, "en")) == ("2.1%", "18 %")


def test_names_of_groups_and_inputs():
    definition = load_definition()

    assert group_name("timing", "ja") == "時期"
    assert input_name(definition, "arrived_at.weekday", "ja") == "登録日時の曜日"
    assert input_name(definition, "page_views_30d", "en") == "Page views in 30 days"


# -- factors -----------------------------------------------------------------------------------


def every_factor(found: Factors) -> list[Factor]:
    return [*found.positive, *found.negative]


@pytest.mark.parametrize("n", [1, 3, 5])
def test_factors_are_the_strongest_each_way_and_all_points_add_up(scorer, n):
    for k in range(100):
        scored = scorer.score(lead_input(k))

        found = top_factors(scorer, scored, n)

        assert len(found.positive) <= n >= len(found.negative)
        assert all(one.points > 0 for one in found.positive)
        assert all(one.points < 0 for one in found.negative)
        total = 50 + sum(one.points for one in every_factor(found)) + found.other_points
        assert min(100, max(0, total)) == pytest.approx(scored.score, abs=1e-6)


def test_a_rate_that_points_the_other_way_is_not_shown(scorer):
    for k in range(200):
        for one in every_factor(top_factors(scorer, scorer.score(lead_input(k)))):
            if one.evidence is not None:
                assert (one.evidence.rate > one.evidence.overall) == (one.logit > 0)
                assert one.evidence.n >= MIN_CASES


def test_no_factor_ever_shows_what_a_person_typed(scorer):
    secret = {"email": "taro.yamada@secret-company.co.jp", "message": "電話番号は090-1234-5678です",
              "source": "私の秘密の経路", "company": "株式会社秘密商事"}  # fmt: skip
    scored = scorer.score(LeadInput(secret, None, START))

    texts = [
        sentence(scorer.encoder, one, language)
        for one in every_factor(top_factors(scorer, scored, 5))
        for language in ("ja", "en")
    ]

    assert not any("秘密" in text or "secret" in text or "090" in text for text in texts)


def test_a_scorer_without_reference_gives_factors_without_rates(scorer):
    bare = LeadScorer(scorer.encoder, scorer.raw_tables, None, scorer.calibration)

    found = every_factor(top_factors(bare, bare.score(lead_input(4))))

    assert found
    assert all(one.evidence is None and one.is_rare for one in found)
