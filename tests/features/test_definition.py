"""The agreement: every rule, what the fingerprint covers, what a diff says."""

from __future__ import annotations

import json
import re
from copy import deepcopy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from features.definition import (
    EVER,
    LeadDefinition,
    load_definition,
    parse_definition,
)
from features.errors import DefinitionInvalid

DEFAULT = load_definition()
WRITTEN = yaml.safe_load(DEFAULT.to_yaml())


def changed(path, value, drop=False):
    """Return the packaged definition as YAML with one key changed or dropped."""
    written = deepcopy(WRITTEN)
    *parents, last = path.split(".")
    node = written
    for part in parents:
        node = node[part]
    if drop:
        del node[last]
    else:
        node[last] = value
    return json.dumps(written, ensure_ascii=False)  # JSON is YAML, and quicker to write


def test_the_packaged_definition_has_what_the_design_names():
    assert DEFAULT.horizons == (30, 90, 180, 365)
    assert DEFAULT.main_horizon == 180
    assert len(DEFAULT.reasons) == 18
    assert {field.group for field in DEFAULT.fields.values()} == {
        "fit", "interest", "timing", "data",
    }  # fmt: skip
    assert not {"sales_stage", "visit_count", "quote_amount"} & set(DEFAULT.usable_fields)
    assert DEFAULT.fields["email"].personal
    assert DEFAULT.zone.key == "Asia/Tokyo"


def test_a_definition_reads_back_from_its_own_yaml():
    again = parse_definition(DEFAULT.to_yaml())

    assert again == DEFAULT
    assert again.fingerprint == DEFAULT.fingerprint


def test_a_definition_is_read_from_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(DEFAULT.to_yaml(), "utf-8-sig")

    assert load_definition(path) == DEFAULT


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", "", "version: String should have at least 1 character"),
        ("version", "x" * 41, "version: String should have at most 40"),
        ("language", "fr", "language: Input should be 'ja' or 'en'"),
        ("time_zone", "Asia/Edo", "unknown time zone 'Asia/Edo'"),
        ("time_zone", "../x", "unknown time zone"),
        ("horizons", [], "horizons must be ascending days above 0, got []"),
        ("horizons", [90, 30, 180, 365], "horizons must be ascending"),
        ("horizons", [0, 90, 180, 365], "horizons must be ascending"),
        ("horizons", [30, 90, 180], "has 4 shifts for 3 horizons"),
        ("main_horizon", 60, "main_horizon 60 is not one of horizons [30, 90, 180, 365]"),
        ("recording_began", "yesterday", "recording_began: Input should be a valid date"),
        ("channel_field", "employees", "channel_field 'employees' must be a category"),
        ("channel_field", "sales_stage", "must be a category field known at arrival"),
        ("channel_field", "nothing", "channel_field 'nothing' must be"),
        ("name.ja", "", "name.ja: String should have at least 1"),
        ("fields.source.type", "colour", "fields.source.type: Input should be"),
        ("fields.source.group", "luck", "fields.source.group: Input should be"),
        ("fields.source.known", "never", "fields.source.known: Input should be"),
        ("fields.source.names", {"ja": "流入元"}, "fields.source.names.en: is missing"),
        ("fields.source.colour", 1, "fields.source.colour: unknown key 'colour'; the keys here"),
        ("fields.Source", {}, "fields.Source.[key]: String should match pattern"),
        ("behaviours.downloads_90d.window_days", 0, "window_days: Input should be greater than 0"),
        ("behaviours.downloads_90d.measure", "mean", "measure: Input should be 'count'"),
        ("reasons.no_fit.conversion", [-0.7] * 3, "'no_fit' has 3 shifts for 4 horizons"),
        ("reasons.no_fit.conversion", [0.5] * 4, "Input should be less than or equal to 0"),
        ("reasons.no_fit.conversion", "worked", "a loss, and only a loss, has conversion 'worked'"),
        ("reasons.lost_price.conversion", "zero", "a loss, and only a loss"),
        ("reasons.duplicate.conversion", "zero", "kind not_a_lead has conversion 'leave_out'"),
        ("reasons.no_fit.acceptance", 2, "reasons.no_fit.acceptance"),
        ("reasons.no_fit.queue", "bin", "reasons.no_fit.queue: Input should be"),
        ("reasons.no_fit.return_days", 0, "return_days: Input should be greater than 0"),
        ("grades.B", 70, "grade lines must descend: A > B > C"),
        ("grades.A", 101, "grades.A: Input should be less than or equal to 100"),
        ("economics.cost_of_working", 400000, "cost_of_working must be below value_of_win"),
        ("economics.cost_of_working", 0, "cost_of_working: Input should be greater than 0"),
        ("economics.capacity_per_week", 0, "capacity_per_week: Input should be greater than 0"),
        ("economics.audit_share", 0.6, "audit_share: Input should be less than or equal to 0.5"),
        ("economics.currency", "YEN!", "economics.currency: String should have at most 3"),
        ("colour", "red", "colour: unknown key 'colour'; the keys here are version, name"),
        ("economics.curency", "EUR", "unknown key 'curency'; did you mean 'currency'?"),
        ("reasons.no_budget.Queue", "x", "unknown key 'Queue'; did you mean 'queue'?"),
    ],
    ids=range(41),
)
def test_a_broken_rule_is_named(path, value, message):
    with pytest.raises(DefinitionInvalid, match=re.escape(message)):
        parse_definition(changed(path, value))


@pytest.mark.parametrize(
    "key", ["version", "name", "conversion", "channel_field", "fields", "reasons", "grades",
            "economics", "reasons.no_fit.conversion", "reasons.no_fit.acceptance"],
)  # fmt: skip
def test_a_missing_part_is_named(key):
    with pytest.raises(DefinitionInvalid, match=re.escape(f"{key}: is missing")):
        parse_definition(changed(key, None, drop=True))


def test_a_name_for_field_and_behaviour_alike_is_refused():
    behaviour = WRITTEN["behaviours"]["downloads_90d"]

    with pytest.raises(DefinitionInvalid, match="both as field and as behaviour: source"):
        parse_definition(changed("behaviours.source", behaviour))


def test_a_definition_without_fields_known_at_arrival_is_refused():
    written = deepcopy(WRITTEN)
    written["fields"] = {
        name: field | {"known": "later"} for name, field in written["fields"].items()
    }

    with pytest.raises(DefinitionInvalid, match="nothing to score on"):
        parse_definition(json.dumps(written))


def test_all_broken_rules_are_named_at_once():
    with pytest.raises(DefinitionInvalid, match=r"(?s)breaks 2 rule\(s\).*language.*colour"):
        parse_definition(changed("language", "fr")[:-1] + ', "colour": "red"}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML near line"),
        ("- a", "holds no mapping"),
        ("", "holds no mapping"),
        ("a: 1\nb: 2\na: 3", "near line 3: the key 'a' comes twice"),
        ("a: 2026-13-45", "a number or date cannot be read: month must be in"),
        ("[" * 5000, "nested too deeply"),
    ],
    ids=range(6),
)
def test_what_is_no_yaml_mapping_is_refused(text, message):
    with pytest.raises(DefinitionInvalid, match=message):
        parse_definition(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.yaml").write_bytes("version: 日本".encode("cp932"))

    with pytest.raises(DefinitionInvalid, match=r"a\.yaml cannot be read \(UnicodeDecodeError\)"):
        load_definition(tmp_path / "a.yaml")
    with pytest.raises(DefinitionInvalid, match=r"b\.yaml cannot be read \(FileNotFoundError\)"):
        load_definition(tmp_path / "b.yaml")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", "2027-01"), ("language", "en"), ("name.ja", "別の名"), ("conversion.en", "Deal"),
        ("fields.source.names.ja", "経路"), ("fields.employees.unit", {"ja": "人", "en": "heads"}),
        ("fields.source.values.webinar.en", "Web seminar"), ("economics.currency", "USD"),
        ("behaviours.downloads_90d.names.en", "Files"), ("reasons.no_fit.names.ja", "合わない"),
        ("behaviours.downloads_90d.unit.ja", "個"),
    ],
    ids=range(11),
)  # fmt: skip
def test_wording_does_not_enter_the_fingerprint(path, value):
    other = parse_definition(changed(path, value))

    assert other != DEFAULT
    assert other.fingerprint == DEFAULT.fingerprint
    assert not any(change.changes_meaning for change in DEFAULT.diff(other))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("main_horizon", 90), ("time_zone", "UTC"), ("recording_began", "2025-04-01"),
        ("channel_field", "industry"), ("fields.source.group", "fit"), ("fields.source.known", "later"),
        ("fields.employees.type", "category"), ("fields.source.personal", True),
        ("behaviours.downloads_90d.window_days", 30), ("reasons.no_fit.conversion", [-1.0] * 4),
        ("reasons.no_fit.acceptance", "leave_out"), ("reasons.no_fit.return_days", 9),
        ("grades.A", 70), ("economics.capacity_per_week", 10), ("economics.cost_of_working", 1),
    ],
    ids=range(15),
)  # fmt: skip
def test_meaning_enters_the_fingerprint(path, value):
    text = changed(path, value)
    if path == "fields.source.known":
        text = text.replace('"channel_field": "source"', '"channel_field": "industry"')

    other = parse_definition(text)

    assert other.fingerprint != DEFAULT.fingerprint
    assert any(change.changes_meaning for change in DEFAULT.diff(other))


def test_a_category_value_that_was_added_shows_in_the_diff():
    other = parse_definition(changed("fields.source.values.fax", {"ja": "ファクス", "en": "Fax"}))

    added = [change.path for change in DEFAULT.diff(other)]

    assert added == ["fields.source.values.fax.en", "fields.source.values.fax.ja"]


def test_a_diff_tells_before_and_after_by_path():
    other = parse_definition(changed("grades.A", 70))

    (change,) = DEFAULT.diff(other)

    assert (change.path, change.before, change.after) == ("grades.A", 65, 70)
    assert change.changes_meaning
    assert DEFAULT.diff(DEFAULT) == []


def test_a_changed_copy_has_its_own_fingerprint_and_zone():
    agreed = load_definition()
    assert (agreed.fingerprint, agreed.zone.key) == (agreed.fingerprint, "Asia/Tokyo")

    other = agreed.model_copy(update={"time_zone": "UTC", "main_horizon": agreed.horizons[0]})

    assert other.zone.key == "UTC"
    assert other.fingerprint != agreed.fingerprint
    assert agreed.model_copy().fingerprint == agreed.fingerprint


def test_a_fingerprint_does_not_depend_on_the_order_of_the_file():
    turned = {key: WRITTEN[key] for key in reversed(WRITTEN)}

    assert parse_definition(json.dumps(turned)).fingerprint == DEFAULT.fingerprint


@pytest.mark.parametrize(
    ("code", "horizon", "shift"),
    [
        ("bad_timing", 30, -3),
        ("bad_timing", 365, 0),
        ("bad_timing", EVER, -1),
        ("no_fit", 90, -0.7),
    ],
)
def test_a_shift_is_given_for_each_horizon(code, horizon, shift):
    assert DEFAULT.shift(code, horizon) == shift


@pytest.mark.parametrize("code", ["competitor_student_spam", "capacity", "lost_price", "nothing"])
def test_a_reason_without_a_shift_has_none(code):
    with pytest.raises(KeyError, match=r"has treatment|nothing"):
        DEFAULT.shift(code, 90)


@given(st.floats(0, 100))
def test_every_score_has_one_grade(score):
    grades = DEFAULT.grades

    lines = {
        "A": (grades.A, 101),
        "B": (grades.B, grades.A),
        "C": (grades.C, grades.B),
        "D": (-1, grades.C),
    }
    low, high = lines[grades.of(score)]
    assert low <= score < high


def test_the_break_even_is_cost_over_value():
    assert DEFAULT.economics.break_even == pytest.approx(0.075)


def test_names_are_read_in_both_languages():
    names = DEFAULT.fields["source"].names

    assert (names.get("ja"), names.get("en"), names.get("fr")) == ("流入元", "Source", "Source")


def test_a_definition_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="frozen"):
        DEFAULT.version = "x"  # type: ignore[misc]
    assert isinstance(DEFAULT, LeadDefinition)


def test_a_category_code_more_changes_the_fingerprint_and_another_name_for_it_does_not():
    definition = load_definition()
    stored = definition.model_dump(mode="json")
    stored["fields"]["source"]["values"]["fax"] = {"ja": "FAX", "en": "Fax"}
    more = type(definition).model_validate(stored)
    stored["fields"]["source"]["values"]["fax"] = {"ja": "ファクス", "en": "Telefax"}
    renamed = type(definition).model_validate(stored)

    assert more.fingerprint != definition.fingerprint
    assert renamed.fingerprint == more.fingerprint
    assert all(change.changes_meaning for change in definition.diff(more))
    assert not any(change.changes_meaning for change in more.diff(renamed))
