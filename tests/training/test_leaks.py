"""What the leak scan calls, what it leaves alone, and how a finding is answered for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from features.definition import AcceptedFinding, LeadDefinition, load_definition
from features.leads import LeadHistory
from tests.bench.leak_table import PURE, with_columns
from training.labels import label_history
from training.leaks import (
    LeakFinding,
    LeakScan,
    ScanColumn,
    accept,
    compare_exports,
    read_column,
    scan_columns,
    scan_history,
)
from training.leaks.words import outcome_word, person_word
from training.worlds import World, WorldSettings, make_world
from training.worlds.leaks import LEAKS

N = 4000
ARRIVED = np.datetime64("2026-01-01", "us") + np.arange(N) * np.timedelta64(2, "h")
NOW = ARRIVED[-1]


def outcomes(rate: float = 0.1, seed: int = 1) -> np.ndarray:
    return (np.random.default_rng(seed).random(N) < rate).astype(float)


def category(values: object, **more: object) -> ScanColumn:
    return ScanColumn("category", np.asarray(values, dtype=object), **more)  # type: ignore[arg-type]


def number(values: object, **more: object) -> ScanColumn:
    return ScanColumn("number", np.asarray(values, dtype=float), **more)  # type: ignore[arg-type]


def moments(values: np.ndarray) -> ScanColumn:
    return ScanColumn("time", values.astype("datetime64[us]"))


def pages(seed: int = 2) -> ScanColumn:
    return category(np.random.default_rng(seed).choice(["a", "b", "c"], N))


def by_signal(findings: tuple[LeakFinding, ...], field: str) -> dict[str, LeakFinding]:
    return {finding.signal: finding for finding in findings if finding.field == field}


# --- worlds ----------------------------------------------------------------------------------


@cache
def planted_scan() -> tuple[LeakScan, dict[str, str]]:
    """The scan of a world with every kind of planted column, under names that say nothing."""
    told = tuple(kind for kind in LEAKS if kind not in PURE)
    world = make_world(WorldSettings(n_leads=8000, n_test=0, seed=120, leaks=told))
    pure = make_world(
        WorldSettings(n_leads=8000, n_test=0, seed=120, leaks=PURE, leak_strength=0.02)
    )
    history, definition, planted = with_columns(world, pure, plain_names=True)
    return scan_history(history, definition, as_of=world.cut_off), planted


@pytest.mark.parametrize(
    ("kind", "signal", "severity"),
    [
        ("sales_stage", "single_field", "leak"),
        ("visit_count", "missingness", "leak"),
        ("quote_amount", "missingness", "suspect"),
        ("contract_number", "missingness", "leak"),
        ("idle_days", "time_proof", "leak"),
        ("owner_team", "purity", "leak"),
        ("sales_note", "purity", "leak"),
        ("updated_on", "time_proof", "leak"),
        ("qualified_budget", "missingness", "suspect"),
        ("passed_over", "reason_excludes_win", "leak"),
        ("probability", "purity", "leak"),
        ("region", "purity", "suspect"),
    ],
)
def test_a_planted_column_is_called_without_its_name(kind: str, signal: str, severity: str) -> None:
    scan, planted = planted_scan()
    name = next(field for field, planted_kind in planted.items() if planted_kind == kind)
    found = by_signal(scan.blocking, name)
    assert signal in found
    assert found[signal].severity == severity


def test_honest_columns_beside_planted_ones_are_left_alone() -> None:
    scan, planted = planted_scan()
    called = {finding.field for finding in scan.blocking} - set(planted)
    leaks = {f.field for f in scan.findings if f.severity == "leak"} - set(planted)
    assert leaks == set()
    assert len(called) <= 1  # of 40, beside the packaged fields


@cache
def plain_world(n_leads: int, prejudice: float) -> World:
    return make_world(WorldSettings(n_leads=n_leads, n_test=0, seed=121, prejudice=prejudice))


@pytest.mark.parametrize(("n_leads", "prejudice"), [(2000, 1.5), (8000, 3.0)])
def test_the_packaged_definition_has_no_blocking_finding(n_leads: int, prejudice: float) -> None:
    world = plain_world(n_leads, prejudice)
    scan = scan_history(world.training_part(), load_definition(), as_of=world.cut_off)
    assert scan.blocking == ()
    later = {f.field for f in scan.findings if f.signal == "declared_later"}
    assert later == {"sales_stage", "visit_count", "quote_amount"}


def undeclared() -> tuple[LeadHistory, LeadDefinition, World]:
    """The packaged definition with the sales stage taken for known at arrival."""
    world = plain_world(2000, 1.5)
    history = world.training_part()
    definition = load_definition()
    stage = definition.fields["sales_stage"].model_copy(update={"known": "arrival"})
    fields = dict(definition.fields) | {"sales_stage": stage}
    history.fields["sales_stage"] = history.later.pop("sales_stage")
    return history, definition.model_copy(update={"fields": fields}), world


def test_a_field_that_is_not_declared_later_blocks_until_each_signal_is_accepted() -> None:
    history, definition, world = undeclared()
    scan = scan_history(history, definition, as_of=world.cut_off)
    signals = {finding.signal for finding in scan.blocking}
    assert {finding.field for finding in scan.blocking} == {"sales_stage"}
    assert {"purity", "outcome_name"} <= signals

    def accepting(*accepted: str) -> LeakScan:
        entries = tuple(
            AcceptedFinding(
                field="sales_stage",
                signal=signal,
                severity="leak",
                by="営業部長",
                why="受付時に顧客が選ぶ項目であるため",
                on=date(2026, 11, 22),
            )
            for signal in accepted
        )
        accepts = definition.model_copy(update={"accepted_findings": entries})
        return scan_history(history, accepts, as_of=world.cut_off)

    assert {f.signal for f in accepting("purity").blocking} == signals - {"purity"}
    assert accepting(*signals).blocking == ()
    document = accepting(*signals).document()
    assert document["n_blocking"] == 0
    recorded = [one["accepted"] for one in document["findings"] if one["field"] == "sales_stage"]
    assert recorded == len(signals) * [
        {
            "by": "営業部長",
            "why": "受付時に顧客が選ぶ項目であるため",
            "on": "2026-11-22",
            "severity": "leak",
        }
    ]


def test_the_document_is_plain_json_in_both_languages() -> None:
    scan, _ = planted_scan()
    document = json.loads(json.dumps(scan.document(), allow_nan=False))
    assert document["n_leads"] == 8000
    assert document["n_blocking"] == len(scan.blocking) > 0
    assert [f["severity"] for f in document["findings"]] == sorted(
        (f["severity"] for f in document["findings"]), key=["leak", "suspect", "note"].index
    )
    assert all(one[text][lang] for one in document["findings"] for text in ("what", "remedy") for lang in ("ja", "en"))  # fmt: skip


# --- purity ----------------------------------------------------------------------------------


def test_a_value_that_never_wins_is_called_and_an_honest_strong_value_is_not() -> None:
    won = outcomes(0.12)
    random = np.random.default_rng(3)
    losers = random.choice(np.flatnonzero(won == 0), 120, replace=False)
    pure = np.asarray(pages().values, dtype=object).copy()
    pure[losers] = "other"
    likes = np.where(random.random(N) < 0.05 + 0.05 * won, "good page", "page")
    found = scan_columns({"pure": category(pure), "page": category(likes)}, won)
    assert [(f.field, f.signal) for f in found] == [("pure", "purity")]
    assert found[0].evidence["value"] == "other"
    assert found[0].evidence["rate"] == 0.0
    assert "120 leads" in found[0].what.en
    assert "「other」" in found[0].what.ja


def test_few_leads_with_one_outcome_are_left_to_chance() -> None:
    won = outcomes(0.12)
    rare = np.asarray(pages().values, dtype=object).copy()
    rare[np.flatnonzero(won == 0)[:25]] = "rare"
    assert scan_columns({"page": category(rare)}, won) == ()


def test_a_strong_number_that_the_other_fields_explain_is_not_called() -> None:
    random = np.random.default_rng(4)
    parts = [random.normal(size=N) for _ in range(6)]
    chance = 1 / (1 + np.exp(3.0 - 0.9 * np.sum(parts, axis=0)))
    won = (random.random(N) < chance).astype(float)
    columns = {f"part_{k}": number(part) for k, part in enumerate(parts)}
    columns["sum"] = number(np.sum(parts, axis=0) + random.normal(size=N))
    assert [f for f in scan_columns(columns, won) if f.signal == "purity"] == []


def test_a_field_that_knows_all_is_called_a_leak() -> None:
    won = outcomes()
    score = won * 3 + np.random.default_rng(5).normal(size=N)
    found = by_signal(scan_columns({"x": number(score), "page": pages()}, won), "x")
    assert found["single_field"].severity == "leak"
    assert found["single_field"].evidence["auc"] > 0.92


def test_a_personal_field_never_shows_a_value() -> None:
    won = outcomes()
    value = np.where(won == 1, "secret@example.jp", "open")
    for personal in (True, False):
        found = scan_columns({"x": category(value, personal=personal), "page": pages()}, won)
        assert by_signal(found, "x")["purity"].severity == "leak"
        assert "secret" not in json.dumps([f.document() for f in found])


# --- being filled in -------------------------------------------------------------------------


def test_a_reason_that_is_never_filled_in_for_a_win_is_called() -> None:
    won = outcomes()
    random = np.random.default_rng(6)
    reason = np.where((won == 0) & (random.random(N) < 0.5), random.choice(["x", "y"], N), None)
    found = by_signal(scan_columns({"why": category(reason), "page": pages()}, won), "why")
    assert found["reason_excludes_win"].severity == "leak"


def test_a_field_that_is_filled_in_while_qualifying_is_called() -> None:
    worked = outcomes(0.4, seed=7)
    random = np.random.default_rng(8)
    won = worked * (random.random(N) < 0.2)
    asked = np.where(random.random(N) < np.where(worked == 1, 0.6, 0.1), 1.0, np.nan)
    columns = {"asked": number(asked), "page": pages()}
    found = by_signal(scan_columns(columns, won, handling={"worked": worked}), "asked")
    assert found["missingness"].severity == "suspect"


def test_a_field_that_is_blank_at_random_is_left_alone() -> None:
    blank = np.where(np.random.default_rng(9).random(N) < 0.5, None, "a")
    assert scan_columns({"x": category(blank)}, outcomes()) == ()


def test_a_field_that_is_filled_in_by_spells_is_called_and_a_new_question_is_noted() -> None:
    place = np.arange(N) / N
    spells = np.where((place < 0.25) | (place > 0.7), "a", None)
    fresh = np.where(place > 0.5, "a", None)
    found = scan_columns({"spells": category(spells), "fresh": category(fresh)}, outcomes())
    assert [(f.field, f.signal, f.severity) for f in found] == [
        ("spells", "missingness", "suspect"),
        ("fresh", "distribution_break", "note"),
    ]
    assert found[1].evidence["at_share"] == 0.5


# --- time ------------------------------------------------------------------------------------


def test_dates_after_arrival_are_a_leak_and_plans_are_a_note() -> None:
    random = np.random.default_rng(10)
    wait = random.integers(2, 120, N) * np.timedelta64(1, "D")
    columns = {
        "written": moments(np.minimum(ARRIVED + wait, NOW)),
        "planned": moments(ARRIVED + wait),
        "founded": moments(ARRIVED - 30 * wait),
        "arrived": moments(ARRIVED),
    }
    found = scan_columns(columns, outcomes(), arrived=ARRIVED, now=NOW)
    assert {(f.field, f.signal, f.severity) for f in found} == {
        ("written", "time_proof", "leak"),
        ("planned", "time_proof", "note"),
    }


def test_a_number_that_counts_up_to_the_export_is_called() -> None:
    random = np.random.default_rng(11)
    age = (NOW - ARRIVED) / np.timedelta64(1, "D")
    columns = {
        "idle": number(np.maximum(np.floor(age - random.exponential(8, N)), 0)),
        "days": number(random.integers(0, 330, N)),
    }
    found = scan_columns(columns, outcomes(), arrived=ARRIVED, now=NOW)
    assert [(f.field, f.signal) for f in found] == [("idle", "time_proof")]


def test_values_that_change_between_two_exports_are_called_and_corrections_are_not() -> None:
    ids = [f"L{row}" for row in range(N)]
    stage = np.full(N, "new", dtype=object)
    moved, corrected, typed = stage.copy(), stage.copy(), stage.copy()
    moved[:400], corrected[:5], typed[:80] = "won", "nwe", "later"
    earlier = {name: category(stage) for name in ("stage", "channel", "note")}
    later = {"stage": category(moved), "channel": category(corrected), "note": category(typed)}
    later = {name: category(column.values[::-1]) for name, column in later.items()}
    found = compare_exports(earlier, later, earlier_ids=ids, later_ids=ids[::-1])
    assert [(f.field, f.severity) for f in found] == [("stage", "leak"), ("note", "suspect")]


# --- names, keys, people ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "word"),
    [
        ("失注理由", ("失注", True)),
        ("ConvertedDate", ("converted", True)),
        ("lost_reason", ("lost", True)),
        ("商談フェーズ", ("商談", False)),
        ("Lead Status", ("status", False)),
        ("最終更新日", ("最終更新", False)),
        ("最終閲覧からの日数", None),
        ("料金ページ閲覧数(30日)", None),
        ("Landing page", None),
        ("Wonder product", None),
    ],
)
def test_a_heading_that_speaks_of_outcomes(heading: str, word: tuple[str, bool] | None) -> None:
    assert outcome_word(heading) == word


def test_a_heading_that_speaks_of_a_person() -> None:
    assert person_word("担当者名")
    assert person_word("contact_name")
    assert not person_word("Product name")


def test_a_word_of_what_sales_does_is_suspect_only_where_the_field_tells_something() -> None:
    won = outcomes()
    random = np.random.default_rng(12)
    telling = np.where(random.random(N) < 0.3 + 0.25 * won, "a", "b")
    columns = {
        "telling": category(telling, heading="対応状況"),
        "silent": pages(13),
        "plain": category(telling, heading="流入元"),
        "views": number(won, heading="対応回数", proven=True),
    }
    columns["silent"] = category(columns["silent"].values, heading="対応状況")
    named = [f for f in scan_columns(columns, won) if f.signal == "outcome_name"]
    assert [(f.field, f.severity) for f in named] == [("telling", "suspect"), ("silent", "note")]


def test_a_key_is_noted_and_undeclared_addresses_are_suspect() -> None:
    keys = [f"K-{row:x}" for row in range(N)]
    mails = [f"someone{row}@example.jp" for row in range(N)]
    columns = {
        "key": category(keys),
        "mail": category(mails),
        "own": category(mails, personal=True),
    }
    found = {(f.field, f.signal): f for f in scan_columns(columns, outcomes())}
    assert found["key", "identifier"].severity == "note"
    assert found["mail", "personal"].severity == "suspect"
    assert ("own", "personal") not in found
    assert "someone" not in json.dumps([f.document() for f in found.values()])


# --- reading and answering -------------------------------------------------------------------


def test_a_raw_column_is_read_as_the_encoder_reads_it() -> None:
    zone = ZoneInfo("Asia/Tokyo")
    yen = read_column(["10万円", "-", None, "?", "Select"], "number", zone=zone, blanks=["Select"])
    assert yen.values.tolist()[0] == 100_000.0
    assert yen.filled.tolist() == [True, False, False, False, False]
    day = read_column(["2026-11-01", ""], "time", zone=zone)
    assert day.values[0] == np.datetime64("2026-10-31T15:00", "us")
    assert not day.filled[1]
    words = read_column(["  Web ", "ｗｅｂ"], "category", zone=zone)
    assert words.values.tolist() == ["web", "web"]


def test_too_few_outcomes_give_no_finding_about_outcomes() -> None:
    won = outcomes()
    told = np.where(np.arange(N) < 100, won, np.nan)
    assert scan_columns({"x": category(np.where(won == 1, "a", "b"))}, told) == ()


def test_an_acceptance_without_its_finding_changes_nothing() -> None:
    won = outcomes()
    found = scan_columns({"x": number(won)}, won)
    entry = AcceptedFinding(
        field="y", signal="purity", by="誰か", why="別の項目についての承認です", on=date(2026, 1, 1)
    )
    assert accept(found, [entry]) == found


# --- stronger than was accepted --------------------------------------------------------------


def answer(field: str, signal: str, **more: object) -> AcceptedFinding:
    entry = {"by": "Sato", "why": "Asked on the first form.", "on": date(2026, 11, 22)}
    return AcceptedFinding.model_validate({"field": field, "signal": signal} | entry | more)


def leak_in_one_field() -> tuple[LeakFinding, ...]:
    found = scan_columns({"x": number(outcomes())}, outcomes())
    return tuple(finding for finding in found if finding.signal == "single_field")


def test_an_acceptance_does_not_cover_more_than_was_accepted() -> None:
    (found,) = accept(leak_in_one_field(), [answer("x", "single_field")])
    assert found.severity == "leak"
    assert found.blocks
    assert "as a suspect by Sato on 2026-11-22; the evidence is stronger now" in found.remedy.en
    assert "2026-11-22にSatoが「疑い」(suspect)として承認" in found.remedy.ja


def test_a_leak_that_was_accepted_as_a_leak_blocks_no_more() -> None:
    entries = [answer("x", "single_field", severity="leak"), answer("x", "single_field")]
    for order in (entries, entries[::-1]):
        (found,) = accept(leak_in_one_field(), order)
        assert not found.blocks
        assert found.document()["accepted"]["severity"] == "leak"
        assert "stronger now" not in found.remedy.en


def test_a_leak_that_was_accepted_covers_what_is_only_suspect_now() -> None:
    mails = [f"someone{row}@example.jp" for row in range(N)]
    found = scan_columns({"mail": category(mails)}, outcomes())
    answered = accept(found, [answer("mail", "personal", severity="leak")])
    assert [f.severity for f in answered if f.signal == "personal"] == ["suspect"]
    assert not any(f.blocks for f in answered)


# --- the channel -----------------------------------------------------------------------------


def of_channel(if_won: float, if_not: float, *, asks: bool = True) -> LeakScan:
    """The scan of a company where a new channel holds these shares of won and of other leads."""
    world = plain_world(8000, 3.0)
    history, definition = world.training_part(), load_definition()
    won = ~np.isnan(label_history(history, definition, world.cut_off).won_days)
    random = np.random.default_rng(14)
    new = random.random(len(won)) < np.where(won, if_won, if_not)
    fields = history.fields.copy()
    fields["source"] = np.where(new, "by friends", fields["source"])
    if not asks:
        fields["employees"] = np.where(new, None, fields["employees"])
    return scan_history(replace(history, fields=fields), definition, as_of=world.cut_off)


def test_a_channel_with_far_more_wins_than_others_is_only_a_note() -> None:
    scan = of_channel(0.40, 0.03)
    found = by_signal(scan.findings, "source")["purity"]
    assert 0.3 < float(found.evidence["rate"]) < 0.8
    assert found.severity == "note"
    assert "only a note because the channel is set when the lead arrives" in found.what.en
    assert "参考情報" in found.what.ja
    assert scan.blocking == ()


@pytest.mark.parametrize(("if_won", "severity"), [(0.15, "suspect"), (0.6, "leak")])
def test_a_channel_of_which_nearly_all_won_still_blocks(if_won: float, severity: str) -> None:
    found = by_signal(of_channel(if_won, 0.0005).blocking, "source")["purity"]
    assert found.severity == severity
    assert float(found.evidence["rate"]) >= 0.9


def test_a_question_that_a_channel_does_not_ask_is_left_alone() -> None:
    scan = of_channel(0.40, 0.03, asks=False)
    assert by_signal(scan.blocking, "employees") == {}
