"""Parts of the leads: the figures of each, against pandas and by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from features.wording import number_text
from tests.training.histories import day, definition_with, selling_history
from tests.training.rolled import QUICK
from training.evaluation import backtest
from training.judging import STUDENT
from training.slices import MIN_LEADS, find_slices


@pytest.fixture(scope="module")
def judged():
    history, definition = selling_history(1500, follow=700), definition_with()
    return history, definition, backtest(history, definition, as_of=day(700), recipe=QUICK)


def test_slices_of_a_category_are_those_of_a_group_by(judged):
    history, _, found = judged
    judgement = found.judgement
    told, main = judgement.told(), judgement.main
    table = pd.DataFrame(
        {
            "source": history.fields["source"].to_numpy()[judgement.lead[told]],
            "won": judgement.outcome[told, main],
            "weight": judgement.weight[told, main],
            "promised": judgement.probabilities[STUDENT][told, main],
        }
    )
    table["weighted_won"] = table["won"] * table["weight"]
    table["weighted_promised"] = table["promised"] * table["weight"]
    sums = table.groupby("source").sum()

    slices = {part.value: part for part in found.slices if part.field == "source"}

    assert set(slices) == {"webinar", "exhibition", "referral"}
    for value, part in slices.items():
        own = sums.loc[value]
        assert part.n == (table["source"] == value).sum()
        assert part.n_won == own["won"]
        assert part.observed.value == pytest.approx(own["weighted_won"] / own["weight"])
        assert part.promised == pytest.approx(own["weighted_promised"] / own["weight"])
        assert part.predicted_over_observed.value == pytest.approx(
            own["weighted_promised"] / own["weighted_won"]
        )
        assert part.observed.low < part.observed.value < part.observed.high


def test_the_channel_comes_first_and_numbers_are_cut_into_thirds(judged):
    history, _, found = judged
    told = found.judgement.lead[found.judgement.told()]
    employees = history.fields["employees"].iloc[told]

    sizes = {part.value: part.n for part in found.slices if part.field == "employees"}

    assert found.slices[0].field == "source"
    assert sizes.pop("") == employees.isna().sum()
    first, middle, last = sizes
    assert (first[0], last[0]) == ("≤", "≥")
    assert "–" in middle
    assert sum(sizes.values()) == employees.notna().sum()
    assert max(sizes.values()) - min(sizes.values()) < 0.1 * sum(sizes.values())


def test_a_third_is_named_by_the_numbers_in_it_with_their_unit(judged):
    history, _, found = judged
    told = found.judgement.lead[found.judgement.told()]
    employees = history.fields["employees"].iloc[told].dropna().astype(float).sort_values()

    first, middle, last = (
        part for part in found.slices if part.field == "employees" and part.value
    )

    edges = employees.iloc[[first.n - 1, first.n, first.n + middle.n - 1, first.n + middle.n]]
    assert min(edges) >= 10
    a, b, c, d = (number_text(round(edge), "ja") for edge in edges)
    assert first.value_names.ja == f"{a}名以下"
    assert middle.value_names.ja == f"{b}〜{c}名"
    assert last.value_names.ja == f"{d}名以上"
    assert first.value_names.en == f"up to {a} people"


def test_a_personal_field_shows_no_slice_and_small_parts_show_nothing(judged):
    history, definition, found = judged
    fields = definition.model_dump(mode="json")["fields"]
    fields["employees"]["personal"] = True

    hidden = find_slices(found.judgement, history, definition_with(fields=fields))

    assert {part.field for part in found.slices} == {"source", "employees"}
    assert {part.field for part in hidden} == {"source"}
    assert all(part.n >= MIN_LEADS for part in found.slices)


def test_names_of_values_come_from_the_definition(judged):
    _, _, found = judged
    webinar = next(part for part in found.slices if part.value == "webinar").document()
    missing = next(part for part in found.slices if part.value == "").document()

    assert webinar["value_names"] == {"ja": "ウェビナー", "en": "Webinar"}
    assert webinar["field_names"] == {"ja": "流入元", "en": "Source"}
    assert missing["value_names"] == {"ja": "記入なし", "en": "Not given"}
    assert webinar["champion_predicted_over_observed"] is None
