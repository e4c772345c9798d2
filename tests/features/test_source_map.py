"""The source map: what it may say, and how it must fit the definition."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from features.definition import load_definition
from features.errors import SourceMapInvalid
from features.source_map import (
    Meaning,
    check_source_map,
    load_source_map,
    parse_source_map,
)

ROOT = Path(__file__).parents[2]
SNAPSHOT = """
mode: snapshot
leads:
  arrived_at: Created
  fields: {source: Source}
  status: {column: Status, values: {Won: won}}
"""
HISTORY = """
mode: history
leads:
  lead_id: id
  arrived_at: at
  fields: {source: Source}
events:
  - {file: "*e*", lead_id: id, at: at, kind: {constant: won}}
"""


def test_plain_words_stay_words():
    source_map = parse_source_map(
        SNAPSHOT.replace("{Won: won}", '{Yes: won, 0: {event: lost}, off: open, "": drop}').replace(
            ', "": drop', ""
        )
    )

    assert source_map.leads.status.meanings == {
        "yes": Meaning(event="won"),
        "0": Meaning(event="lost"),
        "off": Meaning(event="open"),
    }


@pytest.mark.parametrize("text", [SNAPSHOT, HISTORY], ids=["snapshot", "history"])
def test_a_map_reads_back_from_its_own_yaml(text):
    source_map = parse_source_map(text)

    assert parse_source_map(source_map.to_yaml()) == source_map


def test_a_map_is_read_from_a_file(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text(HISTORY, "utf-8-sig")

    assert load_source_map(path) == parse_source_map(HISTORY)


def test_a_map_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceMapInvalid, match=r"no\.yaml cannot be read \(FileNotFoundError\)"):
        load_source_map(tmp_path / "no.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not YAML near line 1"),
        ("a: 1\na: 2", "near line 2: the key 'a' comes twice"),
        ("? [a]\n: 2", "the key of a line comes twice or is not a word"),
        ("- a", "holds no mapping"),
        ("", "holds no mapping"),
        ("\x00", "is not YAML"),
        (
            SNAPSHOT + "colour: red",
            "colour: unknown key 'colour'; the keys here are version, mode, leads",
        ),
        ("version: 2\n" + SNAPSHOT, "version: Input should be 1"),
        (SNAPSHOT.replace("snapshot", "diary"), "mode: Input should be"),
        (SNAPSHOT.replace("{source: Source}", "{}"), "leads.fields: Dictionary should have"),
        (SNAPSHOT.replace("won}", "victory}"), "leads.status.values.Won.event: Input should be"),
        (SNAPSHOT.replace("Won: won", "Won: won, won: lost"), "'won' is listed twice"),
        (SNAPSHOT.replace("Won: won", '" ": won'), "a listed value is blank"),
        (SNAPSHOT.replace("Won: won", "x" * 1001 + ": won"), "a listed value cannot be read"),
        (
            SNAPSHOT.replace("Won: won", "Won: {event: won, reason: other}"),
            "only rejected and lost",
        ),
        (SNAPSHOT.replace("Status,", "Status, at: x,"), "snapshot mode has no leads.status.at"),
        (SNAPSHOT.replace("  arrived_at: Created\n", ""), "needs leads.arrived_at, or leads.order"),
        (
            SNAPSHOT.replace("  status: {column: Status, values: {Won: won}}\n", ""),
            "snapshot mode needs leads.status",
        ),
        (
            SNAPSHOT + "events: [{file: e, lead_id: a, at: b, kind: {constant: won}}]",
            "snapshot mode has no events",
        ),
        (
            SNAPSHOT.replace("fields:", "date_formats: ['%Q']\n  fields:"),
            "'%Q' is not a date format",
        ),
        (
            SNAPSHOT.replace(
                "fields:", "date_formats: ['%d/%m/%Y']\n  encoding: shift_jis\n  fields:"
            ),
            "leads.encoding: Input should be 'auto', 'utf-8', 'utf-8-sig' or 'cp932'",
        ),
        (HISTORY.replace("  lead_id: id\n", ""), "history mode needs leads.lead_id"),
        (HISTORY.replace("  arrived_at: at\n", ""), "history mode needs leads.arrived_at"),
        (HISTORY.split("events:", maxsplit=1)[0], "history mode needs events or leads.status"),
        (
            HISTORY.replace("fields:", "status: {column: s, values: {a: won}}\n  fields:"),
            "history mode needs leads.status.at",
        ),
        (HISTORY.replace("{constant: won}", "{}"), "give either `constant` or `column`"),
        (
            HISTORY.replace("{constant: won}", "{constant: won, values: {a: won}}"),
            "`values` belong to a `column`",
        ),
        (HISTORY.replace('file: "*e*", ', ""), "- events.0.file: is missing"),
        (
            HISTORY.replace("kind:", "kid: {}, kind:"),
            "events.0.kid: unknown key 'kid'; did you mean 'kind'?",
        ),
        (
            SNAPSHOT.replace("won}", "{event: lost, raeson: x}}"),
            "leads.status.values.Won.raeson: unknown key 'raeson'; did you mean 'reason'?",
        ),
        (
            SNAPSHOT.replace("Status,", "Status, Reason: {},"),
            "leads.status.Reason: unknown key 'Reason'; did you mean 'reason'?",
        ),
    ],
    ids=range(31),
)
def test_a_broken_map_is_refused_with_the_rule(text, message):
    with pytest.raises(SourceMapInvalid, match=re.escape(message)):
        parse_source_map(text)


def test_all_broken_rules_are_named_at_once():
    with pytest.raises(SourceMapInvalid, match=r"(?s)breaks 2 rule\(s\).*leads.*colour"):
        parse_source_map(SNAPSHOT.replace("  fields", "  shape: round\n  fields") + "colour: red")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SNAPSHOT.replace("{source:", "{sauce: a, source:"), "names sauce, not in the definition"),
        (SNAPSHOT.replace("{source:", "{sales_stage:"), "maps no field known at arrival"),
        (
            SNAPSHOT.replace("  status", "  later: [Source]\n  status"),
            "'Source' is listed under leads",
        ),
        (
            SNAPSHOT.replace("won}", "{event: lost, reason: mood}}"),
            "gives reason 'mood', which the",
        ),
        (
            SNAPSHOT.replace("won}", "{event: lost, reason: no_fit}}"),
            "'no_fit' goes with 'rejected'",
        ),
        (SNAPSHOT.replace("won}", "{event: rejected, reason: lost_price}}"), "goes with 'lost'"),
        (
            SNAPSHOT.replace("Status,", "Status, reason: {column: R, values: {a: mood}},"),
            "leads.status.reason gives reason 'mood'",
        ),
        (
            HISTORY.replace("{constant: won}", "{constant: lost}, reason: {constant: mood}"),
            "events.0.reason gives reason 'mood'",
        ),
        (
            HISTORY.replace(
                "{constant: won}", "{column: k, values: {a: {event: lost, reason: mood}}}"
            ),
            "events.0.kind.values['a'] gives reason 'mood'",
        ),
        (
            HISTORY + "behaviours: [{file: b, lead_id: i, at: t, kind: {constant: dance}}]",
            "behaviours.0.kind names 'dance'; the definition's kinds are download",
        ),
    ],
    ids=range(10),
)
def test_a_map_that_does_not_fit_the_definition_is_refused(text, message):
    with pytest.raises(SourceMapInvalid, match=re.escape(message)):
        check_source_map(parse_source_map(text), load_definition())


def test_the_maps_of_the_guide_can_be_read():
    guide = (ROOT / "docs" / "guide" / "source_map.md").read_text("utf-8")

    history, snapshot = map(parse_source_map, re.findall(r"(?s)```yaml\n(.*?)```", guide))

    assert (history.mode, snapshot.mode) == ("history", "snapshot")
    check_source_map(history, load_definition())


def test_reasons_resolve_by_code_and_by_both_names():
    source_map = parse_source_map(
        HISTORY.replace(
            "{constant: won}", "{column: k}, reason: {column: r, values: {高: lost_price}}"
        )
    )

    codes = source_map.events[0].reason.codes(load_definition())

    assert codes["高"] == "lost_price"
    assert codes["予算なし"] == codes["no budget"] == codes["no_budget"] == "no_budget"
    assert codes["決裁権なし・担当違い"] == "no_authority"


def test_kinds_without_values_are_their_own_names():
    source_map = parse_source_map(HISTORY.replace("{constant: won}", "{column: k}"))

    assert source_map.events[0].kind.meanings["rejected"] == Meaning(event="rejected")
