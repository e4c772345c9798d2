import json
import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.binning import bins_of, levels_of
from features.definition import load_definition, parse_definition
from features.encoder import MISSING, OTHER, Input, LeadEncoder, LeadInput
from features.errors import ArtefactRefused, NotEnoughEvidence
from features.events import Act, behaviour_values
from features.inputs import Habits, derivations_of
from tests.builders import acts_of, lead_input, raw_lead, small_encoder, small_history

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def encoder() -> LeadEncoder:
    return small_encoder()


def code_of(encoder: LeadEncoder, name: str, fields: dict, acts=None) -> int:
    position = [given.name for given in encoder.inputs].index(name)
    return encoder.encode(LeadInput(fields, acts, NOW)).codes[position]


def test_serving_and_training_give_a_lead_the_same_codes(encoder):
    trained = encoder.encode_history(small_history())

    served = [encoder.encode(lead_input(k)).codes for k in range(400)]

    assert served == trained.tolist()


def test_some_rows_of_a_history_give_the_codes_of_those_rows(encoder):
    rows = np.arange(400) % 3 == 0

    assert (
        encoder.encode_history(small_history(), rows)
        == encoder.encode_history(small_history())[rows]
    ).all()


@pytest.mark.parametrize(
    "written", ["ウェビナー", "webinar", "Webinar", " ＷＥＢＩＮＡＲ ", "ｳｪﾋﾞﾅｰ"]
)
def test_both_names_and_the_code_of_a_value_are_read_as_one(encoder, written):
    assert code_of(encoder, "source", {"source": written}) == code_of(
        encoder, "source", {"source": "webinar"}
    )
    assert code_of(encoder, "source", {"source": written}) > OTHER


def test_missing_unseen_and_unreadable_values_have_codes(encoder):
    lead = LeadInput({"source": "telegram", "employees": "many"}, None, NOW)

    encoded = encoder.encode(lead)

    by_name = dict(zip([given.name for given in encoder.inputs], encoded.codes, strict=True))
    assert by_name["source"] == OTHER
    assert by_name["employees"] == MISSING
    assert by_name["industry"] == MISSING
    assert encoded.unreadable == ("employees",)


def test_a_field_known_only_after_hand_off_is_counted_as_unknown_and_changes_nothing(encoder):
    plain = encoder.encode(LeadInput({"source": "webinar"}, None, NOW))
    peeked = encoder.encode(
        LeadInput({"source": "webinar", "sales_stage": "won", "nonsense": 1}, None, NOW)
    )

    assert peeked.codes == plain.codes
    assert peeked.unknown == 2
    assert all(given.field != "sales_stage" for given in encoder.inputs)


def test_behaviour_is_missing_when_unknown_and_zero_when_nothing_was_done(encoder):
    assert code_of(encoder, "page_views_30d", {}) == MISSING
    assert code_of(encoder, "page_views_30d", {}, acts=[]) == 1


def test_a_ready_number_stands_in_for_behaviour(encoder):
    acts = [Act("page_view", NOW - timedelta(days=1)), Act("page_view", NOW - timedelta(days=2))]

    assert code_of(encoder, "page_views_30d", {"page_views_30d": "2"}) == code_of(
        encoder, "page_views_30d", {}, acts
    )
    assert encoder.encode(LeadInput({"page_views_30d": "?"}, None, NOW)).unreadable == (
        "page_views_30d",
    )


def test_the_time_of_arrival_defaults_to_the_scoring_time(encoder):
    given_ = code_of(encoder, "arrived_at.weekday", {"arrived_at": NOW.isoformat()})

    assert code_of(encoder, "arrived_at.weekday", {}) == given_


@given(
    st.dictionaries(
        st.sampled_from([*raw_lead(0), "phone", "company", "capital"]), st.text(max_size=30)
    )
)
def test_any_text_gets_codes_within_the_tables(fields):
    encoder = small_encoder_cached()

    codes = encoder.encode(LeadInput(fields, None, NOW)).codes

    assert all(0 <= code < size for code, size in zip(codes, encoder.sizes, strict=True))


_cache: list[LeadEncoder] = []


def small_encoder_cached() -> LeadEncoder:
    if not _cache:
        _cache.append(small_encoder())
    return _cache[0]


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300), st.integers(2, 20), st.integers(1, 9)
)
def test_bins_are_ordered_hold_enough_leads_and_every_value_between_their_ends(
    values, max_bins, min_leads
):
    bins = bins_of(values, max_bins, min_leads)
    number = Input("x", "x", "fit", "number", **bins)

    assert len(bins["centres"]) == len(bins["edges"]) + 1 <= max_bins
    assert list(bins["edges"]) == sorted(set(bins["edges"]))
    for value in values:
        position = number.code(value) - 1
        assert bins["lows"][position] <= value <= bins["highs"][position]
    held = [sum(number.code(value) == code for value in values) for code in range(1, number.size)]
    assert len(held) == 1 or min(held) >= min_leads


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=200))
def test_a_greater_number_never_gets_a_lower_code(values):
    number = Input("x", "x", "fit", "number", **bins_of(values))

    codes = [number.code(value) for value in sorted(values)]

    assert codes == sorted(codes)


@given(st.lists(st.sampled_from(["a", "b", "c", None])), st.integers(1, 5))
def test_every_kept_level_met_the_threshold(values, min_leads):
    kept = levels_of(values, min_leads)["levels"]

    assert all(values.count(level) >= min_leads for level in kept)
    assert all(level in kept for level in ("a", "b", "c") if values.count(level) >= min_leads)


def test_learning_does_not_depend_on_the_order_of_the_leads():
    history = small_history()
    turned = small_history()
    turned.leads = turned.leads.iloc[::-1].reset_index(drop=True)
    turned.fields = turned.fields.iloc[::-1].reset_index(drop=True)

    assert (
        LeadEncoder.fit(history, load_definition()).to_dict()
        == LeadEncoder.fit(turned, load_definition()).to_dict()
    )


def test_the_encoder_survives_json(encoder):
    stored = json.loads(json.dumps(encoder.to_dict()))

    again = LeadEncoder.from_dict(stored, encoder.definition)

    assert again.inputs == encoder.inputs
    assert math.isnan(again.centres(2)[0])
    assert len(again.centres(2)) == again.inputs[2].size


def _damage(stored: dict, change) -> dict:
    change(stored)
    return stored


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda s: s.update(parsers=99), "parsers 99"),
        (lambda s: s.pop("inputs"), "cannot be read"),
        (lambda s: s["inputs"][0].update(field="nowhere"), "does not have"),
        (lambda s: s["inputs"][0].update(kind="magic"), "cannot be read"),
        (lambda s: s["inputs"][0].update(shown=[]), "cannot be read"),
        (lambda s: s["inputs"][2].update(edges=[3.0, 1.0]), "cannot be read"),
        (lambda s: s["inputs"][3].update(name="job_title.wrong"), "should give the inputs"),
    ],
    ids=[
        "parsers",
        "no inputs",
        "no such field",
        "kind",
        "spellings",
        "order of edges",
        "derived names",
    ],
)
def test_a_damaged_encoder_is_refused(encoder, change, complaint):
    stored = _damage(json.loads(json.dumps(encoder.to_dict())), change)

    with pytest.raises(ArtefactRefused, match=complaint):
        LeadEncoder.from_dict(stored, encoder.definition)


def test_leads_that_do_not_differ_are_not_enough():
    definition = parse_definition(load_definition().to_yaml().replace("arrived_at:", "came_at:"))
    history = small_history(30)
    for name in history.fields:
        history.fields[name] = None
    history.behaviours = history.behaviours.iloc[:0]

    with pytest.raises(NotEnoughEvidence, match="nothing to learn"):
        LeadEncoder.fit(history, definition)


@pytest.mark.parametrize(("max_bins", "min_leads"), [(1, 5), (300, 5), (64, 0)])
def test_senseless_settings_are_refused(max_bins, min_leads):
    with pytest.raises(ValueError, match="max_bins must be"):
        LeadEncoder.fit(
            small_history(10), load_definition(), max_bins=max_bins, min_leads=min_leads
        )


# -- behaviour as of the scoring time ----------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from(["page_view", "webinar"]), st.floats(-200, 200), st.floats(0, 90))
    ),
)
def test_what_a_lead_does_later_never_changes_its_past(acts):
    behaviours = load_definition().behaviours
    all_acts = [Act(kind, NOW + timedelta(days=days), amount) for kind, days, amount in acts]
    past = [act for act in all_acts if act.at <= NOW]

    assert behaviour_values(behaviours, all_acts, NOW) == behaviour_values(behaviours, past, NOW)


def test_behaviour_counts_sums_and_looks_back_as_defined():
    acts = [
        Act("page_view", NOW - timedelta(days=31)),
        Act("page_view", NOW - timedelta(days=29)),
        Act("webinar", NOW - timedelta(days=5), 40.0),
        Act("webinar", NOW - timedelta(days=4), None),
    ]

    values = behaviour_values(load_definition().behaviours, acts, NOW)

    assert values["page_views_30d"] == 1.0
    assert values["webinar_minutes_90d"] == 40.0
    assert values["days_since_page_view"] == pytest.approx(29.0)
    assert values["downloads_90d"] == 0.0


def test_a_lead_that_did_nothing_has_no_last_time():
    values = behaviour_values(load_definition().behaviours, [], NOW)

    assert values["days_since_page_view"] is None
    assert values["page_views_30d"] == 0.0
    assert acts_of(0) == []


# -- as a company writes -----------------------------------------------------------------------


def test_blanks_and_date_formats_of_the_source_map_hold_when_serving():
    history = small_history()
    history.blanks, history.date_formats = ("Select", "#VALUE!"), ("%d-%m-%Y %H:%M",)
    learned = LeadEncoder.fit(history, load_definition(), min_leads=5)
    encoder = LeadEncoder.from_dict(json.loads(json.dumps(learned.to_dict())), load_definition())

    spoken = encoder.encode(
        LeadInput({"source": " select", "arrived_at": "14-11-2025 10:05"}, None, NOW)
    )
    plain = encoder.encode(LeadInput({"arrived_at": "2025-11-14T10:05:00+09:00"}, None, NOW))

    assert spoken.codes == plain.codes
    assert spoken.unreadable == ()


@pytest.mark.parametrize(
    ("written", "hour"),
    [("2026-01-05", None), ("2026年1月5日", None), ("2026-01-05T00:00:00+09:00", None),
     ("2026-01-05T00:01:00+09:00", 0.0), ("2026-01-05 13:30", 13.0)],
    ids=str,
)  # fmt: skip
def test_a_date_without_a_time_has_no_hour(written, hour):
    encoder = small_encoder_cached()
    position = [given.name for given in encoder.inputs].index("arrived_at.hour")

    codes = encoder.encode(LeadInput({"arrived_at": written}, None, NOW)).codes

    assert codes[position] == encoder.inputs[position].code(hour)
    assert (codes[position] == MISSING) == (hour is None)


def test_a_midnight_that_a_clock_change_skipped_has_no_hour_either():
    brazil = Habits(ZoneInfo("America/Sao_Paulo"))
    weekday, hour = derivations_of(load_definition().fields["arrived_at"])

    for written in ("2017-10-15", "2017-10-15T01:00:00-02:00"):
        assert hour.read(written, brazil) is None
        assert weekday.read(written, brazil) == "sun"


def test_a_zone_whose_clocks_never_change_is_read_in_the_same_way_only_faster():
    tokyo, slow = Habits(ZoneInfo("Asia/Tokyo")), Habits(ZoneInfo("Asia/Tokyo"))
    slow.__dict__["is_steady"] = False
    assert tokyo.is_steady
    assert not Habits(ZoneInfo("America/Sao_Paulo")).is_steady
    assert not Habits(ZoneInfo("Europe/Berlin")).is_steady
    weekday, hour = derivations_of(load_definition().fields["arrived_at"])

    for written in (
        "2026-01-05", "2026-01-05T00:00:00.000001", "2026-01-05T15:00:00Z", "2026/01/05 23:59",
        "2026/01/05 00:00", "1951-05-06 01:30", "1969-12-31 23:59", "1970-01-01", "2199-12-31",
        NOW,
    ):  # fmt: skip
        for one in (weekday, hour):
            assert one.read(written, tokyo) == one.read(written, slow)
