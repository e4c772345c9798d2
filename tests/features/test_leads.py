"""Exports become one history, or every reason why they cannot."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.columns import shown
from features.errors import FileUnreadable, LeadsRejected, SourceMapInvalid
from features.leads import read_history
from features.source_map import parse_source_map
from tests.features.exports import (
    DECISIONS,
    LEADS,
    MAP,
    SNAPSHOT_MAP,
    TODAY,
    VISITS,
    packaged_definition,
    read_export,
    with_cell,
    write_export,
)


@pytest.fixture
def history(tmp_path):
    return read_export(write_export(tmp_path))


def test_leads_are_sorted_by_arrival_and_numbered(history):
    assert history.mode == "history"
    assert history.leads["lead_id"].tolist() == ["L2", "L1", "L3", "L4"]
    assert history.leads["arrived_at"].tolist()[:2] == [
        pd.Timestamp("2026-01-04T13:05+09:00"),
        pd.Timestamp("2026-01-05T00:00+09:00"),
    ]
    assert history.leads.index.equals(pd.RangeIndex(4))
    assert history.leads["sequence"].dtype == np.int64


def test_fields_hold_normalised_text_and_none(history):
    by_lead = history.fields.set_index(history.leads["lead_id"])

    assert by_lead.loc["L1", "employees"] == "1,200名"
    assert by_lead.loc["L2", "employees"] == "100~299名"
    assert by_lead.loc["L1", "company"] == "(株)髙島1"
    assert by_lead.loc["L4", "employees"] is None
    assert by_lead.loc["L4", "source"] is None
    assert by_lead.loc["L4", "email"] is None
    assert by_lead.loc["L4", "arrived_at"] == "2026-02-01T09:00:00+09:00"
    assert set(history.fields.dtypes) == {np.dtype(object)}


def test_columns_known_later_stay_apart(history):
    assert list(history.later) == ["visit_count", "ステータス"]
    assert not set(history.later) & set(history.fields)


def test_events_carry_kind_reason_amount_and_actor(history):
    events = history.events.set_index("lead_id")

    assert events.loc["L1", ["kind", "reason", "amount", "actor", "event_id"]].tolist() == [
        "won", None, 1_200_000, "佐藤", "e1",
    ]  # fmt: skip
    assert events.loc["L2", "reason"] == "no_budget"
    assert events.loc["L4", "reason"] == "lost_price"
    assert str(history.events["at"].dtype) == "datetime64[us, UTC]"
    assert history.events["at"].is_monotonic_increasing


def test_behaviours_carry_kind_and_amount(history):
    assert history.behaviours["kind"].tolist() == ["page_view", "webinar", "page_view"]
    assert history.behaviours["amount"].tolist()[1] == 45
    assert str(history.behaviours["at"].dtype) == "datetime64[us, UTC]"


def test_warnings_say_what_was_not_read(history):
    found = {finding.code: finding for finding in history.findings}

    assert set(found) == {"unreadable_email", "field_not_mapped"}
    assert found["unreadable_email"].rows == (5,)
    assert "壊れた" not in str(found["unreadable_email"])
    assert "industry, capital" in found["field_not_mapped"].message


def test_the_cp932_and_the_utf_8_export_give_one_history(tmp_path):
    folders = [tmp_path / name for name in ("utf-8", "utf-8-sig", "cp932")]
    read = []
    for folder in folders:
        folder.mkdir()
        leads = with_cell(LEADS, 3, "従業員数", "100～299名") if folder.name == "cp932" else LEADS
        read.append(read_export(write_export(folder, leads, encoding=folder.name)))

    for other in read[1:]:
        for part in ("leads", "fields", "later", "events", "behaviours"):
            pd.testing.assert_frame_equal(getattr(read[0], part), getattr(other, part))


def test_a_snapshot_takes_row_numbers_as_ids_and_has_no_dates(tmp_path):
    leads = write_export(tmp_path)[:1]

    history = read_export(leads, SNAPSHOT_MAP)

    assert history.mode == "snapshot"
    assert history.leads["lead_id"].tolist() == ["3", "2", "4", "5"]
    assert history.events[["lead_id", "kind", "reason"]].to_numpy().tolist() == [
        ["2", "won", None],
        ["3", "rejected", "no_fit"],
        ["5", "lost", "lost_price"],
    ]
    assert history.events["at"].isna().all()
    assert history.behaviours.empty


def test_a_snapshot_may_be_ordered_by_a_number(tmp_path):
    text = SNAPSHOT_MAP.replace("arrived_at: 登録日時", "order_by: 訪問回数\n  lead_id: リードID")
    leads = [
        [*row[:-1], number]
        for row, number in zip(LEADS, ["訪問回数", "9", "2", "5", "１"], strict=True)
    ]
    paths = write_export(tmp_path, leads)[:1]

    history = read_export(paths, text)

    assert history.leads["lead_id"].tolist() == ["L4", "L2", "L3", "L1"]
    assert history.leads["arrived_at"].isna().all()


def test_a_lead_id_may_be_joined_from_columns(tmp_path):
    text = MAP.replace(
        'file: "leads*"\n  lead_id: リードID', 'file: "leads*"\n  lead_id: [リードID, 登録日時]'
    )
    paths = write_export(tmp_path, with_cell(LEADS, 3, "リードID", "L1"))

    history = read_export(paths, text)

    assert history.leads["lead_id"].tolist()[0] == "L1|令和8年1月4日 13:05"
    assert history.events.empty


def test_a_status_column_with_a_date_gives_events(tmp_path):
    status = SNAPSHOT_MAP.split("  status:\n")[1].replace(
        "    column: ステータス", "    column: ステータス\n    at: 更新日"
    )
    head, _, _ = MAP.partition("events:")
    text = head.replace("  later: [ステータス]\n", "  status:\n") + status
    dates = ["更新日", "2026/3/1", "2026/2/1", "", "2026/4/1"]
    paths = write_export(tmp_path, [[*row, day] for row, day in zip(LEADS, dates, strict=True)])[:1]

    history = read_export(paths, text)

    assert history.events["kind"].tolist() == ["rejected", "won", "lost"]
    assert history.events["at"].iloc[0] == pd.Timestamp("2026-02-01T00:00+09:00")


def test_a_status_may_have_its_reason_in_another_column(tmp_path):
    text = SNAPSHOT_MAP.replace("{event: rejected, reason: no_fit}", "rejected") + (
        "    reason: {column: 役職, values: {担当: no_need}}\n"
    )
    history = read_export(write_export(tmp_path)[:1], text)

    assert history.events["reason"].tolist() == [None, "no_need", "lost_price"]


def test_statuses_may_be_dropped_and_are_counted(tmp_path):
    text = SNAPSHOT_MAP.replace("対応中: open", "対応中: drop")

    history = read_export(write_export(tmp_path)[:1], text)

    assert len(history.leads) == 3
    (dropped,) = [one for one in history.findings if one.code == "dropped_status"]
    assert (dropped.rows, dropped.n_rows) == ((4,), 1)
    assert "'対応中'" in dropped.message


def test_events_of_unknown_leads_are_left_out_and_counted(tmp_path):
    paths = write_export(
        tmp_path, decisions=[*DECISIONS, ["L9", "2026/3/1", "受注", "", "", "", ""]]
    )

    history = read_export(paths)

    assert "L9" not in set(history.events["lead_id"])
    (finding,) = [one for one in history.findings if one.code == "unknown_lead"]
    assert finding.n_rows == 1
    assert "L9" not in str(finding)


def test_an_event_a_little_before_arrival_is_moved_to_it(tmp_path):
    paths = write_export(tmp_path, decisions=with_cell(DECISIONS, 3, "日時", "2026/1/2"))

    history = read_export(paths)

    at = history.events.set_index("lead_id").loc["L2", "at"]
    assert at == pd.Timestamp("2026-01-04T13:05+09:00")
    assert "event_before_arrival" in {finding.code for finding in history.findings}


def test_an_event_id_that_comes_twice_counts_once(tmp_path):
    paths = write_export(tmp_path, decisions=[*DECISIONS, DECISIONS[1]])

    history = read_export(paths)

    assert history.events["event_id"].tolist().count("e1") == 1
    assert "repeated_event_id" in {finding.code for finding in history.findings}


def test_a_retracted_event_names_what_it_takes_back(tmp_path):
    row = ["L1", "2026/3/2", "取消", "ｅ1", "", "", "e9"]

    history = read_export(write_export(tmp_path, decisions=[*DECISIONS, row]))

    taken_back = history.events.set_index("event_id").loc["e9"]
    assert (taken_back["kind"], taken_back["reason"]) == ("retracted", "e1")


def test_an_open_decision_is_no_event(tmp_path):
    row = ["L3", "2026/3/2", "保留", "", "", "", ""]

    history = read_export(write_export(tmp_path, decisions=[*DECISIONS, row]))

    assert "L3" not in set(history.events["lead_id"])


def test_a_blank_reason_gets_its_code_and_a_warning(tmp_path):
    paths = write_export(tmp_path, decisions=with_cell(DECISIONS, 3, "理由", ""))

    history = read_export(paths)

    assert history.events.set_index("lead_id").loc["L2", "reason"] == "no_reason"
    (finding,) = [one for one in history.findings if one.code == "blank_reason"]
    assert "rejected without a reason; counted as 'no_reason'" in finding.message


def test_a_constant_reason_fills_what_is_blank(tmp_path):
    text = MAP.replace("reason: {column: 理由}", "reason: {constant: lost_price}").replace(
        "却下: rejected, ", ""
    )
    decisions = [row for row in DECISIONS if row[2] != "却下"]

    history = read_export(write_export(tmp_path, decisions=decisions), text)

    assert history.events.set_index("lead_id").loc["L4", "reason"] == "lost_price"


def test_unlisted_behaviour_is_left_out_with_a_warning(tmp_path):
    visits = [*VISITS, ["L3", "2026/2/2", "電話", ""], ["L3", "2026/2/2", "退会", ""]]

    history = read_export(write_export(tmp_path, visits=visits))

    assert len(history.behaviours) == 3
    (finding,) = [one for one in history.findings if one.code == "unlisted_behaviour"]
    assert "'電話'" in finding.message


def test_a_behaviour_table_may_be_of_one_kind(tmp_path):
    kind = "{column: 行動, values: {閲覧: page_view, セミナー: webinar, 退会: drop}}"

    history = read_export(write_export(tmp_path), MAP.replace(kind, "{constant: page_view}"))

    assert history.behaviours["kind"].tolist() == ["page_view"] * 3


def test_an_unreadable_amount_is_missing_with_a_warning(tmp_path):
    paths = write_export(tmp_path, decisions=with_cell(DECISIONS, 2, "金額", "たくさん"))

    history = read_export(paths)

    assert history.events["amount"].isna().all()
    assert "unreadable_number" in {finding.code for finding in history.findings}


def test_good_rows_are_used_when_the_user_says_so(tmp_path):
    leads = with_cell(with_cell(LEADS, 3, "登録日時", "昨日"), 4, "リードID", "L1")
    paths = write_export(tmp_path, leads)

    with pytest.raises(LeadsRejected, match=r"2 error\(s\); nothing was used"):
        read_export(paths)
    history = read_export(paths, use_good_rows=True)

    assert history.leads["lead_id"].tolist() == ["L1", "L4"]
    assert set(history.events["lead_id"]) == {"L1", "L4"}
    found = {finding.code: finding for finding in history.findings}
    assert {"unreadable_time", "duplicate_lead_id", "lead_left_out"} <= set(found)
    assert "These rows are left out." in found["unreadable_time"].message
    assert all(finding.severity == "warning" for finding in history.findings)


def test_a_missing_column_stops_even_when_good_rows_would_do(tmp_path):
    paths = write_export(tmp_path, [row[:-1] for row in LEADS])

    with pytest.raises(LeadsRejected, match="has no column '訪問回数'"):
        read_export(paths, use_good_rows=True)


def test_every_finding_comes_at_once(tmp_path):
    leads = with_cell(with_cell(LEADS, 3, "登録日時", "昨日"), 4, "リードID", "")
    decisions = with_cell(with_cell(DECISIONS, 2, "区分", "成約"), 3, "理由", "相性")

    with pytest.raises(LeadsRejected, match="nothing was used") as caught:
        read_export(write_export(tmp_path, leads, decisions))

    codes = [finding.code for finding in caught.value.findings if finding.severity == "error"]
    assert codes == ["blank_lead_id", "unreadable_time", "unknown_kind", "unknown_reason"]
    assert caught.value.findings[-1].severity == "warning"


def test_addresses_in_an_ordinary_field_are_pointed_out(tmp_path):
    leads = [LEADS[0], *([f"L{k}", "2026/1/1", f"p{k}@example.jp"] + [""] * 6 for k in range(12))]

    history = read_export(write_export(tmp_path, leads))

    (finding,) = [one for one in history.findings if one.code == "looks_personal"]
    assert finding.column == "流入元"
    assert "example.jp" not in str(finding)


def test_a_column_that_is_all_blank_is_pointed_out(tmp_path):
    leads = [LEADS[0], *([*row[:5], "", *row[6:]] for row in LEADS[1:])]

    history = read_export(write_export(tmp_path, leads))

    (finding,) = [one for one in history.findings if one.code == "field_blank"]
    assert "company" in finding.message


def test_columns_that_no_one_asked_for_are_listed(tmp_path):
    leads = [[*row, "x"] for row in LEADS]

    history = read_export(write_export(tmp_path, leads))

    (finding,) = [one for one in history.findings if one.code == "column_not_mapped"]
    assert "x" in finding.message


def test_a_file_that_no_table_reads_is_pointed_out(tmp_path):
    extra = tmp_path / "notes.csv"
    extra.write_text("a\n1\n", "utf-8")

    history = read_export([*write_export(tmp_path), extra])

    assert "notes.csv" in next(f.message for f in history.findings if f.code == "file_not_used")


def test_a_decomposed_japanese_file_name_fits_its_pattern(tmp_path):
    paths = write_export(tmp_path)
    paths[0] = paths[0].rename(tmp_path / unicodedata.normalize("NFD", "リード一覧データ.csv"))

    history = read_export(paths, MAP.replace('"leads*"', '"*リード一覧データ*"'))

    assert len(history.leads) == 4


def test_the_lead_file_is_what_no_other_table_claims(tmp_path):
    history = read_export(write_export(tmp_path), MAP.replace('  file: "leads*"\n', ""))

    assert len(history.leads) == 4


def test_tables_take_the_lead_tables_blanks_unless_they_have_their_own(tmp_path):
    decisions = with_cell(DECISIONS, 2, "金額", "不明")

    assert not any(
        finding.code == "unreadable_number"
        for finding in read_export(write_export(tmp_path, decisions=decisions)).findings
    )
    own = MAP.replace("    amount: 金額", "    blanks: [なし]\n    amount: 金額")
    assert any(
        finding.code == "unreadable_number"
        for finding in read_export(write_export(tmp_path, decisions=decisions), own).findings
    )


def test_every_unreadable_file_is_named_at_once(tmp_path):
    paths = write_export(tmp_path)
    paths[0].write_bytes(b"")
    paths[1].unlink()

    with pytest.raises(
        FileUnreadable, match=r"(?s)leads\.csv is empty.*decisions\.csv cannot be op"
    ):
        read_export(paths)


def test_a_map_for_another_definition_is_refused_before_any_file_is_read():
    text = MAP.replace("source: 流入元", "sauce: 流入元")

    with pytest.raises(SourceMapInvalid, match="names sauce"):
        read_export([], text)


def test_today_is_the_present_day_unless_given(tmp_path):
    history = read_history(
        write_export(tmp_path), packaged_definition(), parse_source_map(MAP), today=None
    )

    assert len(history.leads) == 4


def test_shown_values_are_short_and_without_numbers_or_addresses():
    text = shown(["a@b.jp に返信", "03-1234-5678", "x" * 90])

    assert "a@b.jp" not in text
    assert "1234" not in text
    assert len(text) < 90


@settings(max_examples=20)
@given(
    days=st.lists(st.dates(date(1991, 1, 1), TODAY), min_size=1, max_size=20),
    form=st.sampled_from(["%Y/%m/%d", "%Y年%m月%d日", "%Y%m%d", "%Y-%m-%d"]),
)
def test_leads_come_in_the_order_of_their_days_whatever_the_form(tmp_path_factory, days, form):
    leads = [LEADS[0], *([f"L{k}", day.strftime(form)] + ["x"] * 7 for k, day in enumerate(days))]
    folder = tmp_path_factory.mktemp("days")

    history = read_export(write_export(folder, leads), use_good_rows=True)

    read = [
        moment.astimezone(packaged_definition().zone).date()
        for moment in history.leads["arrived_at"]
    ]
    assert read == sorted(days)
    expected = sorted(range(len(days)), key=lambda k: (days[k], k))
    assert history.leads["lead_id"].tolist() == [f"L{k}" for k in expected]


def test_times_are_kept_in_utc_to_the_microsecond(history):
    assert str(history.leads["arrived_at"].dtype) == "datetime64[us, UTC]"
    assert history.leads["arrived_at"].iloc[0].to_pydatetime() == datetime(
        2026, 1, 4, 4, 5, tzinfo=UTC
    )
